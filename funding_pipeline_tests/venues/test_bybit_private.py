"""Bybit, an account: example bodies through ccxt's real parser and our module, figures by hand."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import ccxt
import pytest

from funding_pipeline.core.errors import CredentialsError
from funding_pipeline.core.trading import OrderRequest
from funding_pipeline_tests.venues.bybit_bodies import (
    BTC,
    ETH,
    VENUE,
    XRP,
    asked,
    body_of,
    ok,
    unified,
)
from funding_pipeline_tests.venues.canned import Examples, read_examples


@pytest.fixture(scope="module")
def examples(payloads_dir: Path) -> Examples:
    return read_examples(payloads_dir, "bybit")


def test_an_acknowledgement_is_an_id_and_nothing_else(examples: Any) -> None:
    request = OrderRequest(
        "bybit", BTC, "buy", "limit", Decimal("0.1"), "0123456789abcdef01234567", Decimal(50_000), "post_only"
    )

    async def create(client: Any) -> Any:
        params = VENUE.order_params(request)
        return await client.create_order(BTC, "limit", "buy", 0.1, 50_000, params)

    bodies = {"/v5/order/create": body_of(examples, "create_order"), **unified(examples)}
    order, session = asked(examples, bodies, create)
    assert order["id"] == "1321003749386327552"
    assert (order["status"], order["filled"], order["amount"]) == (None, None, None)
    path, _, headers = session.asked[-1]
    assert path == "/v5/order/create"
    assert "Referer" not in headers  # ccxt would name itself as the broker


def test_orders_as_the_venue_tells_them(examples: Any) -> None:
    nothing = ok({"category": "linear", "list": [], "nextPageCursor": ""})
    resting = body_of(examples, "fetch_open_orders")
    bodies = {
        "/v5/order/realtime": lambda asked: nothing if "orderLinkId" in asked else resting,
        "/v5/order/history": body_of(examples, "fetch_orders_classic"),
    }

    async def both(client: Any) -> Any:
        opened = await client.fetch_open_orders(BTC, params=dict(VENUE.raw_params("fetch_open_orders")))
        return opened[0], await VENUE.fetch_order_by_client_id(client, BTC, "test-001")

    (filled, cancelled), session = asked(examples, bodies, both)
    assert (filled["status"], filled["side"], filled["filled"]) == ("closed", "sell", 0.001)
    assert (filled["average"], filled["reduceOnly"], filled["clientOrderId"]) == (122529.9, True, None)
    assert filled["fee"]["cost"] == 0.06739145
    assert (cancelled["status"], cancelled["filled"], cancelled["price"]) == ("canceled", 0.0, 18000.0)
    sent = [(path, query) for path, query, _ in session.asked[2:]]
    assert sent[0][1]["limit"] == "50"
    assert [path for path, _ in sent[1:]] == ["/v5/order/realtime", "/v5/order/history"]
    assert all(query["orderLinkId"] == "test-001" for _, query in sent[1:])


def test_cancelling_by_client_id_takes_one_request(examples: Any) -> None:
    async def cancel(client: Any) -> Any:
        return await VENUE.cancel_by_client_id(client, BTC, "linear-004")

    _, session = asked(examples, {"/v5/order/cancel": body_of(examples, "cancel_order")}, cancel)
    assert [path for path, _, _ in session.asked[2:]] == ["/v5/order/cancel"]


def test_an_order_that_is_nowhere_is_not_found(examples: Any) -> None:
    nothing = ok({"category": "linear", "list": [], "nextPageCursor": ""})
    bodies = {"/v5/order/realtime": nothing, "/v5/order/history": nothing}

    async def look_up(client: Any) -> Any:
        return await VENUE.fetch_order_by_client_id(client, BTC, "0" * 24)

    with pytest.raises(ccxt.OrderNotFound):
        asked(examples, bodies, look_up)


def test_fills(examples: Any) -> None:
    async def fills(client: Any) -> Any:
        return await client.fetch_my_trades(ETH, params=dict(VENUE.raw_params("fetch_my_trades")))

    rows, session = asked(examples, {"/v5/execution/list": body_of(examples, "fetch_my_trades")}, fills)
    fill = rows[0]
    assert (fill["side"], fill["amount"], fill["price"]) == ("buy", 0.1, 1190.15)
    assert (fill["fee"]["cost"], fill["fee"]["currency"], fill["takerOrMaker"]) == (0.071409, "USDC", "taker")
    sent = [query for path, query, _ in session.asked if path == "/v5/execution/list"]
    assert [query["execType"] for query in sent] == ["Trade", "AdlTrade", "BustTrade", "Delivery"]
    assert {query["limit"] for query in sent} == {"100"}


def test_a_payment_is_positive_when_received(examples: Any) -> None:
    received = body_of(examples, "parse_income")  # execFee -0.10232512: the fee was negative
    paid = {**received, "execFee": "0.10232512", "execId": "2"}

    async def payments(client: Any) -> Any:
        params = dict(VENUE.raw_params("fetch_funding_history"))
        return await client.fetch_funding_history("XMR/USDT:USDT", params=params)

    body = ok({"category": "linear", "list": [received, paid], "nextPageCursor": ""})
    rows, session = asked(examples, {"/v5/execution/list": body}, payments)
    amounts = {row["id"]: VENUE.payment_amount(row) for row in rows}
    assert amounts == {received["execId"]: Decimal("0.10232512"), "2": Decimal("-0.10232512")}
    assert rows[0]["timestamp"] == 1_710_950_400_000
    assert [row["rate"] for row in rows] == [0.000761, -0.000761]  # of a short: received, paid
    assert session.asked[-1][1]["limit"] == "100"  # `size`, which ccxt sends, is ignored by the venue


def test_positions_and_balance(examples: Any) -> None:
    bodies = {
        "/v5/position/list": body_of(examples, "fetch_position"),
        "/v5/account/wallet-balance": body_of(examples, "parse_balance", 2),
        **unified(examples),
    }

    async def both(client: Any) -> Any:
        return await client.fetch_positions(), await client.fetch_balance()

    (positions, balance), session = asked(examples, bodies, both)
    held = positions[0]
    assert (held["symbol"], held["side"], held["contracts"]) == (XRP, "long", 100.0)
    assert (held["entryPrice"], held["markPrice"], held["liquidationPrice"]) == (0.3615, 0.3432, 0.0001)
    assert held["marginMode"] == "cross"
    assert (held["unrealizedPnl"], held["initialMargin"], held["leverage"]) == (-1.83, 3.634521, 10.0)
    assert VENUE.adl_rank(held) is None  # an older example
    told = VENUE.balance("BTC", balance["BTC"], balance)
    assert (told.wallet, told.free, told.equity) == (Decimal("0.805994"),) * 3
    assert session.asked[-1][1] == {"accountType": "UNIFIED"}


def test_free_collateral_knows_of_losses() -> None:
    coin = {
        "coin": "USDT",
        "walletBalance": "1000",
        "equity": "900",
        "totalPositionIM": "300",
        "totalOrderIM": "50",
        "locked": "0",
        "availableToWithdraw": "",
    }
    answer = {"info": {"result": {"list": [{"coin": [coin]}]}}}
    told = VENUE.balance("USDT", {"free": 650.0, "total": 1000.0}, answer)
    assert (told.wallet, told.free, told.equity) == (Decimal(1000), Decimal(550), Decimal(900))
    assert VENUE.balance("USDC", {"free": 1.5, "total": 2.0}, answer).free == Decimal("1.5")


def test_the_place_in_the_deleveraging_queue(examples: Any) -> None:
    info = body_of(examples, "parse_adl_rank")
    assert VENUE.adl_rank({"info": info}) == 0.4
    assert VENUE.adl_rank({"info": {"adlRankIndicator": ""}}) is None


@pytest.mark.parametrize(
    ("wallet", "trade", "read_only", "expected"),
    [
        ([], [], 0, (False, False)),
        (["AccountTransfer", "Withdraw"], ["Order", "Position"], 0, (True, True)),
        (["AccountTransfer"], ["Order"], 1, (False, False)),
    ],
)
def test_what_a_key_may_do(
    examples: Any, wallet: list[str], trade: list[str], read_only: int, expected: tuple[bool, bool]
) -> None:
    body = body_of(examples, "is_unified_enabled")
    permissions = {**body["result"]["permissions"], "Wallet": wallet, "ContractTrade": trade}
    result = {**body["result"], "permissions": permissions, "readOnly": read_only}
    found, _ = asked(examples, {"/v5/user/query-api": {**body, "result": result}}, VENUE.key_permissions)
    assert (found.may_trade, found.may_withdraw) == expected


def test_unknown_permissions_stay_unknown(examples: Any) -> None:
    found, _ = asked(examples, {"/v5/user/query-api": ok({})}, VENUE.key_permissions)
    assert (found.may_trade, found.may_withdraw) == (None, None)


def test_one_way_mode_may_hold_already(examples: Any) -> None:
    refusal = {"retCode": 110025, "retMsg": "Position mode is not modified", "result": {}}

    async def prepare(client: Any) -> Any:
        return await VENUE.prepare_account(client, [BTC])

    bodies = {"/v5/position/switch-mode": refusal, **unified(examples)}
    _, session = asked(examples, bodies, prepare)
    assert session.asked[-1][0] == "/v5/position/switch-mode"


def test_a_classic_account_is_refused(examples: Any) -> None:
    async def prepare(client: Any) -> Any:
        return await VENUE.prepare_account(client, [BTC])

    body, info = (body_of(examples, "is_unified_enabled", place) for place in (0, 1))
    with pytest.raises(CredentialsError, match="unified trading account"):
        asked(examples, {"/v5/user/query-api": body, "/v5/account/info": info}, prepare)


def test_leverage_that_already_is_so_is_told_apart(examples: Any) -> None:
    async def leverage(client: Any) -> Any:
        return await client.set_leverage(5, BTC)

    refusal = {"retCode": 110043, "retMsg": "Set leverage not modified", "result": {}}
    with pytest.raises(ccxt.BadRequest) as refused:
        asked(examples, {"/v5/position/set-leverage": refusal}, leverage)
    assert VENUE.is_already_set(refused.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('bybit {"retCode":110007,"retMsg":"ab not enough for new order"}', "insufficient_margin"),
        ('bybit {"retCode":110072,"retMsg":"OrderLinkedID is duplicate"}', "duplicate_client_id"),
        ('bybit {"retCode":110001,"retMsg":"order not exists or too late to cancel"}', "unknown_order"),
        ('bybit {"retCode":110017,"retMsg":"current position is zero"}', "reduce_only"),
        ('bybit {"retCode":110094,"retMsg":"Order does not meet minimum order value"}', "below_minimum"),
        ('bybit {"retCode":10001,"retMsg":"The number of contracts exceeds minimum limit"}', "below_minimum"),
        ('bybit {"retCode":10001,"retMsg":"Qty invalid"}', "off_grid"),
        ('bybit {"retCode":110013,"retMsg":"cannot set leverage due to risk limit level"}', "leverage"),
        ('bybit {"retCode":110066,"retMsg":"Trading is currently not allowed."}', None),
        ("bybit amount must be greater than minimum amount precision of 0.001", "below_minimum"),
        ("bybit: no code at all", None),
    ],
)
def test_reasons_of_rejections(text: str, reason: str | None) -> None:
    assert VENUE.rejection_reason(ccxt.ExchangeError(text)) == reason
