"""The testnet's OKX: orders, the account and its statements, with the venue's quirks."""

from decimal import Decimal
from typing import Any

import pytest

from funding_pipeline.venues.dialect import Json
from funding_pipeline_tests.testnet.dialects.okx_desk import (
    BTC,
    HOUR_MS,
    START,
    SWAP,
    OkxDesk,
    inner_code,
)


@pytest.fixture
def desk() -> OkxDesk:
    """A fresh exchange with one account."""
    return OkxDesk()


# --- orders
def test_sizes_are_contracts(desk: OkxDesk) -> None:
    assert inner_code(desk.order()) == "0"

    assert desk.exchange.position(desk.account, BTC).quantity == Decimal("0.1")
    assert desk.get("account/positions")["data"][0]["pos"] == "10"
    desk.order("a2", side="sell", sz="25")
    assert desk.get("account/positions")["data"][0]["pos"] == "-15"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"sz": "1000000"}, "51008"),
        ({"sz": "0.05"}, "51121"),
        ({"sz": "0"}, "51020"),
        ({"sz": "many"}, "51000"),
        ({"sz": "NaN"}, "51000"),
        ({"sz": "1e9999999"}, "51000"),
        ({"sz": "-1"}, "51020"),
        ({"ordType": "limit", "px": "1"}, "51006"),
        ({"ordType": "limit"}, "51000"),
        ({"reduceOnly": True}, "51169"),
        ({"instId": "XYZ-USDT-SWAP"}, "51001"),
        ({"tdMode": "cash"}, "51000"),
        ({"side": "long"}, "51000"),
        ({"ordType": "fok"}, "51000"),
        ({"posSide": "long"}, "51000"),
        ({"clOrdId": "with-dash"}, "51000"),
        ({"clOrdId": "x" * 33}, "51000"),
    ],
)
def test_refusals_are_inside_a_200(desk: OkxDesk, changes: Json, code: str) -> None:
    assert inner_code(desk.order(**{"client_id": "r1", **changes})) == code
    assert desk.get("trade/orders-pending")["data"] == []


def test_a_price_off_the_tick_names_the_parameter(desk: OkxDesk) -> None:
    body = desk.order(ordType="limit", px=desk.price(0.99) + "5")

    assert (inner_code(body), body["data"][0]["sMsg"]) == ("51000", "Parameter px error")


def test_a_client_id_is_taken_once(desk: OkxDesk) -> None:
    desk.order("same")

    assert inner_code(desk.order("same")) == "51016"
    assert desk.exchange.position(desk.account, BTC).quantity == Decimal("0.1")


def test_a_crossing_post_only_order_is_accepted_and_then_cancelled(desk: OkxDesk) -> None:
    body = desk.order("po", ordType="post_only", px=desk.price(1.01))

    order = desk.get("trade/order", instId=SWAP, clOrdId="po")["data"][0]
    assert inner_code(body) == "0"
    assert (order["state"], order["accFillSz"], order["cancelSource"]) == ("canceled", "0", "31")
    assert order["ordId"] == body["data"][0]["ordId"]
    assert inner_code(desk.order("po", ordType="post_only", px=desk.price(0.99))) == "51016"


def test_a_passive_post_only_order_rests_until_cancelled(desk: OkxDesk) -> None:
    placed = desk.order("rest", ordType="post_only", px=desk.price(0.99))
    order_id = placed["data"][0]["ordId"]

    assert [row["state"] for row in desk.get("trade/orders-pending", instType="SWAP")["data"]] == ["live"]
    assert inner_code(desk.post("trade/cancel-order", {"instId": SWAP, "ordId": order_id})) == "0"
    assert inner_code(desk.post("trade/cancel-order", {"instId": SWAP, "ordId": order_id})) == "51400"
    assert desk.get("trade/order", instId=SWAP, ordId=order_id)["data"][0]["state"] == "canceled"


