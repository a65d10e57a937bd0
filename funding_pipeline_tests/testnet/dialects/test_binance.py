"""Binance's dialect of the testnet: its bodies against recorded ones, its signatures, its quirks."""

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest

from funding_pipeline.market.simulated import SimulatedMarket
from funding_pipeline.testnet.clock import HOUR_MS, ManualClock
from funding_pipeline.testnet.dialects.binance import BinanceDialect
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Instrument
from funding_pipeline.testnet.http import Answer, Request
from funding_pipeline.testnet.market_quotes import MarketQuotes
from funding_pipeline.testnet.raw_market import RawMarket
from funding_pipeline_tests.testnet.dialects.shapes import differences

NOW = int(datetime(2024, 2, 1, tzinfo=UTC).timestamp() * 1000)
WALL = int(datetime(2031, 5, 1, tzinfo=UTC).timestamp() * 1000)
DAY_MS = 24 * HOUR_MS
FUTURES, WALLET = "fapi.binance.com", "api.binance.com"
BTC = {"symbol": "BTCUSDT"}
LIMIT = {**BTC, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "newOrderRespType": "RESULT"}
MARKET = {**BTC, "side": "BUY", "type": "MARKET", "quantity": "0.05", "newOrderRespType": "RESULT"}


class Desk:
    """A dialect with one account, and the means to ask it things."""

    def __init__(self, quotes: MarketQuotes) -> None:
        self.clock = ManualClock(NOW)
        self.exchange = Exchange(quotes, now=self.clock.now, wall=lambda: WALL)
        self.dialect = BinanceDialect(self.exchange)
        self.key, self.secret, _ = self.dialect.new_credentials(bytes(range(32)))
        self.account = self.exchange.open_account(
            "trader", key=self.key, secret=self.secret, balance=Decimal(100_000)
        )

    def send(
        self,
        method: str,
        path: str,
        query: str = "",
        *,
        body: str = "",
        headers: Mapping[str, str] | None = None,
        host: str = FUTURES,
    ) -> Answer:
        self.exchange.advance()
        decoded = dict(parse_qsl(query))
        return self.dialect.answer(Request(method, host, path, decoded, query, body.encode(), headers or {}))

    def public(self, path: str, **parameters: object) -> Any:
        return _json(self.send("GET", path, urlencode(parameters)))

    def signed(self, method: str, path: str, *, host: str = FUTURES, **parameters: object) -> Any:
        return _json(self.answer_signed(method, path, host=host, **parameters))

    def answer_signed(self, method: str, path: str, *, host: str = FUTURES, **parameters: object) -> Answer:
        text = self.sign(urlencode({**parameters, "timestamp": self.clock.now(), "recvWindow": 10_000}))
        in_body = method == "POST"
        return self.send(
            method,
            path,
            "" if in_body else text,
            body=text if in_body else "",
            headers={"x-mbx-apikey": self.key},
            host=host,
        )

    def sign(self, text: str) -> str:
        return f"{text}&signature={hmac.new(self.secret.encode(), text.encode(), hashlib.sha256).hexdigest()}"

    def best_ask(self) -> Decimal:
        return Decimal(self.public("/fapi/v1/depth", symbol="BTCUSDT", limit=5)["asks"][0][0])


def _json(answer: Answer) -> Any:
    return json.loads(answer.body)


@pytest.fixture(scope="module")
def quotes() -> MarketQuotes:
    market = SimulatedMarket(
        seed=7, start=datetime(2024, 1, 1, tzinfo=UTC), end=datetime(2024, 2, 15, tzinfo=UTC)
    )
    return MarketQuotes(RawMarket(market), "binance")


@pytest.fixture
def desk(quotes: MarketQuotes) -> Desk:
    return Desk(quotes)


# --- keys and types


