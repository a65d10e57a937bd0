"""Volumes, depth and open interest: units, ages, and that nothing of the future is in them."""

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from funding_pipeline.core import tables as schemas
from funding_pipeline.core.tables import MarketTables
from funding_pipeline.portfolio.legs import Universe
from funding_pipeline.portfolio.liquidity import LiquidityPanel, liquidity_panel
from funding_pipeline.portfolio.universe import quoted_universe
from funding_pipeline_tests.portfolio import synthetic

AS_OF = synthetic.START + timedelta(days=30, hours=8)
VOLUME = 50.0  # per hour of a candle, in the venue's unit
TERMS = {
    "a": synthetic.terms()["a"].model_copy(update={"candle_volume_unit": "base"}),
    "b": synthetic.terms()["b"].model_copy(
        update={"candle_volume_unit": "contracts", "inverse_candle_volume_unit": "contracts"}
    ),
    "c": synthetic.terms()["c"].model_copy(update={"candle_volume_unit": "base"}),
}


@pytest.fixture(scope="module")
def tables() -> MarketTables:
    """The synthetic market with volumes; a contract is 10 units, one inverse contract 100 USD."""
    plain = synthetic.market()
    traded = pl.when(pl.col("kind") == "trade").then(VOLUME * pl.col("timeframe_hours"))
    size = pl.when(pl.col("contract_type") == "inverse").then(100.0).otherwise(10.0)
    return replace(
        plain,
        prices=plain.prices.with_columns(volume=traded),
        instruments=plain.instruments.with_columns(contract_size=size),
    )


def _at(tables: MarketTables, *times: datetime, universe: Universe | None = None) -> LiquidityPanel:
    universe = universe or quoted_universe(tables.instruments)
    price = np.full((len(times), len(universe)), 200.0)
    return liquidity_panel(tables, universe=universe, times=times, terms=TERMS, price=price)


def _leg(tables: MarketTables, name: str) -> int:
    return [leg.name for leg in quoted_universe(tables.instruments).legs].index(name)


def _median_close(tables: MarketTables, venue: str, symbol: str) -> float:
    """Median over the last 28 whole days of the days' mean close."""
    day = (pl.col("close_time") - pl.duration(microseconds=1)).dt.truncate("1d")
    mine = (pl.col("venue") == venue) & (pl.col("symbol") == symbol) & (pl.col("kind") == "trade")
    end = AS_OF.replace(hour=0)
    days = (
        tables.prices.filter(mine & (pl.col("close_time") > synthetic.START))
        .group_by(day.alias("day"))
        .agg(pl.col("close").mean())
        .filter((pl.col("day") < end) & (pl.col("day") >= end - timedelta(days=28)))
        .collect()
    )
    assert days.height == 28
    return float(days["close"].median())


def test_volume_counts_in_the_venues_unit(tables: MarketTables) -> None:
    found = _at(tables, AS_OF).daily_volume_usd[0]
    base = found[_leg(tables, "a ETH/USDT:USDT")]
    assert base == pytest.approx(24 * VOLUME * _median_close(tables, "a", "ETH/USDT:USDT"))
    contracts = found[_leg(tables, "b ETH/USDT:USDT")]
    assert contracts == pytest.approx(24 * VOLUME * 10 * _median_close(tables, "b", "ETH/USDT:USDT"))
    assert found[_leg(tables, "b BTC/USD:BTC")] == pytest.approx(24 * VOLUME * 100)
    eight_hours = found[_leg(tables, "c ETH/USDT:USDT")]
    assert eight_hours == pytest.approx(24 * VOLUME * _median_close(tables, "c", "ETH/USDT:USDT"))


def test_unknown_units_and_contract_sizes_are_unknown_volumes(tables: MarketTables) -> None:
    nameless = replace(
        tables, instruments=tables.instruments.with_columns(contract_size=pl.lit(None, dtype=pl.Float64))
    )
    found = _at(nameless, AS_OF)
    contracts = np.array([leg.venue == "b" for leg in quoted_universe(tables.instruments).legs])
    assert (found.volume_assumed[0] == contracts).all()
    universe = quoted_universe(tables.instruments)
    silent = liquidity_panel(
        tables, universe=universe, times=[AS_OF], terms=synthetic.terms(),
        price=np.ones((1, len(universe))),
    )  # fmt: skip
    assert silent.volume_assumed.all()


def test_a_day_counts_an_hour_after_its_end_and_too_few_days_are_unknown(tables: MarketTables) -> None:
    midnight = synthetic.START + timedelta(days=7)
    times = [midnight, midnight + timedelta(hours=1), midnight + timedelta(days=1)]
    known = ~_at(tables, *times).volume_assumed
    assert known.all(axis=1).tolist() == [False, True, True]
    assert not known[0].any()