def test_an_order_nobody_knows(desk: OkxDesk) -> None:
    assert desk.get("trade/order", instId=SWAP, clOrdId="never")["code"] == "51603"
    assert desk.get("trade/order", instId=SWAP)["code"] == "51003"
    assert inner_code(desk.post("trade/cancel-order", {"instId": SWAP, "clOrdId": "never"})) == "51400"


def test_an_order_cancelled_without_a_fill_is_forgotten_after_two_hours(desk: OkxDesk) -> None:
    desk.order("kept")
    desk.order("gone", ordType="post_only", px=desk.price(1.01))
    desk.now += 2 * HOUR_MS
    assert desk.get("trade/order", instId=SWAP, clOrdId="gone")["code"] == "0"
    desk.now += 1

    assert desk.get("trade/order", instId=SWAP, clOrdId="gone")["code"] == "51603"
    history = desk.get("trade/orders-history", instType="SWAP")["data"]
    assert [row["clOrdId"] for row in history] == ["kept"]


def test_several_orders_succeed_or_fail_on_their_own(desk: OkxDesk) -> None:
    good, bad = desk.limit("g", 0.99), {**desk.limit("b", 0.99), "sz": "0.05"}

    both = desk.post("trade/batch-orders", [good, bad])

    assert both["code"] == "2"
    assert [row["sCode"] for row in both["data"]] == ["0", "51121"]
    assert desk.post("trade/batch-orders", [bad])["code"] == "1"
    assert desk.post("trade/batch-orders", [good] * 21)["code"] == "51111"


def test_an_order_brings_its_own_margin_mode_but_not_against_an_open_position(desk: OkxDesk) -> None:
    assert inner_code(desk.order("iso", tdMode="isolated")) == "0"

    position = desk.get("account/positions")["data"][0]
    assert (position["mgnMode"], position["imr"]) == ("isolated", "")
    assert float(position["margin"]) > 0
    assert inner_code(desk.order("crs", tdMode="cross")) == "51000"


# --- account
def test_leverage_is_set_per_mode_and_bounded(desk: OkxDesk) -> None:
    terms = {"instId": SWAP, "lever": "7", "mgnMode": "isolated"}
    told = desk.post("account/set-leverage", terms)["data"][0]

    assert (told["lever"], told["mgnMode"]) == ("7", "isolated")
    assert desk.get("account/leverage-info", instId=SWAP, mgnMode="isolated")["data"][0]["lever"] == "7"
    assert desk.post("account/set-leverage", {**terms, "lever": "126"})["code"] == "59102"
    assert desk.post("account/set-leverage", {**terms, "mgnMode": "portfolio"})["code"] == "51000"


def test_position_mode_is_one_way_only(desk: OkxDesk) -> None:
    assert desk.post("account/set-position-mode", {"posMode": "long_short_mode"})["code"] == "50062"
    assert desk.get("account/config")["data"][0]["posMode"] == "net_mode"


def test_permissions_are_the_account_s(desk: OkxDesk) -> None:
    rich = desk.open("rich", may_withdraw=True)

    assert desk.get("account/config")["data"][0]["perm"] == "read_only,trade"
    assert desk.get("account/config", rich)["data"][0]["perm"] == "read_only,withdraw,trade"


def test_balance_after_a_trade_adds_up(desk: OkxDesk) -> None:
    desk.order()

    detail = desk.get("account/balance")["data"][0]["details"][0]
    fee = desk.get("trade/fills", instType="SWAP")["data"][0]["fee"]
    assert Decimal(detail["cashBal"]) == 100_000 + sum(
        Decimal(row["fee"]) for row in desk.get("trade/fills", instType="SWAP")["data"]
    )
    assert Decimal(fee) < 0
    assert Decimal(detail["eq"]) == Decimal(detail["cashBal"]) + Decimal(detail["upl"])
    assert Decimal(detail["availEq"]) < Decimal(detail["eq"])
    assert desk.get("account/balance", ccy="BTC")["data"][0]["details"] == []


