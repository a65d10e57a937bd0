"""Gate's private example bodies through the real ccxt class and our normalization; figures by hand."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import ccxt
import pytest

from funding_pipeline.core.trading import OrderRequest
from funding_pipeline.venues.dialect import KeyPermissions
from funding_pipeline_tests.venues.canned import Examples, example, read_examples
from funding_pipeline_tests.venues.gate_client import SYMBOL, VENUE, asking, contracts

CANONICAL = "0123456789abcdef01234567"


@pytest.fixture
def examples(payloads_dir: Path) -> Examples:
    """Example bodies of ccxt's own source, by method."""
    return read_examples(payloads_dir, "gate")


def test_a_payment_keeps_its_sign_and_its_digits(examples: Any) -> None:
    bodies = {
        "futures/usdt/contracts": contracts(examples, name="XRP_USDT"),
        "futures/usdt/account_book": example(examples, "fetch_funding_history"),
    }
    rows, session = asking(
        bodies,
        lambda client: client.fetch_funding_history(
            "XRP/USDT:USDT", None, 1000, VENUE.payments_request(0, 1646899200500)[1]
        ),
    )
    asked = session.asked[-1][1]
    assert (asked["type"], asked["to"], asked["limit"]) == ("fund", "1646899201", "1000")
    assert VENUE.payment_amount(rows[0]) == Decimal("-0.027722")  # paid


def test_client_ids_go_there_and_back() -> None:
    assert VENUE.client_id(CANONICAL) == f"t-{CANONICAL}"
    assert VENUE.canonical_client_id(f"t-{CANONICAL}") == CANONICAL
    assert VENUE.canonical_client_id("web") is None
    assert VENUE.canonical_client_id(CANONICAL) is None
    assert VENUE.canonical_client_id(None) is None


def order_request(**changes: Any) -> OrderRequest:
    given: dict[str, Any] = {
        "venue": "gate",
        "symbol": SYMBOL,
        "side": "sell",
        "kind": "limit",
        "quantity": Decimal("0.0004"),
        "client_order_id": CANONICAL,
        "price": Decimal(61000),
    }
    return OrderRequest(**{**given, **changes})


def test_an_order_carries_signed_contracts_and_the_client_id(examples: Any) -> None:
    order = example(examples, "create_order", "futures, perpetual swaps and options")
    bodies = {
        "futures/usdt/contracts": contracts(examples),
        "futures/usdt/orders": (201, {**order, "contract": "BTC_USDT", "size": -4, "left": -4}),
    }
    request = order_request(time_in_force="post_only", reduce_only=True)

    async def send(client: Any) -> Any:
        await client.load_markets()
        client.sent = client.create_order_request(
            SYMBOL, "limit", "sell", 4, 61000, VENUE.order_params(request)
        )
        return client.sent, await client.create_order(
            SYMBOL, "limit", "sell", 4, 61000, VENUE.order_params(request)
        )

    (sent, answer), session = asking(bodies, send)
    assert sent["size"] == -4
    assert (sent["tif"], sent["text"], sent["reduce_only"]) == ("poc", f"t-{CANONICAL}", True)
    assert (answer["side"], answer["amount"], answer["status"]) == ("sell", 4.0, "open")
    assert [path for path, _, _ in session.asked] == ["futures/usdt/contracts", "futures/usdt/orders"]


def test_a_market_order_leaves_its_time_in_force_to_the_venue() -> None:
    params = VENUE.order_params(order_request(kind="market", time_in_force="ioc"))
    assert params == {"clientOrderId": f"t-{CANONICAL}"}


