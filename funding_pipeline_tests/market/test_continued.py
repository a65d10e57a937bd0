"""A recorded market that is traded on: the folder until its end, rows of the testnet since, marked."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from funding_pipeline.core.market import RAW_TABLES
from funding_pipeline.market.choice import continued_market
from funding_pipeline.market.continued import ContinuedMarket
from funding_pipeline.market.recorded import RecordedMarket
from funding_pipeline.market_data.normalization import normalized_market
from funding_pipeline.testnet.raw_market import RawMarket, milliseconds
from funding_pipeline.venues.testnet_address import TestnetAddress
from funding_pipeline_tests.commands.loading import START, write_folder
from funding_pipeline_tests.testnet.running import RunningTestnet, running_testnet

END = START + timedelta(days=5)
VENUES = ("binance", "bybit", "kraken")  # kraken is in the folder, and not served


@pytest.fixture
def folder(tmp_path: Path) -> RecordedMarket:
    return RecordedMarket(write_folder(tmp_path / "data", days=5, venues=VENUES))


@pytest.fixture
def testnet(folder: RecordedMarket) -> Iterator[RunningTestnet]:
    with running_testnet(market=RawMarket(folder), now_ms=milliseconds(END) + 300_000) as running:
        yield running


def continued(folder: RecordedMarket, testnet: RunningTestnet, tmp_path: Path) -> ContinuedMarket:
    return continued_market(folder, tmp_path / "landing", testnet=TestnetAddress(testnet.port))


def test_the_folder_ends_where_the_testnet_begins_and_rows_say_whose_they_are(
    folder: RecordedMarket, testnet: RunningTestnet, tmp_path: Path
) -> None:
    testnet.clock.advance(hours=9)
    market = continued(folder, testnet, tmp_path)
    report = market.fetch()
    assert (report.unreachable, report.problems) == ({}, [])
    span = market.span()
    assert span.venues == VENUES
    assert span.end == END + timedelta(hours=10)
    assert market.label == folder.label
    for table in ("funding_rates", "candles"):
        rows = market.read(table, venues=span.venues, start=span.start, end=span.end)
        own = folder.read(table, venues=span.venues, start=span.start, end=span.end)
        assert rows.filter(~pl.col("is_made_up")).equals(own)
        moment = "settled_at" if table == "funding_rates" else "open_time"
        later = rows.filter(pl.col("is_made_up"))
        assert later.height > 0
        assert later[moment].min() >= END
        assert set(later["venue"]) == {"binance", "bybit"}
    books = market.landed_only().read("order_books", venues=span.venues, start=span.start, end=span.end)
    assert books.height == 2
    assert books["is_made_up"].all()
    tables = normalized_market(market).tables
    assert tables.order_book_depth.collect()["is_made_up"].all()
    assert tables.settled_funding.collect()["is_made_up"].sum() > 0


def test_every_table_can_be_read_without_a_testnet(folder: RecordedMarket, tmp_path: Path) -> None:
    market = continued_market(folder, tmp_path / "landing", testnet=TestnetAddress(1)).landed_only()
    assert market.end() == END
    for table in RAW_TABLES:
        rows = market.read(table, venues=VENUES, start=START, end=END + timedelta(days=1))
        own = folder.read(table, venues=VENUES, start=START, end=END)
        assert rows.equals(own), table


def test_appended_days_take_the_place_of_made_up_ones(
    folder: RecordedMarket, testnet: RunningTestnet, tmp_path: Path
) -> None:
    testnet.clock.advance(hours=20)
    continued(folder, testnet, tmp_path).fetch()
    grown = RecordedMarket(write_folder(folder.folder, days=6, venues=VENUES))
    market = continued(grown, testnet, tmp_path)
    assert market.fetch().rows == 0  # the folder has what lies before the testnet's time
    span = market.span()
    rows = market.read("funding_rates", venues=VENUES, start=span.start, end=span.end)
    settled = rows.filter(pl.col("kind") == "settled")
    assert not settled["is_made_up"].any()
    assert settled.height == 3 * 6 * len(VENUES)
    assert market.end() < span.end  # trading goes on at the time that its accounts know


def test_the_digest_follows_the_folder_and_what_has_landed(
    folder: RecordedMarket, testnet: RunningTestnet, tmp_path: Path
) -> None:
    before = continued(folder, testnet, tmp_path)
    digest = before.digest(start=START, end=END + timedelta(days=1))
    before.fetch()
    landed = before.digest(start=START, end=END + timedelta(days=1))
    assert landed != digest
    write_folder(folder.folder, days=5, venues=VENUES, rates={3: 2e-4})
    after = continued(RecordedMarket(folder.folder), testnet, tmp_path)
    assert after.digest(start=START, end=END + timedelta(days=1)) != landed