RECORDED = [
    ("/fapi/v1/time", "", {}),
    ("/fapi/v1/premiumIndex", "symbol=BTCUSDT", BTC),
    ("/fapi/v1/premiumIndex", "", {}),
    ("/fapi/v1/fundingRate", "symbol=BTCUSDT", BTC),
    ("/fapi/v1/depth", "limit=5&symbol=BTCUSDT", {**BTC, "limit": 5}),
    ("/fapi/v1/klines", "interval=1d&limit=5&symbol=BTCUSDT", {**BTC, "interval": "1d", "limit": 5}),
    ("/fapi/v1/aggTrades", "limit=5&symbol=BTCUSDT", {**BTC, "limit": 5}),
    ("/fapi/v1/trades", "limit=5&symbol=BTCUSDT", {**BTC, "limit": 5}),
    ("/fapi/v1/openInterest", "symbol=BTCUSDT", BTC),
    (
        "/futures/data/openInterestHist",
        "limit=1&period=5m&symbol=BTCUSDT",
        {**BTC, "period": "1h", "limit": 1},
    ),
    ("/fapi/v1/ticker/24hr", "symbol=BTCUSDT", BTC),
    ("/fapi/v1/ticker/24hr", "", {}),
    ("/fapi/v1/ticker/price", "symbol=BTCUSDT", BTC),
    ("/fapi/v1/ticker/bookTicker", "", {}),
    ("/fapi/v1/ticker/24hr", "symbol=BTCUSD_201225", {"symbol": "BTCUSD_201225"}),
]
NEWER_THAN_RECORDED = {"extra markPrice", "extra estimatedSettlePrice"}


@pytest.fixture(scope="module")
def recorded(payloads_dir: Path) -> Callable[..., Any]:
    calls = json.loads((payloads_dir / "binance_recorded.json").read_text("utf-8"))
    return lambda path, query="": next(c["data"] for c in calls[path] if c["queryString"] == query)


@pytest.fixture(scope="module")
def examples(payloads_dir: Path) -> Callable[[str, str], Any]:
    """The example of a ccxt method that has this key."""
    bodies = json.loads((payloads_dir / "ccxt_examples" / "binance.json").read_text("utf-8"))

    def find(method: str, key: str) -> Any:
        found = [example["body"] for example in bodies[method]]
        rows = [row for body in found for row in (body if isinstance(body, list) else [body])]
        return next(row for row in rows if key in row)

    return find


@pytest.mark.parametrize(("path", "query", "parameters"), RECORDED)
def test_public_bodies_are_as_recorded(
    desk: Desk, recorded: Callable[..., Any], path: str, query: str, parameters: dict[str, object]
) -> None:
    told = differences(recorded(path, query), desk.public(path, **parameters))
    assert told <= (NEWER_THAN_RECORDED if path.endswith(("fundingRate", "premiumIndex")) else set())


def test_the_listing_is_as_recorded(desk: Desk, recorded: Callable[..., Any]) -> None:
    def by_filter(body: Any) -> Any:
        for contract in body["symbols"]:
            contract["filters"] = {one["filterType"]: one for one in contract["filters"]}
            contract.pop("underlyingSubType")  # what the coin is about: a list of words
        return body

    ours = desk.public("/fapi/v1/exchangeInfo")
    assert differences(by_filter(recorded("/fapi/v1/exchangeInfo")), by_filter(ours)) == set()
    assert [one["symbol"] for one in ours["symbols"]][:3] == ["AVAXUSDT", "BNBUSDT", "BTCUSDT"]


@pytest.mark.parametrize(("path", "name"), [("markPriceKlines", "symbol"), ("indexPriceKlines", "pair")])
def test_mark_and_index_candles_are_as_recorded(
    desk: Desk, recorded: Callable[..., Any], path: str, name: str
) -> None:
    pair = "BTCUSD_PERP" if name == "symbol" else "BTCUSD"
    theirs = recorded(f"/dapi/v1/{path}", f"interval=1M&limit=5&{name}={pair}")
    ours = desk.public(f"/fapi/v1/{path}", **{name: "BTCUSDT"}, interval="1h", limit=5)
    assert differences(theirs, ours) == set()
    assert ours[0][5] == "0"


