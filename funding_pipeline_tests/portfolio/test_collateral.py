"""The collateral plan: what to move, what it costs, when it is earned back; a person's to carry out."""

import numpy as np
import pytest

from funding_pipeline.portfolio.collateral import CollateralPlan, collateral_plan, proposal
from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.portfolio.formulation import problem_numbers
from funding_pipeline.portfolio.plan import PortfolioPlan
from funding_pipeline_tests.portfolio.situations import (
    costs_of,
    inputs_of,
    loose,
    plan_of,
    problem_of,
    universe_of,
)

THREE = universe_of("abc", ("BTC",))
RATE = np.array([0.0, 4e-5, 0.0])
UNEVEN = np.array([450_000.0, 50_000.0, 500_000.0])
HOLD_HOURS = 240.0


def _config(**changes: object) -> PortfolioConfig:
    return loose(leg_cap_fraction=1.0, **changes)


def _proposed(config: PortfolioConfig) -> tuple[PortfolioPlan, CollateralPlan]:
    inputs = inputs_of(THREE, rate=RATE)
    plan = plan_of(inputs, universe=THREE, config=config, allocation_usd=UNEVEN)
    numbers, scale = problem_numbers(
        inputs=inputs, current_usd=np.zeros(3), costs=costs_of(THREE), limits=plan.limits, config=config
    )
    return plan, proposal(problem_of(THREE), numbers, scale=scale, venues=THREE.venues, config=config)


def test_collateral_is_wanted_where_the_spread_is() -> None:
    """All of the gain is on venue b, whose share is small: money should come from elsewhere."""
    plan, moves = _proposed(_config())
    assert plan.gross_usd == pytest.approx(100_000, rel=1e-3)
    assert moves.moves
    assert {move.target for move in moves.moves} == {"b"}
    total = sum(move.amount_usd for move in moves.moves)
    assert 100_000 < total < 400_000
    assert moves.cost_usd == pytest.approx(10 * len(moves.moves) + total * 1e-4)
    assert all(move.delay_hours == 24.0 for move in moves.moves)


def test_break_even_is_cost_over_daily_gain_after_the_delay() -> None:
    _, moves = _proposed(_config(transfer_cost_bp=2.0, transfer_delay_hours=48.0))
    assert moves.break_even_days == pytest.approx(moves.cost_usd / (moves.gain_usd_per_year / 365) + 2.0)
    assert moves.gain_usd_per_year * HOLD_HOURS / 8760 > moves.cost_usd


def test_the_gain_is_before_the_costs_that_it_is_compared_with() -> None:
    """A move whose cost leaves the amount as it is does not gain less for being dearer."""
    _, cheap = _proposed(_config(transfer_cost_bp=0.5))
    _, dear = _proposed(_config(transfer_cost_bp=8.0))
    amounts = [sum(move.amount_usd for move in plan.moves) for plan in (cheap, dear)]
    assert amounts[0] == pytest.approx(amounts[1], rel=1e-3)
    assert dear.gain_usd_per_year == pytest.approx(cheap.gain_usd_per_year, rel=1e-2)


def test_a_dollar_moved_carries_more_gross_with_leverage_and_costs_the_same() -> None:
    inputs, config = inputs_of(THREE, rate=RATE), _config(gross_leverage=2.0, transfer_cost_bp=3.0)
    plan = plan_of(inputs, universe=THREE, config=config, allocation_usd=UNEVEN)
    numbers, _ = problem_numbers(
        inputs=inputs, current_usd=np.zeros(3), costs=costs_of(THREE), limits=plan.limits, config=config
    )
    assert numbers.transfer_cost == pytest.approx(1.5)


@pytest.mark.parametrize("changes", [{"transfer_cost_bp": 100.0}, {"transfer_cost_usd": 50_000.0}])
def test_what_does_not_earn_its_cost_is_not_proposed(changes: dict[str, float]) -> None:
    _, moves = _proposed(_config(**changes))
    assert moves == CollateralPlan()


def test_no_spread_no_proposal() -> None:
    config, inputs = _config(), inputs_of(THREE, rate=0.0)
    plan = plan_of(inputs, universe=THREE, config=config, allocation_usd=UNEVEN)
    numbers, scale = problem_numbers(
        inputs=inputs, current_usd=np.zeros(3), costs=costs_of(THREE), limits=plan.limits, config=config
    )
    found = proposal(problem_of(THREE), numbers, scale=scale, venues=THREE.venues, config=config)
    assert found == CollateralPlan()


def test_moves_go_from_the_largest_surplus_to_the_largest_want_and_small_ones_are_left() -> None:
    plan = collateral_plan(
        ("a", "b", "c"), now_usd=np.array([5e5, 3e5, 2e5]), wanted_usd=np.array([2e5, 2.95e5, 5.05e5]),
        gain_usd_per_year=1e6, config=_config(),
    )  # fmt: skip
    assert [(move.source, move.target) for move in plan.moves] == [("a", "c")]
    assert plan.moves[0].amount_usd == pytest.approx(3e5)


def test_nothing_is_carried_out() -> None:
    """The plan that proposes holds what is possible with the collateral that is there."""
    plan, moves = _proposed(_config())
    assert moves.moves
    assert np.abs(plan.notional_target[1]) <= UNEVEN[1] + 1e-6
    assert plan.venue_gross_budget_usd["b"] == pytest.approx(UNEVEN[1])
    assert moves.summary["carried_out_by"] == "a person; the system never moves money"
