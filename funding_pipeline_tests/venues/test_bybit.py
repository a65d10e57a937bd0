"""Bybit, public data: example bodies through ccxt's real parser and our module, figures by hand."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ccxt
import pytest

from funding_pipeline_tests.venues.bybit_bodies import (
    BTC,
    ETH,
    INSTRUMENTS,
    VENUE,
    asked,
    body_of,
    ok,
    unified,
)
from funding_pipeline_tests.venues.canned import Examples, read_examples


@pytest.fixture(scope="module")
def examples(payloads_dir: Path) -> Examples:
    return read_examples(payloads_dir, "bybit")


def test_markets_need_two_requests_and_their_interval_is_in_minutes(examples: Any) -> None:
    async def markets(client: Any) -> Any:
        return client.markets

    found, session = asked(examples, {}, markets)
    market = found[BTC]
    assert [path for path, _, _ in session.asked] == [INSTRUMENTS, INSTRUMENTS]
    assert (market["id"], market["contractSize"], market["settle"]) == ("BTCUSDT", 1.0, "USDT")
    assert market["precision"] == {**market["precision"], "amount": 0.001, "price": 0.5}
    assert market["info"]["fundingInterval"] == 480
    assert (market["maker"], market["taker"]) == (None, None)  # not told; ccxt would make up 1 and 6 bp
    assert VENUE.interval_hours(market, None) == 8.0
    assert VENUE.serves(market)
    assert not VENUE.serves(found[ETH])  # settled in USDC


def test_the_ticker_tells_a_changed_interval_which_ccxt_does_not(examples: Any) -> None:
    body = body_of(examples, "fetch_funding_rates")
    told = {**body["result"]["list"][0], "fundingIntervalHour": "1"}

    async def rate(client: Any) -> Any:
        return await client.fetch_funding_rate(BTC), client.market(BTC)

    bodies = {"/v5/market/tickers": {**body, "result": {"category": "linear", "list": [told]}}}
    (row, market), _ = asked(examples, bodies, rate)
    assert row["interval"] == "8h"
    hours = VENUE.interval_hours(market, row)
    estimate = VENUE.estimated_rate(row, market, hours)
    assert hours == 1.0
    assert estimate.rate == 0.0001
    assert estimate.settles_at == datetime(2022, 9, 20, 16, tzinfo=UTC)


@pytest.mark.parametrize("told", ["", "0", None, "eight"])
def test_an_interval_that_is_no_number_is_unknown(told: str | None) -> None:
    assert VENUE.interval_hours({"info": {"fundingInterval": told}}, {"info": {}}) is None


def test_settled_funding(examples: Any) -> None:
    since, params = VENUE.history_request(1_672_000_000_000, 1_672_041_600_000)

    async def history(client: Any) -> Any:
        return await client.fetch_funding_rate_history(ETH, since, VENUE.funding_page, params)

    bodies = {"/v5/market/funding/history": body_of(examples, "fetch_funding_rate_history")}
    rows, session = asked(examples, bodies, history)
    settled = VENUE.settled_rate(rows[0], {})
    assert (settled.settled_at, settled.rate) == (datetime(2022, 12, 26, 8, tzinfo=UTC), 0.0001)
    query = session.asked[-1][1]
    assert (query["startTime"], query["endTime"], query["limit"]) == ("1672000000000", "1672041600000", "200")


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("trade", "/v5/market/kline"),
        ("mark", "/v5/market/mark-price-kline"),
        ("index", "/v5/market/index-price-kline"),
    ],
)
def test_candles_come_from_the_endpoint_of_their_kind(examples: Any, kind: Any, path: str) -> None:
    since, params = VENUE.candle_request(kind, 1_670_601_600_000, 1_670_612_400_000)

    async def candles(client: Any) -> Any:
        return await client.fetch_ohlcv(BTC, "1h", since, VENUE.candle_page, params)

    rows, session = asked(examples, {path: body_of(examples, "fetch_ohlcv")}, candles)
    assert [row[0] for row in rows] == [1_670_601_600_000, 1_670_605_200_000, 1_670_608_800_000]
    assert rows[0][1:] == [17086.5, 17088.0, 16978.0, 17071.5, 6356.0]
    query = session.asked[-1][1]
    assert (query["start"], query["end"], query["limit"]) == ("1670601600000", "1670612399999", "1000")


def test_book_trades_and_open_interest(examples: Any) -> None:
    bodies = {
        "/v5/market/orderbook": body_of(examples, "fetch_order_book"),
        "/v5/market/recent-trade": body_of(examples, "fetch_trades"),
        "/v5/market/open-interest": body_of(examples, "fetch_open_interest"),
    }

    async def all_three(client: Any) -> Any:
        book = await client.fetch_order_book(BTC, VENUE.book_levels)
        return book, await client.fetch_trades(BTC), await client.fetch_open_interest(BTC)

    (book, trades, interest), _ = asked(examples, bodies, all_three)
    assert (book["bids"][0], book["asks"][0]) == ([16638.27, 0.305749], [16638.64, 0.008479])
    assert (trades[0]["side"], trades[0]["amount"]) == ("buy", 0.00012)
    assert VENUE.open_interest(interest, {}) == 461_134_384.0  # in coins for a linear contract


def test_margin_tiers_in_percent_become_fractions(examples: Any) -> None:
    percent = examples["parse_market_leverage_tiers"][0]["body"]
    fraction = [{**percent[0], "maintenanceMargin": "0.005", "initialMargin": "0.01"}]

    async def tiers(client: Any) -> Any:
        return await client.fetch_market_leverage_tiers(BTC)

    for rows in (percent, fraction):
        bodies = {"/v5/market/risk-limit": ok({"category": "linear", "list": rows})}
        found, _ = asked(examples, bodies, tiers)
        assert (found[0]["maxNotional"], found[0]["maxLeverage"]) == (150.0, 100.0)
        assert found[0]["maintenanceMarginRate"] == pytest.approx(0.005)


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        (10006, "Too many visits. Exceeded the API Rate Limit.", ccxt.RateLimitExceeded),
        (10000, "Server Timeout", ccxt.RequestTimeout),  # ccxt alone: an ExchangeError, a certain refusal
        (10016, "Internal System Error.", ccxt.RequestTimeout),
        (10004, "error sign!", ccxt.AuthenticationError),
        (10002, "invalid request, please check your server timestamp", ccxt.InvalidNonce),
        (10001, "params error: symbol invalid", ccxt.BadRequest),
    ],
)
def test_errors_inside_a_200(examples: Any, code: int, message: str, kind: type[Exception]) -> None:
    async def leverage(client: Any) -> Any:
        return await client.set_leverage(5, BTC)

    refusal = {"retCode": code, "retMsg": message, "result": {}, "retExtInfo": {}, "time": 1}
    with pytest.raises(kind):
        asked(examples, {"/v5/position/set-leverage": refusal}, leverage)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((200, {"message": "upstream is being maintained"}), ccxt.ExchangeNotAvailable),
        ((429, {"message": "slow down"}), ccxt.RateLimitExceeded),
        ((503, {"message": "no upstream"}), ccxt.ExchangeNotAvailable),
    ],
)
def test_an_answer_that_is_not_the_venues_is_no_refusal(
    examples: Any, answer: tuple[int, Any], kind: type[Exception]
) -> None:
    async def create(client: Any) -> Any:
        return await client.create_order(BTC, "market", "buy", 0.1)

    with pytest.raises(kind):
        asked(examples, {"/v5/order/create": answer, **unified(examples)}, create)
