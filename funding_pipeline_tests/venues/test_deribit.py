"""Deribit's example bodies through the real ccxt class and our normalization; figures worked out by hand."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from funding_pipeline.venues.deribit import DeribitVenue
from funding_pipeline.venues.dialect import EstimatedRate, SettledRate
from funding_pipeline_tests.venues.canned import (
    Bodies,
    CannedSession,
    Examples,
    ask_client,
    example,
    read_examples,
)

VENUE = DeribitVenue()
INVERSE = "BTC/USD:BTC"
LINEAR = "BTC/USDC:USDC"


@pytest.fixture
def examples(payloads_dir: Path) -> Examples:
    """Example bodies of ccxt's own source, by method."""
    return read_examples(payloads_dir, "deribit")


def listing(examples: Examples) -> dict[str, Any]:
    """The example's instruments, and the linear perpetual as Deribit lists it beside them."""
    bodies = [item["body"] for item in examples["fetch_markets"]]
    body = next(body for body in bodies if "instrument_name" in body["result"][0])
    inverse = next(row for row in body["result"] if row["instrument_name"] == "BTC-PERPETUAL")
    linear = {
        **inverse,
        "instrument_name": "BTC_USDC-PERPETUAL",
        "future_type": "linear",
        "settlement_currency": "USDC",
        "counter_currency": "USDC",
        "quote_currency": "USDC",
        "contract_size": 0.001,
        "min_trade_amount": 0.001,
    }
    return {**body, "result": [*body["result"], linear]}


def asking(
    examples: Examples, bodies: Bodies, ask: Callable[[Any], Awaitable[Any]]
) -> tuple[Any, CannedSession]:
    """What `ask` gets from a client whose every answer comes from `bodies` and the instruments."""
    session = CannedSession({"get_instruments": listing(examples), **bodies}, "/api/v2/public/")
    return ask_client(VENUE, session, ask), session


def test_loading_markets_is_one_request_for_futures(examples: Examples) -> None:
    markets, session = asking(examples, {}, lambda client: client.load_markets())
    assert [(path, query) for path, query, _ in session.asked] == [("get_instruments", {"kind": "future"})]
    served = sorted(symbol for symbol, market in markets.items() if VENUE.serves(market))
    assert served == [INVERSE, LINEAR]


def test_amounts_are_coins_or_dollars_and_not_contracts(examples: Examples) -> None:
    book = example(examples, "fetch_order_book")
    (markets, found), _ = asking(examples, {"get_order_book": book}, _markets_and_book)
    assert (markets[LINEAR]["info"]["contract_size"], markets[LINEAR]["contractSize"]) == (0.001, 1.0)
    assert (markets[INVERSE]["info"]["contract_size"], markets[INVERSE]["contractSize"]) == (10.0, 1.0)
    assert found["bids"][0] == [7814.0, 351820.0]  # dollars at Deribit too


async def _markets_and_book(client: Any) -> tuple[Any, Any]:
    return await client.load_markets(), await client.fetch_order_book(INVERSE, 50)


def test_a_settled_rate_is_the_sum_of_its_own_hour(examples: Examples) -> None:
    body = example(examples, "fetch_funding_rate_history")
    at = 1569891600000
    since, params = VENUE.history_request(at - 3_600_000, at)
    rows, session = asking(
        examples,
        {"get_funding_rate_history": body},
        lambda client: client.fetch_funding_rate_history(INVERSE, since, VENUE.funding_page, params),
    )
    assert session.asked[-1][1]["end_timestamp"] == str(at)
    assert rows[0]["fundingRate"] == -9.234260068476106e-05  # eight overlapping hours
    expected = SettledRate(datetime(2019, 10, 1, 1, tzinfo=UTC), -4.739622041017375e-07, 1.0)
    assert VENUE.settled_rate(rows[0], {}) == expected


def test_the_estimate_is_an_hour_of_the_present_rate(examples: Examples) -> None:
    summary = example(examples, "parse_open_interest")
    mark, index = summary["mark_price"], summary["estimated_delivery_price"]
    # Where the premium is above the dampener of 0.05 %, that much is taken off it.
    assert summary["current_funding"] == pytest.approx((mark - index) / index - 0.0005, abs=5e-9)
    ticker = example(examples, "fetch_ticker")
    ticker["result"]["current_funding"] = summary["current_funding"]
    row, session = asking(examples, {"ticker": ticker}, lambda client: client.fetch_funding_rate(INVERSE))
    assert session.asked[-1][0] == "ticker"
    estimate = VENUE.estimated_rate(row, {}, None)
    assert estimate == EstimatedRate(datetime(2020, 3, 9, 19, tzinfo=UTC), 0.00012966 / 8, 1.0)


def test_only_trade_candles_are_promised(examples: Examples) -> None:
    assert VENUE.candle_kinds == ("trade",)
    start = 1583916960000
    since, params = VENUE.candle_request("trade", start, start + 240_000)
    bars, session = asking(
        examples,
        {"get_tradingview_chart_data": example(examples, "fetch_ohlcv")},
        lambda client: client.fetch_ohlcv(INVERSE, "1m", since, VENUE.candle_page, params),
    )
    assert session.asked[-1][1]["end_timestamp"] == str(start + 239_999)
    assert len(bars) == 4
    assert bars[0] == [start, 7834.0, 7839.5, 7834.0, 7839.5, 3.6680847969999992]


def test_open_interest_of_an_inverse_perpetual_is_told_in_dollars(examples: Examples) -> None:
    body = example(examples, "fetch_open_interest")
    (row, inverse, linear), _ = asking(
        examples, {"get_book_summary_by_instrument": body}, _open_interest_and_markets
    )
    assert row["openInterestAmount"] is None
    assert VENUE.open_interest(row, inverse) == pytest.approx(114_565.798, abs=0.001)
    assert VENUE.open_interest(row, linear) == 9_978_911_260
    assert VENUE.open_interest({"info": {}}, linear) is None


async def _open_interest_and_markets(client: Any) -> tuple[Any, Any, Any]:
    row = await client.fetch_open_interest(INVERSE)
    return row, client.market(INVERSE), client.market(LINEAR)


def test_public_trades_are_the_markets(examples: Examples) -> None:
    body = example(examples, "fetch_trades")
    trades, _ = asking(
        examples,
        {"get_last_trades_by_instrument": body},
        lambda client: client.fetch_trades(INVERSE, None, 1000),
    )
    assert (trades[0]["side"], trades[0]["amount"], trades[0]["price"]) == ("buy", 580.0, 47946.5)