def test_orders_are_as_in_the_examples(desk: Desk, examples: Callable[[str, str], Any]) -> None:
    price = str((desk.best_ask() * Decimal("0.97")).quantize(Decimal(1)))
    created = desk.signed("POST", "/fapi/v1/order", **LIMIT, quantity="0.05", price=price)
    assert differences(examples("create_orders", "priceMatch"), created) == set()
    assert differences(examples("edit_contract_order", "orderId"), created) == {
        "extra priceMatch",
        "extra selfTradePreventionMode",
        "extra goodTillDate",
    }
    found = desk.signed("GET", "/fapi/v1/order", **BTC, orderId=created["orderId"])
    assert differences(examples("fetch_open_order", "priceMatch"), found) == set()
    assert desk.signed("GET", "/fapi/v1/openOrders") == [found]
    assert desk.signed("GET", "/fapi/v1/allOrders", **BTC) == [found]
    cancelled = desk.signed("DELETE", "/fapi/v1/order", **BTC, orderId=created["orderId"])
    of_trailing_stops = {"missing activatePrice", "missing priceRate"}  # which the example is
    told = differences(examples("cancel_orders", "orderId"), cancelled)
    assert told == of_trailing_stops | {"extra avgPrice"}
    assert cancelled["status"] == "CANCELED"


def test_account_bodies_are_as_in_the_examples(desk: Desk, examples: Callable[[str, str], Any]) -> None:
    desk.signed("POST", "/fapi/v1/order", **MARKET)
    account = desk.signed("GET", "/fapi/v3/account")
    assert differences(examples("fetch_balance", "totalWalletBalance"), account) == {
        "extra assets.updateTime",
        "extra positions.positionAmt",
        "extra positions.notional",
        "extra positions.isolatedWallet",
        "extra positions.updateTime",
    }
    [position] = [row for row in desk.signed("GET", "/fapi/v2/positionRisk") if row["symbol"] == "BTCUSDT"]
    assert differences(examples("fetch_positions_risk", "maxNotionalValue"), position) == {
        "extra breakEvenPrice",
        "extra notional",
        "extra isolatedWallet",
    }
    third = desk.signed("GET", "/fapi/v3/positionRisk")[0]
    assert not {"leverage", "marginType"} & third.keys()  # the live venue stopped telling them
    assert {"adl", "maintMargin", "initialMargin", "marginAsset"} <= third.keys()
    for path, method, key in [
        ("leverageBracket", "fetch_leverage_tiers", "brackets"),
        ("symbolConfig", "fetch_margin_modes", "marginType"),
        ("adlQuantile", "fetch_positions_adl_rank", "adlQuantile"),
    ]:
        [row] = [one for one in desk.signed("GET", f"/fapi/v1/{path}") if one["symbol"] == "BTCUSDT"]
        assert differences(examples(method, key), row) == set()
    fee = desk.signed("GET", "/fapi/v1/commissionRate", **BTC)
    assert differences(examples("fetch_trading_fee", "makerCommissionRate"), fee) == set()
    mode = desk.signed("GET", "/fapi/v1/positionSide/dual")
    assert differences(examples("fetch_position_mode", "dualSidePosition"), mode) == set()


def test_statements_are_as_in_the_examples(desk: Desk, examples: Callable[[str, str], Any]) -> None:
    desk.signed("POST", "/fapi/v1/order", **MARKET)
    [fill] = desk.signed("GET", "/fapi/v1/userTrades", **BTC)
    assert differences(examples("fetch_my_trades", "positionSide"), fill) == set()
    income = desk.signed("GET", "/fapi/v1/income")
    assert differences(examples("fetch_ledger", "incomeType"), income[0]) == set()
    assert [row["incomeType"] for row in income] == ["TRANSFER", "COMMISSION"]
    assert Decimal(income[1]["income"]) == -Decimal(fill["commission"]) < 0


# --- who may ask


