"""Random decisions, ordinary and absurd: what the planning campaign is made of.

What lives here: decisions drawn from a seed. What does not: the universes that they are about
(`random_universes`), and what a plan has to keep (`plan_faults`).
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from funding_pipeline.core.risk_limits import RiskLimits
from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.portfolio.costs import LegCosts
from funding_pipeline.portfolio.legs import Bools, Floats, LegInputs
from funding_pipeline.portfolio.plan import PortfolioPlan
from funding_pipeline.portfolio.planning import plan_portfolio
from funding_pipeline_tests.portfolio.random_universes import RandomUniverse

AS_OF = datetime(2024, 3, 1, tzinfo=UTC)
_LENGTHS = {2: (24.0, 144.0), 3: (24.0, 48.0, 96.0)}
Draws = np.random.Generator


@dataclass(frozen=True)
class RandomDecision:
    """Everything that `plan_portfolio` is given."""

    seed: int
    market: RandomUniverse
    inputs: LegInputs
    quantities: Floats
    costs: LegCosts
    config: PortfolioConfig
    rest: dict[str, Any] = field(default_factory=dict)

    def plan(self) -> PortfolioPlan:
        """The decision made."""
        return plan_portfolio(
            inputs=self.inputs,
            quantities=self.quantities,
            problem=self.market.problem,
            universe=self.market.universe,
            costs=self.costs,
            config=self.config,
            **self.rest,
        )


def random_decision(seed: int, market: RandomUniverse) -> RandomDecision:
    """A decision on `market`, deterministic for its seed."""
    rng = np.random.default_rng([seed, 2])
    config = _config(rng)
    inputs = _inputs(rng, market, capital_usd=config.capital_usd)
    costs = _costs(rng, len(market.universe))
    venues = len(market.universe.venues)
    even = config.capital_usd / venues
    rest: dict[str, Any] = {}
    if rng.random() < 0.6:
        times = np.where(rng.random(venues) < 0.15, 0.0, rng.uniform(0.2, 2.0, venues))
        rest["collateral_usd"] = even * times
    if rng.random() < 0.3:
        rest["allocation_usd"] = even * rng.dirichlet(np.ones(venues)) * venues
    if rng.random() < 0.5:
        k = rng.uniform(1, 4)
        rest["hurdle"] = LegCosts(costs.fee, costs.half_spread * k, costs.impact_per_root_usd * k, costs.thin)
    quantities = _quantities(rng, market, inputs, config=config)
    return RandomDecision(seed, market, inputs, quantities, costs, config, rest)


def _some(rng: Draws, n: int, chance: float) -> Bools:
    """In half of the decisions none, else each with a chance."""
    return np.asarray((rng.random(n) < chance) & (rng.random() < 0.5), dtype=np.bool_)


def _config(rng: Draws) -> PortfolioConfig:
    capital = float(10 ** rng.uniform(3, 8))
    amounts = [name for name in RiskLimits.model_fields if name.startswith("max_") and name.endswith("_usd")]
    given = RiskLimits.for_capital(capital)
    if rng.random() < 0.5:
        factor = dict(zip(amounts, 10 ** rng.uniform(-1.5, 0.5, len(amounts)), strict=True))
        given = given.model_copy(update={name: getattr(given, name) * factor[name] for name in amounts})
        given = given.model_copy(
            update={
                "survival_move_fraction": float(rng.choice([0.0, 0.35, 0.9])),
                "max_margin_fraction": float(rng.choice([0.01, 0.3, 1.0])),
            }
        )
    return PortfolioConfig(
        capital_usd=capital,
        gross_leverage=float(rng.choice([0.5, 1.0, 3.0])),
        leg_cap_fraction=float(rng.choice([0.05, 0.3, 1.0])),
        thin_leg_cap_fraction=float(rng.choice([0.0, 0.02])),
        venue_beta_band_fraction=float(rng.choice([0.0, 0.01, 0.1, 0.3])),
        portfolio_delta_band_fraction=float(rng.choice([1e-4, 0.01])),
        currency_band_fraction=float(rng.choice([1e-6, 0.01, 0.25])),
        max_scenario_cvar_fraction=float(rng.choice([0.001, 0.02, 0.1, 1.0])),
        risk_limits=given,
        risk_aversion=float(rng.choice([0.0, 50.0, 3000.0])),
        uncertainty_aversion=float(rng.choice([0.0, 1.0])),
        expected_hold_hours=float(rng.choice([8.0, 120.0, 336.0])),
        no_trade_multiple=float(rng.choice([0.0, 1.0, 1.5])),
        min_trade_fraction=float(rng.choice([0.0, 0.003])),
    )


def _inputs(rng: Draws, market: RandomUniverse, *, capital_usd: float) -> LegInputs:
    u = market.universe
    n, stages = len(u), market.problem.stages
    moved = np.exp(rng.normal(0, 0.3, len(u.bases)))[u.base_index]
    reference = market.price * moved
    price = reference * np.exp(rng.normal(0, rng.choice([1e-4, 3e-3, 5e-2]), n))
    no_price, no_forecast = _some(rng, n, 0.1), _some(rng, n, 0.15)
    free = ~(no_price | no_forecast | _some(rng, n, 0.2))
    size = rng.choice([1e-6, 2e-5, 1e-3, 2e-2])
    path = rng.normal(0, size, (stages, n)) * 0.5 + rng.normal(0, size, n)
    path[:, no_forecast] = np.nan
    interval = rng.choice([1.0, 4.0, 8.0, np.nan], n, p=[0.3, 0.1, 0.5, 0.1])
    return LegInputs(
        as_of=AS_OF,
        price=np.where(no_price, np.nan, price),
        reference_price=_unknown(rng, np.ones(len(u.bases)), 0.05)[u.base_index] * reference,
        may_increase=free,
        must_close=no_price | (~free & (rng.random(n) < 0.3)),
        frozen=_some(rng, n, 0.15) & (rng.random() < 0.5),
        note=tuple("" if ok else "only reducing" for ok in free),
        rate_per_hour=path.mean(axis=0),
        rate_sd=np.where(_some(rng, n, 0.1), np.nan, rng.uniform(0, size, n)),
        rate_path=path,
        stage_lengths=_LENGTHS[stages],
        hours_to_settlement=rng.uniform(0, 1, n) * interval,
        settlement_interval_hours=interval,
        beta=_unknown(rng, rng.normal(1, 0.6, len(u.bases))[u.base_index], 0.05),
        basis_sd=_unknown(rng, rng.uniform(0, 5e-3, n), 0.05),
        price_sd_per_decision=rng.uniform(0, 0.05, n),
        depth_usd=_liquidity(rng, n, capital_usd=capital_usd),
        open_interest_usd=_liquidity(rng, n, capital_usd=capital_usd * 100),
        daily_volume_usd=_liquidity(rng, n, capital_usd=capital_usd * 100),
        maintenance_fraction=rng.choice([0.004, 0.01, 0.05, 0.3], n),
        venue_open=~_some(rng, len(u.venues), 0.3),
        venue_basis_sd=_unknown(rng, rng.uniform(0, 2e-3, len(u.venues)), 0.05),
    )


def _unknown(rng: Draws, values: Floats, chance: float) -> Floats:
    return np.where(_some(rng, len(values), chance), np.nan, values)


def _liquidity(rng: Draws, n: int, *, capital_usd: float) -> Floats:
    known = capital_usd * 10 ** rng.uniform(-3, 2, n) * (rng.random(n) > 0.05)
    return np.where(rng.random(n) < rng.choice([0.2, 1.0]), np.nan, known)


def _costs(rng: Draws, n: int) -> LegCosts:
    return LegCosts(
        fee=rng.uniform(-1e-4, 1e-3, n) * rng.choice([0.0, 1.0]),
        half_spread=10 ** rng.uniform(-5, -2.5, n),
        impact_per_root_usd=10 ** rng.uniform(-9, -5, n) * rng.choice([0.0, 1.0]),
        thin=_some(rng, n, 0.3),
    )


def _quantities(rng: Draws, market: RandomUniverse, inputs: LegInputs, *, config: PortfolioConfig) -> Floats:
    """Nothing, a neutral book inside or outside of the limits, or one that is out of balance; whole lots.

    A leg that has never had a price has never been bought.
    """
    u = market.universe
    typical = config.gross_cap_usd / len(u)
    size = rng.choice([0.0, 0.1, 0.5, 3.0, 30.0], p=[0.25, 0.25, 0.25, 0.15, 0.1]) * typical
    worth = rng.normal(0, 1, len(u)) * size
    if rng.random() < 0.85:
        count = u.base_matrix.sum(axis=1)
        worth = worth - (u.base_matrix @ worth / count)[u.base_index]
    quantity = worth / market.price
    step = u.quantity_steps
    whole = np.round(quantity / np.where(step > 0, step, 1.0)) * step
    held = np.where(step > 0, whole, quantity)
    return np.where(np.isfinite(inputs.price), held, 0.0)
