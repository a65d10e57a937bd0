"""A market fetched by real ccxt clients from the local testnet: complete, resumable, honest."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import polars as pl
import pytest

from funding_pipeline.core.errors import StorageError, VenueUnavailableError
from funding_pipeline.core.market import RAW_TABLES
from funding_pipeline.market.choice import live_market
from funding_pipeline.market.landing import Series
from funding_pipeline.market.simulated import SimulatedMarket
from funding_pipeline.market.venue_market import VenueMarket
from funding_pipeline.market.visits import Visits
from funding_pipeline.market.windows import final_rows
from funding_pipeline.venues.routing import TestnetConnection
from funding_pipeline_tests.testnet.running import NOW, RunningTestnet, running_testnet

START = NOW - timedelta(days=6)
VENUES = ("binance", "bybit", "gate", "hyperliquid", "okx")
COINS = frozenset({"BTC", "DOGE"})


@pytest.fixture
def testnet() -> Iterator[RunningTestnet]:
    with running_testnet() as running:
        running.clock.advance(seconds=300)
        yield running


def market_on(testnet: RunningTestnet, folder: Path, *, venues: tuple[str, ...] = VENUES) -> VenueMarket:
    return VenueMarket(
        name="test",
        simulated=True,
        connect=partial(TestnetConnection, testnet.port),
        venues=venues,
        start=START,
        end=lambda: datetime.fromtimestamp(testnet.clock.now() / 1000, UTC),
        folder=folder,
        coins=COINS,
    )


def read(market: VenueMarket, table: str) -> pl.DataFrame:
    span = market.span()
    return market.read(table, venues=span.venues, start=span.start, end=span.end)


def source(table: str) -> pl.DataFrame:
    """What the testnet's market holds of the same coins, venues and days."""
    market = SimulatedMarket(
        seed=7, start=datetime(2024, 1, 1, tzinfo=UTC), end=datetime(2024, 2, 15, tzinfo=UTC)
    )
    rows = market.read(table, venues=VENUES, start=START, end=NOW)
    return rows.filter(pl.col("symbol").str.extract(r"^(\w+)/").is_in(list(COINS)))


def test_what_is_fetched_is_what_the_market_holds(testnet: RunningTestnet, tmp_path: Path) -> None:
    market = market_on(testnet, tmp_path)
    report = market.fetch()
    assert (report.unreachable, report.problems, report.gaps, report.refused) == ({}, [], [], {})
    settled = read(market, "funding_rates").filter(pl.col("kind") == "settled", pl.col("settled_at") < NOW)
    expected = source("funding_rates").filter(pl.col("kind") == "settled")
    both = settled.with_columns(pl.col("settled_at").dt.round("1m")).join(
        expected, on=["venue", "symbol", "settled_at"], how="full", suffix="_source"
    )
    assert both.select(pl.col("rate", "rate_source").is_null().any()).row(0) == (False, False)
    assert (both["rate"] - both["rate_source"]).abs().max() < 1e-9
    assert (both["interval_hours"] == both["interval_hours_source"]).all()
    trade = pl.col("kind") == "trade"
    closes = read(market, "candles").filter(trade).select("venue", "symbol", "open_time", "close")
    whole = source("candles").filter(trade).select("venue", "symbol", "open_time", "close")
    matched = closes.join(whole, on=["venue", "symbol", "open_time"], how="full", suffix="_source")
    assert matched.null_count().sum_horizontal().item() == 0
    assert (matched["close"] / matched["close_source"] - 1).abs().max() < 1e-9


def test_the_present_is_photographed_once_a_minute(testnet: RunningTestnet, tmp_path: Path) -> None:
    market = market_on(testnet, tmp_path)
    market.fetch()
    market.fetch()
    books = read(market, "order_books")
    assert books.group_by("venue", "symbol").len()["len"].to_list() == [1] * 10
    assert books["contract_size"].is_not_null().all()
    assert set(read(market, "trades")["venue"].unique()) == set(VENUES) - {"hyperliquid"}
    terms = read(market, "instrument_terms")
    assert terms.height == 10
    assert (
        terms.select("contract_size", "price_tick", "quantity_step").null_count().sum_horizontal().item() == 0
    )
    assert read(market, "leverage_tiers")["maintenance_rate"].min() > 0  # type: ignore[operator]
    coming = market.read("funding_rates", venues=VENUES, start=NOW, end=NOW + timedelta(hours=9))
    estimates = coming.filter(pl.col("kind") == "predicted")
    assert estimates.height == 10
    assert (estimates["settled_at"] > estimates["venue_time"]).all()