# --- statements
def test_funding_is_a_bill_with_itssignature(desk: OkxDesk) -> None:
    desk.order()
    desk.now += 8 * HOUR_MS

    bill = desk.get("account/bills-archive", type="8", instType="SWAP", ccy="USDT", ctType="linear")["data"][
        0
    ]
    rate = float(desk.quotes.settled(BTC, desk.now, desk.now)["rate"][0])
    mark = float(desk.quotes.mark(BTC, desk.now))
    assert float(bill["balChg"]) == pytest.approx(-0.1 * mark * rate, rel=1e-6)
    assert bill["subType"] == ("173" if rate > 0 else "174")
    assert (bill["ts"], bill["instId"], bill["sz"]) == (str(desk.now), SWAP, "10")


def test_bills_are_the_whole_wallet_newest_first_and_paged_by_id(desk: OkxDesk) -> None:
    desk.order("one")
    desk.order("two", side="sell")

    bills = desk.get("account/bills")["data"]
    assert Decimal(bills[0]["bal"]) == desk.account.wallet == sum(Decimal(row["balChg"]) for row in bills)
    assert bills[-1]["type"] == "1"
    older = desk.get("account/bills", after=bills[0]["billId"], limit=1)["data"]
    assert older == bills[1:2]
    assert desk.get("account/bills", before=bills[0]["billId"])["data"] == []
    assert desk.get("account/bills", ctType="inverse")["data"] == []


def test_fills_are_asked_for_by_time_and_bill(desk: OkxDesk) -> None:
    desk.order("one", sz="1")
    desk.now += HOUR_MS
    desk.order("two", sz="2")

    def asked(**query: Any) -> list[str]:
        rows = desk.get("trade/fills-history", instType="SWAP", instId=SWAP, **query)["data"]
        return [row["clOrdId"] for row in rows]

    assert asked() == ["two", "one"]
    assert asked(begin=START + 1) == ["two"]
    assert asked(end=START) == ["one"]
    newest = desk.get("trade/fills-history", instType="SWAP")["data"][0]["billId"]
    assert asked(after=newest) == ["one"]
    assert desk.get("trade/fills-history")["code"] == "51000"


# --- what happens to an instrument
def test_a_halted_instrument_is_suspended_and_takes_no_orders(desk: OkxDesk) -> None:
    desk.exchange.halt(BTC)

    states = {row["instId"]: row["state"] for row in desk.get("public/instruments", instType="SWAP")["data"]}
    assert states[SWAP] == "suspend"
    assert states["ETH-USDT-SWAP"] == "live"
    assert inner_code(desk.order()) == "51022"


def test_a_delisted_instrument_is_gone_but_its_history_is_not(desk: OkxDesk) -> None:
    desk.order("held")
    desk.exchange.delist(BTC)

    listed = [row["instId"] for row in desk.get("public/instruments", instType="SWAP")["data"]]
    assert SWAP not in listed
    assert desk.get("market/ticker", instId=SWAP)["code"] == "51001"
    assert desk.get("account/positions")["data"] == []
    fills = desk.get("trade/fills-history", instType="SWAP", instId=SWAP)["data"]
    assert len(fills) == 2
    assert desk.get("trade/order", instId=SWAP, ordId=fills[0]["ordId"])["data"][0]["category"] == "delivery"
    assert inner_code(desk.order("late")) == "51001"


def test_auto_deleveraging_shows_in_orders_and_bills(desk: OkxDesk) -> None:
    desk.order("held")
    desk.exchange.deleverage(desk.account, BTC)

    order = desk.get("trade/orders-history", instType="SWAP")["data"][0]
    assert (order["category"], order["clOrdId"], order["side"]) == ("adl", "", "sell")
    assert "9" in {row["type"] for row in desk.get("account/bills")["data"]}
