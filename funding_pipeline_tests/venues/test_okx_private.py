"""OKX's orders and accounts: example bodies through ccxt's real parser and our module, figures by hand."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import ccxt
import pytest

from funding_pipeline.core.errors import CredentialsError
from funding_pipeline.core.trading import OrderRequest
from funding_pipeline.venues.dialect import Json
from funding_pipeline_tests.venues.canned import Examples, read_examples
from funding_pipeline_tests.venues.okx_replay import (
    BTC,
    CLIENT_ID,
    HOUR_MS,
    MIDNIGHT,
    VENUE,
    asked_of,
    ok,
    replayed,
)


@pytest.fixture(scope="module")
def examples(payloads_dir: Path) -> Examples:
    """ccxt's method -> example bodies."""
    return read_examples(payloads_dir, "okx")


# --- orders
def _order(**changes: Any) -> OrderRequest:
    given: Json = {"side": "buy", "kind": "limit", "quantity": Decimal(1), "price": Decimal(50_000)}
    return OrderRequest("okx", BTC, client_order_id=CLIENT_ID, **(given | changes))


def _sent(request: OrderRequest) -> Json:
    """The body that ccxt sends for an order of one contract."""
    answer = ok({"clOrdId": CLIENT_ID, "ordId": "1", "tag": "", "sCode": "0", "sMsg": ""})
    price = None if request.kind == "market" else float(request.price or 0)
    _, asked = asked_of(
        {"trade/order": answer},
        lambda client: client.create_order(
            BTC, request.kind, request.side, 1, price, VENUE.order_params(request)
        ),
    )
    return asked[0][1]


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, "limit"),
        ({"time_in_force": "ioc"}, "ioc"),
        ({"time_in_force": "post_only"}, "post_only"),
        ({"kind": "market"}, "market"),
        ({"kind": "market", "time_in_force": "ioc"}, "market"),
    ],
)
def test_orders_carry_our_client_id_and_nobodys_tag(changes: Json, kind: str) -> None:
    sent = _sent(_order(**changes))

    price = {} if kind == "market" else {"px": "50000"}
    named = {"instId": "BTC-USDT-SWAP", "side": "buy", "sz": "1", "tdMode": "cross", "clOrdId": CLIENT_ID}
    assert sent == {**named, "ordType": kind, **price}


def test_reduce_only_is_sent() -> None:
    assert _sent(_order(reduce_only=True))["reduceOnly"] is True


@pytest.mark.parametrize("params", [{}, {"clientOrderId": CLIENT_ID, "tag": "someone"}])
def test_an_order_that_would_pay_a_broker_is_not_sent(params: Json) -> None:
    with pytest.raises(ccxt.ArgumentsRequired, match="client id"):
        replayed({}, lambda client: client.create_order(BTC, "market", "buy", 1, None, params))


def test_an_example_order_is_open_and_keeps_its_sizes(examples: Examples) -> None:
    body = examples["fetch_order"][0]["body"]
    order = {**body["data"][0], "px": "2000", "sz": "3", "instId": "BTC-USDT-SWAP", "instType": "SWAP"}

    found, asked = asked_of(
        {"trade/order": ok({**order, "clOrdId": CLIENT_ID})},
        lambda client: VENUE.fetch_order_by_client_id(client, BTC, CLIENT_ID),
    )

    assert asked == [("trade/order", {"instId": "BTC-USDT-SWAP", "clOrdId": CLIENT_ID})]
    assert (found["status"], found["amount"], found["filled"], found["price"]) == ("open", 3.0, 0.0, 2000.0)
    assert (found["clientOrderId"], found["reduceOnly"]) == (CLIENT_ID, False)


def test_a_fill_pays_what_the_venue_shows_as_negative(examples: Examples) -> None:
    body = examples["fetch_my_trades"][0]["body"]
    fill = {**body["data"][0], "instId": "BTC-USDT-SWAP", "instType": "SWAP"}

    fills = replayed({"trade/fills-history": ok(fill)}, lambda client: client.fetch_my_trades(BTC))

    assert fills[0]["fee"] == {"cost": 0.000007533, "currency": "ETH"}
    assert (fills[0]["takerOrMaker"], fills[0]["amount"], fills[0]["price"]) == ("taker", 0.007533, 2654.98)