def test_a_second_fetch_asks_only_for_what_is_new(testnet: RunningTestnet, tmp_path: Path) -> None:
    first = market_on(testnet, tmp_path).fetch(tables=["candles", "funding_rates"])
    again = market_on(testnet, tmp_path).fetch(tables=["candles", "funding_rates"])
    assert first.series > 0
    assert again.series == 0
    testnet.clock.advance(hours=2)
    later = market_on(testnet, tmp_path).fetch(tables=["candles"])
    bars_an_hour = sum(3 if venue != "hyperliquid" else 1 for venue in VENUES) * len(COINS)
    assert later.rows == 2 * bars_an_hour


def test_an_interrupted_fetch_goes_on_where_it_stopped(testnet: RunningTestnet, tmp_path: Path) -> None:
    market = market_on(testnet, tmp_path, venues=("binance",))

    class PulledError(Exception):
        pass

    def pull_the_plug(venue: str, done: int, total: int) -> None:
        if done == 3:
            raise PulledError

    with pytest.raises(BaseException) as stopped:  # noqa: PT011  # what it is wrapped in is not the point
        market.fetch(tables=["candles"], progress=pull_the_plug)
    assert "PulledError" in repr(stopped.value)
    landed = len(list(tmp_path.rglob("*.parquet")))
    assert landed >= 3
    assert market.fetch(tables=["candles"]).series == 6 - landed
    assert not list(tmp_path.rglob("*.part"))


def test_a_venue_that_is_gone_costs_only_itself(testnet: RunningTestnet, tmp_path: Path) -> None:
    testnet.admin("POST", "/admin/faults", {"kind": "venue_gone", "venue": "okx", "probability": 1.0})
    market = market_on(testnet, tmp_path)
    report = market.fetch(tables=["funding_rates"])
    assert list(report.unreachable) == ["okx"]
    assert report.unreachable["okx"].startswith("okx: ")
    assert "\n" not in report.unreachable["okx"]
    others = tuple(venue for venue in VENUES if venue != "okx")
    rows = market.read("funding_rates", venues=others, start=START, end=NOW)
    assert set(rows["venue"].unique()) == set(others)
    with pytest.raises(VenueUnavailableError, match="okx"):
        market.read("funding_rates", venues=VENUES, start=START, end=NOW)


def test_garbage_costs_one_series_and_is_asked_for_again(testnet: RunningTestnet, tmp_path: Path) -> None:
    fault = {"kind": "garbage", "venue": "bybit", "path": "mark-price-kline", "probability": 1.0}
    rule = testnet.admin("POST", "/admin/faults", fault)
    market = market_on(testnet, tmp_path, venues=("bybit",))
    report = market.fetch(tables=["candles"])
    assert report.unreachable == {}
    assert len(report.problems) == 2
    assert all(problem.startswith("bybit: fetch_ohlcv ") for problem in report.problems)
    testnet.admin("DELETE", f"/admin/faults/{rule['id']}")
    assert market.fetch(tables=["candles"]).series == 2


def test_history_that_is_suddenly_empty_is_a_gap_and_asked_for_again(
    testnet: RunningTestnet, tmp_path: Path
) -> None:
    market_on(testnet, tmp_path, venues=("bybit",)).fetch(tables=["funding_rates"])
    testnet.clock.advance(hours=17)
    empty = '{"retCode": 0, "retMsg": "OK", "result": {"category": "linear", "list": []}, "time": 1}'
    fault = {"kind": "garbage", "venue": "bybit", "path": "funding/history", "body": empty}
    rule = testnet.admin("POST", "/admin/faults", fault)
    report = market_on(testnet, tmp_path, venues=("bybit",)).fetch(tables=["funding_rates"])
    assert sum("no row at all" in gap for gap in report.gaps) == 2
    testnet.admin("DELETE", f"/admin/faults/{rule['id']}")
    later = market_on(testnet, tmp_path, venues=("bybit",)).fetch(tables=["funding_rates"])
    assert later.rows == 2 * 2
    assert later.gaps == []