def test_only_what_was_signed_is_accepted(desk: Desk) -> None:
    path, headers = "/fapi/v3/account", {"X-MBX-APIKEY": desk.key}
    stamp = f"timestamp={NOW}"
    good = desk.sign(stamp)
    assert desk.send("GET", path, good, headers=headers).status == 200
    refused = {
        "no key": (good, {}, -2014, 401),
        "unknown key": (good, {"X-MBX-APIKEY": "x" * 64}, -2015, 401),
        "changed": (good.replace(str(NOW), str(NOW + 1)), headers, -1022, 400),
        "added": (f"recvWindow=60000&{good}", headers, -1022, 400),
        "not hexadecimal": (f"{stamp}&signature=\u00e9", headers, -1022, 400),
        "no signature": (stamp, headers, -1102, 400),
        "no time": (desk.sign("recvWindow=5000"), headers, -1102, 400),
        "old": (desk.sign(f"timestamp={NOW - 5001}"), headers, -1021, 400),
        "early": (desk.sign(f"timestamp={NOW + 5001}"), headers, -1021, 400),
        "too patient": (desk.sign(f"{stamp}&recvWindow=60001"), headers, -1131, 400),
    }
    for name, (query, sent, code, status) in refused.items():
        answer = desk.send("GET", path, query, headers=sent)
        assert (name, _json(answer)["code"], answer.status) == (name, code, status)


def test_a_body_is_signed_too(desk: Desk) -> None:
    form = desk.sign(urlencode({**MARKET, "timestamp": NOW}))
    headers = {"X-MBX-APIKEY": desk.key}
    larger = form.replace("quantity=0.05", "quantity=0.06")
    assert _json(desk.send("POST", "/fapi/v1/order", body=larger, headers=headers))["code"] == -1022
    smuggled = desk.send("POST", "/fapi/v1/order", "quantity=0.06", body=form, headers=headers)
    assert _json(smuggled)["code"] == -1022
    assert desk.send("POST", "/fapi/v1/order", body=form, headers=headers).status == 200


def test_the_machines_time_is_good_as_well(desk: Desk) -> None:
    query = desk.sign(f"timestamp={WALL}")
    headers = {"X-MBX-APIKEY": desk.key}
    assert desk.send("GET", "/fapi/v3/account", query, headers=headers).status == 200


def test_credentials_have_the_venues_form_and_are_shown_by_ccxts_names(desk: Desk) -> None:
    assert (len(desk.key), len(desk.secret)) == (64, 64)
    assert desk.dialect.show_credentials(desk.account) == {"apiKey": desk.key, "secret": desk.secret}
    assert desk.dialect.new_credentials(bytes(32)) != desk.dialect.new_credentials(bytes(range(32)))


def test_the_wallet_host_tells_permissions_and_nothing_else(desk: Desk) -> None:
    path = "/sapi/v1/account/apiRestrictions"
    told = desk.signed("GET", path, host=WALLET)
    assert (told["enableFutures"], told["enableWithdrawals"]) == (True, False)
    desk.account.may_withdraw = True
    assert desk.signed("GET", path, host=WALLET)["enableWithdrawals"] is True
    assert desk.send("GET", "/fapi/v1/time", host=WALLET).status == 404
    assert desk.send("GET", path, host=FUTURES).status == 404
    assert desk.dialect.hosts == (FUTURES, WALLET)


def test_an_unknown_path_is_the_venues_own_404(desk: Desk) -> None:
    answer = desk.send("GET", "/fapi/v1/nothing")
    assert (answer.status, _json(answer)["code"]) == (404, -5000)


# --- market data


def test_depth_takes_the_venues_limits_only(desk: Desk) -> None:
    assert desk.public("/fapi/v1/depth", symbol="BTCUSDT", limit=7)["code"] == -4021
    assert len(desk.public("/fapi/v1/depth", symbol="BTCUSDT", limit=20)["bids"]) == 20


@pytest.mark.parametrize(
    ("path", "parameters", "code"),
    [
        ("/fapi/v1/fundingRate", {**BTC, "limit": 1001}, -1130),
        ("/fapi/v1/fundingRate", {**BTC, "startTime": 2, "endTime": 1}, -1023),
        ("/fapi/v1/klines", {**BTC, "interval": "1h", "limit": 1501}, -1130),
        ("/fapi/v1/klines", {**BTC, "interval": "7h"}, -1120),
        ("/fapi/v1/klines", {"interval": "1h"}, -1102),
        ("/fapi/v1/klines", {"symbol": "NEIROUSDT", "interval": "1h"}, -1121),
        ("/fapi/v1/aggTrades", {**BTC, "startTime": NOW - 2 * HOUR_MS, "endTime": NOW}, -1127),
        ("/futures/data/openInterestHist", {**BTC, "period": "1h", "limit": 501}, -1130),
        ("/futures/data/openInterestHist", {**BTC, "period": "1h", "startTime": NOW - 31 * DAY_MS}, -1130),
    ],
)
def test_limits_are_enforced(desk: Desk, path: str, parameters: dict[str, object], code: int) -> None:
    assert desk.public(path, **parameters)["code"] == code


