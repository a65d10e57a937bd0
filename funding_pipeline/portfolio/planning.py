"""Deciding: from what is known and held to a plan in quantities that can be ordered.

`plan_portfolio` is the one decision function: the back-test calls it for every decision and the live
pipeline for one. What does not live here: the optimum (`optimiser`), rounding (`lots`), the plan as a value
(`plan`).
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.portfolio.costs import LegCosts
from funding_pipeline.portfolio.explanation import leg_reasons
from funding_pipeline.portfolio.fall_back import reduce_around
from funding_pipeline.portfolio.legs import Floats, LegInputs, Universe
from funding_pipeline.portfolio.limits import Limits, limits_for
from funding_pipeline.portfolio.lots import as_lots_allow, exact_quantities, in_lots, with_room_for_lots
from funding_pipeline.portfolio.optimiser import Solution, optimise
from funding_pipeline.portfolio.plan import PortfolioPlan, notional_usd
from funding_pipeline.portfolio.problem import PortfolioProblem
from funding_pipeline.portfolio.scenarios import scenario_set


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
    what = "whole lots" if limits.universe.quantity_steps.any() else "quantities that are flat per base"
    reason = f"{what} do not fit into {', '.join(broken)}"
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
