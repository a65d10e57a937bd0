"""Values of an account: contracts become coins, spellings become ours, parts are refused."""

from decimal import Decimal
from typing import Any

import pytest

from funding_pipeline.core.errors import CredentialsError, OrderRejectedError, VenueAnswerError
from funding_pipeline.core.trading import InstrumentTerms, OrderRequest
from funding_pipeline.venues import account_values as values
from funding_pipeline.venues.credentials import Credentials
from funding_pipeline.venues.dialect import VenueDialect
from funding_pipeline.venues.private import PrivateGateway
from funding_pipeline.venues.routing import TestnetConnection

AT_MS = 1_751_328_000_000
CLIENT_ID = "0123456789abcdef01234567"
MARKET = {"symbol": "BTC/USDT:USDT", "contractSize": 0.01, "settle": "USDT", "swap": True, "linear": True}


class Somewhere(VenueDialect):
    """A venue with nothing special."""

    name = "somewhere"


def terms(**changes: Any) -> InstrumentTerms:
    plain: dict[str, Any] = {
        "venue": "somewhere",
        "symbol": "BTC/USDT:USDT",
        "native_id": "BTC",
        "quote": "USDT",
        "settle": "USDT",
        "contract_type": "linear",
        "contract_size": Decimal("0.01"),
        "price_tick": Decimal("0.1"),
        "quantity_step": Decimal("0.01"),
        "min_quantity": Decimal("0.02"),
        "min_notional": None,
        "maker_fee": None,
        "taker_fee": None,
        "interval_hours": None,
        "is_active": True,
        "listed_at": None,
    }
    return InstrumentTerms(**{**plain, **changes})


def request(quantity: str, price: str | None = None, **changes: Any) -> OrderRequest:
    plain: dict[str, Any] = {
        "venue": "somewhere",
        "symbol": "BTC/USDT:USDT",
        "side": "buy",
        "kind": "market" if price is None else "limit",
        "quantity": Decimal(quantity),
        "client_order_id": CLIENT_ID,
        "price": None if price is None else Decimal(price),
    }
    return OrderRequest(**{**plain, **changes})


def order(**changes: Any) -> dict[str, Any]:
    plain = {
        "id": 17,
        "status": "open",
        "side": "buy",
        "amount": 5.0,
        "filled": 2.0,
        "average": 100.5,
        "price": 101.0,
        "type": "limit",
        "clientOrderId": CLIENT_ID,
        "timestamp": AT_MS,
    }
    return {**plain, **changes}


def test_quantities_become_contracts() -> None:
    assert values.contracts(request("1.23"), terms()) == 123
    assert values.contracts(request("0.01", reduce_only=True), terms()) == 1  # what is left may be closed


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (request("1.234"), "off_grid"),
        (request("0"), "off_grid"),
        (request("-1"), "off_grid"),
        (request("0.01"), "below_minimum"),
        (request("1", "100.05"), "off_grid"),
        (request("1", kind="limit"), "off_grid"),
    ],
)
def test_off_the_grid_is_refused_by_reason(asked: OrderRequest, reason: str) -> None:
    with pytest.raises(OrderRejectedError) as caught:
        values.contracts(asked, terms())
    assert caught.value.reason == reason
    assert CLIENT_ID in str(caught.value)


def test_an_order_is_in_coins() -> None:
    state = values.order_state(Somewhere(), order(), MARKET)
    assert (state.quantity, state.filled) == (Decimal("0.05"), Decimal("0.02"))
    assert (state.average_price, state.limit_price) == (Decimal("100.5"), Decimal(101))
    assert (state.client_order_id, state.order_id) == (CLIENT_ID, "17")


@pytest.mark.parametrize(
    ("told", "status"),
    [("open", "open"), ("canceled", "cancelled"), ("expired", "cancelled"), ("rejected", "cancelled")],
)
def test_statuses(told: str, status: str) -> None:
    assert values.order_state(Somewhere(), order(status=told), MARKET).status == status


@pytest.mark.parametrize(
    ("stated", "filled", "status"),
    [
        ("closed", 5.0, "filled"),
        ("closed", 2.0, "cancelled"),  # Bybit's PartiallyFilledCanceled
        ("canceled", 5.0, "filled"),
        ("rejected", 0.0, "rejected"),
        ("rejected", 5.0, "filled"),
    ],
)
def test_what_was_filled_counts_however_the_order_ended(stated: str, filled: float, status: str) -> None:
    state = values.order_state(Somewhere(), order(status=stated, filled=filled), MARKET)
    assert (state.status, state.filled) == (status, Decimal(str(filled)) / 100)


def test_a_status_that_nobody_knows_is_what_the_caller_found_out() -> None:
    odd = order(status="Unheard")
    assert not values.has_known_status(odd)
    assert values.order_state(Somewhere(), odd, MARKET, unless_known="open").status == "open"
    assert values.order_state(Somewhere(), odd, MARKET, unless_known="cancelled").status == "cancelled"


def test_nothing_filled_has_no_average() -> None:
    assert values.order_state(Somewhere(), order(filled=0, average=0), MARKET).average_price is None


