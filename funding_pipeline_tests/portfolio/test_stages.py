"""The forecast path: its stages, the settlements inside them, and what only they can decide."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from funding_pipeline.portfolio.legs import LegInputs
from funding_pipeline.portfolio.stages import hold_hours, paid_hours, stage_lengths, stage_rates
from funding_pipeline_tests.portfolio.situations import costs_of, inputs_of, loose, plan_of, universe_of

TWO = universe_of("ab", ("BTC",))
FEE = 5e-4
ROUND_TRIP = 4 * FEE  # of two legs
WEEK = loose(expected_hold_hours=168.0)


def _on_path(*rates: float, **changes: object) -> LegInputs:
    """Leg b pays `rates` in stages of 24, 48 and 96 hours; leg a nothing."""
    path = np.stack([np.zeros(3), np.array(rates)], axis=1)
    mean = np.array([24.0, 48.0, 96.0]) @ path / 168
    return inputs_of(TWO, rate=mean, rate_path=path, **changes)


def test_lengths_and_hold() -> None:
    assert stage_lengths((24, 72, 168)) == (24.0, 48.0, 96.0)
    assert stage_lengths((168,)) == (24.0, 144.0)
    assert stage_lengths((8,)) == (4.0, 4.0)
    assert hold_hours((24.0, 48.0, 96.0), expected_hold_hours=240.0) == ((24.0, 48.0, 96.0), 72.0)
    assert hold_hours((24.0, 48.0, 96.0), expected_hold_hours=30.0) == ((24.0, 6.0, 0.0), 0.0)


@given(means=st.lists(st.floats(-1e-3, 1e-3), min_size=3, max_size=3))
def test_stage_rates_add_up_to_the_means_of_the_horizons(means: list[float]) -> None:
    hours = (24, 72, 168)
    rates = stage_rates({h: np.array([mean]) for h, mean in zip(hours, means, strict=True)})
    paid = np.cumsum(rates[:, 0] * np.array(stage_lengths(hours)))
    assert paid == pytest.approx(np.array(means) * hours, abs=1e-12)


def test_an_unknown_short_horizon_is_the_long_one() -> None:
    rates = stage_rates({24: np.array([np.nan]), 168: np.array([2e-5])})
    assert rates[:, 0] == pytest.approx([2e-5, 2e-5])


@given(interval=st.sampled_from([1.0, 4.0, 8.0]), part=st.floats(0.01, 1.0), hours=st.floats(0.0, 100.0))
def test_paid_hours_count_settlements(interval: float, part: float, hours: float) -> None:
    until = part * interval
    inputs = inputs_of(
        TWO, rate=0.0, hours_to_settlement=np.full(2, until), settlement_interval_hours=np.full(2, interval)
    )
    settled = [until + k * interval for k in range(200) if until + k * interval <= hours + 1e-9]
    paid = paid_hours(inputs, hours=(hours, 24.0))
    assert paid[0] == pytest.approx(len(settled) * interval)
    later = [until + k * interval for k in range(300) if until + k * interval <= hours + 24.0 + 1e-9]
    assert paid.sum(axis=0) == pytest.approx(len(later) * interval)


@pytest.mark.parametrize(("hours", "opens"), [(23.9, True), (24.1, False)])
def test_a_settlement_just_inside_the_hold_pays_and_one_just_after_does_not(
    hours: float, opens: bool
) -> None:
    """Leg b settles once in 24 hours; the position is expected to be held for 24."""
    inputs = inputs_of(
        TWO, rate=[0.0, 1.5 * ROUND_TRIP / 24], hours_to_settlement=np.array([8.0, hours]),
        settlement_interval_hours=np.array([8.0, 24.0]),
    )  # fmt: skip
    plan = plan_of(inputs, universe=TWO, config=loose(expected_hold_hours=24.0))
    assert plan.quantity_target.any() == opens


def test_a_position_is_kept_until_a_near_settlement_has_paid() -> None:
    """A leg that loses over a whole day is kept for what its hedge is paid within the hour."""
    inputs = inputs_of(
        TWO, rate=[1e-4, 1e-4], hours_to_settlement=np.array([30.0, 1.0]),
        settlement_interval_hours=np.array([24.0, 24.0]),
    )  # fmt: skip
    held = np.array([50_000.0, -50_000.0])
    kept = plan_of(inputs, universe=TWO, held_usd=held, config=loose(expected_hold_hours=24.0))
    assert kept.notional_target[1] == pytest.approx(-150_000.0, rel=1e-3)


def test_a_spike_too_short_for_its_round_trip_is_not_chased() -> None:
    """0.9 round trips within a day and nothing after; the same mean rate for ten days is taken."""
    spike = 0.9 * ROUND_TRIP / 24
    assert not plan_of(_on_path(spike, 0.0, 0.0), universe=TWO, config=WEEK).quantity_target.any()
    assert plan_of(_on_path(spike, spike, spike), universe=TWO, config=WEEK).quantity_target.any()


def test_a_spike_that_turns_is_left_again() -> None:
    """A day pays for opening and for closing; the path turns, and the plan leaves rather than pay it back."""
    spike = 1.6 * ROUND_TRIP / 24
    opened = plan_of(_on_path(spike, -spike, -spike), universe=TWO, config=WEEK)
    assert opened.notional_target[0] > 100_000


@pytest.mark.parametrize(("first", "waits"), [(-2e-6, True), (2e-6, False)])
def test_a_later_rise_is_waited_for_where_waiting_is_cheaper(first: float, waits: bool) -> None:
    plan = plan_of(_on_path(first, 2e-5, 3e-5), universe=TWO, config=WEEK)
    assert (not plan.quantity_target.any()) == waits


def test_a_large_position_is_built_over_stages() -> None:
    """Impact grows with a trade, so part of the way is left to later."""
    impact = 2e-6
    at_once = plan_of(
        _on_path(1e-4, 0.0, 0.0), universe=TWO, costs=costs_of(TWO, cost=1e-4, impact=impact),
        config=loose(expected_hold_hours=24.0),
    )  # fmt: skip
    built = plan_of(
        _on_path(1e-5, 1e-4, 1e-4), universe=TWO, costs=costs_of(TWO, cost=1e-4, impact=impact), config=WEEK
    )
    assert 0 < at_once.notional_target[0] < 150_000
    assert 0 < built.notional_target[0] < 150_000