def test_funding_history_counts_from_its_start_or_else_from_now(desk: Desk) -> None:
    path, eight = "/fapi/v1/fundingRate", 8 * HOUR_MS
    start = NOW - 20 * DAY_MS
    first = [row["fundingTime"] for row in desk.public(path, **BTC, startTime=start, limit=3)]
    assert first == [start, start + eight, start + 2 * eight]
    newest = [row["fundingTime"] for row in desk.public(path, **BTC, limit=2, endTime=NOW + DAY_MS)]
    assert newest == [NOW - eight, NOW]  # nothing from the future
    assert len(desk.public(path, **BTC, limit=1000)) == 94  # since the first of January
    assert len(desk.public(path, **BTC)) == 94  # of 100 by default
    both = desk.public(path, **BTC, startTime=start, endTime=start + eight)
    assert [row["fundingTime"] for row in both] == first[:2]


def test_candles_count_from_their_start_or_else_from_now(desk: Desk) -> None:
    path = "/fapi/v1/klines"
    start = NOW - 10 * DAY_MS
    first = desk.public(path, **BTC, interval="4h", startTime=start, limit=2)
    assert [(row[0], row[6]) for row in first] == [
        (start, start + 4 * HOUR_MS - 1),
        (start + 4 * HOUR_MS, start + 8 * HOUR_MS - 1),
    ]
    newest = desk.public(path, **BTC, interval="1h", limit=2, endTime=NOW + DAY_MS)
    assert [row[0] for row in newest] == [NOW - HOUR_MS, NOW]  # the second one has just opened


class Changed:
    """Quotes of which something is otherwise."""

    def __init__(self, quotes: MarketQuotes) -> None:
        self._quotes = quotes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._quotes, name)


class SilentChange(Changed):
    """BTC settles every hour, and nobody was told."""

    def interval_hours(self, symbol: str, time: int) -> float:
        return 1.0 if symbol.startswith("BTC") else 8.0


def test_only_changed_intervals_are_listed(
    desk: Desk, quotes: MarketQuotes, recorded: Callable[..., Any]
) -> None:
    assert desk.public("/fapi/v1/fundingInfo") == []
    changed = Desk(SilentChange(quotes)).public("/fapi/v1/fundingInfo")  # type: ignore[arg-type]
    assert [(row["symbol"], row["fundingIntervalHours"]) for row in changed] == [("BTCUSDT", 1)]
    assert differences(recorded("/fapi/v1/fundingInfo"), changed) == set()


# --- orders


def test_a_crossing_post_only_order_is_refused_at_once(desk: Desk) -> None:
    order = {**LIMIT, "timeInForce": "GTX", "quantity": "0.05", "price": str(desk.best_ask())}
    assert desk.signed("POST", "/fapi/v1/order", **order, newClientOrderId="a1")["code"] == -5022
    found = desk.signed("GET", "/fapi/v1/order", **BTC, origClientOrderId="a1")
    assert found == {"code": -2013, "msg": "Order does not exist."}


