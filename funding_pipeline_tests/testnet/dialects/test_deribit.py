"""Deribit's dialect: keys and types of the example bodies, page limits, reading through the gateway."""

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from funding_pipeline.testnet.clock import HOUR_MS, ManualClock
from funding_pipeline.testnet.dialects.deribit import DeribitDialect
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.http import Request
from funding_pipeline.testnet.market_quotes import MarketQuotes
from funding_pipeline.venues.deribit import DeribitVenue
from funding_pipeline.venues.public import PublicGateway
from funding_pipeline.venues.routing import TestnetConnection
from funding_pipeline_tests.testnet.dialects.shapes import differences, same_kind
from funding_pipeline_tests.testnet.running import (
    NOW,
    NOW_MS,
    RunningTestnet,
    running_testnet,
    simulated_market,
)
from funding_pipeline_tests.venues.canned import example, read_examples

NAME, SYMBOL = "BTC_USDC-PERPETUAL", "BTC/USDC:USDC"
Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def quotes() -> MarketQuotes:
    return MarketQuotes(simulated_market(), "deribit")


@pytest.fixture(scope="module")
def ask(quotes: MarketQuotes) -> Ask:
    """The status and JSON of a public method's answer."""
    dialect = DeribitDialect(Exchange(quotes, now=ManualClock(NOW_MS).now))

    def call(name: str, **query: Any) -> Any:
        path = name if name.startswith("/") else f"/api/v2/public/{name}"
        raw = urlencode(query)
        named = {key: str(value) for key, value in query.items()}
        answer = dialect.answer(Request("GET", "www.deribit.com", path, named, raw, b"", {}))
        return answer.status, json.loads(answer.body)

    return call


