"""Limits of size and beta that prices, not orders, may break; told first, reduced after some patience.

What lives here: these checks. What does not: margin and losses (`solvency`), hedges (`hedging`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from funding_pipeline.core.risk_limits import RiskLimits
from funding_pipeline.execution.exposure import Exposure, LegExposure
from funding_pipeline.guard.config import GuardConfig
from funding_pipeline.guard.findings import Symptom

ALERTING_BETA = 1.0
"""Taken for a base whose beta is not known, for alerts alone; the base is named."""


@dataclass(frozen=True)
class _Measure:
    """A size and its limit. `usd` None: not known."""

    limit_name: str
    subject: str
    usd: float | None
    bases: frozenset[str]


def sizes(
    view: Exposure, limits: RiskLimits, config: GuardConfig, *, betas: Mapping[str, float]
) -> Iterator[Symptom]:
    """What is beyond its limit. Venue beta is not reduced where a beta is only assumed."""
    for found in _measures(view, betas):
        most = float(getattr(limits, found.limit_name))
        if found.usd is not None and found.usd > most:
            is_assumed = found.limit_name == "max_venue_beta_usd" and not found.bases <= set(betas)
            yield _symptom(found, most, config, is_assumed=is_assumed)


def _measures(view: Exposure, betas: Mapping[str, float]) -> Iterator[_Measure]:
    everything = frozenset(leg.base for leg in view.legs)
    yield _Measure("max_gross_notional_usd", "portfolio", _size(view.gross_usd), everything)
    yield _Measure("max_portfolio_delta_usd", "portfolio", _size(view.portfolio_delta_usd), everything)
    for name, venue in sorted(view.venues.items()):
        legs = [leg for leg in view.legs if leg.venue == name]
        on_venue = frozenset(leg.base for leg in legs)
        yield _Measure("max_venue_notional_usd", name, _size(venue.gross_usd), on_venue)
        yield _Measure("max_venue_beta_usd", name, _beta_usd(legs, betas), on_venue)
    for base in sorted(everything):
        size = _sum_of_sizes([leg for leg in view.legs if leg.base == base])
        yield _Measure("max_base_notional_usd", base, size, frozenset({base}))
    for leg in view.legs:
        size, subject = _size(leg.notional_usd), f"{leg.venue} {leg.symbol}"
        yield _Measure("max_instrument_notional_usd", subject, size, frozenset({leg.base}))


def _symptom(found: _Measure, most: float, config: GuardConfig, *, is_assumed: bool) -> Symptom:
    patience = "run a rebalance; the guard reduces what stays beyond its limit for long"
    return Symptom(
        key=f"{found.limit_name} {found.subject}",
        severity="warning",
        title=f"{found.limit_name} of {found.subject}: {found.usd:,.0f} USD, limit {most:,.0f}",
        advice="run a rebalance; betas are not known, so the guard reduces nothing"
        if is_assumed
        else patience,
        action="none" if is_assumed else "shed",
        after_seconds=config.soft_patience_seconds,
        looks=config.confirming_looks,
        early="warning",
        bases=found.bases,
        limits=frozenset({found.limit_name}),
        numbers={"value_usd": round(found.usd or 0.0, 2), "limit_usd": most},
    )


def _size(value: Decimal | None) -> float | None:
    return None if value is None else abs(float(value))


def _sum_of_sizes(legs: Sequence[LegExposure]) -> float | None:
    known = [abs(float(leg.notional_usd)) for leg in legs if leg.notional_usd is not None]
    return sum(known) if len(known) == len(legs) else None


def _beta_usd(legs: Sequence[LegExposure], betas: Mapping[str, float]) -> float | None:
    """|sum of beta x notional| on one venue."""
    if any(leg.notional_usd is None for leg in legs):
        return None
    return abs(sum(float(leg.notional_usd or 0) * betas.get(leg.base, ALERTING_BETA) for leg in legs))