def test_a_client_id_is_used_once(desk: Desk) -> None:
    assert desk.signed("POST", "/fapi/v1/order", **MARKET, newClientOrderId="a1")["status"] == "FILLED"
    assert desk.signed("POST", "/fapi/v1/order", **MARKET, newClientOrderId="a1")["code"] == -4116
    assert desk.signed("POST", "/fapi/v1/order", **MARKET, newClientOrderId="a b")["code"] == -4015
    found = desk.signed("GET", "/fapi/v1/order", **BTC, origClientOrderId="a1")
    assert (found["executedQty"], found["status"]) == ("0.05", "FILLED")
    assert desk.signed("DELETE", "/fapi/v1/order", **BTC, origClientOrderId="a1")["code"] == -2011


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"quantity": "0.05", "reduceOnly": "true"}, -2022),
        ({"quantity": "0.0505050"}, -1111),
        ({"quantity": "0"}, -4003),
        ({"quantity": "much"}, -1100),
        ({"quantity": "60"}, -2019),
        ({"type": "STOP_MARKET", "quantity": "1"}, -4120),
        ({"side": "HOLD", "quantity": "1"}, -1117),
        ({"quantity": "1", "positionSide": "LONG"}, -4061),
        ({"type": "LIMIT", "quantity": "1", "timeInForce": "GTC"}, -1102),
        ({"type": "LIMIT", "quantity": "1", "price": "25000.123", "timeInForce": "GTC"}, -4014),
        ({"type": "LIMIT", "quantity": "1", "price": "25000", "timeInForce": "FOK"}, -1115),
    ],
)
def test_refusals_have_the_venues_codes(desk: Desk, changes: dict[str, str], code: int) -> None:
    answer = desk.answer_signed("POST", "/fapi/v1/order", **{**MARKET, **changes})
    assert (_json(answer)["code"], answer.status) == (code, 400)


class LargeOrdersOnly(Changed):
    """No order below 0.02 coins or 1,000 USDT."""

    def instruments(self) -> tuple[Instrument, ...]:
        least = {"min_quantity": Decimal("0.02"), "min_notional": Decimal(1000)}
        return tuple(replace(one, **least) for one in self._quotes.instruments())


@pytest.mark.parametrize(("quantity", "code"), [("0.01", -4004), ("0.03", -4164), ("0.05", None)])
def test_small_orders_have_two_codes(quotes: MarketQuotes, quantity: str, code: int | None) -> None:
    desk = Desk(LargeOrdersOnly(quotes))  # type: ignore[arg-type]
    assert desk.signed("POST", "/fapi/v1/order", **{**MARKET, "quantity": quantity}).get("code") == code


def test_what_cannot_be_filled_at_once_expires(desk: Desk) -> None:
    low = str(desk.best_ask() - 200)
    order = desk.signed("POST", "/fapi/v1/order", **{**LIMIT, "timeInForce": "IOC"}, quantity="1", price=low)
    assert (order["status"], order["executedQty"]) == ("EXPIRED", "0")


def test_an_acknowledgement_tells_nothing_of_the_fill(desk: Desk) -> None:
    order = desk.signed("POST", "/fapi/v1/order", **{**MARKET, "newOrderRespType": "ACK"})
    assert (order["status"], order["executedQty"]) == ("NEW", "0")


def test_all_orders_of_a_symbol_are_cancelled(desk: Desk) -> None:
    for price in (25000, 25100):
        desk.signed("POST", "/fapi/v1/order", **LIMIT, quantity="0.05", price=price)
    assert desk.signed("DELETE", "/fapi/v1/allOpenOrders", **BTC)["code"] == 200
    assert desk.signed("GET", "/fapi/v1/openOrders", **BTC) == []


# --- account


def test_modes_and_leverage(desk: Desk) -> None:
    one_way = desk.signed("POST", "/fapi/v1/positionSide/dual", dualSidePosition="false")
    assert one_way["code"] == -4059
    margin = "/fapi/v1/marginType"
    assert desk.signed("POST", margin, **BTC, marginType="CROSSED")["code"] == -4046
    assert desk.signed("POST", margin, **BTC, marginType="ISOLATED") == {"code": 200, "msg": "success"}
    assert desk.signed("POST", "/fapi/v1/leverage", **BTC, leverage=126)["code"] == -4028
    told = desk.signed("POST", "/fapi/v1/leverage", **BTC, leverage=125)
    assert told == {"leverage": 125, "maxNotionalValue": "50000", "symbol": "BTCUSDT"}
    desk.signed("POST", "/fapi/v1/order", **MARKET)
    assert desk.signed("POST", margin, **BTC, marginType="CROSSED")["code"] == -4048