HOURS = {"start_timestamp": NOW_MS - 3 * HOUR_MS, "end_timestamp": NOW_MS}
CASES: dict[tuple[str, str | None], tuple[str, dict[str, Any]]] = {
    ("fetch_time", None): ("get_time", {}),
    ("fetch_ticker", None): ("ticker", {"instrument_name": NAME}),
    ("fetch_order_book", None): ("get_order_book", {"instrument_name": NAME, "depth": 5}),
    ("fetch_open_interest", None): ("get_book_summary_by_instrument", {"instrument_name": NAME}),
    ("fetch_trades", None): ("get_last_trades_by_instrument", {"instrument_name": NAME}),
    ("fetch_funding_rate_history", None): ("get_funding_rate_history", {"instrument_name": NAME, **HOURS}),
    ("fetch_ohlcv", None): (
        "get_tradingview_chart_data",
        {"instrument_name": NAME, "resolution": "60", **HOURS},
    ),
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_keys_and_types_are_those_of_the_example(
    case: tuple[str, str | None], ask: Ask, payloads_dir: Path
) -> None:
    examples = read_examples(payloads_dir, "deribit")
    # The history's example was asked for by POST: it repeats an id and leaves out the envelope's times.
    theirs = {**example(examples, "fetch_time"), **example(examples, *case)}
    theirs.pop("id", None)
    name, query = CASES[case]
    assert differences(theirs, ask(name, **query)[1], is_same=_same) == set()


def test_an_instrument_has_the_keys_of_the_example(ask: Ask, payloads_dir: Path) -> None:
    examples = read_examples(payloads_dir, "deribit")["fetch_markets"]
    rows = next(item["body"]["result"] for item in examples if "kind" in item["body"]["result"][0])
    theirs = next(row for row in rows if row["instrument_name"] == "BTC-PERPETUAL")
    assert differences(theirs, ask("get_instruments")[1]["result"][0], is_same=_same) == set()


def _same(name: str, theirs: Any, ours: Any) -> bool:
    """Microseconds of the request's handling are left out of some examples."""
    return name.startswith("us") or same_kind(name, theirs, ours)


# --- habits
def test_eight_hours_are_the_sum_of_the_last_eight(ask: Ask, quotes: MarketQuotes) -> None:
    _, body = ask("get_funding_rate_history", instrument_name=NAME, **HOURS)
    rates = quotes.settled(SYMBOL, NOW_MS - 7 * HOUR_MS, NOW_MS)["rate"]
    last = body["result"][-1]
    assert last["timestamp"] == NOW_MS
    assert last["interest_1h"] == pytest.approx(rates[-1], abs=1e-14)
    assert last["interest_8h"] == pytest.approx(rates.sum(), abs=1e-14)


def test_no_more_than_744_rows(ask: Ask) -> None:
    query = {"instrument_name": NAME, "start_timestamp": 0, "end_timestamp": NOW_MS}
    rows = ask("get_funding_rate_history", **query)[1]["result"]
    assert len(rows) == 744
    assert rows[-1]["timestamp"] == NOW_MS


def test_a_price_asked_of_candles_is_not_looked_at(ask: Ask) -> None:
    query = {"instrument_name": NAME, "resolution": "60", **HOURS}
    trade, mark = (ask("get_tradingview_chart_data", **query, **extra) for extra in ({}, {"price": "mark"}))
    assert trade == mark


@pytest.mark.parametrize(
    ("path", "query", "status", "code"),
    [
        ("ticker", {"instrument_name": "NO-PERPETUAL"}, 400, -32602),
        ("get_funding_rate_history", {"instrument_name": NAME}, 400, -32602),
        ("get_order_book", {"instrument_name": NAME, "depth": 3}, 400, -32602),
        ("get_nothing", {}, 400, -32601),
        ("/api/v2/private/buy", {}, 401, 13009),
        ("/elsewhere", {}, 400, -32601),
    ],
)
def test_errors_are_the_venues_own(ask: Ask, path: str, query: Any, status: int, code: int) -> None:
    got, body = ask(path, **query)
    assert (got, body["error"]["code"]) == (status, code)


# --- through the gateway
@pytest.fixture(scope="module")
def testnet() -> Iterator[RunningTestnet]:
    with running_testnet() as testnet:
        yield testnet


def read(testnet: RunningTestnet, what: Callable[[PublicGateway], Any]) -> Any:
    async def run() -> Any:
        async with PublicGateway(DeribitVenue(), TestnetConnection(testnet.port)) as gateway:
            return await what(gateway), gateway.gaps

    return asyncio.run(run())


def test_the_history_is_read_whole(testnet: RunningTestnet, quotes: MarketQuotes) -> None:
    start = datetime(2024, 1, 1, 1, tzinfo=UTC)  # 743 hours: more than a window of the pager
    frame, gaps = read(testnet, lambda gateway: gateway.settled_funding(SYMBOL, start, NOW))
    expected = quotes.settled(SYMBOL, int(start.timestamp() * 1000), NOW_MS - 1)
    assert gaps == []
    assert frame.height == expected.height == 743
    assert frame["rate"].to_list() == pytest.approx(expected["rate"].to_list(), abs=1e-14)


def test_the_estimate_is_about_the_running_hour(testnet: RunningTestnet, quotes: MarketQuotes) -> None:
    frame, _ = read(testnet, lambda gateway: gateway.estimated_funding([SYMBOL]))
    row = frame.row(0, named=True)
    assert row["settled_at"] == NOW + timedelta(hours=1)
    assert row["interval_hours"] == 1.0
    assert row["rate"] == pytest.approx(float(quotes.estimate(SYMBOL, NOW_MS)), abs=1e-12)


def test_candles_and_depth_are_read_in_coins(testnet: RunningTestnet, quotes: MarketQuotes) -> None:
    start = NOW - timedelta(hours=5)
    bars, _ = read(testnet, lambda gateway: gateway.candles(SYMBOL, "trade", start, NOW))
    assert bars.height == 5
    assert bars["close"].null_count() == 0
    book, _ = read(testnet, lambda gateway: gateway.order_book(SYMBOL))
    assert book["bid_qty"][0][0] == float(quotes.book(SYMBOL, NOW_MS).bids[0].quantity)
    assert book["contract_size"].to_list() == [1.0]
    now, _ = read(testnet, lambda gateway: gateway.open_interest(SYMBOL))
    assert now["open_interest_base"].to_list() == [float(quotes.open_interest(SYMBOL, NOW_MS))]


def test_mark_candles_are_refused_and_not_imitated(testnet: RunningTestnet) -> None:
    with pytest.raises(ValueError, match="no mark candles"):
        read(testnet, lambda gateway: gateway.candles(SYMBOL, "mark", NOW - timedelta(hours=1), NOW))


def test_terms_count_coins(testnet: RunningTestnet) -> None:
    found, _ = read(testnet, lambda gateway: gateway.instruments())
    terms = {item.symbol: item for item in found.terms}[SYMBOL]
    assert (terms.native_id, terms.contract_size, terms.interval_hours) == (NAME, 1, 1.0)
    assert not found.refused


def test_no_account_is_made(testnet: RunningTestnet) -> None:
    status, body = testnet.ask("POST", "/admin/accounts", {"venue": "deribit", "balance": "1"})
    assert status >= 400
    assert "only public data" in json.dumps(body)
