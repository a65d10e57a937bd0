"""The decision against closed form, brute force and random inputs."""

from itertools import product

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.portfolio.legs import Floats, Leg, Universe
from funding_pipeline.portfolio.limits import limits_for
from funding_pipeline_tests.portfolio.situations import (
    YEAR,
    costs_of,
    inputs_of,
    loose,
    plan_of,
    universe_of,
)

TWO = universe_of("ab", ("BTC",))
WIDE = universe_of("abc", ("BTC", "ETH", "SOL"))
FEE, HOLD_HOURS = 5e-4, 240.0
BREAK_EVEN = 4 * FEE / HOLD_HOURS  # per hour: two legs, opened and closed
CAP = 0.30 * 500_000


@pytest.mark.parametrize("side", [1, -1])
def test_a_spread_above_break_even_is_taken_up_to_the_leg_cap(side: int) -> None:
    """The leg with the higher rate is sold, whichever it is."""
    plan = plan_of(inputs_of(TWO, rate=[0.0, side * BREAK_EVEN * 1.05]), universe=TWO)
    assert plan.notional_target == pytest.approx([side * CAP, -side * CAP], rel=2e-4)
    assert abs(plan.notional_target).max() <= CAP
    assert set(plan.binding) == {"leg_cap:a BTC/USDT:USDT", "leg_cap:b BTC/USDT:USDT"}
    assert plan.expected_funding_usd_per_hour == pytest.approx(CAP * BREAK_EVEN * 1.05, rel=2e-4)


@pytest.mark.parametrize("side", [1, -1])
def test_a_spread_below_break_even_is_left_alone(side: int) -> None:
    plan = plan_of(inputs_of(TWO, rate=[0.0, side * BREAK_EVEN * 0.95]), universe=TWO)
    assert plan.status == "optimal"
    assert not plan.quantity_target.any()


def test_negative_rates_on_both_sides_are_earned_by_being_long_the_lower() -> None:
    plan = plan_of(inputs_of(TWO, rate=[-3 * BREAK_EVEN, -BREAK_EVEN]), universe=TWO)
    assert plan.notional_target[0] > 0 > plan.notional_target[1]
    assert plan.expected_funding_usd_per_hour == pytest.approx(2 * BREAK_EVEN * CAP, rel=2e-4)


@pytest.mark.parametrize("multiple", [1.0, 1.5])
def test_size_under_impact_has_its_closed_form(multiple: float) -> None:
    """Maximise g x - 4 m k x^1.5, g = r h - 4 m c: the root of x is g / (6 m k)."""
    rate, fee, impact, hours = 6e-5, 1e-4, 7e-7, 24.0
    gain = rate * hours - 4 * multiple * fee
    expected = (gain / (6 * multiple * impact)) ** 2
    assert 1_000 < expected < CAP
    plan = plan_of(
        inputs_of(TWO, rate=[0.0, rate]), universe=TWO, costs=costs_of(TWO, cost=fee, impact=impact),
        config=loose(expected_hold_hours=hours, no_trade_multiple=multiple),
    )  # fmt: skip
    assert plan.notional_target == pytest.approx([expected, -expected], rel=2e-3)


