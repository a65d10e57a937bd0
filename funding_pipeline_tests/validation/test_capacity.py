"""Reading a curve of runs by capital."""

import polars as pl

from funding_pipeline.validation.capacity import capacity


def _runs(returns: dict[float, float]) -> pl.DataFrame:
    rows = [
        {"value": times, "capital_usd": 1e6 * times, "net_return_annual": net, "net_usd": 1e6 * times * net,
         "mean_gross_usd": 5e5 * times, "turnover": 10.0}
        for times, net in returns.items()
    ]  # fmt: skip
    return pl.DataFrame(rows).sample(fraction=1, shuffle=True, seed=1)


def test_it_ends_where_half_of_the_return_is_gone() -> None:
    found = capacity(_runs({0.1: 0.021, 1: 0.02, 3: 0.015, 10: 0.009, 30: 0.004}))
    assert found["capital_usd"] == 3e6
    assert not found["is_largest_studied"]
    assert found["most_profit_capital_usd"] == 30e6
    assert [point["capital_usd"] for point in found["points"]] == [1e5, 1e6, 3e6, 10e6, 30e6]


def test_a_gap_ends_it() -> None:
    assert capacity(_runs({1: 0.02, 3: 0.001, 10: 0.02}))["capital_usd"] == 1e6


def test_a_flat_curve_is_said_to_be_longer() -> None:
    found = capacity(_runs({1: 0.02, 30: 0.02}))
    assert found["capital_usd"] == 30e6
    assert found["is_largest_studied"]


def test_nothing_earned_carries_nothing() -> None:
    found = capacity(_runs({1: -0.02, 3: -0.01}))
    assert found["capital_usd"] is None
    assert found["most_profit_capital_usd"] is None
