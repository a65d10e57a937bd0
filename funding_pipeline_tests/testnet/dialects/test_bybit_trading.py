"""Bybit's dialect: orders, positions, modes and statements in the venue's own ways."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import ccxt
import ccxt.async_support
import pytest

from funding_pipeline.testnet.market_quotes import MarketQuotes
from funding_pipeline_tests.testnet.dialects.bybit_bench import BTC, HOUR_MS, LINEAR, BybitBench
from funding_pipeline_tests.testnet.running import simulated_market


@pytest.fixture
def bench() -> BybitBench:
    return BybitBench(MarketQuotes(simulated_market(), "bybit"))


def test_a_crossing_post_only_order_is_accepted_then_cancelled(bench: BybitBench) -> None:
    ask = bench.best("a")
    order = {"orderType": "Limit", "price": ask, "timeInForce": "PostOnly", "orderLinkId": "post-1"}
    created = bench.create(**order)
    assert created["retCode"] == 0
    for path in ("/v5/order/realtime", "/v5/order/history"):
        told = bench.rows(path, orderLinkId="post-1")[0]
        assert told["orderId"] == created["result"]["orderId"]
        assert (told["orderStatus"], told["rejectReason"]) == ("Cancelled", "EC_PostOnlyWillTakeLiquidity")
        assert (told["price"], told["cumExecQty"]) == (ask, "0")
    assert bench.rows("/v5/order/realtime") == []
    assert bench.create(**order)["retCode"] == 110072


@pytest.mark.parametrize(
    ("order", "code"),
    [
        ({"qty": "0.0001"}, 10001),
        ({"qty": "0.10001"}, 10001),
        ({"orderType": "Limit", "price": "10000"}, 110003),
        ({"orderType": "Limit", "price": "1"}, 110094),
        ({"qty": "1000"}, 110007),
        ({"reduceOnly": True}, 110017),
        ({"qty": 0.1}, 10001),  # numbers go in strings
        ({"side": "buy"}, 10001),
        ({"orderType": "Limit"}, 10001),
        ({"positionIdx": 1}, 10001),
        ({"symbol": "NOPEUSDT"}, 10001),
        ({"orderLinkId": "x" * 37}, 10001),
        ({"triggerPrice": "1"}, 10001),
    ],
)
def test_refused_orders(bench: BybitBench, order: Mapping[str, Any], code: int) -> None:
    assert bench.create(**order)["retCode"] == code
    assert bench.exchange.orders(bench.account) == []


def test_an_order_can_be_found_and_cancelled_by_its_client_id(bench: BybitBench) -> None:
    created = bench.create(orderType="Limit", price=bench.best("b"), orderLinkId="mine")
    assert [row["orderStatus"] for row in bench.rows("/v5/order/realtime", orderLinkId="mine")] == ["New"]
    assert bench.rows("/v5/order/history", orderLinkId="mine") == []
    wanted = {**LINEAR, "orderLinkId": "mine"}
    assert bench.signed("POST", "/v5/order/cancel", wanted)["result"] == created["result"]
    assert bench.signed("POST", "/v5/order/cancel", wanted)["retCode"] == 110001
    assert bench.rows("/v5/order/history", orderLinkId="mine")[0]["cancelType"] == "CancelByUser"
    bench.now += 25 * HOUR_MS  # cancelled without a fill: told for a day
    assert bench.rows("/v5/order/history", orderLinkId="mine") == []


def test_lists_of_orders_need_a_scope_and_come_twenty_at_a_time(bench: BybitBench) -> None:
    price = bench.best("b")
    for number in range(23):
        bench.create(orderType="Limit", price=price, qty="0.001", orderLinkId=f"n{number}")
    refused = bench.signed("GET", "/v5/order/realtime", {"category": "linear"})
    first = bench.signed("GET", "/v5/order/realtime", {"category": "linear", "settleCoin": "USDT"})["result"]
    rest = bench.rows("/v5/order/realtime", cursor=first["nextPageCursor"])
    assert refused["retCode"] == 10001
    assert [len(first["list"]), first["list"][0]["orderLinkId"]] == [20, "n22"]
    assert [row["orderLinkId"] for row in rest] == ["n2", "n1", "n0"]
    assert len(bench.rows("/v5/order/realtime", limit=50)) == 23


def test_the_payer_of_funding_has_a_positive_fee(bench: BybitBench) -> None:
    bench.create()
    bench.now += 24 * HOUR_MS
    rows = bench.rows("/v5/execution/list", execType="Funding")
    paid = bench.exchange.payments(bench.account)
    assert [int(row["execTime"]) for row in rows] == [payment.time for payment in reversed(paid)]
    for row, payment in zip(rows, reversed(paid), strict=True):
        assert Decimal(row["execFee"]) == -payment.amount
        assert (Decimal(row["feeRate"]), row["side"]) == (payment.rate, "Buy")
        assert (payment.rate > 0) == (Decimal(row["execFee"]) > 0)  # the account is long
    assert len(bench.rows("/v5/execution/list", execType="Funding", size=1)) == 3  # `size` means nothing
    assert len(bench.rows("/v5/execution/list", execType="Funding", limit=1)) == 1


def test_statements_are_of_seven_days_at_most(bench: BybitBench) -> None:
    bench.create()
    week, began = 7 * 24 * HOUR_MS, bench.now
    bench.now += week + HOUR_MS
    path = "/v5/execution/list"
    assert bench.rows(path, execType="Trade") == []  # the last seven days
    assert len(bench.rows(path, execType="Trade", startTime=began)) == 1  # seven days from there
    too_long = bench.signed("GET", path, {**LINEAR, "startTime": began, "endTime": bench.now})
    assert too_long["retCode"] == 10001


def test_fills_log_and_wallet_agree(bench: BybitBench) -> None:
    bench.create()
    bench.create(side="Sell", reduceOnly=True)
    fills = bench.rows("/v5/execution/list", execType="Trade")
    assert [(row["side"], row["closedSize"]) for row in fills] == [("Sell", "0.1"), ("Buy", "0")]
    assert {row["feeRate"] for row in fills} == {"0.00055"}
    log = bench.signed("GET", "/v5/account/transaction-log", {})["result"]["list"]
    wallet = bench.signed("GET", "/v5/account/wallet-balance", {"accountType": "UNIFIED"})["result"]["list"][
        0
    ]
    assert log[0]["cashBalance"] == wallet["totalWalletBalance"] == wallet["coin"][0]["walletBalance"]
    assert sum(Decimal(row["change"]) for row in log) == Decimal(log[0]["cashBalance"])


def test_fills_that_ccxt_alone_would_miss(bench: BybitBench) -> None:
    bench.create()
    bench.exchange.deleverage(bench.account, BTC)

    async def fills(client: Any) -> Any:
        return await client.fetch_my_trades(BTC)

    mine = bench.through_ccxt(fills)
    unmodified = bench.through_ccxt(fills, ccxt.async_support.bybit)
    assert [row["info"]["execType"] for row in unmodified] == ["Trade"]
    assert [(row["info"]["execType"], row["side"]) for row in mine] == [
        ("Trade", "buy"),
        ("AdlTrade", "sell"),
    ]


def test_modes_and_leverage(bench: BybitBench) -> None:
    def post(path: str, **params: Any) -> int:
        code: int = bench.signed("POST", path, {**LINEAR, **params})["retCode"]
        return code

    leverage = "/v5/position/set-leverage"
    assert post(leverage, buyLeverage="5", sellLeverage="5") == 0
    assert post(leverage, buyLeverage="5", sellLeverage="5") == 110043
    assert post(leverage, buyLeverage="500", sellLeverage="500") == 110013
    assert post(leverage, buyLeverage="5", sellLeverage="6") == 10001
    assert post("/v5/position/switch-mode", mode=0) == 110025
    assert post("/v5/position/switch-mode", mode=3) == 110029
    assert post("/v5/account/set-margin-mode", setMarginMode="ISOLATED_MARGIN") == 0
    bench.create()
    assert post("/v5/account/set-margin-mode", setMarginMode="REGULAR_MARGIN") == 3400045
    assert bench.signed("GET", "/v5/account/info", {})["result"]["marginMode"] == "ISOLATED_MARGIN"


def test_a_strangers_client_can_trade(bench: BybitBench) -> None:
    async def trade(client: Any) -> Any:
        order = await client.create_order(BTC, "market", "buy", 0.1)
        return await client.fetch_order(
            order["id"], BTC, {"acknowledged": True}
        ), await client.fetch_positions()

    order, positions = bench.through_ccxt(trade, ccxt.async_support.bybit)
    assert (order["status"], order["filled"]) == ("closed", 0.1)
    assert [(held["symbol"], held["contracts"]) for held in positions] == [(BTC, 0.1)]


_STRANGE: list[Any] = [
    "",
    "-1",
    "1e99999",
    "NaN",
    "x" * 99,
    "9" * 40,
    None,
    True,
    -1,
    2.5,
    [],
    {},
    [{}],
    "ü%00",
]
_READS = ("order/realtime", "order/history", "execution/list", "position/list", "account/transaction-log")
_WRITES = (
    "order/create",
    "order/cancel",
    "order/cancel-all",
    "position/set-leverage",
    "position/switch-mode",
)


@pytest.mark.parametrize("strange", _STRANGE, ids=repr)
def test_strange_parameters_are_refused_or_ignored(bench: BybitBench, strange: Any) -> None:
    order = {
        **LINEAR,
        "side": "Buy",
        "orderType": "Limit",
        "qty": "0.1",
        "price": "26000",
        "buyLeverage": "5",
    }
    reading = {**LINEAR, **dict.fromkeys(("limit", "cursor", "startTime", "endTime", "orderId"), "1")}
    for path in _READS:
        for name in reading:
            assert "retCode" in bench.signed("GET", f"/v5/{path}", {**reading, name: strange})
    for path in _WRITES:
        for name in (*order, "orderLinkId", "orderId", "timeInForce", "positionIdx", "sellLeverage", "mode"):
            assert "retCode" in bench.signed("POST", f"/v5/{path}", {**order, name: strange})
    for path in (
        "kline",
        "funding/history",
        "open-interest",
        "recent-trade",
        "orderbook",
        "instruments-info",
    ):
        for name in ("symbol", "category", "interval", "limit", "start", "end", "startTime", "endTime"):
            asked = {**LINEAR, "interval": "60", "intervalTime": "1h", name: strange}
            assert "retCode" in bench.public(f"/v5/market/{path}", **asked)
