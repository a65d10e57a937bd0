"""From what a decision knows to the numbers of its convex problem.

What lives here: units and scale, expected funding per stage, costs that a trade has to earn back, risk. What
does not: the problem's shape (`compilation`), the limits (`limits`).
"""

import numpy as np

from funding_pipeline.portfolio.compilation import ProblemNumbers
from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.portfolio.costs import LegCosts
from funding_pipeline.portfolio.legs import Floats, LegInputs
from funding_pipeline.portfolio.limits import CVAR_LEVEL, Limits
from funding_pipeline.portfolio.stages import hold_hours, paid_hours

_MEAN_ABS_OF_NORMAL = float(np.sqrt(2 / np.pi))
_TIGHTEN = 1e-4  # limits given to the solver are this much inside, so that its tolerance cannot break them
_BP = 1e4


def problem_numbers(
    *,
    inputs: LegInputs,
    current_usd: Floats,
    costs: LegCosts,
    limits: Limits,
    config: PortfolioConfig,
    hurdle: LegCosts | None = None,
) -> tuple[ProblemNumbers, float]:
    """Parameters in units of one venue's budget, and that unit in USD; the objective in basis points of it.

    A leg without forecast counts as expecting nothing (it can only be reduced). `hurdle`: stressed costs; a
    position is opened where it earns `no_trade_multiple` round trips of them. Without it the costs
    themselves.
    """
    scenarios = limits.scenarios
    if scenarios is None:
        raise ValueError("a plan is made within the stress scenarios: limits without them")
    scale = _scale_usd(limits, config=config)
    inside = (1 - _TIGHTEN) / scale
    margin, u = limits.margin, limits.universe
    inside_hours, beyond = hold_hours(inputs.stage_lengths, expected_hold_hours=config.expected_hold_hours)
    hours = (*inside_hours[:-1], inside_hours[-1] + beyond)
    allocation = limits.allocation
    numbers = ProblemNumbers(
        long_now=np.maximum(current_usd, 0.0) / scale,
        short_now=np.maximum(-current_usd, 0.0) / scale,
        funding=_funding(inputs, hours=inside_hours, beyond=beyond) * _BP,
        hold_cost=_hold_cost(inputs, hours=hours, costs=costs, limits=limits, config=config),
        **_trading(
            current_usd, costs=costs, hurdle=hurdle or costs, limits=limits, hours=hours, config=config
        ),
        impact=2 * config.no_trade_multiple * (hurdle or costs).impact_per_root_usd * np.sqrt(scale) * _BP,
        # what may only shrink is bounded by its own size: inside of it would be a trade at every decision
        lower=limits.lower * np.where(inputs.may_increase & ~inputs.frozen, inside, 1 / scale),
        upper=limits.upper * np.where(inputs.may_increase & ~inputs.frozen, inside, 1 / scale),
        base_units=limits.base_units,
        base_target=limits.base_target / scale,
        beta=limits.beta,
        venue_gross=limits.venue_gross * inside,
        venue_gross_cap=limits.venue_gross_cap * inside,
        # a band of zero has no inside for an interior-point method: a quarter of what is forgiven anyway
        venue_beta=np.maximum(limits.venue_beta * inside, limits.tolerance_usd / 4 / scale),
        base_gross=limits.base_gross * inside,
        currency_net=np.full(len(u.currencies), limits.currency_net * inside),
        delta_band=min(limits.delta_fraction * limits.gross_cap, limits.delta_cap) * inside,
        gross_cap=limits.gross_cap * inside,
        turnover=_turnover(current_usd, limits=limits) / scale,
        survival=margin.survival,
        maintenance=margin.maintenance,
        margin_collateral=margin.collateral_usd * inside,
        margin_share=margin.margin_cap_usd * inside,
        allocation=allocation / scale,
        allocation_cap=_allocation_cap(allocation, limits=limits, config=config) / scale,
        allocation_total=float(allocation.sum()) / scale,
        transfer_cost=config.transfer_cost_bp / config.gross_leverage,  # allocation is gross, not collateral
        scenario_long=scenarios.long_loss,
        scenario_short=scenarios.short_loss,
        scenario_weight=scenarios.probability / (1 - CVAR_LEVEL),
        scenario_cap=limits.scenario_cap * inside,
        **_risk(inputs, hours=hours, scale=scale, config=config),
    )
    return numbers, scale


