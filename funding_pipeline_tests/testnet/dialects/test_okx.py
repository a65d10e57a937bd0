"""The testnet's OKX: its answers have the keys and types of the example bodies, and its gate is closed.

What lives here: shapes, signatures, unknown paths. What does not: pages of market data
(`test_okx_market_data`), orders and accounts (`test_okx_trading`).
"""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from funding_pipeline.venues.dialect import Json
from funding_pipeline_tests.testnet.dialects.okx_desk import (
    FAMILY,
    HOUR_MS,
    START,
    SWAP,
    WALL,
    OkxDesk,
    iso_time,
    signature,
)
from funding_pipeline_tests.testnet.dialects.shapes import differences, named


@pytest.fixture
def desk() -> OkxDesk:
    """A fresh exchange with one account."""
    return OkxDesk()


# --- keys and types
# Keys of ours that an example leaves out: the examples are older than the venue's present answers.
EXTRA: Mapping[str, frozenset[str]] = {
    "parse_market": frozenset({"instFamily", "ruleType"}),
    "fetch_order": frozenset(
        {"cancelSource", "reduceOnly", "slTriggerPxType", "source", "tgtCcy", "tpTriggerPxType"}
    ),
    "fetch_canceled_orders": frozenset({"cancelSource", "reduceOnly"}),
    "create_orders": frozenset({"ts"}),
    "handle_errors": frozenset({"ts", "inTime", "outTime"}),
    "cancel_order": frozenset({"inTime", "outTime"}),
    "fetch_my_trades": frozenset({"fillPnl", "fillTime"}),
    "fetch_ledger": frozenset({"execType"}),
    "fetch_positions": frozenset({"markPx", "notionalUsd", "realizedPnl"}),
    "parse_position": frozenset({"pTime", "realizedPnl"}),
    "parse_funding_rate": frozenset({"formulaType", "impactValue", "interestRate"}),
    "fetch_funding_rate_history": frozenset({"formulaType", "method"}),
    "fetch_trading_fee": frozenset({"makerU", "takerU"}),
    "fetch_market_leverage_tiers": frozenset({"instFamily", "msg"}),
    "fetch_open_interest": frozenset({"oiUsd"}),
}
# The examples of one row, to be compared with a row of our answer.
ROWS = frozenset(
    {"parse_market", "parse_ticker", "parse_funding_rate", "parse_position", "fetch_funding_history"}
)


def _answers(desk: OkxDesk) -> list[tuple[str, int, Json]]:
    """An answer of ours for each example (method, number) that is about swaps or the account."""
    empty = desk.order("toobig", sz="1000000")
    placed = desk.post("trade/batch-orders", [desk.limit("b1", 0.98), desk.limit("b2", 0.97)])
    cancelled = desk.post("trade/cancel-order", {"instId": SWAP, "clOrdId": "b2"})
    desk.order("fill")
    fetched = desk.get("trade/order", instId=SWAP, clOrdId="b1")
    done = desk.get("trade/orders-history", instType="SWAP", state="canceled")
    filled = desk.get("trade/orders-history", instType="SWAP", state="filled")
    held = desk.get("account/positions")
    desk.now += 8 * HOUR_MS
    bills = desk.get("account/bills", type="8")
    rates = desk.get("public/funding-rate", instId=SWAP)
    return [
        ("fetch_time", 0, desk.get("public/time")),
        ("fetch_accounts", 0, desk.get("account/config")),
        ("parse_market", 0, desk.get("public/instruments", instType="SWAP")),
        ("fetch_currencies", 1, desk.get("asset/currencies")),
        ("fetch_order_book", 0, desk.get("market/books", instId=SWAP, sz=3)),
        ("fetch_ticker", 0, desk.get("market/ticker", instId=SWAP)),
        ("fetch_tickers", 0, desk.get("market/tickers", instType="SWAP")),
        ("parse_ticker", 1, desk.get("market/index-tickers", instId=FAMILY)),
        ("fetch_mark_price", 0, desk.get("public/mark-price", instType="SWAP")),
        ("fetch_trades", 0, desk.get("market/trades", instId=SWAP)),
        ("fetch_ohlcv", 0, desk.get("market/candles", instId=SWAP, bar="1H")),
        ("fetch_funding_rate_history", 0, desk.get("public/funding-rate-history", instId=SWAP)),
        ("parse_funding_rate", 1, rates),
        ("fetch_trading_fee", 0, desk.get("account/trade-fee", instType="SWAP", instFamily=FAMILY)),
        ("fetch_balance", 0, desk.get("account/balance")),
        ("create_orders", 0, placed),
        ("cancel_order", 0, cancelled),
        ("fetch_order", 0, fetched),
        ("fetch_canceled_orders", 0, done),
        ("fetch_order", 0, filled),
        ("handle_errors", 0, empty),
        ("fetch_my_trades", 0, desk.get("trade/fills-history", instType="SWAP")),
        ("fetch_ledger", 0, desk.get("account/bills")),
        ("fetch_funding_history", 0, bills),
        ("fetch_leverage", 0, desk.get("account/leverage-info", instId=SWAP, mgnMode="cross")),
        (
            "set_leverage",
            0,
            desk.post("account/set-leverage", {"instId": SWAP, "lever": 5, "mgnMode": "cross"}),
        ),
        ("set_position_mode", 0, desk.post("account/set-position-mode", {"posMode": "net_mode"})),
        ("fetch_positions", 0, held),
        ("parse_position", 0, held),
        (
            "fetch_market_leverage_tiers",
            0,
            desk.get("public/position-tiers", instType="SWAP", tdMode="cross", instFamily=FAMILY),
        ),
        ("fetch_open_interest", 0, desk.get("public/open-interest", instType="SWAP")),
        (
            "fetch_open_interest_history",
            0,
            desk.get("rubik/stat/contracts/open-interest-history", instId=SWAP, period="1H"),
        ),
    ]


