"""Which variants of a back-test the studies run: bands, costs, capital, and settings to choose among.

What lives here: configurations. What does not: running them (`studies`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import get_args

from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.portfolio.cost_scenarios import CostScenario

STUDY_HOURS = 72
REFERENCE = "reference"
BAND, COSTS, CAPACITY, SETTINGS = "band", "costs", "capacity", "settings"
BANDS: Mapping[str, float | None] = {"open": None, "30%": 0.30, "10%": 0.10, "closed": 0.001}
"""Closed is a thousandth of a venue's budget: a solver works longest at a band without an inside."""
CAPITALS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
HOLDS, AVERSIONS = (0.75, 1.0, 1.5), (1 / 3, 1.0)
_NO_BAND = 10.0  # of a venue's budget: more than any book with betas below ten can reach


@dataclass(frozen=True)
class Variant:
    """One run of a study; `value` as in RUNS_SCHEMA of `studies`."""

    study: str
    name: str
    value: float | None
    portfolio: PortfolioConfig


def variants(portfolio: PortfolioConfig) -> Iterator[Variant]:
    """Every run, the reference first; the reference itself is not run again inside a study."""
    yield Variant(REFERENCE, REFERENCE, None, portfolio)
    for name, band in BANDS.items():
        if band != portfolio.venue_beta_band_fraction:
            yield Variant(BAND, name, band, _with_band(portfolio, band))
    for scenario in get_args(CostScenario):
        if scenario != portfolio.cost_scenario:
            yield Variant(COSTS, scenario, None, portfolio.model_copy(update={"cost_scenario": scenario}))
    for times in CAPITALS:
        if times != 1:
            yield Variant(CAPACITY, f"{times:g}", times, at_capital(portfolio, times))
    for hold in HOLDS:
        for aversion in AVERSIONS:
            if (hold, aversion) != (1, 1):
                changed = {
                    "expected_hold_hours": portfolio.expected_hold_hours * hold,
                    "risk_aversion": portfolio.risk_aversion * aversion,
                }
                name = f"hold x {hold:g}, aversion x {aversion:.2g}"
                yield Variant(SETTINGS, name, None, portfolio.model_copy(update=changed))


def at_capital(config: PortfolioConfig, times: float) -> PortfolioConfig:
    """The same with `times` the capital, and every limit in USD in proportion; markets do not grow along.

    Depth, open interest, traded volume and impact are the market's: they bind more as capital grows.
    """
    limits = config.risk_limits
    if limits is not None:
        amounts = {name: getattr(limits, name) * times for name in type(limits).model_fields
                   if name.endswith("_usd")}  # fmt: skip
        limits = limits.model_copy(update=amounts)
    return config.model_copy(update={"capital_usd": config.capital_usd * times, "risk_limits": limits})


def _with_band(config: PortfolioConfig, band: float | None) -> PortfolioConfig:
    """Another band; the governance's own limit on a venue's beta is lifted, or it would be the band."""
    lifted = config.governance.model_copy(update={"max_venue_beta_usd": _NO_BAND * config.gross_cap_usd})
    fraction = _NO_BAND if band is None else band
    return config.model_copy(update={"venue_beta_band_fraction": fraction, "risk_limits": lifted})


def own_band(config: PortfolioConfig) -> str:
    """Name of the configured band."""
    own = config.venue_beta_band_fraction
    return next((name for name, band in BANDS.items() if band == own), f"{own:.0%}")
