"""One decision: expected funding over the forecast path, less costs, less risk, within hard limits.

A trade is made when what it is expected to earn over `expected_hold_hours` exceeds its costs, and only
the first stage is carried out. Where no leg is frozen zero keeps every limit, so there is always a plan;
where the solver has none, the solution says which limits conflict and only reduces (`conflicts`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from funding_pipeline.core.errors import OptimisationError
from funding_pipeline.portfolio.compilation import ProblemNumbers
from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.portfolio.conflicts import without_optimum
from funding_pipeline.portfolio.costs import LegCosts
from funding_pipeline.portfolio.formulation import problem_numbers
from funding_pipeline.portfolio.legs import Floats, LegInputs
from funding_pipeline.portfolio.limits import Limits
from funding_pipeline.portfolio.problem import Answer, PortfolioProblem

PlanStatus = Literal["optimal", "held", "reduced"]
DUST_USD = 0.02


@dataclass(frozen=True)
class Solution:
    """Target notional per leg (USD, signed), how it was found, and why if not by the solver.

    `duals`: constraint -> multipliers, basis points per unit over the hold (`shadow_prices`).
    """

    notional: Floats
    status: PlanStatus
    reason: str
    duals: Mapping[str, Floats] = field(default_factory=dict)


def optimise(
    *,
    problem: PortfolioProblem,
    inputs: LegInputs,
    current_usd: Floats,
    costs: LegCosts,
    limits: Limits,
    config: PortfolioConfig,
    hurdle: LegCosts | None = None,
) -> Solution:
    """The best portfolio within `limits`, or the nearest safe one when the solver fails."""
    numbers, scale = problem_numbers(
        inputs=inputs, current_usd=current_usd, costs=costs, limits=limits, config=config, hurdle=hurdle
    )
    try:
        answer, target = _solve_within_delta(problem, numbers, limits=limits, scale=scale)
    except OptimisationError as error:
        return _without(str(error), problem, numbers, current_usd=current_usd, limits=limits, scale=scale)
    target = without_small_trades(target, current_usd=current_usd, limits=limits, config=config)
    # the dust of a base's legs adds up; `exact_quantities` takes it out
    broken = limits.violations(target, tolerance_usd=3 * limits.tolerance_usd)
    if broken:
        reason = f"solution outside limits: {', '.join(broken)}"
        return _without(reason, problem, numbers, current_usd=current_usd, limits=limits, scale=scale)
    return Solution(
        notional=target,
        status="optimal",
        reason="",
        duals=answer.duals,
    )


def _without(
    reason: str,
    problem: PortfolioProblem,
    numbers: ProblemNumbers,
    *,
    current_usd: Floats,
    limits: Limits,
    scale: float,
) -> Solution:
    """Hold or reduce, with the reason and the limits that cannot be kept together."""
    notional, held, said = without_optimum(
        problem, numbers, current_usd=current_usd, limits=limits, scale=scale
    )
    status: PlanStatus = "held" if held else "reduced"
    return Solution(
        notional=notional, status=status, reason="; ".join(part for part in (reason, said) if part)
    )


def _solve_within_delta(
    problem: PortfolioProblem, numbers: ProblemNumbers, *, limits: Limits, scale: float
) -> tuple[Answer, Floats]:
    """Solve; again with a narrower delta band while net exceeds its fraction of the gross reached.

    The band is a fraction of the actual gross, which is not convex. Bases are already flat in
    quantity, so only price differences between venues are left: the first solution nearly always
    does, and no net at all, the last attempt, always does.
    """
    answer = problem.solve(numbers)
    for share in (0.5, 0.0):
        target = answer.notional * scale
        allowed = limits.delta_allowed(target)
        if abs(float(target.sum())) <= allowed + limits.tolerance_usd / 2:
            break
        answer = problem.solve(replace(numbers, delta_band=allowed * share / scale))
    return answer, np.clip(answer.notional * scale, limits.lower, limits.upper)


def without_small_trades(
    target: Floats, *, current_usd: Floats, limits: Limits, config: PortfolioConfig
) -> Floats:
    """Drop solver dust, and bases whose every trade is below `min_trade_usd`, if limits allow."""
    least = max(DUST_USD, limits.tolerance_usd)
    out = np.where(np.abs(target) < least, 0.0, target)
    dust = np.abs(out - current_usd) < least
    allowed = (current_usd >= limits.lower) & (current_usd <= limits.upper)
    out = np.where(dust & allowed, current_usd, out)
    universe = limits.universe
    largest = (universe.base_matrix * np.abs(out - current_usd)).max(axis=1, initial=0.0)
    fixed = (universe.base_matrix @ ~allowed) > 0
    # the check below forgives the solver's dust in base sums; beta and gross must not gain from it
    strict = replace(
        limits, venue_gross=limits.venue_gross - DUST_USD, venue_beta=limits.venue_beta - DUST_USD
    )
    for base in np.argsort(largest, kind="stable"):
        calm = np.where(universe.base_index == base, current_usd, out)
        small = largest[base] < config.min_trade_usd and not fixed[base]
        if small and not strict.violations(calm, tolerance_usd=DUST_USD):
            out = calm
    return out
