"""Figures against hand-made series and another way to compute them."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from funding_pipeline.validation.statistics import (
    bootstrap_block_days,
    daily_returns,
    drawdown,
    sharpe_interval,
    sharpe_ratio,
    sharpe_standard_error,
)

START = datetime(2024, 1, 1, 8, tzinfo=UTC)


def _equity(values: list[float], *, hours: int = 8) -> pl.DataFrame:
    times = [START + timedelta(hours=hours * i) for i in range(len(values))]
    return pl.DataFrame({"time": times, "equity": values})


def test_daily_returns_are_of_whole_utc_days_on_capital() -> None:
    found = daily_returns(_equity([100, 101, 102, 103, 104, 105, 107, 108]), capital_usd=100)
    assert found["return"].to_list() == pytest.approx([0.03])
    assert found["day"].to_list() == [datetime(2024, 1, 2).date()]  # noqa: DTZ001


def test_the_first_trades_cost_falls_on_the_first_day() -> None:
    midnight = START.replace(hour=0)
    frame = pl.DataFrame({"time": [midnight, midnight + timedelta(days=1)], "equity": [99.0, 101.0]})
    assert daily_returns(frame, capital_usd=100)["return"].to_list() == pytest.approx([0.01])


def test_drawdown_and_time_below_the_peak() -> None:
    found = drawdown(_equity([100, 110, 99, 105, 111, 111, 108], hours=24), capital_usd=100)
    assert found["max_drawdown"] == pytest.approx(0.11)
    assert found["longest_under_water_days"] == pytest.approx(2)
    assert found["time_under_water"] == pytest.approx(3 / 6)


def test_a_start_below_capital_counts_as_drawdown() -> None:
    assert drawdown(_equity([99, 100]), capital_usd=100)["max_drawdown"] == pytest.approx(0.01)


def test_sharpe_is_null_without_risk() -> None:
    assert sharpe_ratio(np.zeros(100)) is None
    assert sharpe_interval(np.zeros(100)) is None
    assert sharpe_interval(np.ones(10)) is None


def test_interval_covers_and_is_deterministic() -> None:
    returns = np.random.default_rng(5).normal(1e-4, 1e-3, 720)
    found = sharpe_interval(returns)
    assert found == sharpe_interval(returns)
    assert found is not None
    sharpe = sharpe_ratio(returns)
    assert sharpe is not None
    assert found.low < sharpe < found.high
    iid = np.sqrt((1 + (sharpe / np.sqrt(365)) ** 2 / 2) / 720 * 365)
    assert sharpe_standard_error(returns) == pytest.approx(iid, rel=0.25)


def test_autocorrelation_widens_the_interval() -> None:
    rng = np.random.default_rng(2)
    noise = rng.normal(0, 1e-3, 1000)
    smooth = np.convolve(noise, np.ones(10) / 10, mode="valid") + 1e-4
    rough = rng.permutation(smooth)
    assert sharpe_standard_error(smooth) > 1.5 * sharpe_standard_error(rough)
    wide, narrow = sharpe_interval(smooth), sharpe_interval(rough)
    assert wide is not None
    assert narrow is not None
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def test_blocks_are_a_week_at_least() -> None:
    assert bootstrap_block_days(30) == 7
    assert bootstrap_block_days(800) == 9