@pytest.mark.parametrize(
    ("label", "kind", "reason"),
    [
        ("ORDER_POC_IMMEDIATE", ccxt.OrderImmediatelyFillable, "would_take"),
        ("INSUFFICIENT_AVAILABLE", ccxt.InsufficientFunds, "insufficient_margin"),
        ("REDUCE_EXCEEDED", ccxt.ExchangeError, "reduce_only"),
        ("SIZE_TOO_SMALL", ccxt.InvalidOrder, "below_minimum"),
        ("LEVERAGE_TOO_HIGH", ccxt.InvalidOrder, "leverage"),
        ("CONTRACT_IN_DELISTING", ccxt.ExchangeError, None),
    ],
)
def test_a_label_is_a_reason(examples: Any, label: str, kind: type[Exception], reason: str | None) -> None:
    bodies = {
        "futures/usdt/contracts": contracts(examples),
        "futures/usdt/orders": (400, {"label": label, "message": "no"}),
    }
    with pytest.raises(kind) as raised:
        asking(bodies, lambda client: client.create_order(SYMBOL, "market", "buy", 1))
    assert VENUE.rejection_reason(raised.value) == reason


def test_ccxts_own_bound_of_leverage_is_a_reason() -> None:
    with pytest.raises(ccxt.BadRequest) as raised:
        asking({}, lambda client: client.set_leverage(125, SYMBOL))
    assert VENUE.rejection_reason(raised.value) == "leverage"


NOT_BY_TEXT = (404, {"label": "CLIENT_ID_NOT_FOUND", "message": "Order with client ID not found"})


def test_an_order_is_found_by_text_and_then_among_the_finished(examples: Any) -> None:
    finished = example(examples, "parse_order", "createOrder/cancelOrder/fetchOrder")
    ours = {**finished, "contract": "BTC_USDT", "text": f"t-{CANONICAL}"}
    other = {**ours, "id": 1, "text": "web"}
    by_text = f"futures/usdt/orders/t-{CANONICAL}"
    bodies = {"futures/usdt/contracts": contracts(examples), by_text: ours}
    look_up = lambda client: VENUE.fetch_order_by_client_id(client, SYMBOL, f"t-{CANONICAL}")  # noqa: E731
    found, _ = asking(bodies, look_up)
    assert (found["id"], found["status"], found["filled"]) == ("123028481731", "closed", 1.0)

    forgotten = {**bodies, by_text: NOT_BY_TEXT, "futures/usdt/orders": [other, ours]}
    again, session = asking(forgotten, look_up)
    assert again["id"] == "123028481731"
    assert session.asked[-1][1] == {"contract": "BTC_USDT", "status": "finished", "limit": "1000"}

    unknown = {**bodies, by_text: NOT_BY_TEXT, "futures/usdt/orders": [other]}
    with pytest.raises(ccxt.OrderNotFound):
        asking(unknown, look_up)


@pytest.mark.parametrize("ending", ["reduce_only", "position_closed", "auto_deleveraged", "stp", "ioc"])
def test_an_order_that_the_venue_ended_is_cancelled(examples: Any, ending: str) -> None:
    order = example(examples, "parse_order", "createOrder/cancelOrder/fetchOrder")
    ended = {**order, "contract": "BTC_USDT", "finish_as": ending, "left": 1, "fill_price": "0"}
    bodies = {"futures/usdt/contracts": contracts(examples), "futures/usdt/orders/5": ended}
    found, _ = asking(bodies, lambda client: client.fetch_order("5", SYMBOL))
    assert (found["status"], found["filled"]) == ("canceled", 0.0)


@pytest.mark.parametrize(("leverage", "limit", "expected"), [("0", "7", 7), ("5", "0", 5), ("0", "0", 125)])
def test_the_leverage_of_a_cross_position_is_its_limit(
    examples: Any, leverage: str, limit: str, expected: int
) -> None:
    held = example(examples, "parse_position", "swap and future")
    position = {**held, "leverage": leverage, "cross_leverage_limit": limit}
    bodies = {"futures/usdt/contracts": contracts(examples), "futures/usdt/positions": [position]}
    found, _ = asking(bodies, lambda client: client.fetch_positions([SYMBOL]))
    assert found[0]["leverage"] == expected
    assert found[0]["marginMode"] == ("cross" if leverage == "0" else "isolated")


