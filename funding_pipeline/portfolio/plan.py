"""The decision as a value: what to hold, what to trade, what it should earn and why.

What lives here: the plan and its tables. What does not: deciding (`planning`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from funding_pipeline.core.tables import UTC
from funding_pipeline.portfolio.collateral import CollateralPlan
from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.portfolio.legs import Floats, Universe
from funding_pipeline.portfolio.limits import Limits
from funding_pipeline.portfolio.optimiser import PlanStatus, Solution
from funding_pipeline.portfolio.shadow_prices import ShadowPrice, shadow_prices

LEG_SCHEMA: Mapping[str, pl.DataType | type[pl.DataType]] = {
    "time": UTC,
    "venue": pl.String,
    "symbol": pl.String,
    "base": pl.String,
    "price": pl.Float64,
    "quantity_before": pl.Float64,
    "quantity_target": pl.Float64,
    "notional_before_usd": pl.Float64,
    "notional_target_usd": pl.Float64,
    "expected_rate_per_hour": pl.Float64,
    "expected_funding_usd_per_hour": pl.Float64,
    "beta": pl.Float64,
    "reason": pl.String,
}


@dataclass(frozen=True)
class PortfolioPlan:
    """A plan decided at `as_of` (UTC). Arrays are per leg of `universe`; quantities in quoted units.

    `status`: `optimal`; `held` or `reduced` when the solver failed, with `status_reason`. Money in
    USD: `expected_funding_usd_per_hour` of the target by the mean forecast, `expected_cost_usd` of
    the trades at the assumed fees, spread and impact. `binding` names the limits in full use,
    `left_alone` positions that could not be planned, and why. `collateral`: what a person might move between
    venues; `collateral_usd`: equity per venue that the plan was made with.
    """

    as_of: datetime
    universe: Universe
    status: PlanStatus
    status_reason: str
    price: Floats
    quantity_before: Floats
    quantity_target: Floats
    rate_per_hour: Floats
    beta: Floats
    expected_funding_usd_per_hour: float
    expected_cost_usd: float
    gross_usd: float
    portfolio_delta_usd: float
    venue_beta_usd: Mapping[str, float]
    venue_gross_budget_usd: Mapping[str, float]
    binding: tuple[str, ...]
    reasons: tuple[str, ...]
    solution: Solution
    limits: Limits
    config: PortfolioConfig
    collateral_usd: Floats
    collateral: CollateralPlan = field(default_factory=CollateralPlan)
    left_alone: tuple[str, ...] = ()

    @property
    def trade_quantity(self) -> Floats:
        """Signed quantity to trade per leg."""
        return self.quantity_target - self.quantity_before

    @property
    def notional_target(self) -> Floats:
        """Signed notional per leg after the plan, USD at own prices; zero without a price."""
        return notional_usd(self.quantity_target, self.price)

    @property
    def scenario_losses_usd(self) -> dict[str, float]:
        """Loss in each stress scenario with these positions and the collateral of each venue, USD."""
        scenarios = self.limits.scenarios
        if scenarios is None:
            return {}
        losses = scenarios.losses_usd(self.notional_target, self.collateral_usd)
        return dict(zip(scenarios.names, losses.tolist(), strict=True))

    @property
    def shadow_prices(self) -> tuple[ShadowPrice, ...]:
        """What the next dollar of each limit in use is worth, dearest first; empty without an optimum."""
        return shadow_prices(self.solution.duals, limits=self.limits, config=self.config)

    @property
    def summary(self) -> dict[str, Any]:
        """Everything about the plan that is not per leg, ready for JSON."""
        return {
            "as_of": self.as_of.isoformat(),
            "status": self.status,
            "status_reason": self.status_reason,
            "expected_funding_usd_per_hour": self.expected_funding_usd_per_hour,
            "expected_cost_usd": self.expected_cost_usd,
            "gross_usd": self.gross_usd,
            "portfolio_delta_usd": self.portfolio_delta_usd,
            "venue_beta_usd": dict(self.venue_beta_usd),
            "venue_gross_budget_usd": dict(self.venue_gross_budget_usd),
            "binding": list(self.binding),
            "scenario_losses_usd": self.scenario_losses_usd,
            "scenario_cvar_usd": self.limits.scenario_cvar(self.notional_target),
            "scenario_cvar_limit_usd": self.limits.scenario_cap,
            "next_dollar": [price.text for price in self.shadow_prices],
            "collateral_plan": self.collateral.summary,
            "left_alone": list(self.left_alone),
        }

    @property
    def legs(self) -> pl.DataFrame:
        """One row per leg that is held before or after; see the column names for units."""
        frame = pl.DataFrame(
            {
                "time": [self.as_of] * len(self.universe),
                "venue": [leg.venue for leg in self.universe.legs],
                "symbol": [leg.symbol for leg in self.universe.legs],
                "base": [leg.base for leg in self.universe.legs],
                "price": self.price,
                "quantity_before": self.quantity_before,
                "quantity_target": self.quantity_target,
                "notional_before_usd": notional_usd(self.quantity_before, self.price),
                "notional_target_usd": self.notional_target,
                "expected_rate_per_hour": self.rate_per_hour,
                "expected_funding_usd_per_hour": -self.notional_target * self.rate_per_hour,
                "beta": self.beta,
                "reason": list(self.reasons),
            },
            schema=dict(LEG_SCHEMA),
        )
        held = (pl.col("quantity_before") != 0) | (pl.col("quantity_target") != 0)
        return frame.with_columns(pl.col(pl.Float64).fill_nan(None)).filter(held)


def notional_usd(quantity: Floats, price: Floats) -> Floats:
    """quantity * price; zero where nothing is held, or what is held has no price."""
    return np.where((quantity == 0) | ~np.isfinite(price), 0.0, quantity * price)
