"""Gate's dialect: who may ask, page limits, and the venue's habits that a client stumbles over."""

import json
from decimal import Decimal
from typing import Any

import pytest

from funding_pipeline_tests.testnet.dialects.gate_requests import Trader
from funding_pipeline_tests.testnet.running import NOW_MS

NOW = NOW_MS // 1000
DAY = 86_400
HISTORY = "futures/usdt/funding_rate"
ORDERS = "futures/usdt/orders"


@pytest.fixture
def trader() -> Trader:
    return Trader()


# --- who may ask
def refusal(trader: Trader, headers: dict[str, str]) -> tuple[int, str]:
    answer = trader.send("GET", "futures/usdt/accounts", headers=headers)
    return answer.status, json.loads(answer.body)["label"]


@pytest.mark.parametrize("name", ["KEY", "Timestamp", "SIGN"])
def test_every_header_is_needed(trader: Trader, name: str) -> None:
    headers = trader.headers("GET", "futures/usdt/accounts")
    del headers[name]
    assert refusal(trader, headers) == (400, "MISSING_REQUIRED_HEADER")


def test_a_stale_request_is_expired_before_the_key_is_looked_at(trader: Trader) -> None:
    for at in (NOW - 61, NOW * 1000):
        headers = {**trader.headers("GET", "futures/usdt/accounts", at=at), "KEY": "nobody's"}
        assert refusal(trader, headers) == (403, "REQUEST_EXPIRED")


def test_an_unknown_key_and_a_wrong_signature_are_told_apart(trader: Trader) -> None:
    headers = trader.headers("GET", "futures/usdt/accounts")
    assert refusal(trader, {**headers, "KEY": "nobody's"}) == (401, "INVALID_KEY")
    assert refusal(trader, {**headers, "SIGN": "0" * 128}) == (401, "INVALID_SIGNATURE")
    assert refusal(trader, {**headers, "SIGN": "é"}) == (401, "INVALID_SIGNATURE")


def test_query_and_body_are_signed(trader: Trader) -> None:
    other_query = trader.headers("GET", ORDERS, status="open")
    answer = trader.send("GET", ORDERS, headers=other_query, status="finished")
    assert json.loads(answer.body)["label"] == "INVALID_SIGNATURE"
    body = {"contract": "BTC_USDT", "size": 1, "price": "0", "tif": "ioc"}
    answer = trader.send("POST", ORDERS, headers=trader.headers("POST", ORDERS), body=body)
    assert json.loads(answer.body)["label"] == "INVALID_SIGNATURE"
    assert not trader.exchange.orders(trader.account)


def test_a_percent_encoded_query_is_signed_as_it_reads(trader: Trader) -> None:
    headers = trader.headers("GET", ORDERS, status="open", contract="BTC_USDT", note="a,b")
    answer = trader.send("GET", ORDERS, headers=headers, status="open", contract="BTC_USDT", note="a,b")
    assert json.loads(answer.body) == []


def test_an_unknown_path_is_the_venues_own_404(trader: Trader) -> None:
    answer = trader.send("GET", "futures/usdt/nothing")
    assert (answer.status, json.loads(answer.body)["label"]) == (404, "NOT_FOUND")


def test_a_key_shows_what_it_may_do_and_not_itself(trader: Trader) -> None:
    (own,) = trader.signed("GET", "account/main_keys")
    assert own["key"] == f"{trader.account.key[:12]}*****"
    assert {item["name"] for item in own["perms"]} == {"account", "futures", "wallet"}
    trader.account = trader.open("rich", bytes(range(1, 33)), may_withdraw=True)
    (own,) = trader.signed("GET", "account/main_keys")
    assert "withdraw" in {item["name"] for item in own["perms"]}


# --- public data
def test_history_comes_newest_first_and_a_second_late(trader: Trader) -> None:
    rows = trader.get(HISTORY, contract="BTC_USDT", **{"from": NOW - 2 * DAY, "to": NOW + 1})
    assert [row["t"] - NOW for row in rows] == [1 - 8 * 3600 * n for n in range(7)]


def test_history_without_an_end_is_cut_to_thirty_days(trader: Trader) -> None:
    trader.clock.advance(hours=10 * 24)  # 2024-02-11: 41 days of market
    start = NOW_MS // 1000 - 31 * DAY
    rows = trader.get(HISTORY, contract="BTC_USDT", limit=1000, **{"from": start})
    assert rows[0]["t"] <= start + 30 * DAY
    whole = trader.get(HISTORY, contract="BTC_USDT", limit=1000, **{"from": start, "to": NOW + 10 * DAY + 1})
    assert len(whole) == 41 * 3 + 1