def _funding(inputs: LegInputs, *, hours: tuple[float, ...], beyond: float) -> Floats:
    """Stages x legs: fraction of notional that a long pays over each stage, the last to the hold's end."""
    out = np.nan_to_num(inputs.rate_path) * paid_hours(inputs, hours=hours)
    out[-1] += np.nan_to_num(inputs.rate_per_hour) * beyond
    return out


def _scale_usd(limits: Limits, *, config: PortfolioConfig) -> float:
    budget = float(limits.venue_gross.max(initial=0.0))
    return budget if budget > 0 else config.capital_usd


def _hold_cost(
    inputs: LegInputs,
    *,
    hours: tuple[float, ...],
    costs: LegCosts,
    limits: Limits,
    config: PortfolioConfig,
) -> Floats:
    """Re-striking of inverse contracts, whose USD count follows the price, and the doubt about a forecast."""
    restrike = (
        _MEAN_ABS_OF_NORMAL
        * inputs.price_sd_per_decision
        * np.maximum(costs.linear, 0.0)
        / config.rebalance_every_hours
    )
    per_hour = np.where(limits.universe.inverse, restrike, 0.0)
    per_hour = per_hour + config.uncertainty_aversion * np.nan_to_num(inputs.rate_sd)
    return np.outer(hours, per_hour) * _BP


def _risk(
    inputs: LegInputs, *, hours: tuple[float, ...], scale: float, config: PortfolioConfig
) -> dict[str, Floats]:
    """Basis variance, once for the whole hold because the basis reverts: stages share it by their length."""
    share = np.sqrt(np.asarray(hours) / sum(hours)) if sum(hours) > 0 else np.zeros(len(hours))
    aversion = np.sqrt(config.risk_aversion * scale / (2 * config.capital_usd) * _BP)
    return {
        "risk_root": np.outer(share, np.nan_to_num(inputs.basis_sd)) * aversion,
        "venue_risk_root": np.outer(share, np.nan_to_num(inputs.venue_basis_sd)) * aversion,
    }


def _trading(
    current_usd: Floats,
    *,
    costs: LegCosts,
    hurdle: LegCosts,
    limits: Limits,
    hours: tuple[float, ...],
    config: PortfolioConfig,
) -> dict[str, Floats]:
    """What opening has to earn, and what closing costs, per stage.

    Opening has to earn a multiple of the stressed round trip; closing has to save a part of that, and at
    least what it costs now. Between the two is the band in which nothing is traded. The impact of closing,
    and of opening later, is taken at a fixed size, which keeps it linear: all of what is held, half of what
    may be.
    """
    later = 0.5 * np.maximum(limits.upper, -limits.lower)
    round_trip = 2 * config.no_trade_multiple * np.maximum(hurdle.linear, 0.0)
    opening = np.tile(round_trip, (len(hours), 1))
    opening[1:] += 2 * config.no_trade_multiple * hurdle.impact_per_root_usd * np.sqrt(later)
    closing = np.tile(np.maximum(costs.linear, 0.0), (len(hours), 1))
    closing[0] += costs.impact_per_root_usd * np.sqrt(np.abs(current_usd))
    closing[1:] += costs.impact_per_root_usd * np.sqrt(later)
    closing = np.maximum(closing, config.closing_fraction * opening)
    return {"open_cost": opening * _BP, "close_cost": closing * _BP}


def _turnover(current_usd: Floats, *, limits: Limits) -> float:
    """The limit, and beside it what is needed to come back inside the others: reductions are not stopped."""
    outside = np.abs(current_usd - np.clip(current_usd, limits.lower, limits.upper)).sum()
    if outside or limits.violations(current_usd):
        return limits.turnover + float(np.abs(current_usd).sum())
    return limits.turnover


def _allocation_cap(allocation: Floats, *, limits: Limits, config: PortfolioConfig) -> Floats:
    """Most of it on one venue: the governance's share, an even one where venues are few, what is there."""
    open_ = limits.venue_gross_cap > 0
    total = float(allocation.sum())
    share = max(config.governance.max_venue_collateral_fraction, 1 / max(int(open_.sum()), 1))
    return np.maximum(np.where(open_, share * total, 0.0), allocation)
