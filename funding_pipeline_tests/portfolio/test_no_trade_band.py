"""Between opening and closing lies a band in which nothing is traded."""

import numpy as np
import pytest

from funding_pipeline_tests.portfolio.situations import costs_of, inputs_of, loose, plan_of, universe_of

TWO = universe_of("ab", ("BTC",))
FEE, STRESSED, HOLD_HOURS = 3e-4, 8e-4, 240.0
HELD = np.array([50_000.0, -50_000.0])


@pytest.mark.parametrize("multiple", [0.5, 1.0, 1.5])
@pytest.mark.parametrize(("factor", "opens"), [(0.97, False), (1.03, True)])
def test_a_position_has_to_earn_its_multiple_of_the_stressed_round_trip(
    multiple: float, factor: float, opens: bool
) -> None:
    """Two legs, in and out, at stressed costs: 4 m c over the expected hold."""
    spread = factor * 4 * multiple * STRESSED / HOLD_HOURS
    plan = plan_of(
        inputs_of(TWO, rate=[0.0, spread]), universe=TWO, costs=costs_of(TWO, cost=FEE),
        hurdle=costs_of(TWO, cost=STRESSED), config=loose(no_trade_multiple=multiple),
    )  # fmt: skip
    assert plan.quantity_target.any() == opens


@pytest.mark.parametrize(("factor", "closes"), [(0.97, False), (1.03, True)])
def test_a_position_is_closed_when_keeping_it_costs_more_than_leaving(factor: float, closes: bool) -> None:
    """Closing costs a fee on both legs, as it is now, not stressed."""
    loss = factor * 2 * FEE / HOLD_HOURS
    plan = plan_of(
        inputs_of(TWO, rate=[loss, 0.0]), universe=TWO, held_usd=HELD, costs=costs_of(TWO, cost=FEE),
        hurdle=costs_of(TWO, cost=STRESSED),
    )  # fmt: skip
    assert (not plan.quantity_target.any()) == closes
    if not closes:
        assert plan.notional_target == pytest.approx(HELD)


@pytest.mark.parametrize("spread", [-0.9 * 2 * FEE, 0.0, 0.9 * 4 * STRESSED])
def test_inside_the_band_nothing_is_traded(spread: float) -> None:
    plan = plan_of(
        inputs_of(TWO, rate=[0.0, spread / HOLD_HOURS]), universe=TWO, held_usd=HELD,
        costs=costs_of(TWO, cost=FEE), hurdle=costs_of(TWO, cost=STRESSED),
    )  # fmt: skip
    assert not plan.trade_quantity.any()
    assert plan.expected_cost_usd == 0


def test_small_trades_of_a_base_are_skipped() -> None:
    held = np.array([149_000.0, -149_000.0])
    config = loose(min_trade_fraction=0.01, expected_hold_hours=1e6)
    plan = plan_of(inputs_of(TWO, rate=[0, 2e-5]), universe=TWO, held_usd=held, config=config)
    assert not plan.trade_quantity.any()


def test_a_rebate_is_never_a_reason_to_trade() -> None:
    """A maker's negative fee: nothing is opened, or traded to and fro, to earn it."""
    plan = plan_of(inputs_of(TWO, rate=0.0), universe=TWO, costs=costs_of(TWO, cost=-1e-4))
    assert plan.status == "optimal"
    assert not plan.quantity_target.any()
