"""Decisions on made-up inputs: a universe with everything known and free, to be varied by a test."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.portfolio.costs import LegCosts
from funding_pipeline.portfolio.legs import Leg, LegInputs, Universe

AS_OF = datetime(2024, 3, 1, tzinfo=UTC)
YEAR = 24 * 365


def universe_of(venues: str, bases: tuple[str, ...]) -> Universe:
    """One linear leg per venue (a letter each) and base."""
    return Universe.of([Leg(venue, f"{base}/USDT:USDT", base) for venue in venues for base in bases])


def costs_of(universe: Universe, *, cost: float = 5e-4, impact: float = 0.0) -> LegCosts:
    """`cost` as fee, no spread, no thin leg."""
    n = len(universe)
    return LegCosts(
        fee=np.full(n, cost),
        half_spread=np.zeros(n),
        impact_per_usd=np.full(n, impact),
        thin=np.zeros(n, dtype=bool),
    )


def inputs_of(universe: Universe, *, rate: Any, **changes: Any) -> LegInputs:
    """Everything known: price 100, beta 1, no basis risk; `rate` per hour."""
    n = len(universe)
    plain = LegInputs(
        as_of=AS_OF,
        price=np.full(n, 100.0),
        reference_price=np.full(n, 100.0),
        may_increase=np.ones(n, dtype=bool),
        must_close=np.zeros(n, dtype=bool),
        note=("",) * n,
        rate_per_hour=np.broadcast_to(np.asarray(rate, dtype=float), (n,)).copy(),
        rate_sd=np.zeros(n),
        beta=np.ones(n),
        basis_sd=np.zeros(n),
        price_sd_per_decision=np.full(n, 0.015),
        venue_open=np.ones(len(universe.venues), dtype=bool),
    )
    return replace(plain, **changes)


def loose(**changes: Any) -> PortfolioConfig:
    """A configuration with no risk aversion, no smallest trade and a free venue beta."""
    values: dict[str, Any] = {
        "risk_aversion": 0.0,
        "min_trade_fraction": 0.0,
        "venue_beta_band_fraction": 10.0,
        "expected_hold_hours": 240.0,
    }
    return PortfolioConfig(**(values | changes))