@pytest.mark.parametrize("missing", ["status", "amount", "filled", "side"])
def test_an_order_told_in_part_is_an_error(missing: str) -> None:
    with pytest.raises(VenueAnswerError, match="stated in part"):
        values.order_state(Somewhere(), order(**{missing: None}), MARKET)


def test_an_acknowledgement_that_says_little_is_none() -> None:
    asked = request("0.05", "101")
    only_id = {"id": "17", "status": None, "filled": None}
    assert values.acknowledged(Somewhere(), only_id, MARKET, asked) is None
    no_average = {"id": "17", "status": "closed", "filled": 5, "average": None}
    assert values.acknowledged(Somewhere(), no_average, MARKET, asked) is None
    enough = {"id": "17", "status": "closed", "filled": 5, "average": 100, "price": 101}
    state = values.acknowledged(Somewhere(), enough, MARKET, asked)
    assert state is not None
    assert (state.side, state.quantity, state.client_order_id) == ("buy", Decimal("0.05"), CLIENT_ID)


def test_positions_are_signed_and_in_coins() -> None:
    symbol, markets = MARKET["symbol"], {MARKET["symbol"]: MARKET}
    row = {"symbol": symbol, "contracts": 7, "side": "short", "entryPrice": 100, "marginMode": "cross"}
    state = values.position(Somewhere(), {**row, "liquidationPrice": 0}, markets)
    assert state is not None
    assert (state.quantity, state.margin_mode, state.is_listed) == (Decimal("-0.07"), "cross", True)
    assert state.liquidation_price is None
    assert values.position(Somewhere(), {**row, "contracts": 0}, markets) is None
    with pytest.raises(VenueAnswerError, match="its size is not stated"):
        values.position(Somewhere(), {**row, "contracts": None}, markets)


@pytest.mark.parametrize(
    ("native", "symbol"),
    [
        ("XYZUSDT", "XYZ/USDT:USDT"),
        ("XYZ-USDT-SWAP", "XYZ/USDT:USDT"),
        ("XYZ_USDT", "XYZ/USDT:USDT"),
        ("XYZ/USDC:USDC", "XYZ/USDC:USDC"),
        ("BTCUSDT_260327", "BTCUSDT_260327"),
        ("BTC-USDT-260327", "BTC-USDT-260327"),
    ],
)
def test_a_position_in_what_is_not_listed_is_a_leg_all_the_same(native: str, symbol: str) -> None:
    row = {"symbol": native, "contracts": 30, "side": "short", "notional": 600, "markPrice": 40}
    state = values.position(Somewhere(), row, {})
    assert state is not None
    assert (state.symbol, state.quantity, state.is_listed) == (symbol, -15, False)
    unpriced = values.position(Somewhere(), {**row, "notional": None}, {})
    assert unpriced is not None
    assert unpriced.quantity == -30  # contracts: what they are worth nobody says


def test_fills_without_an_id_of_their_own_are_distinguished_by_their_row() -> None:
    one, other = ({"id": "0", "info": {"tid": 0, "startPosition": at}} for at in ("1.0", "2.0"))
    assert values.statement_id(one) == values.statement_id(dict(one))
    assert values.statement_id(one) != values.statement_id(other)
    assert values.statement_id({"id": 17, "info": {}}) == "17"


def test_a_size_that_is_not_known_is_an_error() -> None:
    with pytest.raises(VenueAnswerError, match="contract size of BTC/USDT:USDT is unknown"):
        values.order_state(Somewhere(), order(), {**MARKET, "contractSize": None})


def test_fills_and_payments() -> None:
    row = {
        "id": 1,
        "order": 2,
        "side": "sell",
        "amount": 3,
        "price": 100.1,
        "fee": {"cost": 0.05, "currency": "USDT"},
        "takerOrMaker": "maker",
        "timestamp": AT_MS,
    }
    fill = values.fill(Somewhere(), row, MARKET)
    assert (fill.quantity, fill.price, fill.is_maker) == (Decimal("0.03"), Decimal("100.1"), True)
    assert (fill.fee, fill.fee_currency) == (Decimal("0.05"), "USDT")
    paid = values.payment(Somewhere(), {"timestamp": AT_MS, "amount": -1.5, "id": None}, MARKET)
    assert (paid.amount, paid.currency, paid.payment_id) == (Decimal("-1.5"), "USDT", None)
    with pytest.raises(VenueAnswerError, match="without time or amount"):
        values.payment(Somewhere(), {"timestamp": None, "amount": 1}, MARKET)
    with pytest.raises(VenueAnswerError, match="a fill of"):
        values.fill(Somewhere(), {**row, "side": None}, MARKET)


def test_balances_leave_out_what_is_empty() -> None:
    answer = {
        "info": {},
        "free": {},
        "timestamp": 1,
        "USDT": {"free": 1.5, "used": 0.5, "total": 2.0},
        "BTC": {"free": 0.0, "used": 0.0, "total": 0.0},
    }
    balances = values.balances(Somewhere(), answer)
    assert [(b.currency, b.wallet, b.free) for b in balances] == [("USDT", Decimal("2.0"), Decimal("1.5"))]


def test_a_venue_without_private_calls_has_no_private_gateway() -> None:
    with pytest.raises(CredentialsError, match="only public data"):
        PrivateGateway(Somewhere(), TestnetConnection(9), Credentials("somewhere", {}))
