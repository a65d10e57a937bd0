"""The risk verdict: what of a plan may be held, leg by leg, with the reasons and the numbers. Pure.

What lives here: putting the checks together into one RiskVerdict. What does not: the checks (`checks`,
`caps`, `market_gate`, `neutrality`), keeping the verdict (`storage.journal`), sending orders (`trading`).

What holds of every verdict that is not HALTED: each allowed quantity lies between zero and its target; in
REDUCING between zero and what is held too; the legs of a base are cut together, by one number, to the
coarser step; every limit holds for the book that results, or the part of it that is not frozen. A base of
which something held is not known is *frozen*, and in HALTED all are: refused, `allowed` is what is held,
and nothing is to be sent for it.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from funding_pipeline.core.errors import GovernanceError
from funding_pipeline.core.governance import (
    LegDecision,
    LegVerdict,
    LimitBreach,
    RiskVerdict,
    TargetPosition,
    TradingState,
)
from funding_pipeline.core.risk_limits import RiskLimits
from funding_pipeline.execution import caps, checks, margin_caps, market_gate, neutrality
from funding_pipeline.execution.book import BookState
from funding_pipeline.execution.findings import Case, Finding, Stage, parts
from funding_pipeline.execution.judged_base import KEPT, WHOLE, JudgedBase, JudgedLeg, judged_bases
from funding_pipeline.execution.market_facts import MarketFacts
from funding_pipeline.execution.neutrality import Positions, Row, Shares

Check = Callable[[Case], Iterator[Finding]]
_CHECKS: tuple[Check, ...] = (
    checks.state,
    checks.data_age,
    checks.model_age,
    market_gate.whole_market,
    market_gate.instruments,
    checks.missing_facts,
    caps.instrument,
    caps.participation,
    caps.base_size,
    caps.totals,
    checks.collateral,
    margin_caps.margin,
    checks.adl_rank,
    margin_caps.survival,
    checks.turnover,
    checks.loss,
)
_INSIDE = 1 - 1e-6
_OF_LIMIT = (1.0, 1.0, _INSIDE, _INSIDE, 0.99, 0.95, 0.85, 0.6, 0.3)
"""Shares of the netting limits that are tried in turn: exactly, then inside by more than the solver's error,
fitted to what rounding left, then with more and more room for rounding."""


def judge(
    targets: Sequence[TargetPosition],
    book: BookState,
    *,
    market: MarketFacts,
    limits: RiskLimits,
    state: TradingState,
    rebalance: str,
    judged_at: datetime,
    verdict_id: str | None = None,
) -> RiskVerdict:
    """What of `targets` may be held on top of `book`. Positions outside the plan are judged as to be held.

    Raises GovernanceError where a leg is planned twice. The id, where none is given, is a function of the
    arguments that decide.
    """
    _refuse_twice(targets)
    bases = judged_bases(targets, book=book, market=market, halted=state == "HALTED")
    case = Case(bases, book, market, limits, state, judged_at)
    findings = [finding for check in _CHECKS for finding in check(case)]
    positions, netting = _netted(case, parts(case, findings))
    findings = sorted([*findings, *netting], key=lambda finding: finding.stage)
    return RiskVerdict(
        verdict_id=verdict_id or _identity(targets, rebalance, judged_at, limits, state),
        rebalance=rebalance,
        judged_at=judged_at,
        expires_at=judged_at + timedelta(seconds=limits.verdict_valid_seconds),
        state=state,
        limits_version=limits.version,
        legs=tuple(leg for base in bases for leg in _legs(base, positions[base.base], findings)),
        breaches=_breaches(findings),
    )


def _netted(case: Case, caps_allow: dict[str, Fraction]) -> tuple[Positions, list[Finding]]:
    """Positions that keep the netting limits too, and what had to be found for it."""
    most: Shares = {
        base: (min(part, KEPT), max(part - KEPT, Fraction(0))) for base, part in caps_allow.items()
    }
    rows = neutrality.rows(case)
    capped = _positions(case.bases, most)
    broken = [row for row in rows if not row.is_kept(capped)]
    if not broken:
        return capped, []
    chosen = capped
    for of_limit in _OF_LIMIT:
        shares = neutrality.largest_shares(case.bases, rows, most, of_limit=of_limit)
        chosen = _positions(case.bases, shares)
        if all(row.is_kept(chosen) for row in rows):
            break
        most = {base.base: base.shares(chosen[base.base]) for base in case.bases}
    chosen = _without_offenders(case.bases, chosen, rows)
    return chosen, _netting_findings(case, broken, rows, capped, chosen)


def _positions(bases: Sequence[JudgedBase], shares: Shares) -> Positions:
    return {base.base: base.positions(*shares[base.base]) for base in bases}


def _without_offenders(bases: Sequence[JudgedBase], positions: Positions, rows: Sequence[Row]) -> Positions:
    """Where rounding to steps still breaks a net: close the base that adds most to it, and look again."""
    left = dict(positions)
    for _ in range(len(bases) + 1):
        broken = next((row for row in rows if not row.is_kept(left)), None)
        if broken is None:
            break
        sign = 1 if broken.net(left) > 0 else -1
        worst = max(broken.weights, key=lambda base: sign * broken.part(base, left[base]))
        left[worst] = tuple(Decimal(0) for _ in left[worst])
    return left


def _netting_findings(
    case: Case, broken: Sequence[Row], rows: Sequence[Row], capped: Positions, chosen: Positions
) -> list[Finding]:
    """Each broken row with its value before the cut; bases cut for balance alone name what they balance."""
    cut = frozenset(base.base for base in case.bases if capped[base.base] != chosen[base.base])
    found = []
    for row in broken:
        breach = row.breach(capped)
        concerned = cut & frozenset(row.weights)
        found.append(Finding(row.stage, concerned, WHOLE, breach.text(), breach))
    said = frozenset(base for finding in found for base in finding.bases)
    for base in sorted(cut - said):
        names = ", ".join(sorted({f"{row.name} of {row.subject}" for row in rows if base in row.weights}))
        found.append(Finding(Stage.DELTA, frozenset({base}), WHOLE, f"cut to keep {names}"))
    return found


def _legs(base: JudgedBase, allowed: Sequence[Decimal], findings: Sequence[Finding]) -> Iterator[LegVerdict]:
    reasons = tuple(dict.fromkeys(finding.text for finding in findings if base.base in finding.bases))
    for leg, quantity in zip(base.legs, allowed, strict=True):
        decision = _decision(base, leg, quantity)
        if decision == "pass":
            yield LegVerdict(leg.target, "pass", quantity)
        else:
            said = (base.frozen,) if base.frozen else reasons
            yield LegVerdict(leg.target, decision, quantity, said or ("cut with the other legs of its base",))


def _decision(base: JudgedBase, leg: JudgedLeg, allowed: Decimal) -> LegDecision:
    """refuse: nothing is to be done. A target that is what is held passes, also beside a refusal."""
    if base.frozen:
        return "refuse"
    if allowed == leg.target.quantity:
        return "pass"
    return "refuse" if allowed == leg.held else "cut"


def _breaches(findings: Sequence[Finding]) -> tuple[LimitBreach, ...]:
    """Each once, in the order of the stages."""
    return tuple(dict.fromkeys(finding.breach for finding in findings if finding.breach is not None))


def _refuse_twice(targets: Sequence[TargetPosition]) -> None:
    seen: set[tuple[str, str]] = set()
    for target in targets:
        key = (target.venue, target.symbol)
        if key in seen:
            raise GovernanceError(f"{target.leg} is planned twice")
        seen.add(key)


def _identity(
    targets: Sequence[TargetPosition],
    rebalance: str,
    judged_at: datetime,
    limits: RiskLimits,
    state: TradingState,
) -> str:
    legs = sorted(f"{target.leg} {target.quantity}" for target in targets)
    text = "\x1f".join((rebalance, judged_at.isoformat(), limits.version, state, *legs))
    return hashlib.sha256(text.encode()).hexdigest()[:24]
