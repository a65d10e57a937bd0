"""Order lists: rounding, reduce-only, price bounds."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funding_pipeline.core.tables import INSTRUMENTS
from funding_pipeline.execution.orders import order_list, rounded_positions
from funding_pipeline.portfolio.planning import plan_portfolio
from funding_pipeline.portfolio.problem import PortfolioProblem
from funding_pipeline_tests.portfolio.situations import AS_OF, YEAR, costs_of, inputs_of, loose, universe_of

TWO = universe_of("ab", ("BTC",))
PROBLEM = PortfolioProblem(TWO, stages=3)


def _legs(target: list[float], before: list[float]) -> pl.DataFrame:
    plan = plan_portfolio(
        inputs=inputs_of(TWO, rate=[0, 0.3 / YEAR]), quantities=np.zeros(2), problem=PROBLEM, universe=TWO,
        costs=costs_of(TWO), config=loose(),
    )  # fmt: skip
    changed = replace(
        plan, quantity_target=np.array(target), quantity_before=np.array(before), reasons=("one", "two")
    )
    return changed.legs


def _instruments(*, steps: tuple[float | None, float | None], tick: float | None = None) -> pl.DataFrame:
    rows = [
        {
            "venue": venue, "symbol": "BTC/USDT:USDT", "base": "BTC", "multiplier": 1.0, "contract_size": 1.0,
            "quote": "USDT", "settle": "USDT", "contract_type": "linear", "price_tick": tick,
            "quantity_step": step, "min_quantity": None, "min_notional": None, "maker_fee": None,
            "taker_fee": None, "effective_from": AS_OF, "effective_to": None, "known_at": AS_OF,
        }
        for venue, step in zip("ab", steps, strict=True)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=dict(INSTRUMENTS.columns))


def test_sizes_are_rounded_toward_zero_and_both_sides_alike() -> None:
    orders = order_list(_legs([12.3456, -12.3456], [0, 0]), _instruments(steps=(0.001, 0.1)))
    assert orders.select("venue", "side", "quantity", "reduce_only").rows() == [
        ("a", "buy", 12.3, False),
        ("b", "sell", 12.3, False),
    ]


def test_an_unknown_step_is_matched_to_the_known_one() -> None:
    orders = order_list(_legs([12.3456, -12.3456], [0, 0]), _instruments(steps=(None, 0.1)))
    assert orders["quantity"].to_list() == pytest.approx([12.3, 12.3])


def test_closing_is_exact_and_reduce_only() -> None:
    orders = order_list(_legs([0, 0], [12.34567, -12.34567]), _instruments(steps=(0.001, 0.1)))
    assert orders.select("side", "quantity", "reduce_only").rows() == [
        ("sell", 12.34567, True),
        ("buy", 12.34567, True),
    ]


def test_turning_is_a_close_and_an_opening() -> None:
    orders = order_list(_legs([-2.0, 2.0], [1.0, -1.0]), _instruments(steps=(0.5, 0.5)))
    assert orders.select("venue", "side", "quantity", "reduce_only").rows() == [
        ("a", "sell", 1.0, True),
        ("b", "buy", 1.0, True),
        ("a", "sell", 2.0, False),
        ("b", "buy", 2.0, False),
    ]


def test_limit_prices_bound_the_fill_on_the_tick() -> None:
    orders = order_list(
        _legs([1.0, -1.0], [0, 0]), _instruments(steps=(None, None), tick=0.07), price_bound_bp=30
    )
    buy, sell = orders["limit_price"].to_list()
    assert buy == pytest.approx(0.07 * int(100.3 / 0.07))
    assert sell == pytest.approx(0.07 * (int(99.7 / 0.07) + 1))


def test_nothing_to_do_is_an_empty_list() -> None:
    assert order_list(_legs([1.0, -1.0], [1.0, -1.0]), _instruments(steps=(1.0, 1.0))).is_empty()


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_rounding_never_enlarges_and_leaves_less_than_a_step(seed: int) -> None:
    rng = np.random.default_rng(seed)
    universe = universe_of("abcd", ("BTC",))
    target = rng.normal(0, 10, 4)
    target -= target.mean()
    steps = [float(step) for step in rng.choice([0.001, 0.01, 0.1, 1.0], 4)]
    out = rounded_positions(target, before=np.zeros(4), steps=steps, universe=universe)
    assert (np.abs(out) <= np.abs(target) + 1e-12).all()
    assert (out * target >= 0).all()
    assert np.allclose(np.round(out / steps), out / steps, atol=1e-6)
    assert abs(out.sum()) < max(steps) + 1e-9
