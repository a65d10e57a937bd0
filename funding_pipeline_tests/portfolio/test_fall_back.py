"""Without a solution: positions as they are, or smaller, and a reason."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funding_pipeline.core.errors import OptimisationError, PlanNumbersError
from funding_pipeline.portfolio.compilation import ProblemNumbers
from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.portfolio.fall_back import reduce_around, reduce_to_limits
from funding_pipeline.portfolio.limits import limits_for
from funding_pipeline.portfolio.planning import plan_portfolio
from funding_pipeline.portfolio.problem import Answer, PortfolioProblem
from funding_pipeline_tests.portfolio.situations import costs_of, inputs_of, loose, plan_of, universe_of

TWO = universe_of("ab", ("BTC",))
WIDE = universe_of("abc", ("BTC", "ETH", "SOL"))


class _Failing(PortfolioProblem):
    def solve(self, numbers: ProblemNumbers) -> Answer:
        raise OptimisationError("the solver CLARABEL found no portfolio: status unbounded")


@pytest.mark.parametrize(("size_usd", "status"), [(100_000.0, "held"), (200_000.0, "reduced")])
def test_a_failed_solver_holds_or_reduces_with_a_reason(size_usd: float, status: str) -> None:
    held = np.array([size_usd, -size_usd])
    plan = plan_portfolio(
        inputs=inputs_of(TWO, rate=[0.0, 1e-3]), quantities=held / 100, problem=_Failing(TWO, stages=3),
        universe=TWO, costs=costs_of(TWO), config=loose(),
    )  # fmt: skip
    assert plan.status == status
    assert "status unbounded" in plan.status_reason
    assert np.abs(plan.notional_target) == pytest.approx([min(size_usd, 150_000)] * 2)
    assert plan.quantity_target.sum() == 0
    assert plan.shadow_prices == ()


def test_numbers_that_are_none_are_our_own_error_and_no_failure_of_the_solver() -> None:
    bad = replace(costs_of(TWO), fee=np.array([1e-4, np.nan]))
    with pytest.raises(PlanNumbersError, match=r"plan: (open|close)_cost of b BTC/USDT:USDT is nan"):
        plan_of(inputs_of(TWO, rate=[0, 1e-4]), universe=TWO, costs=bad)


class _Misshapen(PortfolioProblem):
    def solve(self, numbers: ProblemNumbers) -> Answer:
        return super().solve(replace(numbers, beta=np.ones(3)))


def test_an_array_of_another_shape_is_named() -> None:
    with pytest.raises(PlanNumbersError, match=r"beta has the shape \(3,\), not \(2,\)"):
        plan_portfolio(
            inputs=inputs_of(TWO, rate=[0.0, 1e-3]), quantities=np.zeros(2),
            problem=_Misshapen(TWO, stages=3), universe=TWO, costs=costs_of(TWO), config=loose(),
        )  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_reducing_never_opens_and_ends_inside(seed: int) -> None:
    rng = np.random.default_rng(seed)
    held = rng.normal(0, 100_000, (3, 3))
    held -= held.mean(axis=0)
    must_close = rng.random(9) > 0.8
    inputs = inputs_of(WIDE, rate=0.0, must_close=must_close, may_increase=~must_close)
    current = held.ravel()
    limits = limits_for(
        WIDE, inputs=inputs, thin=np.zeros(9, dtype=bool), current_usd=current, config=PortfolioConfig(),
        collateral_usd=rng.uniform(0, 500_000, 3) * (rng.random(3) > 0.2),
    )  # fmt: skip
    out = reduce_to_limits(current, limits=limits)
    assert limits.violations(out, tolerance_usd=1e-6) == ()
    assert (np.abs(out) <= np.abs(current) + 1e-9).all()
    assert (out * current >= 0).all()


def test_reducing_leaves_frozen_legs_as_they_are() -> None:
    held = np.array([200_000.0, -200_000.0])
    frozen = np.array([True, False])
    inputs = inputs_of(TWO, rate=0.0, frozen=frozen)
    limits = limits_for(TWO, inputs=inputs, thin=np.zeros(2, dtype=bool), current_usd=held, config=loose())
    out = reduce_around(held, frozen=frozen, limits=limits)
    assert out[0] == 200_000.0
    assert -200_000 <= out[1] <= 0
