"""One decision: expected funding over the hold, less trading cost, less risk, within hard limits.

Single-period with a cost-aware turnover term: a trade is made when what it is expected to earn over
`expected_hold_hours` exceeds its cost. Zero keeps every limit, so there is always a plan; when the
solver fails, positions are held, or reduced until they keep the limits, and the plan says so.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from funding_pipeline.core.errors import OptimisationError
from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.portfolio.costs import LegCosts
from funding_pipeline.portfolio.legs import Floats, LegInputs
from funding_pipeline.portfolio.limits import Limits
from funding_pipeline.portfolio.problem import PortfolioProblem, ProblemNumbers

PlanStatus = Literal["optimal", "held", "reduced"]
_MEAN_ABS_OF_NORMAL = float(np.sqrt(2 / np.pi))
_TIGHTEN = 1e-4  # limits given to the solver are this much inside, so that its tolerance cannot break them
_DUST_USD = 0.02


@dataclass(frozen=True)
class Solution:
    """Target notional per leg (USD, signed), how it was found, and why if not by the solver."""

    notional: Floats
    status: PlanStatus
    reason: str


def optimise(
    *,
    problem: PortfolioProblem,
    inputs: LegInputs,
    current_usd: Floats,
    costs: LegCosts,
    limits: Limits,
    config: PortfolioConfig,
) -> Solution:
    """The best portfolio within `limits`, or the nearest safe one when the solver fails."""
    numbers, scale = problem_numbers(
        inputs=inputs, current_usd=current_usd, costs=costs, limits=limits, config=config
    )
    try:
        target = _solve_within_delta(problem, numbers, limits=limits, scale=scale)
    except OptimisationError as error:
        return fall_back(current_usd, limits=limits, reason=str(error))
    target = without_small_trades(target, current_usd=current_usd, limits=limits, config=config)
    broken = limits.violations(target, tolerance_usd=2 * _DUST_USD)
    if broken:
        return fall_back(current_usd, limits=limits, reason=f"solution outside limits: {', '.join(broken)}")
    return Solution(notional=target, status="optimal", reason="")


def problem_numbers(
    *,
    inputs: LegInputs,
    current_usd: Floats,
    costs: LegCosts,
    limits: Limits,
    config: PortfolioConfig,
) -> tuple[ProblemNumbers, float]:
    """Parameters in units of one venue's budget, the objective in basis points of it.

    A leg without forecast counts as expecting nothing (it can only be reduced). `hold_cost` has the
    re-striking of inverse contracts, whose USD contract count follows the price at each decision, and
    the penalty for an uncertain forecast.
    """
    hold = config.expected_hold_hours
    budget = float(limits.venue_gross.max(initial=0.0))
    scale = budget if budget > 0 else config.capital_usd
    bp = 1e4
    restrike = _MEAN_ABS_OF_NORMAL * inputs.price_sd_per_decision * costs.linear
    restrike = np.where(limits.universe.inverse, restrike * hold / config.rebalance_every_hours, 0.0)
    uncertain = config.uncertainty_aversion * np.nan_to_num(inputs.rate_sd) * hold
    risk = config.risk_aversion * scale / (2 * config.capital_usd) * np.nan_to_num(inputs.basis_sd) ** 2
    inside = 1 - _TIGHTEN
    numbers = ProblemNumbers(
        current=current_usd / scale,
        funding=np.nan_to_num(inputs.rate_per_hour) * hold * bp,
        trade_cost=(costs.linear * config.cost_multiplier + config.hurdle_bp * 1e-4) * bp,
        hold_cost=(restrike + uncertain) * bp,
        risk_root=np.sqrt(risk * bp),
        impact_root=np.sqrt(costs.impact_per_usd * config.cost_multiplier * scale * bp),
        lower=limits.lower * inside / scale,
        upper=limits.upper * inside / scale,
        base_units=limits.base_units,
        beta=limits.beta,
        venue_gross=limits.venue_gross * inside / scale,
        venue_beta=limits.venue_beta * inside / scale,
        delta_band=limits.delta_fraction * limits.gross_cap * inside / scale,
    )
    return numbers, scale


def _solve_within_delta(
    problem: PortfolioProblem,
    numbers: ProblemNumbers,
    *,
    limits: Limits,
    scale: float,
) -> Floats:
    """Solve; again with a narrower delta band while net exceeds its fraction of the gross reached.

    The band is a fraction of the actual gross, which is not convex. Bases are already flat in
    quantity, so only price differences between venues are left: the first solution nearly always
    does, and no net at all, the last attempt, always does.
    """
    target = problem.solve(numbers) * scale
    for share in (0.5, 0.0):
        gross, net = float(np.abs(target).sum()), abs(float(target.sum()))
        if net <= limits.delta_fraction * gross:
            break
        narrower = replace(numbers, delta_band=limits.delta_fraction * gross * share / scale)
        target = problem.solve(narrower) * scale
    return np.clip(target, limits.lower, limits.upper)


def without_small_trades(
    target: Floats, *, current_usd: Floats, limits: Limits, config: PortfolioConfig
) -> Floats:
    """Drop solver dust, and bases whose every trade is below `min_trade_usd`, if limits allow."""
    out = np.where(np.abs(target) < _DUST_USD, 0.0, target)
    dust = np.abs(out - current_usd) < _DUST_USD
    allowed = (current_usd >= limits.lower) & (current_usd <= limits.upper)
    out = np.where(dust & allowed, current_usd, out)
    universe = limits.universe
    largest = (universe.base_matrix * np.abs(out - current_usd)).max(axis=1, initial=0.0)
    fixed = (universe.base_matrix @ ~allowed) > 0
    # the check below forgives the solver's dust in base sums; beta and gross must not gain from it
    strict = replace(
        limits, venue_gross=limits.venue_gross - _DUST_USD, venue_beta=limits.venue_beta - _DUST_USD
    )
    for base in np.argsort(largest, kind="stable"):
        calm = np.where(universe.base_index == base, current_usd, out)
        small = largest[base] < config.min_trade_usd and not fixed[base]
        if small and not strict.violations(calm, tolerance_usd=_DUST_USD):
            out = calm
    return out


def fall_back(current_usd: Floats, *, limits: Limits, reason: str) -> Solution:
    """Hold if the limits are kept; otherwise close what must be closed and shrink the rest evenly."""
    if not limits.violations(current_usd, tolerance_usd=_DUST_USD):
        return Solution(notional=current_usd.copy(), status="held", reason=reason)
    return Solution(notional=reduce_to_limits(current_usd, limits=limits), status="reduced", reason=reason)


def reduce_to_limits(notional: Floats, *, limits: Limits) -> Floats:
    """Shrink positions until every limit is kept, never opening anything.

    A base with a leg that has to close, or whose net quantity is not zero, is closed as a whole; the
    rest is multiplied by one factor. Every limit is a bound around zero, so such a factor exists.
    """
    u = limits.universe
    forced = (notional > 0) & (limits.upper <= 0) | (notional < 0) & (limits.lower >= 0)
    net = np.abs(u.base_matrix @ (notional * limits.base_units))
    bad_base = ((u.base_matrix * forced).sum(axis=1) > 0) | (net > _DUST_USD)
    out = np.where(bad_base[u.base_index], 0.0, notional)
    bound = np.where(out > 0, limits.upper, -limits.lower)
    used = [
        _usage(np.abs(out), bound),
        _usage(u.venue_matrix @ np.abs(out), limits.venue_gross),
        _usage(np.abs(u.venue_matrix @ (out * limits.beta)), limits.venue_beta),
        float(np.abs(out).sum()) / limits.gross_cap,
    ]
    out = out / max(1.0, max(used))
    if abs(float(out.sum())) > limits.delta_fraction * float(np.abs(out).sum()) + _DUST_USD:
        return np.zeros_like(out)
    return out


def _usage(value: Floats, bound: Floats) -> float:
    """Largest value / bound, where there is a value; infinite for a value over a zero bound."""
    some = value > 0
    ratio = np.divide(value, bound, out=np.full_like(value, np.inf), where=bound > 0)
    return float(ratio[some].max(initial=0.0))