def test_equity_is_wallet_and_unrealised_profit(examples: Any) -> None:
    account = example(examples, "fetch_balance", "Perpetual Swap")
    bodies = {"futures/usdt/contracts": contracts(examples), "futures/usdt/accounts": account}
    answer, _ = asking(bodies, lambda client: client.fetch_balance(dict(VENUE.raw_params("fetch_balance"))))
    found = VENUE.balance("USDT", answer["USDT"], answer)
    assert (found.wallet, found.free) == (Decimal("12.51345151332"), Decimal("0.0"))
    assert found.equity == Decimal("25.828551513326")  # 12.51345151332 + 13.315100000006


@pytest.mark.parametrize(("ranking", "rank"), [(1, 1.0), (5, 0.0), (6, None)])
def test_the_queue_of_deleveraging_is_counted_from_last_to_first(ranking: int, rank: float | None) -> None:
    assert VENUE.adl_rank({"info": {"adl_ranking": ranking}}) == rank


@pytest.mark.parametrize(
    ("leverage", "limit", "mode", "sent"),
    [
        ("0", "7", "isolated", {"leverage": "7", "marginMode": "isolated"}),
        ("5", "0", "cross", {"leverage": "0", "cross_leverage_limit": "5"}),
        ("0", "7", "cross", None),
    ],
)
def test_the_margin_mode_changes_and_the_leverage_stays(
    examples: Any, leverage: str, limit: str, mode: Any, sent: dict[str, str] | None
) -> None:
    held = example(examples, "parse_position", "swap and future")
    position = {**held, "leverage": leverage, "cross_leverage_limit": limit}
    path = "futures/usdt/positions/BTC_USDT"
    bodies = {"futures/usdt/contracts": contracts(examples), path: position, f"{path}/leverage": position}
    _, session = asking(bodies, lambda client: VENUE.set_margin_mode(client, SYMBOL, mode))
    changes = [query for asked, query, _ in session.asked if asked.endswith("/leverage")]
    assert changes == ([] if sent is None else [sent])


def key(shown: str, *names: str) -> dict[str, Any]:
    return {"key": shown, "state": 1, "perms": [{"name": name, "read_only": False} for name in names]}


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ([key("c5dcfbf1f3a7*****", "futures", "wallet")], KeyPermissions(True, None)),
        ([key("c5dcfbf1f3a7*****", "futures", "withdraw")], KeyPermissions(True, True)),
        (
            [key("c5dcfbf1f3a7*****", "spot"), key("52fd0035f665*****", "withdraw")],
            KeyPermissions(False, None),
        ),
        ([key("52fd0035f665*****", "withdraw")], KeyPermissions(None, None)),
        ((403, {"label": "FORBIDDEN", "message": "no permission"}), KeyPermissions(None, None)),
    ],
)
def test_only_what_is_told_of_this_very_key_is_believed(keys: Any, expected: KeyPermissions) -> None:
    told, _ = asking({"account/main_keys": keys}, VENUE.key_permissions)
    assert told == expected


def test_one_way_is_set_only_where_it_does_not_hold(examples: Any) -> None:
    account = example(examples, "fetch_balance", "Perpetual Swap")
    single = {"futures/usdt/accounts": account}
    _, session = asking(single, lambda client: VENUE.prepare_account(client, [SYMBOL]))
    assert [path for path, _, _ in session.asked] == ["futures/usdt/accounts"]

    dual = {"futures/usdt/accounts": {**account, "in_dual_mode": True}, "futures/usdt/dual_mode": account}
    _, session = asking(dual, lambda client: VENUE.prepare_account(client, [SYMBOL]))
    assert session.asked[-1][:2] == ("futures/usdt/dual_mode", {"dual_mode": "false"})
