"""From one look, the limits and the memory of earlier looks to findings in order of urgency. Pure.

What lives here: putting the checks together, and how long something must have lasted. What does not: the
checks (`trust`, `marks`, `hedging`, `solvency`), reading (`looking`), acting (`guard`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from funding_pipeline.core.risk_limits import RiskLimits
from funding_pipeline.execution.exposure import exposure
from funding_pipeline.guard import hedging, marks, sizes, solvency, trust
from funding_pipeline.guard.config import GuardConfig
from funding_pipeline.guard.findings import Finding, GuardAction, Symptom
from funding_pipeline.guard.seen import Seen

_URGENCY: Mapping[GuardAction, int] = {"HALTED": 0, "shed": 1, "REDUCING": 2, "none": 3}
_SEVERITY = {"critical": 0, "warning": 1, "info": 2}


@dataclass(frozen=True)
class Lasting:
    """Since when something is seen in every look, and in how many."""

    since: datetime
    looks: int


@dataclass(frozen=True)
class Assessment:
    """Findings in order of urgency, and what to remember for the next look."""

    findings: tuple[Finding, ...]
    memory: Mapping[str, Lasting] = field(default_factory=dict)


def assess(
    seen: Seen, *, limits: RiskLimits, config: GuardConfig, memory: Mapping[str, Lasting]
) -> Assessment:
    """What is to be said and done. `config` in the venues' seconds; `memory`: of the look before."""
    symptoms = list(_symptoms(seen, limits, config))
    lasting = {s.key: _longer(memory.get(s.key), seen.at) for s in symptoms}
    found = (_finding(symptom, lasting[symptom.key], seen) for symptom in symptoms)
    told = (finding for finding in found if finding is not None)
    return Assessment(tuple(sorted(told, key=_order)), lasting)


def _symptoms(seen: Seen, limits: RiskLimits, config: GuardConfig) -> Iterator[Symptom]:
    yield from trust.state(seen)
    yield from trust.journal(seen, config)
    yield from trust.clocks(seen, config)
    yield from trust.orders(seen, config)
    yield from trust.venues(seen, config)
    yield from trust.positions(seen, config)
    yield from trust.unlisted(seen, config)
    yield from trust.modes(seen, config)
    told = seen.book()
    instead = marks.unbelievable(told, seen.market, bound=config.mark_bound_fraction)
    yield from marks.symptoms(told, instead, looks=config.confirming_looks)
    yield from _of_the_book(seen, limits, config, instead=instead)


def _of_the_book(
    seen: Seen, limits: RiskLimits, config: GuardConfig, *, instead: marks.Replaced
) -> Iterator[Symptom]:
    """Checks of what is held, at marks that are believed."""
    book = marks.believed(seen.book(), instead)
    view = exposure(
        book,
        market=seen.market,
        haircut_fraction=limits.collateral_haircut_fraction,
        move_fraction=limits.survival_move_fraction,
    )
    answered, distrusted = set(seen.books), frozenset(venue for venue, _ in instead)
    yield from hedging.naked(seen, view, limits, config)
    yield from solvency.margin(view, limits, config, distrusted=distrusted, answered=answered)
    yield from solvency.survival(view, limits, config, distrusted=distrusted, answered=answered)
    if not seen.down:  # equity of yesterday's word would be no loss
        yield from solvency.losses(book, limits, config, is_believed=not instead)
    yield from sizes.sizes(view, limits, config, betas=seen.betas)
    yield from solvency.warnings(view, limits, config, betas=seen.betas)


def _longer(before: Lasting | None, at: datetime) -> Lasting:
    return Lasting(at, 1) if before is None else Lasting(before.since, before.looks + 1)


def _finding(symptom: Symptom, lasting: Lasting, seen: Seen) -> Finding | None:
    """The symptom with its full weight once it has lasted; before that only as early as it says."""
    has_lasted = (seen.at - lasting.since).total_seconds() >= symptom.after_seconds
    is_due = has_lasted and lasting.looks >= symptom.looks
    severity = symptom.severity if is_due else symptom.early
    if severity is None:
        return None
    return Finding(
        key=symptom.key,
        severity=severity,
        title=symptom.title,
        action=symptom.action if is_due and not _is_accepted(symptom, lasting, seen) else "none",
        advice=symptom.advice,
        since=lasting.since,
        numbers=symptom.numbers,
        bases=symptom.bases,
        limits=symptom.limits,
    )


def _is_accepted(symptom: Symptom, lasting: Lasting, seen: Seen) -> bool:
    """A position that a person has seen, and resumed with: the person's word goes before the guard's."""
    state = seen.state
    if state is None or state.state != "ACTIVE" or not state.by.startswith("person"):
        return False
    return symptom.key.startswith("unexplained") and state.since > lasting.since


def _order(finding: Finding) -> tuple[int, int, str]:
    return _URGENCY[finding.action], _SEVERITY[finding.severity], finding.key