def test_more_than_a_page_loses_the_oldest(trader: Trader) -> None:
    rows = trader.get(HISTORY, contract="BTC_USDT", limit=5, **{"from": NOW - 10 * DAY, "to": NOW + 1})
    assert [row["t"] for row in rows] == [NOW + 1 - 8 * 3600 * n for n in range(5)]
    assert trader.get(HISTORY, contract="BTC_USDT", limit=1001)["label"] == "INVALID_PARAM_VALUE"


def test_candles_include_both_ends_and_at_most_two_thousand(trader: Trader) -> None:
    path = "futures/usdt/candlesticks"
    query: dict[str, Any] = {"contract": "BTC_USDT", "interval": "1h", "from": NOW - 7200, "to": NOW - 3600}
    bars = trader.get(path, **query)
    assert [bar["t"] for bar in bars] == [NOW - 7200, NOW - 3600]
    assert isinstance(bars[0]["v"], int)
    assert set(trader.get(path, **{**query, "contract": "index_BTC_USDT"})[0]) == {"t", "o", "h", "c", "l"}
    assert trader.get(path, **query, limit=5)["label"] == "INVALID_PARAM_VALUE"
    assert trader.get(path, **{**query, "from": NOW - 2001 * 3600})["label"] == "INVALID_PARAM_VALUE"
    assert trader.get(path, **{**query, "interval": "7m"})["label"] == "INVALID_PARAM_VALUE"


def test_sizes_are_contracts(trader: Trader) -> None:
    book = trader.get("futures/usdt/order_book", contract="BTC_USDT", limit=3, with_id="true")
    level = trader.exchange.quotes.book("BTC/USDT:USDT", NOW_MS).asks[0]
    assert book["asks"][0] == {"s": int(level.quantity / Decimal("0.0001")), "p": f"{level.price:f}"}
    assert len(book["bids"]) == 3
    assert "id" in book
    sold = [row for row in trader.get("futures/usdt/trades", contract="BTC_USDT") if row["size"] < 0]
    assert sold


def test_an_unknown_contract_is_named(trader: Trader) -> None:
    assert trader.get("futures/usdt/contracts/NO_USDT")["label"] == "CONTRACT_NOT_FOUND"


# --- orders
def test_a_sale_is_a_negative_size(trader: Trader) -> None:
    order = trader.order(-100)
    assert (order["size"], order["left"], order["price"], order["finish_as"]) == (-100, 0, "0", "filled")
    assert trader.exchange.position(trader.account, "BTC/USDT:USDT").quantity == Decimal("-0.01")


def test_an_order_is_found_by_its_text_for_a_minute(trader: Trader) -> None:
    placed = trader.order(1, text="t-abc")
    assert trader.signed("GET", f"{ORDERS}/t-abc")["id"] == placed["id"]
    trader.clock.advance(seconds=61)
    assert trader.signed("GET", f"{ORDERS}/t-abc")["label"] == "CLIENT_ID_NOT_FOUND"
    assert trader.signed("GET", f"{ORDERS}/{placed['id']}")["text"] == "t-abc"
    finished = trader.signed("GET", ORDERS, status="finished", contract="BTC_USDT")
    assert [order["text"] for order in finished] == ["t-abc"]


def test_a_cancelled_order_without_a_fill_is_forgotten(trader: Trader) -> None:
    placed = trader.order(1, price=trader.price("0.9"), text="t-abc")
    assert trader.signed("DELETE", f"{ORDERS}/t-abc", contract="BTC_USDT")["finish_as"] == "cancelled"
    assert trader.signed("DELETE", f"{ORDERS}/{placed['id']}")["label"] == "ORDER_NOT_FOUND"
    trader.clock.advance(seconds=601)
    assert trader.signed("GET", f"{ORDERS}/{placed['id']}")["label"] == "ORDER_NOT_FOUND"
    assert trader.signed("GET", ORDERS, status="finished") == []


def test_a_text_used_twice_makes_two_orders_and_means_the_later(trader: Trader) -> None:
    first, second = trader.order(1, text="t-twice"), trader.order(2, text="t-twice")
    assert (first["text"], second["text"]) == ("t-twice", "t-twice")
    assert trader.signed("GET", f"{ORDERS}/t-twice")["id"] == second["id"]
    assert trader.exchange.position(trader.account, "BTC/USDT:USDT").quantity == Decimal("0.0003")
    texts = {row["text"] for row in trader.signed("GET", "futures/usdt/my_trades")}
    assert texts == {"t-twice"}


@pytest.mark.parametrize("text", ["abc", "t-", "t-" + "a" * 29, "t-a#2", 5])
def test_a_text_has_its_form(trader: Trader, text: Any) -> None:
    assert trader.order(1, text=text)["label"] == "INVALID_PARAM_VALUE"