def test_minutes_without_a_settlement_are_no_gap(testnet: RunningTestnet, tmp_path: Path) -> None:
    market_on(testnet, tmp_path).fetch()
    for _ in range(3):
        testnet.clock.advance(hours=1 / 6)
        report = market_on(testnet, tmp_path).fetch()
        assert (report.gaps, report.problems) == ([], [])
    testnet.clock.advance(hours=8)
    report = market_on(testnet, tmp_path).fetch()
    assert report.gaps == []
    assert report.rows > 0


def test_a_young_settlement_without_a_rate_is_asked_for_again() -> None:
    moments = [NOW - timedelta(hours=hours) for hours in (24, 16, 8, 0)]
    rows = pl.DataFrame(
        {"settled_at": moments, "rate": [None, 1e-4, 1e-4, None]},
        schema={"settled_at": pl.Datetime("us", "UTC"), "rate": pl.Float64},
    )
    series, now = Series("funding_rates", "okx", "BTC/USDT:USDT", "settled"), NOW + timedelta(minutes=5)
    kept, end = final_rows(series, rows, now, now)
    assert (kept.height, end) == (3, NOW)
    assert final_rows(series, rows, now, now + timedelta(hours=2)) == (rows, now)


def test_a_full_disk_is_one_error(
    testnet: RunningTestnet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", full)
    with pytest.raises(StorageError, match="No space left on device"):
        market_on(testnet, tmp_path).fetch(tables=["candles"])


def test_rows_can_be_made_anew_from_the_bodies(testnet: RunningTestnet, tmp_path: Path) -> None:
    market = market_on(testnet, tmp_path)
    market.fetch(tables=["candles", "funding_rates"])
    span = market.span()
    before = {
        table: market.read(table, venues=VENUES, start=START, end=span.end)
        for table in ("candles", "funding_rates")
    }
    for path in tmp_path.rglob("*/settled/*/*.parquet"):  # what a bug has spoilt
        stamp = {"fetched_at": pl.read_parquet_metadata(path)["fetched_at"]}
        pl.read_parquet(path).with_columns(rate=pl.col("rate") * 3).write_parquet(path, metadata=stamp)
    report = market.replay(progress=lambda venue, done, total: None)
    assert (report.unreachable, report.problems) == ({}, [])
    for table, rows in before.items():
        assert market.read(table, venues=VENUES, start=START, end=span.end).equals(rows)


def test_the_live_market_runs_the_same_code(testnet: RunningTestnet, tmp_path: Path) -> None:
    live = live_market(tmp_path, days=3, venues=VENUES, coins=COINS)
    assert not live.is_simulated
    market = replace(
        live,
        connect=partial(TestnetConnection, testnet.port),
        start=START,
        end=lambda: datetime.fromtimestamp(testnet.clock.now() / 1000, UTC),
    )
    for table in RAW_TABLES:
        assert read(market, table).height > 0, table


def test_a_visit_is_not_repeated_within_minutes(testnet: RunningTestnet, tmp_path: Path) -> None:
    market = market_on(testnet, tmp_path, venues=("gate",))
    market.fetch()
    testnet.admin("POST", "/admin/faults", {"kind": "venue_gone", "venue": "gate", "probability": 1.0})
    assert read(market, "candles").height > 0
    assert Visits(tmp_path / "visits.json", coins=COINS).covers("gate", "trades", START, market.span().end)


def test_what_a_slow_clock_has_not_reached_is_fetched_later(testnet: RunningTestnet, tmp_path: Path) -> None:
    fault = {"kind": "clock_skew", "venue": "hyperliquid", "skew_ms": -7_200_000}
    rule = testnet.admin("POST", "/admin/faults", fault)
    market = market_on(testnet, tmp_path, venues=("hyperliquid",))
    assert "its clock is -7200" in market.fetch(tables=["funding_rates"]).problems[0]
    testnet.admin("DELETE", f"/admin/faults/{rule['id']}")
    market.fetch(tables=["funding_rates"])
    settled = market.read("funding_rates", venues=("hyperliquid",), start=START, end=NOW)
    assert settled.filter(pl.col("kind") == "settled").height == 6 * 24 * len(COINS)
