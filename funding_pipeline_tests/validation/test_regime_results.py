"""Days by regime: known when they begin, by hand-made markets; every day's profit in one row of each kind."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from funding_pipeline.core.tables import MarketTables
from funding_pipeline.validation.backtest import BacktestResult
from funding_pipeline.validation.regime_results import RESULTS_SCHEMA, known_regimes, regime_results
from funding_pipeline_tests.portfolio import synthetic

START = datetime(2024, 3, 1, tzinfo=UTC)


def _midnights(first: int, last: int) -> pl.Series:
    return pl.Series("time", [synthetic.START + timedelta(days=i) for i in range(first, last)])


def _with_drift(tables: MarketTables, per_day: float) -> MarketTables:
    """All prices grow by so much a day, whatever they did."""
    days = (pl.col("close_time") - synthetic.START).dt.total_seconds() / 86400
    flat = pl.col("close").first().over("venue", "symbol", "kind")
    return replace(tables, prices=tables.prices.with_columns(close=flat * (1 + per_day) ** days))


@pytest.mark.parametrize(("per_day", "word"), [(0.01, "bull"), (-0.01, "bear"), (0.001, "chop")])
def test_trend_is_the_move_of_the_last_thirty_days(tables: MarketTables, per_day: float, word: str) -> None:
    found = known_regimes(_with_drift(tables, per_day), times=_midnights(20, 40))
    late = found.filter(pl.col("time") >= synthetic.START + timedelta(days=30))
    assert late["trend"].unique().to_list() == [word]
    assert found.filter(pl.col("time") < synthetic.START + timedelta(days=30))["trend"].null_count() == 10


@pytest.mark.parametrize(("per_year", "word"), [(0.2, "high"), (0.05, "low"), (-0.02, "negative")])
def test_funding_is_the_median_of_the_last_week(tables: MarketTables, per_year: float, word: str) -> None:
    rate = pl.lit(per_year / 8760) * pl.col("interval_hours")
    paid = replace(tables, settled_funding=tables.settled_funding.with_columns(rate=rate))
    found = known_regimes(paid, times=_midnights(10, 20))
    assert found["funding"].unique().to_list() == [word]


def test_stress_is_what_the_filtered_regime_said_before_the_day(tables: MarketTables) -> None:
    times = _midnights(10, 16)
    noon = [synthetic.START + timedelta(days=day, hours=12) for day in (9, 11, 13)]
    regimes = pl.DataFrame({"as_of": noon, "regime": ["calm carry", "stress", "inverted"]})
    found = known_regimes(tables, times=times, regimes=regimes)
    assert found["volatility"].to_list() == ["calm", "calm", "stress", "stress", "calm", "calm"]


def test_what_is_known_does_not_change_with_later_rows(tables: MarketTables) -> None:
    cut = synthetic.START + timedelta(days=34)
    later = pl.col("known_at") > cut
    wild = replace(
        tables,
        prices=tables.prices.with_columns(close=pl.when(later).then(9.0).otherwise(1.0) * pl.col("close")),
        settled_funding=tables.settled_funding.with_columns(
            rate=pl.when(later).then(-9.0).otherwise(1.0) * pl.col("rate")
        ),
    )
    times = _midnights(30, 40)
    past = pl.col("time") <= cut
    found, other = known_regimes(tables, times=times), known_regimes(wild, times=times)
    assert_frame_equal(found.filter(past), other.filter(past))
    assert not found.equals(other)


def _equity(profits: list[float]) -> pl.DataFrame:
    sums = np.r_[0.0, np.cumsum(profits)]
    times = [START + timedelta(days=i) for i in range(len(sums))]
    zero = np.zeros(len(sums))
    return pl.DataFrame({"time": times, "equity": 1000 + sums, "pnl_funding": 1.5 * sums, "pnl_basis": zero,
                         "pnl_fees": -0.4 * sums, "pnl_slippage": -0.1 * sums})  # fmt: skip


def test_each_day_is_booked_in_the_regime_it_began_in() -> None:
    equity = _equity([1.0, 2.0, -1.0, 4.0])
    known = equity.select("time").with_columns(
        trend=pl.Series(["bull", "bull", "bear", None, "bull"]), volatility=pl.lit("calm"),
        funding=pl.Series(["low", "low", "low", "high", "negative"]),
    )  # fmt: skip
    found = regime_results(equity, known=known, capital_usd=1000)
    assert dict(found.schema) == RESULTS_SCHEMA
    rows = {row["regime"]: row for row in found.iter_rows(named=True)}
    assert rows["bull"]["days"] == 2
    assert rows["bull"]["net_usd"] == pytest.approx(3)
    assert rows["bull"]["net_return_annual"] == pytest.approx(0.0015 * 365)
    assert rows["bull"]["funding_usd"] == pytest.approx(4.5)
    assert rows["bull"]["costs_usd"] == pytest.approx(1.5)
    assert rows["bull"]["share_of_net"] == pytest.approx(0.5)
    assert rows["bear"]["net_usd"] == pytest.approx(-1)
    assert (rows["chop"]["days"], rows["chop"]["net_usd"], rows["chop"]["sharpe"]) == (0, 0, None)
    assert rows["negative"]["days"] == 0  # the last midnight begins no whole day
    assert rows["calm"]["share_of_net"] == pytest.approx(1)


def test_kinds_add_up_to_the_profit_of_whole_days(tables: MarketTables, result: BacktestResult) -> None:
    midnight = pl.col("time") == pl.col("time").dt.truncate("1d")
    times = result.equity.filter(midnight)["time"]
    found = regime_results(result.equity, known=known_regimes(tables, times=times), capital_usd=1e6)
    last = result.equity.filter(midnight)["equity"][-1] - 1e6
    for kind in ("volatility", "funding"):
        assert found.filter(kind=kind)["net_usd"].sum() == pytest.approx(last)
        assert found.filter(kind=kind)["days"].sum() == times.len() - 1