def test_funding_that_a_long_pays_is_negative_income(desk: Desk) -> None:
    desk.signed("POST", "/fapi/v1/order", **MARKET)
    desk.clock.advance(hours=8)
    rate = Decimal(desk.public("/fapi/v1/fundingRate", **BTC, limit=1)[0]["fundingRate"])
    mark = Decimal(desk.public("/fapi/v1/premiumIndex", **BTC)["markPrice"])
    [paid] = desk.signed("GET", "/fapi/v1/income", **BTC, incomeType="FUNDING_FEE", startTime=NOW)
    assert rate > 0
    assert Decimal(paid["income"]) == pytest.approx(-rate * mark * Decimal("0.05"), rel=Decimal("1e-3"))
    assert paid["time"] == NOW + 8 * HOUR_MS


def test_fills_are_asked_by_the_week(desk: Desk) -> None:
    desk.signed("POST", "/fapi/v1/order", **MARKET)
    desk.clock.advance(hours=24 * 8)
    path = "/fapi/v1/userTrades"
    assert desk.signed("GET", path, **BTC) == []  # the last seven days
    assert len(desk.signed("GET", path, **BTC, startTime=NOW)) == 1
    wide = desk.signed("GET", path, **BTC, startTime=NOW, endTime=NOW + 7 * DAY_MS + 1)
    assert wide["code"] == -4165


def test_the_balance_adds_up(desk: Desk) -> None:
    desk.signed("POST", "/fapi/v1/order", **MARKET)
    desk.clock.advance(hours=5)
    body = desk.signed("GET", "/fapi/v3/account")
    wallet, profit = Decimal(body["totalWalletBalance"]), Decimal(body["totalUnrealizedProfit"])
    assert Decimal(body["totalMarginBalance"]) == wallet + profit
    free = Decimal(body["totalMarginBalance"]) - Decimal(body["totalInitialMargin"])
    assert Decimal(body["availableBalance"]) == free
    assert body["assets"][0]["asset"] == "USDT"


# --- what a venue does to its traders


def test_a_halted_symbol_takes_no_orders(desk: Desk) -> None:
    desk.exchange.halt("BTC/USDT:USDT")
    assert desk.signed("POST", "/fapi/v1/order", **MARKET)["code"] == -4140
    desk.exchange.resume()
    assert desk.signed("POST", "/fapi/v1/order", **MARKET)["status"] == "FILLED"


def test_a_delisted_symbol_is_gone_and_its_statements_stay(desk: Desk) -> None:
    desk.signed("POST", "/fapi/v1/order", **MARKET)
    desk.exchange.delist("BTC/USDT:USDT")
    listed = [one["symbol"] for one in desk.public("/fapi/v1/exchangeInfo")["symbols"]]
    assert "BTCUSDT" not in listed
    assert desk.signed("POST", "/fapi/v1/order", **MARKET)["code"] == -1121
    assert desk.signed("GET", "/fapi/v3/positionRisk") == []
    kinds = {row["incomeType"] for row in desk.signed("GET", "/fapi/v1/income", **BTC)}
    assert kinds == {"COMMISSION", "REALIZED_PNL"}
    fills = desk.signed("GET", "/fapi/v1/userTrades", **BTC)
    assert [fill["side"] for fill in fills] == ["BUY", "SELL"]
    orders = desk.signed("GET", "/fapi/v1/allOrders", **BTC)
    assert [order["side"] for order in orders] == ["BUY", "SELL"]  # the venue closed it with an order


def test_a_deleveraged_leg_is_in_the_fills(desk: Desk) -> None:
    desk.signed("POST", "/fapi/v1/order", **MARKET)
    desk.exchange.deleverage(desk.account, "BTC/USDT:USDT")
    fills = desk.signed("GET", "/fapi/v1/userTrades", **BTC)
    assert [(fill["side"], fill["qty"]) for fill in fills] == [("BUY", "0.05"), ("SELL", "0.05")]
    assert desk.signed("GET", "/fapi/v1/adlQuantile") == []