def test_no_volume_is_left_when_an_instrument_stops(tables: MarketTables) -> None:
    stopped = synthetic.without_rows_after(
        tables, venue="a", name="ETH/USDT:USDT", time=AS_OF - timedelta(days=4)
    )
    leg = _leg(tables, "a ETH/USDT:USDT")
    found = _at(stopped, AS_OF - timedelta(days=2), AS_OF).daily_volume_usd[:, leg]
    assert np.isfinite(found).tolist() == [True, False]


def test_later_rows_and_their_order_change_nothing(tables: MarketTables) -> None:
    times = [AS_OF - timedelta(hours=8), AS_OF]
    before = _at(tables, *times)
    later = pl.col("known_at") > AS_OF
    wild = replace(
        tables,
        prices=tables.prices.with_columns(
            volume=pl.when(later).then(1e9).otherwise(pl.col("volume")),
            close=pl.when(later).then(1.0).otherwise(pl.col("close")),
        )
        .collect()
        .sample(fraction=1, shuffle=True, seed=2)
        .lazy(),
    )
    after = _at(wild, *times)
    assert np.array_equal(before.daily_volume_usd, after.daily_volume_usd, equal_nan=True)


def test_a_candle_that_comes_late_is_left_out_however_much_it_says(tables: MarketTables) -> None:
    day = AS_OF.replace(hour=0) - timedelta(days=3)
    late = (pl.col("close_time") == day + timedelta(hours=8)) & (pl.col("venue") == "a")
    told = replace(
        tables,
        prices=tables.prices.with_columns(
            known_at=pl.when(late).then(day + timedelta(days=2)).otherwise(pl.col("known_at")),
            volume=pl.when(late).then(1e12).otherwise(pl.col("volume")),
        ),
    )
    leg = _leg(tables, "a ETH/USDT:USDT")
    found, plain = _at(told, AS_OF), _at(tables, AS_OF)
    assert found.daily_volume_usd[0, leg] == pytest.approx(plain.daily_volume_usd[0, leg], rel=0.02)


def _readings(tables: MarketTables) -> MarketTables:
    rows = [(AS_OF - timedelta(hours=h), h) for h in (30, 20, 1)] + [(AS_OF + timedelta(hours=1), 99)]
    depth = pl.DataFrame(
        {
            "venue": "a", "symbol": "ETH/USDT:USDT", "observed_at": [time for time, _ in rows], "mid": 1.0,
            "spread_bp": 1.0, "bid_depth_10bp_usd": [1e6 + h for _, h in rows],
            "ask_depth_10bp_usd": [9e5 + h for _, h in rows], "imbalance": 0.0,
        }
    ).with_columns(
        *(pl.lit(None, dtype=pl.Float64).alias(c) for c in schemas.ORDER_BOOK_DEPTH.columns if "impact" in c),
        known_at=pl.col("observed_at"),
    )  # fmt: skip
    open_interest = pl.DataFrame(
        {
            "venue": "a", "symbol": "ETH/USDT:USDT", "observed_at": [time for time, _ in rows],
            "open_interest_base": [float(h) for _, h in rows], "known_at": [time for time, _ in rows],
        }
    )  # fmt: skip
    return replace(
        tables,
        order_book_depth=schemas.ORDER_BOOK_DEPTH.conform(depth).lazy(),
        open_interest=schemas.OPEN_INTEREST.conform(open_interest).lazy(),
    )


def test_depth_and_open_interest_are_the_last_reading_of_a_day(tables: MarketTables) -> None:
    known = _readings(tables)
    times = [AS_OF - timedelta(hours=32), AS_OF - timedelta(hours=21), AS_OF, AS_OF + timedelta(hours=26)]
    found, leg = _at(known, *times), _leg(tables, "a ETH/USDT:USDT")
    assert found.depth_usd[:, leg].tolist() == pytest.approx([np.nan, 900_030, 900_001, np.nan], nan_ok=True)
    assert found.open_interest_usd[:, leg].tolist() == pytest.approx(
        [np.nan, 30 * 200, 200, np.nan], nan_ok=True
    )
    assert not np.isfinite(np.delete(found.depth_usd, leg, axis=1)).any()


def test_some_legs_alone_have_the_same_liquidity(tables: MarketTables) -> None:
    universe = quoted_universe(tables.instruments)
    some = np.array([0, 5, 7])
    part = Universe(tuple(universe.legs[i] for i in some))
    whole = _at(tables, AS_OF).of(some)
    assert np.array_equal(_at(tables, AS_OF, universe=part).daily_volume_usd, whole.daily_volume_usd)