def test_a_small_book_agrees_with_brute_force() -> None:
    """Two venues, two bases, neutral venues: all books on a grid of 5,000 USD."""
    universe = universe_of("ab", ("BTC", "ETH"))
    config = loose(venue_beta_band_fraction=0.10)
    beta = np.array([1.0, 1.3, 1.0, 1.3])
    rate = np.array([0.0, 0.02, 0.12, 0.20]) / YEAR
    current = np.array([30_000.0, -20_000.0, -30_000.0, 20_000.0])
    costs, inputs = costs_of(universe), inputs_of(universe, rate=rate, beta=beta)
    plan = plan_of(inputs, universe=universe, held_usd=current, config=config)

    def value(book: Floats) -> float:
        sides = ((np.maximum(sign * book, 0), np.maximum(sign * current, 0)) for sign in (1, -1))
        paid = sum(
            2 * FEE * np.maximum(after - before, 0).sum() + FEE * np.maximum(before - after, 0).sum()
            for after, before in sides
        )
        return float(-(rate * HOLD_HOURS) @ book - paid)

    limits = limits_for(universe, inputs=inputs, thin=costs.thin, current_usd=current, config=config)
    grid = np.linspace(-150_000, 150_000, 61)
    best = max(
        value(book)
        for btc, eth in product(grid, grid)
        if not limits.violations(book := np.array([btc, eth, -btc, -eth]))
    )
    found = value(plan.notional_target)
    assert found >= best - 1.0
    assert found <= best + 5_000 * 0.2 / YEAR * HOLD_HOURS * 4


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32 - 1))
def test_every_plan_keeps_every_limit(seed: int) -> None:
    """Random forecasts, prices, betas, restrictions and starting positions, in and out of bounds."""
    rng = np.random.default_rng(seed)
    n = len(WIDE)
    base_price = rng.uniform(0.01, 1000, len(WIDE.bases))[WIDE.base_index]
    price = base_price * np.exp(rng.normal(0, rng.choice([2e-3, 4e-2]), n))
    may_increase = rng.random(n) > 0.15
    must_close = ~may_increase & (rng.random(n) > 0.5)
    rate = np.where(rng.random(n) > 0.1, rng.normal(0, 2e-5, n), np.nan)
    held = rng.normal(0, 60_000, (3, 3))
    held -= held.mean(axis=0)
    inputs = inputs_of(
        WIDE, rate=rate, price=price, reference_price=base_price, may_increase=may_increase,
        must_close=must_close, beta=rng.uniform(0.3, 2.5, len(WIDE.bases))[WIDE.base_index],
        basis_sd=rng.uniform(0, 5e-3, n), venue_open=rng.random(3) > 0.1,
    )  # fmt: skip
    config = PortfolioConfig(venue_beta_band_fraction=float(rng.choice([0.0, 0.05, 0.3])))
    held_usd = held.ravel() / base_price * price * (rng.random() > 0.2)
    plan = plan_of(inputs, universe=WIDE, held_usd=held_usd, costs=costs_of(WIDE, impact=1e-7), config=config)
    # a band of zero is an equation: what rounding leaves may not fit, and the plan says so
    closed = config.venue_beta_band_fraction == 0
    assert plan.status == "optimal" or (closed and "do not fit" in plan.status_reason)
    assert plan.limits.violations(plan.notional_target, tolerance_usd=plan.limits.tolerance_usd) == ()
    net = WIDE.base_matrix @ plan.quantity_target
    assert (np.abs(net) <= 1e-9 * (WIDE.base_matrix @ np.abs(plan.quantity_target) + 1e-12)).all()
    assert not plan.quantity_target[must_close].any()


@settings(max_examples=15, deadline=None)
@given(rate=st.floats(-1e-4, 1e-4))
def test_equal_forecasts_never_open_anything(rate: float) -> None:
    plan = plan_of(inputs_of(WIDE, rate=rate), universe=WIDE, config=PortfolioConfig())
    assert not plan.quantity_target.any()
    assert plan.expected_funding_usd_per_hour == 0
    assert plan.expected_cost_usd == 0


def test_a_position_out_of_bounds_comes_back_inside() -> None:
    plan = plan_of(inputs_of(TWO, rate=[0, 1e-4]), universe=TWO, held_usd=[200_000.0, -200_000.0])
    assert np.abs(plan.notional_target).max() <= CAP


def test_a_leg_without_forecast_is_only_reduced() -> None:
    inputs = inputs_of(TWO, rate=[np.nan, 1e-4], may_increase=np.array([False, True]))
    plan = plan_of(inputs, universe=TWO, held_usd=[50_000.0, -50_000.0])
    assert 0 <= plan.notional_target[0] <= 50_000.0


def test_a_vanished_leg_is_closed_with_its_hedge_and_says_so() -> None:
    gone = "no own price for long: closed at its last known price"
    inputs = inputs_of(
        TWO, rate=[0, 1e-4], may_increase=np.array([True, False]),
        must_close=np.array([False, True]), note=("", gone),
    )  # fmt: skip
    plan = plan_of(inputs, universe=TWO, held_usd=[50_000.0, -50_000.0])
    assert not plan.quantity_target.any()
    assert gone in plan.reasons[1]
    assert plan.reasons[1].startswith("close short")


def test_inverse_legs_pay_for_being_restruck() -> None:
    """A spread that pays for opening, but not for the fees of following the price at every decision."""
    mixed = Universe.of([Leg("a", "BTC/USD:BTC", "BTC", is_inverse=True), Leg("b", "BTC/USDT:USDT", "BTC")])
    rate = [0, 1.05 * BREAK_EVEN]
    assert plan_of(inputs_of(TWO, rate=rate), universe=TWO).quantity_target.any()
    assert not plan_of(inputs_of(mixed, rate=rate), universe=mixed).quantity_target.any()
