"""What has to be true of every plan, whatever the market: a list of what is not.

What lives here: the judge of the random-input campaign, which asks nothing of the optimiser but its answer.
"""

import numpy as np

from funding_pipeline.portfolio.plan import PortfolioPlan, notional_usd
from funding_pipeline_tests.portfolio.random_markets import RandomDecision

_EXPLAINED = ("conflicts with", "cannot be kept", "whole lots", "it hedges", "no explanation")
_CENT = 0.01
_OF_CAPITAL = 1e-6  # the solver's accuracy, as a fraction of the capital


def plan_faults(decision: RandomDecision, plan: PortfolioPlan) -> list[str]:
    """Everything that is wrong with a plan; empty: nothing."""
    found = _not_numbers(plan)
    frozen = decision.inputs.frozen & (plan.quantity_target != plan.quantity_before)
    found += [f"frozen leg {decision.market.universe.legs[i].name} traded" for i in np.flatnonzero(frozen)]
    if plan.status == "optimal":
        found += ["optimal, with a reason"] if plan.status_reason else []
        found += _broken(decision, plan)
    else:
        found += [] if plan.status_reason else ["no optimum, and no reason"]
        found += _enlarged(plan)
        found += _unsaid(decision, plan)
    return found


def tolerance_usd(decision: RandomDecision) -> float:
    """A few cents, or a millionth of the capital."""
    return max(5 * _CENT, _OF_CAPITAL * decision.config.capital_usd)


def _not_numbers(plan: PortfolioPlan) -> list[str]:
    values = {
        "quantity_target": plan.quantity_target,
        "notional_target": plan.notional_target,
        "expected_funding": np.array([plan.expected_funding_usd_per_hour]),
        "expected_cost": np.array([plan.expected_cost_usd]),
        "gross": np.array([plan.gross_usd, plan.portfolio_delta_usd]),
        "beta": np.array(list(plan.venue_beta_usd.values())),
        "scenario_losses": np.array(list(plan.scenario_losses_usd.values())),
        "shadow_prices": np.array([price.usd_per_year for price in plan.shadow_prices]),
    }
    return [f"{name} is not a number" for name, value in values.items() if not np.isfinite(value).all()]


def _broken(decision: RandomDecision, plan: PortfolioPlan) -> list[str]:
    names = plan.limits.violations(plan.notional_target, tolerance_usd=tolerance_usd(decision))
    return [f"optimal, but broken: {name}" for name in names]


def _enlarged(plan: PortfolioPlan) -> list[str]:
    before, after = plan.quantity_before, plan.quantity_target
    wrong = (np.abs(after) > np.abs(before) * (1 + 1e-9)) | (after * before < 0)
    names = [plan.universe.legs[i].name for i in np.flatnonzero(wrong)]
    if plan.status == "held":
        names += ["held, but traded"] * bool((after != before).any())
    return [f"no optimum, but enlarged: {name}" for name in names]


def _unsaid(decision: RandomDecision, plan: PortfolioPlan) -> list[str]:
    """Limits that are broken although nothing is frozen, or without a word about what conflicts with what.

    A base may become unbalanced only where one of its own legs is frozen.
    """
    after = plan.limits.violations(plan.notional_target, tolerance_usd=tolerance_usd(decision))
    before = plan.limits.violations(
        notional_usd(plan.quantity_before, plan.price), tolerance_usd=tolerance_usd(decision)
    )
    frozen = {
        leg.base for leg, stuck in zip(plan.universe.legs, decision.inputs.frozen, strict=True) if stuck
    }
    if not frozen:
        return [f"no optimum, nothing frozen, but broken: {name}" for name in after]
    new = [name for name in after if name not in before and name.startswith("base_neutral:")]
    found = [f"newly broken: {name}" for name in new if name.removeprefix("base_neutral:") not in frozen]
    if after and not any(word in plan.status_reason for word in _EXPLAINED):
        found.append(f"broken without a word: {after[0]}")
    return found
