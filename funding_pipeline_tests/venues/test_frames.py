"""Raw frames: nulls stay null, books are sorted, times are UTC."""

from datetime import UTC, datetime

import polars as pl
import pytest

from funding_pipeline.core.errors import VenueAnswerError
from funding_pipeline.core.market import RAW_CANDLES, RAW_FUNDING_RATES, RAW_ORDER_BOOKS, RAW_TRADES
from funding_pipeline.venues.dialect import EstimatedRate, SettledRate
from funding_pipeline.venues.estimates import dated
from funding_pipeline.venues.frames import (
    book_frame,
    candle_frame,
    estimated_frame,
    settled_frame,
    trades_frame,
)

AT = datetime(2025, 7, 1, tzinfo=UTC)
AT_MS = 1_751_328_000_000


def book(bids: object, asks: object, timestamp: int | None = AT_MS) -> pl.DataFrame:
    told = {"bids": bids, "asks": asks, "timestamp": timestamp}
    return book_frame("kraken", "BTC/USD:USD", told, now_ms=AT_MS + 7, contract_size=None)


def test_a_book_that_lists_bids_ascending_is_sorted() -> None:
    row = book([[98, 1], [99, 2], [100, 3]], [[102, 5], [101, 4]]).row(0, named=True)
    assert (row["bid_px"], row["bid_qty"]) == ([100, 99, 98], [3, 2, 1])
    assert (row["ask_px"], row["ask_qty"]) == ([101, 102], [4, 5])
    assert row["contract_size"] is None
    assert row["observed_at"] == AT


def test_a_book_without_a_time_is_dated_by_the_clock() -> None:
    frame = book([[1, 1]], [[2, 1]], timestamp=None)
    assert frame["observed_at"].dt.epoch("ms").item() == AT_MS + 7
    assert frame.schema == pl.Schema(RAW_ORDER_BOOKS)


@pytest.mark.parametrize(
    ("bids", "asks", "reason"),
    [
        ([], [[2, 1]], "bids are empty"),
        ([[1, 1]], [], "asks are empty"),
        ([[1, 0]], [[2, 1]], "bids are empty"),
        (None, None, "bids are empty"),
        ([[2, 1]], [[1, 1]], "is crossed"),
        ([[None, 1]], [[2, 1]], "without a price"),
        ([[1, None]], [[2, 1]], "without a price"),
        ([[-1, 1]], [[2, 1]], "without a price"),
    ],
)
def test_an_impossible_book_is_an_error(bids: object, asks: object, reason: str) -> None:
    with pytest.raises(VenueAnswerError, match=f"kraken: order book of BTC/USD:USD.*{reason}"):
        book(bids, asks)


def test_a_missing_rate_is_null_and_never_zero() -> None:
    rates = [SettledRate(AT, None), SettledRate(AT, 0.0), SettledRate(AT, -0.0001, 4.0)]
    frame = settled_frame("okx", "BTC/USDT:USDT", rates, [AT_MS + 3] * 3)
    assert frame["rate"].to_list() == [None, 0.0, -0.0001]
    assert frame["interval_hours"].to_list() == [None, None, 4.0]
    assert frame["venue_time"].dt.epoch("ms").to_list() == [AT_MS + 3] * 3
    assert frame.schema == pl.Schema(RAW_FUNDING_RATES)


def test_estimates_are_of_another_kind() -> None:
    frame = estimated_frame(
        "okx", [("A", EstimatedRate(AT, None, 8.0)), ("B", EstimatedRate(AT, 1e-4, None))], AT
    )
    assert frame["kind"].to_list() == ["predicted", "predicted"]
    assert frame["rate"].to_list() == [None, 1e-4]
    assert estimated_frame("okx", [], AT).schema == pl.Schema(RAW_FUNDING_RATES)


def test_an_estimate_without_a_time_is_of_the_next_whole_interval() -> None:
    estimate = dated(EstimatedRate(None, 1e-5, 1.0), AT_MS + 1, "hyperliquid: BTC")
    assert estimate.settles_at == datetime(2025, 7, 1, 1, tzinfo=UTC)
    at_the_settlement = dated(EstimatedRate(None, 1e-5, 8.0), AT_MS, "x")
    assert at_the_settlement.settles_at == datetime(2025, 7, 1, 8, tzinfo=UTC)
    with pytest.raises(VenueAnswerError, match="hyperliquid: BTC: no settlement time"):
        dated(EstimatedRate(None, 1e-5, None), AT_MS, "hyperliquid: BTC")


def test_candles_with_and_without_volume() -> None:
    frame = candle_frame(
        "okx", "A", "mark", [[AT_MS, 1, 2.5, 0.5, 2, None], [AT_MS + 3_600_000, 2, 3, 2, 3, 7]]
    )
    assert frame["volume"].to_list() == [None, 7.0]
    assert frame["open_time"].to_list()[0] == AT
    assert frame.schema == pl.Schema(RAW_CANDLES)
    assert candle_frame("okx", "A", "mark", []).schema == pl.Schema(RAW_CANDLES)


def test_trades_are_by_time_and_one_without_a_time_is_left_out() -> None:
    told = [
        {"timestamp": AT_MS + 5, "side": "sell", "price": 2.0, "amount": 1, "id": "2"},
        {"timestamp": AT_MS, "side": "buy", "price": 1, "amount": 3.0, "id": "1"},
    ]
    frame = trades_frame("okx", "A", told, 0.01)
    assert frame["id"].to_list() == ["1", "2"]
    assert frame.schema == pl.Schema(RAW_TRADES)
    odd = {**told[0], "timestamp": None}
    assert trades_frame("okx", "A", [odd, told[1]], 0.01)["id"].to_list() == ["1"]
    with pytest.raises(VenueAnswerError, match="okx: no trade of A has a time"):
        trades_frame("okx", "A", [odd], 0.01)
