"""The decision as a value: what to hold, what to trade, what it should earn and why.

`plan_portfolio` is the one decision function: the back-test calls it for every decision and the live
pipeline for one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from funding_pipeline.core.tables import UTC
from funding_pipeline.portfolio.collateral import CollateralPlan
from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.portfolio.costs import LegCosts
from funding_pipeline.portfolio.explanation import leg_reasons
from funding_pipeline.portfolio.fall_back import reduce_around
from funding_pipeline.portfolio.legs import Floats, LegInputs, Universe
from funding_pipeline.portfolio.limits import Limits, limits_for
from funding_pipeline.portfolio.lots import as_lots_allow, exact_quantities, in_lots, with_room_for_lots
from funding_pipeline.portfolio.optimiser import PlanStatus, Solution, optimise
from funding_pipeline.portfolio.problem import PortfolioProblem
from funding_pipeline.portfolio.scenarios import scenario_set
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


def with_unvalued_frozen(inputs: LegInputs, *, quantities: Floats, universe: Universe) -> LegInputs:
    """`inputs` whose bases with a position that has no price stay as they are: nobody knows their net."""
    unvalued = (quantities != 0) & ~np.isfinite(inputs.price)
    if not unvalued.any():
        return inputs
    stuck = (universe.base_matrix @ unvalued > 0)[universe.base_index]
    said = tuple(
        "no price: the position cannot be valued" if unknown else note
        for unknown, note in zip(unvalued, inputs.note, strict=True)
    )
    return replace(inputs, frozen=inputs.frozen | stuck, note=said)


def plan_portfolio(
    *,
    inputs: LegInputs,
    quantities: Floats,
    problem: PortfolioProblem,
    universe: Universe,
    costs: LegCosts,
    config: PortfolioConfig,
    hurdle: LegCosts | None = None,
    collateral_usd: Floats | None = None,
    allocation_usd: Floats | None = None,
) -> PortfolioPlan:
    """Decide at `inputs.as_of` from the `quantities` held (signed, quoted units, one per leg).

    `hurdle`: costs in the stress scenario, of which a trade has to earn a multiple. `collateral_usd`: equity
    per venue, by default the even share of the capital; `allocation_usd`: capital that a person has put on
    each venue, by default even.
    """
    inputs = with_unvalued_frozen(inputs, quantities=quantities, universe=universe)
    current = notional_usd(quantities, inputs.price)
    limits = limits_for(
        universe,
        inputs=inputs,
        thin=costs.thin,
        current_usd=current,
        config=config,
        scenarios=scenario_set(
            universe,
            venue_currency=universe.venue_currency,
            beta=np.nan_to_num(inputs.beta, nan=1.0),
            half_spread=costs.half_spread,
        ),
        collateral_usd=collateral_usd,
        allocation_usd=allocation_usd,
    )
    solution, target = _in_whole_lots(
        partial(
            optimise, problem=problem, inputs=inputs, current_usd=current, costs=costs, config=config,
            hurdle=hurdle,
        ),
        limits=limits,
        quantities=quantities,
        inputs=inputs,
    )  # fmt: skip
    return describe(
        target,
        quantities=quantities,
        inputs=inputs,
        limits=as_lots_allow(limits, price=inputs.price),
        costs=costs,
        solution=solution,
        config=config,
        collateral_usd=collateral_usd,
    )


def _in_whole_lots(
    decide: Callable[..., Solution], *, limits: Limits, quantities: Floats, inputs: LegInputs
) -> tuple[Solution, Floats]:
    """What is decided, in quantities that can be ordered and keep the limits.

    Decided again with more room where the first cut to lots breaks one; without an answer that keeps them
    positions stay, or shrink, and the reason says so.
    """
    allowed, price = as_lots_allow(limits, price=inputs.price), inputs.price
    broken: tuple[str, ...] = ()
    for lots in (2.0, 8.0):
        solution = decide(limits=with_room_for_lots(limits, price=price, lots=lots))
        target = in_lots(
            exact_quantities(solution.notional, quantities=quantities, price=price, limits=limits),
            quantities=quantities, price=price, universe=limits.universe, frozen=inputs.frozen,
        )  # fmt: skip
        if solution.status != "optimal":
            return solution, np.clip(target, np.minimum(quantities, 0.0), np.maximum(quantities, 0.0))
        broken = allowed.violations(notional_usd(target, price), tolerance_usd=limits.tolerance_usd)
        if not broken:
            return solution, target
    current = notional_usd(quantities, price)
    held = not allowed.violations(current, tolerance_usd=limits.tolerance_usd)
    kept = current if held else reduce_around(current, frozen=inputs.frozen, limits=limits)
    reason = f"whole lots do not fit into {', '.join(broken)}"
    solution = Solution(notional=kept, status="held" if held else "reduced", reason=reason)
    exact = exact_quantities(kept, quantities=quantities, price=price, limits=limits)
    target = in_lots(
        exact, quantities=quantities, price=price, universe=limits.universe, frozen=inputs.frozen
    )
    return solution, np.clip(target, np.minimum(quantities, 0.0), np.maximum(quantities, 0.0))


def describe(
    target: Floats,
    *,
    quantities: Floats,
    inputs: LegInputs,
    limits: Limits,
    costs: LegCosts,
    solution: Solution,
    config: PortfolioConfig,
    collateral_usd: Floats | None = None,
) -> PortfolioPlan:
    """The plan that holds `target` quantities: its expectation, exposures, binding limits, reasons."""
    universe = limits.universe
    notional = notional_usd(target, inputs.price)
    traded = notional_usd(target - quantities, inputs.price)
    beta = universe.venue_matrix @ (notional * limits.beta)
    equity = limits.allocation / config.gross_leverage if collateral_usd is None else collateral_usd
    return PortfolioPlan(
        as_of=inputs.as_of,
        universe=universe,
        status=solution.status,
        status_reason=solution.reason,
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
        solution=solution,
        limits=limits,
        config=config,
        collateral_usd=equity,
    )
