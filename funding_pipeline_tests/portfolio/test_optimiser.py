"""The decision against closed form, brute force and random inputs."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from funding_pipeline.core.errors import OptimisationError
from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.portfolio.legs import Leg, Universe
from funding_pipeline.portfolio.limits import limits_for
from funding_pipeline.portfolio.optimiser import fall_back, reduce_to_limits
from funding_pipeline.portfolio.plan import PortfolioPlan, plan_portfolio
from funding_pipeline.portfolio.problem import PortfolioProblem
from funding_pipeline_tests.portfolio.situations import YEAR, costs_of, inputs_of, loose, universe_of

TWO = universe_of("ab", ("BTC",))
WIDE = universe_of("abc", ("BTC", "ETH", "SOL"))
TWO_PROBLEM = PortfolioProblem(TWO)
WIDE_PROBLEM = PortfolioProblem(WIDE)


def _two_venues(spread_per_year: float, config: PortfolioConfig, impact: float = 0.0) -> PortfolioPlan:
    return plan_portfolio(
        inputs=inputs_of(TWO, rate=[0.0, spread_per_year / YEAR]),
        quantities=np.zeros(2),
        problem=TWO_PROBLEM,
        universe=TWO,
        costs=costs_of(TWO, impact=impact),
        config=config,
    )


def test_a_spread_above_break_even_is_taken_up_to_the_leg_cap() -> None:
    config = loose()
    break_even = 2 * 5e-4 / config.expected_hold_hours * YEAR
    plan = _two_venues(break_even * 1.05, config)
    cap = 0.30 * 500_000
    assert plan.notional_target == pytest.approx([cap, -cap], rel=2e-4)
    assert abs(plan.notional_target).max() <= cap
    assert set(plan.binding) == {"leg_cap:a BTC/USDT:USDT", "leg_cap:b BTC/USDT:USDT"}


def test_a_spread_below_break_even_is_left_alone() -> None:
    config = loose()
    break_even = 2 * 5e-4 / config.expected_hold_hours * YEAR
    assert not _two_venues(break_even * 0.95, config).quantity_target.any()


def test_size_under_impact_has_its_closed_form() -> None:
    """maximise (r h - 2 c) x - 2 k x^2, so x = (r h - 2 c) / (4 k)."""
    spread, impact = 0.10, 4e-9
    expected = (spread / YEAR * 240 - 2 * 5e-4) / (4 * impact)
    assert 0 < expected < 150_000
    plan = _two_venues(spread, loose(), impact=impact)
    assert plan.notional_target == pytest.approx([expected, -expected], rel=1e-3)


def test_a_small_book_agrees_with_brute_force() -> None:
    """Two venues, two bases, neutral venues: all books on a grid of 5 % of the cap."""
    universe = universe_of("ab", ("BTC", "ETH"))
    config = loose(venue_beta_band_fraction=0.10)
    beta = np.array([1.0, 1.3, 1.0, 1.3])
    rate = np.array([0.0, 0.02, 0.12, 0.20]) / YEAR
    current = np.array([30_000.0, -20_000.0, -30_000.0, 20_000.0])
    costs = costs_of(universe)
    inputs = inputs_of(universe, rate=rate, beta=beta)
    plan = plan_portfolio(
        inputs=inputs, quantities=current / 100, problem=PortfolioProblem(universe), universe=universe,
        costs=costs, config=config,
    )  # fmt: skip

    def value(book: np.ndarray) -> float:
        return float(-(rate * 240) @ book - 5e-4 * np.abs(book - current).sum())

    limits = limits_for(universe, inputs=inputs, thin=costs.thin, current_usd=current, config=config)
    grid = np.linspace(-150_000, 150_000, 61)
    best = max(
        value(book)
        for btc, eth in product(grid, grid)
        if not limits.violations(book := np.array([btc, eth, -btc, -eth]))
    )
    found = value(plan.notional_target)
    assert found >= best - 1.0
    assert found <= best + 5_000 * 0.2 / YEAR * 240 * 4


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
    held[:, :] -= held.mean(axis=0)
    inputs = inputs_of(
        WIDE, rate=rate, price=price, reference_price=base_price, may_increase=may_increase,
        must_close=must_close, beta=rng.uniform(0.3, 2.5, len(WIDE.bases))[WIDE.base_index],
        basis_sd=rng.uniform(0, 5e-3, n), venue_open=rng.random(3) > 0.1,
    )  # fmt: skip
    config = PortfolioConfig(venue_beta_band_fraction=float(rng.choice([0.0, 0.05, 0.3])))
    quantities = held.ravel() / base_price * (rng.random() > 0.2)
    costs = replace(costs_of(WIDE, impact=1e-10), thin=rng.random(n) > 0.8)
    plan = plan_portfolio(
        inputs=inputs, quantities=quantities, problem=WIDE_PROBLEM, universe=WIDE, costs=costs, config=config
    )
    current = quantities * price
    limits = limits_for(WIDE, inputs=inputs, thin=costs.thin, current_usd=current, config=config)
    slack = 1e-3 if config.venue_beta_band_fraction > 0 else 0.5  # a band of zero is an equation
    assert limits.violations(plan.notional_target, tolerance_usd=slack) == ()
    net = WIDE.base_matrix @ plan.quantity_target
    assert (np.abs(net) <= 1e-9 * (WIDE.base_matrix @ np.abs(plan.quantity_target) + 1e-12)).all()
    assert not plan.quantity_target[must_close].any()
    assert plan.status == "optimal"


@settings(max_examples=20, deadline=None)
@given(rate=st.floats(-1e-4, 1e-4))
def test_equal_forecasts_never_open_anything(rate: float) -> None:
    plan = plan_portfolio(
        inputs=inputs_of(WIDE, rate=rate), quantities=np.zeros(len(WIDE)), problem=WIDE_PROBLEM,
        universe=WIDE, costs=costs_of(WIDE), config=PortfolioConfig(),
    )  # fmt: skip
    assert not plan.quantity_target.any()
    assert plan.expected_funding_usd_per_hour == 0
    assert plan.expected_cost_usd == 0


def test_a_position_out_of_bounds_comes_back_inside() -> None:
    big = np.array([200_000.0, -200_000.0]) / 100
    plan = plan_portfolio(
        inputs=inputs_of(TWO, rate=[0, 0.2 / YEAR]), quantities=big, problem=TWO_PROBLEM, universe=TWO,
        costs=costs_of(TWO), config=loose(),
    )  # fmt: skip
    assert np.abs(plan.notional_target).max() <= 150_000


def test_a_leg_without_forecast_is_only_reduced() -> None:
    held = np.array([500.0, -500.0])
    inputs = inputs_of(TWO, rate=[np.nan, 0.5 / YEAR], may_increase=np.array([False, True]))
    plan = plan_portfolio(
        inputs=inputs, quantities=held, problem=TWO_PROBLEM, universe=TWO, costs=costs_of(TWO), config=loose()
    )
    assert 0 <= plan.quantity_target[0] <= 500.0


def test_a_vanished_leg_is_closed_with_its_hedge_and_says_so() -> None:
    held = np.array([500.0, -500.0])
    gone = "no own price for long: closed at its last known price"
    inputs = inputs_of(
        TWO, rate=[0, 0.5 / YEAR], may_increase=np.array([True, False]),
        must_close=np.array([False, True]), note=("", gone),
    )  # fmt: skip
    plan = plan_portfolio(
        inputs=inputs, quantities=held, problem=TWO_PROBLEM, universe=TWO, costs=costs_of(TWO), config=loose()
    )
    assert not plan.quantity_target.any()
    assert gone in plan.reasons[1]
    assert plan.reasons[1].startswith("close short")


class _Failing(PortfolioProblem):
    def solve(self, numbers: object) -> np.ndarray:
        raise OptimisationError("the solver CLARABEL found no portfolio: status infeasible")


@pytest.mark.parametrize(("size", "status"), [(1_000.0, "held"), (2_000.0, "reduced")])
def test_a_failed_solver_holds_or_reduces_with_a_reason(size: float, status: str) -> None:
    held = np.array([size, -size])
    plan = plan_portfolio(
        inputs=inputs_of(TWO, rate=0.0), quantities=held, problem=_Failing(TWO), universe=TWO,
        costs=costs_of(TWO), config=loose(),
    )  # fmt: skip
    assert plan.status == status
    assert "infeasible" in plan.status_reason
    assert np.abs(plan.notional_target).max() <= 150_000
    assert plan.quantity_target.sum() == 0


def test_nan_parameters_are_a_named_error_not_a_crash() -> None:
    inputs = inputs_of(TWO, rate=[0, 1.0 / YEAR], price_sd_per_decision=np.array([0.01, 0.01]))
    bad = replace(costs_of(TWO), fee=np.array([np.nan, 1e-4]))
    plan = plan_portfolio(
        inputs=inputs, quantities=np.zeros(2), problem=PortfolioProblem(TWO), universe=TWO, costs=bad,
        config=loose(),
    )  # fmt: skip
    assert plan.status == "held"
    assert plan.status_reason.startswith("the solver CLARABEL failed")


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_reducing_never_opens_and_ends_inside(seed: int) -> None:
    rng = np.random.default_rng(seed)
    held = rng.normal(0, 100_000, (3, 3))
    held -= held.mean(axis=0)
    must_close = rng.random(9) > 0.8
    inputs = inputs_of(WIDE, rate=0.0, must_close=must_close, may_increase=~must_close)
    current = held.ravel()
    config = PortfolioConfig()
    limits = limits_for(WIDE, inputs=inputs, thin=np.zeros(9, dtype=bool), current_usd=current, config=config)
    out = reduce_to_limits(current, limits=limits)
    assert limits.violations(out, tolerance_usd=1e-6) == ()
    assert (np.abs(out) <= np.abs(current) + 1e-9).all()
    assert (out * current >= 0).all()
    assert fall_back(np.zeros(9), limits=limits, reason="x").status == "held"


def test_small_trades_of_a_base_are_skipped() -> None:
    config = loose(min_trade_fraction=0.01, expected_hold_hours=1e6)
    held = np.array([149_000.0, -149_000.0]) / 100
    plan = plan_portfolio(
        inputs=inputs_of(TWO, rate=[0, 0.2 / YEAR]), quantities=held, problem=TWO_PROBLEM, universe=TWO,
        costs=costs_of(TWO), config=config,
    )  # fmt: skip
    assert (plan.quantity_target == held).all()


def test_inverse_legs_pay_for_being_restruck() -> None:
    """A spread that pays for opening, but not for the fees of following the price at every decision."""
    mixed = Universe.of([Leg("a", "BTC/USD:BTC", "BTC", is_inverse=True), Leg("b", "BTC/USDT:USDT", "BTC")])
    config = loose()
    spread = 1.15 * 2 * 5e-4 / config.expected_hold_hours * YEAR
    arguments = {"quantities": np.zeros(2), "costs": costs_of(mixed), "config": config}
    rate = [0, spread / YEAR]
    inverse = plan_portfolio(
        inputs=inputs_of(mixed, rate=rate), problem=PortfolioProblem(mixed), universe=mixed, **arguments
    )
    linear = plan_portfolio(inputs=inputs_of(TWO, rate=rate), problem=TWO_PROBLEM, universe=TWO, **arguments)
    assert linear.quantity_target.any()
    assert not inverse.quantity_target.any()