def test_a_post_only_order_that_would_take_is_refused_at_once(trader: Trader) -> None:
    refused = trader.order(1, price=trader.price("1.01"), tif="poc", text="t-abc")
    assert refused["label"] == "ORDER_POC_IMMEDIATE"
    assert trader.signed("GET", ORDERS, status="open") == []


def test_reduce_only_has_two_labels(trader: Trader) -> None:
    assert trader.order(-1, reduce_only=True)["label"] == "REDUCE_EXCEEDED"
    trader.order(1)
    assert trader.order(1, reduce_only=True)["label"] == "INCREASE_POSITION"


@pytest.mark.parametrize(
    ("fields", "label"),
    [
        ({"size": 0}, "INVALID_PARAM_VALUE"),
        ({"size": 1.5}, "INVALID_PARAM_VALUE"),
        ({"size": "NaN"}, "INVALID_PARAM_VALUE"),
        ({"tif": "gtc"}, "INVALID_PARAM_VALUE"),
        ({"tif": "fok"}, "INVALID_PARAM_VALUE"),
        ({"size": 10**9}, "INSUFFICIENT_AVAILABLE"),
        ({"contract": ["x"]}, "MISSING_REQUIRED_PARAM"),
    ],
)
def test_what_is_no_order_is_refused(trader: Trader, fields: dict[str, Any], label: str) -> None:
    body = {"contract": "BTC_USDT", "size": 1, "price": "0", "tif": "ioc", **fields}
    assert trader.signed("POST", ORDERS, body=body)["label"] == label


def test_a_position_is_closed_with_close_and_no_size(trader: Trader) -> None:
    assert trader.order(0, close=True)["label"] == "POSITION_EMPTY"
    trader.order(7)
    assert trader.order(0, close=True)["size"] == -7
    fills = trader.signed("GET", "futures/usdt/my_trades_timerange", contract="BTC_USDT")
    assert [(row["size"], row["close_size"]) for row in fills] == [(-7, -7), (7, 0)]


def test_an_order_by_which_the_venue_closes_says_so(trader: Trader) -> None:
    trader.order(100)
    trader.exchange.deleverage(trader.account, "BTC/USDT:USDT")
    closing = trader.signed("GET", ORDERS, status="finished", contract="BTC_USDT")[0]
    assert (closing["finish_as"], closing["is_liq"], closing["size"]) == ("auto_deleveraged", False, -100)


# --- account
def test_leverage_zero_is_cross(trader: Trader) -> None:
    path = "futures/usdt/positions/BTC_USDT/leverage"
    cross = trader.signed("POST", path, leverage="0", cross_leverage_limit="7")
    assert (cross["leverage"], cross["cross_leverage_limit"]) == ("0", "7")
    isolated = trader.signed("POST", path, leverage="5")
    assert (isolated["leverage"], isolated["cross_leverage_limit"]) == ("5", "0")
    assert trader.signed("POST", path, leverage="500")["label"] == "LEVERAGE_TOO_HIGH"
    trader.order(1)
    assert trader.signed("POST", path, leverage="0", cross_leverage_limit="7")["label"] == "POSITION_HOLDING"


def test_positions_show_flat_ones_unless_only_held_ones_are_wanted(trader: Trader) -> None:
    trader.order(1)
    trader.order(-1)
    (flat,) = trader.signed("GET", "futures/usdt/positions")
    assert (flat["size"], flat["adl_ranking"]) == (0, 6)
    assert trader.signed("GET", "futures/usdt/positions", holding="true") == []


def test_the_book_of_the_account_adds_up_to_its_balance(trader: Trader) -> None:
    trader.order(1000)
    trader.clock.advance(hours=8)
    rows = trader.signed("GET", "futures/usdt/account_book")
    assert rows[0]["balance"] == trader.signed("GET", "futures/usdt/accounts")["total"]
    assert sum(Decimal(row["change"]) for row in rows) == Decimal(rows[0]["balance"])
    (payment,) = trader.signed("GET", "futures/usdt/account_book", type="fund", contract="BTC_USDT")
    rate = Decimal(trader.get(HISTORY, contract="BTC_USDT", limit=1)[0]["r"])
    assert payment["time"] == NOW + 8 * 3600
    assert Decimal(payment["change"]) * rate < 0  # a long pays a positive rate


def test_hedge_mode_is_refused_and_one_way_is_no_change(trader: Trader) -> None:
    assert trader.signed("POST", "futures/usdt/dual_mode", dual_mode="false")["label"] == "NO_CHANGE"
    assert trader.signed("POST", "futures/usdt/dual_mode", dual_mode="true")["label"] == "INVALID_PARAM_VALUE"