@pytest.mark.parametrize(
    ("method", "kind", "reason"),
    [
        ("handle_errors", ccxt.InsufficientFunds, "insufficient_margin"),
        ("create_order_request", ccxt.BadRequest, None),
        ("close_position", ccxt.BadRequest, None),
    ],
)
def test_refusals_inside_a_200_are_understood(
    examples: Examples, method: str, kind: type[Exception], reason: str | None
) -> None:
    body = examples[method][0]["body"]
    params = {"clientOrderId": CLIENT_ID}

    with pytest.raises(kind) as refused:
        replayed(
            {"trade/order": body}, lambda client: client.create_order(BTC, "market", "buy", 1, None, params)
        )

    assert VENUE.rejection_reason(refused.value) == reason


@pytest.mark.parametrize(
    ("code", "message", "reason"),
    [
        ("51016", "Duplicated client order ID", "duplicate_client_id"),
        ("51603", "Order does not exist", "unknown_order"),
        ("51400", "Cancellation failed", "unknown_order"),
        ("51020", "too small", "below_minimum"),
        ("51121", "lot size", "off_grid"),
        ("51000", "Parameter px error", "off_grid"),
        ("51169", "no position", "reduce_only"),
        ("59102", "Leverage exceeds", "leverage"),
        ("51006", "price limit", None),
    ],
)
def test_rejection_reasons_by_code(code: str, message: str, reason: str | None) -> None:
    inside = json.dumps({"code": "1", "data": [{"sCode": code, "sMsg": message}]})
    outside = json.dumps({"code": code, "data": [], "msg": message})

    assert VENUE.rejection_reason(ccxt.ExchangeError(f"okx {inside}")) == reason
    assert VENUE.rejection_reason(ccxt.ExchangeError(f"okx {outside}")) == reason


# --- account
def test_an_example_position_is_counted_in_contracts(examples: Examples) -> None:
    body = ok(examples["parse_position"][0]["body"])

    found = replayed(
        {"account/positions": body},
        lambda client: client.fetch_positions([BTC], VENUE.raw_params("fetch_positions")),
    )[0]

    assert (found["contracts"], found["contractSize"], found["side"]) == (1.0, 0.01, "long")
    assert VENUE.adl_rank(found) == 0.6  # three of five lights
    assert (found["entryPrice"], found["liquidationPrice"]) == (34131.1, 12608.959083877446)
    assert (found["initialMargin"], found["maintenanceMargin"]) == (170.66093041794787, 1.3652874433435829)


def test_a_net_short_position_is_short(examples: Examples) -> None:
    body = {**examples["parse_position"][0]["body"], "posSide": "net", "pos": "-3"}

    found = replayed({"account/positions": ok(body)}, lambda client: client.fetch_positions([BTC]))[0]

    assert (found["contracts"], found["side"], found["hedged"]) == (3.0, "short", False)


def test_balance_is_equity_and_what_is_free(examples: Examples) -> None:
    body = examples["fetch_balance"][0]["body"]
    body["data"][0]["details"][0]["eq"] = "28.21006347"  # the example has a space inside the number

    found = replayed({"account/balance": body}, lambda client: client.fetch_balance())

    assert found["USDT"]["total"] == found["USDT"]["free"] == 28.21006347
    told = VENUE.balance("USDT", found["USDT"], found)
    assert told.wallet == told.free == told.equity == Decimal("28.21006347")


def test_wallet_is_without_the_profit_that_equity_has() -> None:
    detail = {"ccy": "USDT", "cashBal": "100", "eq": "103.5", "availEq": "", "upl": "3.5"}

    told = VENUE.balance("USDT", {}, {"info": ok({"details": [detail]})})

    assert (told.wallet, told.free, told.equity) == (Decimal(100), None, Decimal("103.5"))


def test_permissions_and_one_way_mode_come_from_the_configuration(examples: Examples) -> None:
    body = examples["fetch_accounts"][0]["body"]
    bodies = {"account/config": body, "account/set-position-mode": ok({"posMode": "net_mode"})}

    may = replayed(bodies, VENUE.key_permissions)
    _, asked = asked_of(bodies, lambda client: VENUE.prepare_account(client, [BTC]))

    assert (may.may_trade, may.may_withdraw) == (True, True)
    assert asked[1:] == [("account/set-position-mode", {"posMode": "net_mode"})]


