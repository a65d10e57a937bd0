"""Decisions on made-up inputs: a universe with everything known and free, to be varied by a test."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import numpy as np

from funding_pipeline.core.risk_limits import RiskLimits
from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.portfolio.costs import LegCosts
from funding_pipeline.portfolio.legs import Leg, LegInputs, Universe
from funding_pipeline.portfolio.plan import PortfolioPlan
from funding_pipeline.portfolio.planning import plan_portfolio
from funding_pipeline.portfolio.problem import PortfolioProblem

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
        impact_per_root_usd=np.full(n, impact),
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
        frozen=np.zeros(n, dtype=bool),
        rate_path=np.broadcast_to(np.asarray(rate, dtype=float), (3, n)).copy(),
        stage_lengths=(24.0, 48.0, 96.0),
        hours_to_settlement=np.full(n, 8.0),
        settlement_interval_hours=np.full(n, 8.0),
        depth_usd=np.full(n, np.nan),
        open_interest_usd=np.full(n, np.nan),
        daily_volume_usd=np.full(n, np.nan),
        maintenance_fraction=np.full(n, 0.01),
        venue_basis_sd=np.zeros(len(universe.venues)),
    )
    return replace(plain, **changes)


def wide_limits(**changes: float) -> RiskLimits:
    """Limits of the governance that never bind."""
    amounts = [name for name in RiskLimits.model_fields if name.startswith("max_") and name.endswith("_usd")]
    wide: dict[str, float] = dict.fromkeys(amounts, 1e9)
    wide |= {"max_margin_fraction": 1.0, "survival_move_fraction": 0.0, "collateral_haircut_fraction": 0.0}
    return RiskLimits(**(wide | changes))


def loose(**changes: Any) -> PortfolioConfig:
    """No risk aversion, no smallest trade, a free venue beta; a position has to earn one round trip."""
    values: dict[str, Any] = {
        "capital_usd": 1_000_000.0,
        "gross_leverage": 1.0,
        "leg_cap_fraction": 0.30,
        "thin_leg_cap_fraction": 0.02,
        "risk_aversion": 0.0,
        "uncertainty_aversion": 0.0,
        "min_trade_fraction": 0.0,
        "no_trade_multiple": 1.0,
        "closing_fraction": 0.0,
        "venue_beta_band_fraction": 10.0,
        "currency_band_fraction": 10.0,
        "max_scenario_cvar_fraction": 10.0,
        "expected_hold_hours": 240.0,
        "risk_limits": wide_limits(),
    }
    return PortfolioConfig(**(values | changes))


@lru_cache(maxsize=64)
def problem_of(universe: Universe, *, stages: int = 3) -> PortfolioProblem:
    """The compiled problem, kept for all tests."""
    return PortfolioProblem(universe, stages=stages)


def plan_of(
    inputs: LegInputs,
    *,
    universe: Universe,
    held_usd: Any = 0.0,
    costs: LegCosts | None = None,
    config: PortfolioConfig | None = None,
    **rest: Any,
) -> PortfolioPlan:
    """The plan from `held_usd` per leg, with `costs_of` and `loose` unless others are given."""
    return plan_portfolio(
        inputs=inputs,
        quantities=np.broadcast_to(np.asarray(held_usd, dtype=float), (len(universe),)) / inputs.price,
        problem=problem_of(universe, stages=len(inputs.stage_lengths)),
        universe=universe,
        costs=costs or costs_of(universe),
        config=config or loose(),
        **rest,
    )
