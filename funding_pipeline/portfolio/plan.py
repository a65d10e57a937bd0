"""The decision as a value: what to hold, what to trade, what it should earn and why.

`plan_portfolio` is the one decision function: the back-test calls it for every decision and the live
pipeline for one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from funding_pipeline.core.tables import UTC
from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.portfolio.costs import LegCosts
from funding_pipeline.portfolio.explanation import leg_reasons
from funding_pipeline.portfolio.legs import Floats, LegInputs, Universe
from funding_pipeline.portfolio.limits import Limits, limits_for
from funding_pipeline.portfolio.optimiser import PlanStatus, optimise
from funding_pipeline.portfolio.problem import PortfolioProblem

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
    `left_alone` positions that could not be planned, and why.
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
    """quantity * price, and zero where nothing is held, whether there is a price or not."""
    return np.where(quantity == 0, 0.0, quantity * price)


def plan_portfolio(
    *,
    inputs: LegInputs,
    quantities: Floats,
    problem: PortfolioProblem,
    universe: Universe,
    costs: LegCosts,
    config: PortfolioConfig,
) -> PortfolioPlan:
    """Decide at `inputs.as_of` from the `quantities` held (signed, quoted units, one per leg)."""
    current = notional_usd(quantities, inputs.price)
    limits = limits_for(universe, inputs=inputs, thin=costs.thin, current_usd=current, config=config)
    solution = optimise(
        problem=problem, inputs=inputs, current_usd=current, costs=costs, limits=limits, config=config
    )
    target = exact_quantities(
        solution.notional, current_usd=current, quantities=quantities, inputs=inputs, universe=universe
    )
    return describe(
        target,
        quantities=quantities,
        inputs=inputs,
        limits=limits,
        costs=costs,
        status=solution.status,
        status_reason=solution.reason,
    )


def exact_quantities(
    target_usd: Floats, *, current_usd: Floats, quantities: Floats, inputs: LegInputs, universe: Universe
) -> Floats:
    """Quantities of `target_usd`; untraded legs keep theirs, and each base nets to zero exactly.

    The solver's rounding (about 1e-6 of a leg) is put on the most traded leg of the base.
    """
    traded = target_usd != current_usd
    wanted = np.divide(target_usd, inputs.price, out=np.zeros_like(target_usd), where=target_usd != 0)
    out = np.where(traded, wanted, quantities)
    size = np.abs(target_usd - current_usd) * (target_usd != 0)
    for index in range(len(universe.bases)):
        members = np.flatnonzero(universe.base_index == index)
        if not size[members].any():
            continue
        net = float(out[members] @ universe.multipliers[members])
        most = members[np.argmax(size[members])]
        out[most] -= net / universe.multipliers[most]
    return out


def describe(
    target: Floats,
    *,
    quantities: Floats,
    inputs: LegInputs,
    limits: Limits,
    costs: LegCosts,
    status: PlanStatus = "optimal",
    status_reason: str = "",
) -> PortfolioPlan:
    """The plan that holds `target` quantities: its expectation, exposures, binding limits, reasons."""
    universe = limits.universe
    notional = notional_usd(target, inputs.price)
    traded = notional_usd(target - quantities, inputs.price)
    beta = universe.venue_matrix @ (notional * limits.beta)
    return PortfolioPlan(
        as_of=inputs.as_of,
        universe=universe,
        status=status,
        status_reason=status_reason,
        price=inputs.price,
        quantity_before=quantities.copy(),
        quantity_target=target,
        rate_per_hour=inputs.rate_per_hour,
        beta=limits.beta,
        expected_funding_usd_per_hour=float(-(notional * np.nan_to_num(inputs.rate_per_hour)).sum()),
        expected_cost_usd=costs.total_usd(traded),
        gross_usd=float(np.abs(notional).sum()),
        portfolio_delta_usd=float(notional.sum()),
        venue_beta_usd=dict(zip(universe.venues, beta.tolist(), strict=True)),
        venue_gross_budget_usd=dict(zip(universe.venues, limits.venue_gross.tolist(), strict=True)),
        binding=limits.binding(notional),
        reasons=leg_reasons(quantities=quantities, target=target, inputs=inputs),
    )
