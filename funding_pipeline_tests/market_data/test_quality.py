"""Great Expectations over stored tables: every promise, broken on purpose, is reported by name."""

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from funding_pipeline.core.errors import MarketDataError, SchemaError
from funding_pipeline.core.tables import (
    ESTIMATED_FUNDING,
    FUNDING_INTERVALS,
    NORMALIZED,
    PRICES,
    SETTLED_FUNDING,
    TableSchema,
)
from funding_pipeline.market_data.expectations import Expectation, expectation_suite
from funding_pipeline.market_data.quality import judge, run_expectations

T = datetime(2024, 1, 1, tzinfo=UTC)


def settlements(count: int = 6) -> pl.DataFrame:
    at = [T + timedelta(hours=8 * i) for i in range(count)]
    frame = pl.DataFrame({"settled_at": at, "rate": [1e-4 * math.sin(i) for i in range(count)]})
    both = pl.concat(
        frame.with_columns(venue=pl.lit(venue), symbol=pl.lit("BTC/USDT:USDT"), interval_hours=pl.lit(8.0))
        for venue in ("binance", "okx")
    )
    return SETTLED_FUNDING.conform(both.with_columns(known_at=pl.col("settled_at")))


def bars(count: int = 4) -> pl.DataFrame:
    at = [T + timedelta(hours=i + 1) for i in range(count)]
    frame = pl.DataFrame({"close_time": at}).with_columns(
        venue=pl.lit("okx"), symbol=pl.lit("BTC/USDT:USDT"), kind=pl.lit("trade"), timeframe_hours=1.0,
        open=10.0, high=12.0, low=9.0, close=11.0, volume=None, known_at=pl.col("close_time"),
    )  # fmt: skip
    return PRICES.conform(frame)


def at_row(frame: pl.DataFrame, row: int, **values: object) -> pl.DataFrame:
    here = pl.int_range(pl.len()) == row
    return frame.with_columns(
        pl.when(here).then(pl.lit(value, dtype=frame.schema[name])).otherwise(name).alias(name)
        for name, value in values.items()
    )


@pytest.mark.parametrize(("table", "frame"), [(SETTLED_FUNDING, settlements()), (PRICES, bars())])
def test_a_sound_table_keeps_every_promise(table: TableSchema, frame: pl.DataFrame) -> None:
    report = run_expectations(table, frame)
    assert report.success, report.failures
    assert report.rows == frame.height
    assert len(report.results) == len(expectation_suite(table.name))


@pytest.mark.parametrize("table", NORMALIZED, ids=lambda table: table.name)
def test_an_empty_table_keeps_every_promise(table: TableSchema) -> None:
    assert run_expectations(table, table.empty()).success


@pytest.mark.parametrize(
    ("table", "frame", "broken"),
    [
        (SETTLED_FUNDING, at_row(settlements(), 2, rate=0.4), "|rate| <= 32% per 8 h"),
        (SETTLED_FUNDING, at_row(settlements(), 2, rate=None), "rate known"),
        (SETTLED_FUNDING, at_row(settlements(), 2, rate=math.inf), "numbers finite"),
        (SETTLED_FUNDING, at_row(settlements(), 2, known_at=T), "known_at >= settled_at"),
        (SETTLED_FUNDING, at_row(settlements(), 2, interval_hours=48.0), "interval_hours > 0 and <= 24"),
        (SETTLED_FUNDING, settlements().reverse(), "settled_at increases per instrument"),
        (SETTLED_FUNDING, pl.concat([settlements()] * 2), "venue, symbol, settled_at unique"),
        (PRICES, at_row(bars(), 1, close=-1.0), "close > 0"),
        (PRICES, at_row(bars(), 1, close=13.0), "high >= close"),
        (PRICES, at_row(bars(), 1, close=8.0), "close >= low"),
        (PRICES, at_row(bars(), 1, high=8.0), "high >= low"),
    ],
)
def test_a_broken_promise_is_named_and_its_row_shown(
    table: TableSchema, frame: pl.DataFrame, broken: str
) -> None:
    report = run_expectations(table, frame)
    assert not report.success
    result = {r.expectation: r for r in report.failures}[broken]
    assert result.unexpected_count >= 1
    assert '"venue":' in result.sample[0]
    broken_rows = report.frame().filter(~pl.col("success"), pl.col("severity") == "critical")
    assert broken_rows["expectation"].to_list() == [r.expectation for r in report.failures]


def test_an_unusual_interval_is_a_warning_only() -> None:
    report = run_expectations(SETTLED_FUNDING, at_row(settlements(), 2, interval_hours=5.0))
    assert report.success
    assert [r.expectation for r in report.warnings] == ["interval_hours usual"]


def test_several_estimates_of_one_settlement_are_in_order_by_when_they_were_known() -> None:
    row = {"venue": "okx", "symbol": "BTC/USDT:USDT", "settles_at": T, "rate": None, "interval_hours": 8.0}
    frame = ESTIMATED_FUNDING.conform(
        pl.DataFrame([row | {"known_at": T - timedelta(hours=h)} for h in range(3)])
    )
    assert run_expectations(ESTIMATED_FUNDING, frame).success
    assert not run_expectations(ESTIMATED_FUNDING, frame.reverse()).success


def test_intervals_end_after_they_begin() -> None:
    row = {"venue": "okx", "symbol": "X/USDT:USDT", "effective_from": T, "interval_hours": 8.0, "known_at": T}
    frame = pl.DataFrame([row | {"effective_to": T - timedelta(hours=1)}])
    report = run_expectations(FUNDING_INTERVALS, FUNDING_INTERVALS.conform(frame))
    assert [r.expectation for r in report.failures] == ["effective_to >= effective_from"]


def test_what_cannot_be_judged_raises_by_name() -> None:
    with pytest.raises(SchemaError, match=r"settled_funding: missing column\(s\) rate"):
        run_expectations(SETTLED_FUNDING, settlements().drop("rate"))
    with pytest.raises(SchemaError, match="no normalized table is called 'nonsense'"):
        expectation_suite("nonsense")
    absent = Expectation("absent", "ExpectColumnValuesToNotBeNull", {"column": "absent"})
    with pytest.raises(MarketDataError, match="'absent' could not be judged"):
        judge("settled_funding", settlements(), [absent])


def test_recorded_funding_keeps_its_promises(recorded_dir: Path) -> None:
    from funding_pipeline.market.recorded import RecordedMarket
    from funding_pipeline.market_data.normalization import normalize

    market = RecordedMarket(recorded_dir)
    span = market.span()
    raw = market.read("funding_rates", venues=("bybit", "gate"), start=span.start, end=span.end)
    accepted, refused = normalize("settled_funding", raw)
    assert refused.is_empty()
    assert run_expectations(SETTLED_FUNDING, accepted).success