def test_answers_have_the_keys_and_types_of_the_example_bodies(desk: OkxDesk, payloads_dir: Path) -> None:
    examples = json.loads((payloads_dir / "ccxt_examples" / "okx.json").read_bytes())

    for method, number, answer in _answers(desk):
        body = examples[method][number]["body"]
        given = answer["data"][0] if method in ROWS else answer
        known = EXTRA.get(method, frozenset())
        found = differences(body, given)
        assert {one for one in found if not (one.startswith("extra") and named(one) in known)} == set(), (
            method
        )


def test_rows_have_the_lengths_of_the_example_rows(desk: OkxDesk) -> None:
    assert {len(row) for row in desk.get("market/candles", instId=SWAP, bar="1H")["data"]} == {9}
    assert {len(row) for row in desk.get("market/index-candles", instId=FAMILY, bar="1H")["data"]} == {6}
    interest = desk.get("rubik/stat/contracts/open-interest-history", instId=SWAP, period="1H")
    assert {len(row) for row in interest["data"]} == {4}


# --- the gate
def test_a_request_without_a_header_is_told_which(desk: OkxDesk, payloads_dir: Path) -> None:
    examples = json.loads((payloads_dir / "ccxt_examples" / "okx.json").read_bytes())
    codes = {"key": "50103", "passphrase": "50104", "sign": "50106", "timestamp": "50107"}

    for header, code in codes.items():
        status, body = desk.ask("GET", "account/config", {}, b"", desk.account, **{header: None})
        assert (status, body["code"]) == (401, code)
        assert differences(examples["fetch_currencies"][0]["body"], body) == set()


@pytest.mark.parametrize(
    ("header", "value", "code"),
    [
        ("key", "00000000-0000-0000-0000-000000000000", "50111"),
        ("passphrase", "guess", "50105"),
        ("sign", "AAAA", "50113"),
        ("sign", "\udcff", "50113"),
        ("timestamp", "yesterday", "50112"),
        ("timestamp", "2024-02-01T00:00:00.000", "50112"),
        ("stamp", "2024-01-31T23:59:29.999Z", "50102"),
        ("stamp", "2024-02-01T00:00:30.001Z", "50102"),
    ],
)
def test_wrong_credentials_and_stamps_are_refused(desk: OkxDesk, header: str, value: str, code: str) -> None:
    status, body = desk.ask("GET", "account/config", {}, b"", desk.account, **{header: value})

    assert (status, body["code"]) == (401, code)


def test_the_signature_covers_method_query_and_body(desk: OkxDesk) -> None:
    stamp = iso_time(desk.now)
    signed = {
        "query": signature(desk.account.secret, f"{stamp}GET/api/v5/account/balance?ccy=BTC"),
        "body": signature(desk.account.secret, f"{stamp}POST/api/v5/account/set-position-mode" + "{}"),
    }

    for method, path, query, body, sign in (
        ("GET", "account/balance", {"ccy": "USDT"}, b"", signed["query"]),
        ("POST", "account/set-position-mode", {}, b'{"posMode":"net_mode"}', signed["body"]),
    ):
        answer = desk.ask(method, path, query, body, desk.account, sign=sign)
        assert (answer[0], answer[1]["code"]) == (401, "50113")


def test_a_client_may_stamp_with_the_market_s_clock_or_the_machine_s(desk: OkxDesk) -> None:
    for stamp in (iso_time(START + 29_000), iso_time(WALL - 29_000)):
        assert desk.ask("GET", "account/config", {}, b"", desk.account, stamp=stamp)[0] == 200


def test_unknown_paths_methods_and_bodies(desk: OkxDesk) -> None:
    assert desk.ask("GET", "nothing/here", {}, b"", desk.account)[0] == 404
    status, body = desk.ask("POST", "public/time", {}, b"{}", desk.account)
    assert (status, body["code"]) == (405, "50115")
    for text in (b"no json", b"[1]", b"3"):
        status, body = desk.ask("POST", "trade/order", {}, text, desk.account)
        assert (status, body["code"]) == (400, "50002")


def test_credentials_are_of_the_venue_s_form_and_differ(desk: OkxDesk) -> None:
    shown = desk.dialect.show_credentials(desk.account)
    other = desk.dialect.show_credentials(desk.open("second"))

    assert set(shown) == {"apiKey", "secret", "password"}
    assert [len(part) for part in shown["apiKey"].split("-")] == [8, 4, 4, 4, 12]
    assert not set(shown.values()) & set(other.values())
