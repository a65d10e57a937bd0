"""Bybit's dialect: bodies like the venue's, signatures that count, pages and windows of public data."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ccxt
import ccxt.async_support
import pytest

from funding_pipeline.testnet.dialects.bybit import public
from funding_pipeline.testnet.market_quotes import MarketQuotes
from funding_pipeline_tests.testnet.dialects.bybit_bench import BTC, HOUR_MS, LINEAR, START, BybitBench
from funding_pipeline_tests.testnet.dialects.shapes import differences, named
from funding_pipeline_tests.testnet.running import simulated_market


@pytest.fixture
def bench() -> BybitBench:
    return BybitBench(MarketQuotes(simulated_market(), "bybit"))


@pytest.fixture(scope="module")
def examples(payloads_dir: Path) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads((payloads_dir / "ccxt_examples" / "bybit.json").read_bytes())
    return found


# The examples are older than these fields, or are abbreviated; later documents of the venue have them.
_SINCE = {
    *("copyTrading", "isPreListing", "lowerFundingRate", "maxMktOrderQty", "minNotionalValue"),
    *("upperFundingRate", "basis", "fundingIntervalHour", "seq", "cts", "mmDeduction", "nextPageCursor"),
    *("collateralSwitch", "locked", "marginCollateral", "spotHedgingQty", "retExtInfo", "time", "category"),
    *("adlRankIndicator", "autoAddMargin", "curRealisedPnl", "isReduceOnly", "leverageSysUpdatedTime"),
    *("mmrSysUpdatedTime", "positionBalance", "positionIMByMp", "positionMMByMp", "sessionAvgPrice"),
    *("closedSize", "createType", "execPnl", "extraFees", "feeCurrency", "marketUnit"),
}


def _unexplained(example: Any, ours: Any) -> set[str]:
    found = differences(example, ours)
    return {one for one in found if not (one.startswith("extra") and named(one) in _SINCE)}


_BODIES: list[tuple[str, int, str, Mapping[str, Any]]] = [
    ("fetch_future_markets", 0, "/v5/market/instruments-info", {"category": "linear"}),
    ("fetch_ticker", 0, "/v5/market/tickers", LINEAR),
    ("fetch_ohlcv", 0, "/v5/market/kline", {**LINEAR, "interval": "60"}),
    ("fetch_funding_rate_history", 0, "/v5/market/funding/history", LINEAR),
    ("fetch_trades", 0, "/v5/market/recent-trade", LINEAR),
    ("fetch_order_book", 0, "/v5/market/orderbook", LINEAR),
    ("fetch_open_interest", 0, "/v5/market/open-interest", {**LINEAR, "intervalTime": "1h"}),
    ("is_unified_enabled", 0, "/v5/user/query-api", {}),
    ("is_unified_enabled", 1, "/v5/account/info", {}),
    ("fetch_currencies", 0, "/v5/asset/coin/query-info", {}),
    ("parse_balance", 2, "/v5/account/wallet-balance", {"accountType": "UNIFIED"}),
    ("fetch_trading_fee", 0, "/v5/account/fee-rate", LINEAR),
    ("fetch_position", 0, "/v5/position/list", LINEAR),
    ("fetch_positions_adl_rank", 0, "/v5/position/list", LINEAR),
    ("fetch_open_orders", 0, "/v5/order/realtime", {**LINEAR, "openOnly": 1}),
    ("fetch_canceled_and_closed_orders", 0, "/v5/order/history", LINEAR),
    ("fetch_my_trades", 0, "/v5/execution/list", {**LINEAR, "execType": "Trade"}),
    ("fetch_ledger", 1, "/v5/account/transaction-log", {}),
]


@pytest.mark.parametrize(("method", "place", "path", "params"), _BODIES)
def test_bodies_have_the_keys_and_types_of_the_venue(
    bench: BybitBench,
    examples: Mapping[str, Any],
    method: str,
    place: int,
    path: str,
    params: Mapping[str, Any],
) -> None:
    bench.create()
    bench.now += 9 * HOUR_MS
    ours = bench.signed("GET", path, params)
    assert ours["retCode"] == 0
    example = examples[method][place]["body"]
    assert _unexplained(example, ours) == set()


def test_rows_and_acknowledgements_have_them_too(bench: BybitBench, examples: Mapping[str, Any]) -> None:
    created = bench.create(orderLinkId="first")
    price = bench.best("b")
    bench.create(orderType="Limit", price=price, orderLinkId="second")
    cancelled = bench.signed("POST", "/v5/order/cancel", {**LINEAR, "orderLinkId": "second"})
    bench.create(orderType="Limit", price=price)
    all_cancelled = bench.signed("POST", "/v5/order/cancel-all", LINEAR)
    bench.now += 9 * HOUR_MS
    payment = bench.rows("/v5/execution/list", execType="Funding")[0]
    tier = bench.public("/v5/market/risk-limit", **LINEAR)["result"]["list"]
    income = {k: v for k, v in examples["parse_income"][0]["body"].items() if k != "nextPageCursor"}  # ccxt's
    pairs = [
        (examples["create_order"][0]["body"], created),
        (examples["cancel_order"][0]["body"], cancelled),
        (examples["cancel_all_orders"][0]["body"], all_cancelled),
        (examples["fetch_time"][0]["body"]["result"], bench.public("/v5/market/time")["result"]),
        (income, payment),
        (examples["parse_market_leverage_tiers"][0]["body"], tier),
    ]
    assert [_unexplained(example, ours) for example, ours in pairs] == [set()] * len(pairs)
    assert set(created["result"]) == {"orderId", "orderLinkId"}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"X-BAPI-API-KEY": "somebody"}, 10003),
        ({"X-BAPI-SIGN": "0" * 64}, 10004),
        ({"X-BAPI-SIGN": "ümlaut"}, 10004),
        ({"X-BAPI-RECV-WINDOW": "6000"}, 10004),  # the window is signed too
        ({"X-BAPI-TIMESTAMP": str(START - 60_000)}, 10002),
        ({"X-BAPI-TIMESTAMP": "yesterday"}, 10002),
        ({"X-BAPI-SIGN": ""}, 10001),
    ],
)
def test_what_is_not_signed_is_not_answered(bench: BybitBench, changes: dict[str, str], code: int) -> None:
    answer = bench.signed("GET", "/v5/account/info", {}, **changes)
    assert (answer["retCode"], answer["result"]) == (code, {})


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"secret": "wrong"}, ccxt.AuthenticationError),
        ({"apiKey": "wrong"}, ccxt.AuthenticationError),
        ({"nonce": lambda: START - HOUR_MS}, ccxt.InvalidNonce),
    ],
)
def test_ccxt_raises_what_it_raises_in_production(
    bench: BybitBench, options: Mapping[str, Any], kind: type[Exception]
) -> None:
    async def ask(client: Any) -> Any:
        for name, value in options.items():
            setattr(client, name, value)
        return await client.fetch_margin_mode(BTC)

    with pytest.raises(kind):
        bench.through_ccxt(ask)


def test_a_changed_body_breaks_the_signature(bench: BybitBench) -> None:
    body = json.dumps({**LINEAR, "side": "Buy", "orderType": "Market", "qty": "0.1"})
    signed = f"{bench.now}{bench.account.key}5000{body}".encode()
    headers = {
        "X-BAPI-API-KEY": bench.account.key,
        "X-BAPI-TIMESTAMP": str(bench.now),
        "X-BAPI-SIGN": hmac.new(bench.account.secret.encode(), signed, hashlib.sha256).hexdigest(),
    }
    changed = bench.ask("POST", "/v5/order/create", body.replace("0.1", "9.1"), headers)
    assert json.loads(changed.body)["retCode"] == 10004
    assert json.loads(bench.ask("POST", "/v5/order/create", body, headers).body)["retCode"] == 0


def test_funding_history_keeps_the_newest_rows_of_a_window(bench: BybitBench) -> None:
    path, first = "/v5/market/funding/history", START - 5000 - 30 * 24 * HOUR_MS
    window = {**LINEAR, "startTime": first, "endTime": START}
    whole = bench.public(path, **window)["result"]["list"]
    cut = bench.public(path, **window, limit=10)["result"]["list"]
    times = [int(row["fundingRateTimestamp"]) for row in whole]
    assert times == sorted(times, reverse=True)
    assert (times[0], times[-1], len(times)) == (START - 5000, first, 91)
    assert cut == whole[:10]
    assert bench.public(path, **LINEAR, startTime=first)["retCode"] == 10001


def test_candles_are_newest_first_and_a_page_at_most(bench: BybitBench) -> None:
    path, first = "/v5/market/kline", START - 5000 - 48 * HOUR_MS
    window = {**LINEAR, "interval": "60", "start": first, "end": START - 5000 - HOUR_MS}
    trade = bench.public(path, **window)["result"]["list"]
    mark = bench.public("/v5/market/mark-price-kline", **window, limit=5)["result"]["list"]
    assert [len(trade), len(trade[0]), len(mark), len(mark[0])] == [48, 7, 5, 5]
    assert (int(trade[-1][0]), int(mark[0][0])) == (first, START - 5000 - HOUR_MS)
    assert bench.public(path, **{**window, "interval": "480"})["retCode"] == 10001  # the venue has no 8 h
    assert len(bench.public(path, **LINEAR, interval="60", limit=5000)["result"]["list"]) <= 1000


def test_the_interval_is_told_in_minutes_and_in_hours(bench: BybitBench) -> None:
    terms = bench.public("/v5/market/instruments-info", **LINEAR)["result"]["list"][0]
    ticker = bench.public("/v5/market/tickers", **LINEAR)["result"]["list"][0]
    assert (terms["fundingInterval"], ticker["fundingIntervalHour"]) == (480, "8")
    assert int(ticker["nextFundingTime"]) == START - 5000 + 8 * HOUR_MS


def test_tiers_of_all_instruments_come_in_pages(bench: BybitBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public, "_TIERED_SYMBOLS_PER_PAGE", 2)

    async def tiers(client: Any) -> Any:
        return await client.fetch_leverage_tiers()

    found = bench.through_ccxt(tiers)
    assert len(found) == len(bench.exchange.instruments()) == 7
    assert found[BTC][1]["minNotional"] == found[BTC][0]["maxNotional"]


def test_an_unknown_path_and_too_many_requests(bench: BybitBench) -> None:
    missing = bench.ask("GET", "/v5/market/nothing", "", {})
    assert (missing.status, json.loads(missing.body)["retCode"]) == (404, 10017)
    limited = bench.dialect.rate_limited()
    assert (limited.status, json.loads(limited.body)["retCode"]) == (200, 10006)