def test_an_account_in_net_mode_is_left_alone_and_one_in_spot_mode_refused(examples: Examples) -> None:
    configuration = examples["fetch_accounts"][0]["body"]["data"][0]
    net = {"account/config": ok({**configuration, "posMode": "net_mode"})}
    spot = {"account/config": ok({**configuration, "acctLv": "1"})}

    _, asked = asked_of(net, lambda client: VENUE.prepare_account(client, [BTC]))

    assert [path for path, _ in asked] == ["account/config"]
    with pytest.raises(CredentialsError, match="spot mode"):
        replayed(spot, lambda client: VENUE.prepare_account(client, [BTC]))


def test_margin_mode_keeps_the_leverage_and_goes_with_later_orders() -> None:
    bodies = {
        "account/leverage-info": ok(
            {"instId": "BTC-USDT-SWAP", "lever": "7", "mgnMode": "isolated", "posSide": "net"}
        ),
        "account/set-leverage": ok({}),
        "trade/order": ok({"clOrdId": CLIENT_ID, "ordId": "1", "sCode": "0"}),
    }

    async def switch_and_order(client: Any) -> None:
        await client.set_margin_mode("isolated", BTC)
        await client.create_order(BTC, "market", "buy", 1, None, {"clientOrderId": CLIENT_ID})

    _, asked = asked_of(bodies, switch_and_order)

    assert asked[1][1] == {"lever": 7, "mgnMode": "isolated", "instId": "BTC-USDT-SWAP"}
    assert asked[2][1]["tdMode"] == "isolated"


def test_leverage_goes_to_the_mode_that_orders_will_use(examples: Examples) -> None:
    held = {**examples["parse_position"][0]["body"], "mgnMode": "isolated", "margin": "10"}
    bodies = {"account/positions": ok(held), "account/set-leverage": ok({})}

    async def before_and_after_positions_are_read(client: Any) -> None:
        await VENUE.set_leverage(client, BTC, 3)
        await client.fetch_positions()
        await VENUE.set_leverage(client, BTC, 3)

    _, asked = asked_of(bodies, before_and_after_positions_are_read)

    modes = [sent["mgnMode"] for path, sent in asked if path == "account/set-leverage"]
    assert modes == ["cross", "isolated"]


def test_leverage_that_ccxt_itself_refuses_has_its_reason() -> None:
    with pytest.raises(ccxt.BadRequest) as refused:
        replayed({}, lambda client: VENUE.set_leverage(client, BTC, 126))

    assert VENUE.rejection_reason(refused.value) == "leverage"


def test_an_order_is_cancelled_by_its_client_id(examples: Examples) -> None:
    _, asked = asked_of(
        {"trade/cancel-order": examples["cancel_order"][0]["body"]},
        lambda client: VENUE.cancel_by_client_id(client, BTC, CLIENT_ID),
    )

    assert asked == [("trade/cancel-order", {"instId": "BTC-USDT-SWAP", "clOrdId": CLIENT_ID})]


# --- payments
def test_payment_received_is_positive_and_exact(examples: Examples) -> None:
    body = ok(examples["fetch_funding_history"][0]["body"])

    rows = replayed({"account/bills-archive": body}, lambda client: client.fetch_funding_history())

    assert VENUE.payment_amount(rows[0]) == Decimal("0.0000148752712240")
    assert rows[0]["timestamp"] == 1636387215588


def test_payment_of_an_isolated_position_is_in_its_margin() -> None:
    row = {"amount": -1.5, "info": {"balChg": "0", "posBalChg": "-1.50"}}

    assert VENUE.payment_amount(row) == Decimal("-1.50")


def test_payments_are_asked_for_by_time(examples: Examples) -> None:
    body = ok(examples["fetch_funding_history"][0]["body"])

    _, asked = asked_of(
        {"account/bills-archive": body},
        lambda client: client.fetch_funding_history(BTC, MIDNIGHT, 100, {"until": MIDNIGHT + HOUR_MS}),
    )

    sent = asked[0][1]
    assert (sent["type"], sent["begin"], sent["end"]) == ("8", str(MIDNIGHT), str(MIDNIGHT + HOUR_MS))
    assert "until" not in sent
