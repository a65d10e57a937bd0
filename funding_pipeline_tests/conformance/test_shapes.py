"""Shapes of real answers on demand, on each trading venue, as an unmodified ccxt client sees them.

What lives here: that the testnet gives each shape. What does not: what we make of it (`test_odd_answers`).
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest

from funding_pipeline.core.errors import VenueError
from funding_pipeline.core.trading import FundingPayment, InstrumentModes
from funding_pipeline.testnet.account_faults import KINDS_OF_ACCOUNT
from funding_pipeline.testnet.answer_shapes import ORDER_ENTRY, UNHEARD_OF
from funding_pipeline.trading.venue_book import read_venue_book
from funding_pipeline.venues import private
from funding_pipeline.venues.private import PrivateGateway
from funding_pipeline_tests.conformance.given import Given, GivenConnection
from funding_pipeline_tests.conformance.rig import Keys, VenueRig, run
from funding_pipeline_tests.conformance.test_odd_answers import READS

ENDED_AS = {
    "binance": ("status", "EXPIRED_IN_MATCH"),
    "bybit": ("orderStatus", "Rejected"),
    "gate": ("finish_as", "stp"),
    "hyperliquid": ("status", "perpMarginRejected"),
    "okx": ("state", "canceled"),
}
TRIGGER_LISTS = {"binance": {"trigger": True}, "gate": {"trigger": True}, "okx": {"trigger": True}}
"""What ccxt has to be asked for conditional orders; the others list them among the plain ones."""

CONDITIONAL_PATHS = {
    "binance": "/fapi/v1/openAlgoOrders",
    "gate": "/price_orders",
    "okx": "/trade/orders-algo-pending",
}


def asked(venue: VenueRig, keys: Keys, ask: Callable[[PrivateGateway], Awaitable[Any]]) -> Any:
    """What `ask` gets of the account's gateway."""

    async def go() -> Any:
        async with venue.private(keys) as gateway:
            return await ask(gateway)

    return run(go())


def bodies(
    venue: VenueRig, keys: Keys, ask: Callable[[PrivateGateway], Awaitable[Any]], *, path: str = ""
) -> str:
    """Everything that the venue answered at `path`, as text, whatever was made of it; where a path is given,
    to POST alone."""
    heard: list[Any] = []

    def hear(body: Any, _: Any) -> Any:
        heard.append(body)
        return body

    async def go() -> None:
        connection = GivenConnection(venue.testnet.port, Given(path, hear, method="POST" if path else ""))
        gateway = PrivateGateway(venue.dialect, connection, keys.credentials, sleep=_at_once)
        async with gateway:
            with suppress(VenueError):
                await ask(gateway)

    run(go())
    return json.dumps(heard)


async def _at_once(_: float) -> None:
    """A pause before a retry that takes no time."""


def open_orders(symbol: str, params: Any = None) -> Callable[[PrivateGateway], Awaitable[Any]]:
    """ccxt's own list of open orders."""

    async def ask(gateway: PrivateGateway) -> Any:
        await gateway.open_orders(symbol)  # loads the markets
        return await gateway._client.fetch_open_orders(symbol, params=params or {})

    return ask


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_a_foreign_order_rests_with_an_id_like_ours(venue: VenueRig, side: str) -> None:
    keys = venue.new_keys()
    venue.fault("foreign_order", symbol=venue.symbol, side=side, account=keys.account_id)
    (order,) = asked(venue, keys, lambda gateway: gateway.open_orders(venue.symbol))
    assert (order.side, order.filled, len(str(order.client_order_id))) == (side, 0, 24)
    assert not order.is_conditional
    venue.end_faults()
    assert asked(venue, keys, lambda gateway: gateway.open_orders(venue.symbol)) == ()


def test_a_foreign_order_may_have_no_id(venue: VenueRig) -> None:
    keys = venue.new_keys()
    venue.fault("foreign_order", symbol=venue.symbol, has_id=False, account=keys.account_id)
    (order,) = asked(venue, keys, open_orders(venue.symbol))
    assert venue.dialect.canonical_client_id(order["clientOrderId"]) is None


def test_a_conditional_order_is_listed_where_the_venue_lists_them(venue: VenueRig) -> None:
    keys = venue.new_keys()
    venue.fault("foreign_order", symbol=venue.symbol, conditional=True, account=keys.account_id)
    params = TRIGGER_LISTS.get(venue.name, {})
    (order,) = asked(venue, keys, open_orders(venue.symbol, params))
    (engine_order,) = venue.account(keys).conditional.values()
    assert Decimal(str(order["triggerPrice"])) == engine_order.trigger
    assert (order["side"], order["status"]) == ("sell", "open")
    assert Decimal(str(order["amount"])) * _size(venue) == engine_order.ticket.quantity
    if params:
        assert asked(venue, keys, open_orders(venue.symbol)) == []
    venue.end_faults()
    assert asked(venue, keys, open_orders(venue.symbol, params)) == []


@pytest.mark.parametrize("of_one", [True, False])
def test_open_orders_have_the_conditional_ones_among_them(venue: VenueRig, of_one: bool) -> None:
    keys = venue.new_keys()
    symbol = venue.symbol if of_one else None
    venue.fault("foreign_order", symbol=venue.symbol, conditional=True, account=keys.account_id)
    (order,) = asked(venue, keys, lambda gateway: gateway.open_orders(symbol))
    (engine_order,) = venue.account(keys).conditional.values()
    assert (order.is_conditional, order.status, order.filled) == (True, "open", 0)
    assert (order.symbol, order.quantity) == (venue.symbol, engine_order.ticket.quantity)


def test_without_a_list_of_conditional_orders_open_orders_are_unknown(venue: VenueRig) -> None:
    if venue.name not in CONDITIONAL_PATHS:
        pytest.skip("has one list of all orders")
    keys = venue.new_keys()
    venue.fault("garbage", method="GET", path=CONDITIONAL_PATHS[venue.name])
    with pytest.raises(VenueError):
        asked(venue, keys, lambda gateway: gateway.open_orders())


def test_a_refused_order_keeps_its_fill(venue: VenueRig) -> None:
    keys = venue.new_keys()
    venue.fault("refused_after_fill", symbol=venue.symbol, fraction="0.5")
    request = venue.order(quantity=venue.lots(4))
    bodies(venue, keys, lambda gateway: gateway.create_order(request))
    assert sum(fill.quantity for fill in venue.account(keys).fills) == venue.lots(2)
    name, word = ENDED_AS[venue.name]
    told = bodies(venue, keys, lambda g: g.order_by_client_id(venue.symbol, request.client_order_id))
    assert f'"{name}": "{word}"' in told


def test_an_unlisted_instrument_keeps_its_position(venue: VenueRig) -> None:
    keys = venue.new_keys()
    asked(venue, keys, lambda gateway: gateway.create_order(venue.order()))
    symbol, fault = venue.symbol, venue.fault("delisted_position", symbol=venue.symbol)
    held = asked(venue, keys, lambda gateway: gateway.read_positions())
    assert [(row.symbol, row.is_listed) for row in held.held] == [(symbol, False)]
    venue.testnet.admin("DELETE", f"/admin/faults/{fault}")
    (row,) = asked(venue, keys, lambda gateway: gateway.read_positions()).held
    assert (row.symbol, row.is_listed) == (symbol, True)


def test_funding_that_is_listed_late_has_its_own_time(venue: VenueRig) -> None:
    keys, start = venue.new_keys(), venue.now
    fault = venue.fault("late_funding_row", symbol=venue.symbol)

    async def payments(gateway: PrivateGateway) -> tuple[FundingPayment, ...]:
        return await gateway.funding_payments(venue.symbol, start)

    asked(venue, keys, lambda gateway: gateway.create_order(venue.order(quantity=venue.lots(20))))
    venue.advance(hours=17)
    wallet = venue.account(keys).wallet
    assert asked(venue, keys, payments) == ()
    venue.testnet.admin("DELETE", f"/admin/faults/{fault}")
    listed = asked(venue, keys, payments)
    assert len(listed) == len(venue.account(keys).payments) >= 2
    assert all(payment.settled_at <= venue.now for payment in listed)
    assert venue.account(keys).wallet == wallet


def test_a_gateway_that_stays_open_sees_a_delisting(venue: VenueRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(private, "LISTING_SECONDS", -1.0)
    symbol = venue.symbol

    async def held_before_and_after(gateway: PrivateGateway) -> list[tuple[str, bool]]:
        await gateway.create_order(venue.order())
        before = await gateway.positions()
        await asyncio.to_thread(venue.fault, "delisted_position", symbol=symbol)
        return [(row.symbol, row.is_listed) for row in (*before, *await gateway.positions())]

    found = asked(venue, venue.new_keys(), held_before_and_after)
    assert found == [(symbol, True), (symbol, False)]


def test_an_ending_that_nobody_knows(venue: VenueRig) -> None:
    keys, request = venue.new_keys(), venue.order()
    asked(venue, keys, lambda gateway: gateway.create_order(request))
    venue.fault("unknown_ending")
    told = bodies(venue, keys, lambda g: g.order_by_client_id(venue.symbol, request.client_order_id))
    assert UNHEARD_OF in told


@pytest.mark.parametrize("what", ["balance", "positions", "open_orders", "fills", "funding_payments"])
def test_a_read_without_its_list(venue: VenueRig, what: str) -> None:
    keys = venue.new_keys()
    path, part = READS[venue.name][what]
    fault = venue.fault("null_answer", path=path, asked=part)

    async def read(gateway: PrivateGateway) -> Any:
        return await {
            "balance": gateway.balance,
            "positions": gateway.positions,
            "open_orders": lambda: gateway.open_orders(venue.symbol),
            "fills": lambda: gateway.fills(venue.symbol, since=venue.now),
            "funding_payments": lambda: gateway.funding_payments(venue.symbol, since=venue.now),
        }[what]()

    with pytest.raises(VenueError):
        asked(venue, keys, read)
    assert venue.hits(fault) > 0


def test_an_acknowledgement_without_its_order(venue: VenueRig) -> None:
    keys = venue.new_keys()
    fault = venue.fault("silent_ack")
    request, path = venue.order(), ORDER_ENTRY[venue.name]
    told = bodies(venue, keys, lambda gateway: gateway.create_order(request), path=path)
    (order,) = venue.account(keys).orders.values()
    assert (venue.hits(fault), order.status) == (1, "filled")
    assert str(order.order_id) not in told


def test_leverage_is_changed_by_hand(venue: VenueRig) -> None:
    keys = venue.new_keys()
    venue.fault(
        "leverage_change", symbol=venue.symbol, leverage=3, margin_mode="isolated", account=keys.account_id
    )
    position = venue.exchange.position(venue.account(keys), venue.symbol)
    assert (position.leverage, position.margin_mode) == (3, "isolated")


def test_modes_of_an_instrument_are_read_and_set(venue: VenueRig) -> None:
    keys = venue.new_keys()
    usual = InstrumentModes(venue.name, venue.symbol, Decimal(10), "cross", is_one_way=True)

    async def read(gateway: PrivateGateway) -> InstrumentModes:
        return await gateway.modes(venue.symbol)

    assert asked(venue, keys, read) == usual
    venue.fault(
        "leverage_change", symbol=venue.symbol, leverage=3, margin_mode="isolated", account=keys.account_id
    )
    found = asked(venue, keys, read)
    if venue.name == "okx":  # the mode is a field of each order there, with a leverage of its own
        assert (found.margin_mode, found.is_one_way) == ("cross", True)
    else:
        assert (found.leverage, found.margin_mode, found.is_one_way) == (3, "isolated", True)

    async def put_right(gateway: PrivateGateway) -> InstrumentModes:
        await gateway.set_margin_mode(venue.symbol, "cross")
        await gateway.set_leverage(venue.symbol, 10)
        return await gateway.modes(venue.symbol)

    assert asked(venue, keys, put_right) == usual


def test_hedge_mode_is_read(venue: VenueRig) -> None:
    if venue.name == "hyperliquid":
        pytest.skip("has no hedge mode")
    keys = venue.new_keys()
    venue.fault("leverage_change", symbol=venue.symbol, hedge_mode=True, account=keys.account_id)
    found = asked(venue, keys, lambda gateway: gateway.modes(venue.symbol))
    assert found.is_one_way is False


def test_hedge_mode_is_set_by_hand_and_taken_back_by_the_client(venue: VenueRig) -> None:
    if venue.name == "hyperliquid":
        pytest.skip("has no hedge mode")
    keys = venue.new_keys()
    venue.fault("leverage_change", symbol=venue.symbol, hedge_mode=True, account=keys.account_id)
    assert venue.account(keys).position_mode == "hedge"
    asked(venue, keys, lambda gateway: gateway.prepare([venue.symbol]))
    assert venue.account(keys).position_mode == "one_way"


def test_collateral_of_a_unified_account(venue: VenueRig) -> None:
    if venue.name not in KINDS_OF_ACCOUNT:
        pytest.skip("its classic account does not hide collateral")
    keys = venue.new_keys()
    asked(venue, keys, lambda gateway: gateway.create_order(venue.order()))
    venue.fault("unified_account", account=keys.account_id)
    book = asked(venue, keys, lambda gateway: read_venue_book(gateway, at=venue.now))
    assert book.equity_usd is not None
    assert abs(book.equity_usd - venue.exchange.equity(venue.account(keys))) < Decimal("0.01")


def test_a_position_is_opened_by_hand(venue: VenueRig) -> None:
    keys = venue.new_keys()
    venue.fault("hand_position", symbol=venue.symbol, side="sell", account=keys.account_id)
    assert venue.exchange.position(venue.account(keys), venue.symbol).quantity < 0
    venue.fault("hand_position", symbol=venue.symbol, account=keys.account_id)
    assert venue.exchange.positions(venue.account(keys)) == []


def _size(venue: VenueRig) -> Decimal:
    """Coins per contract as ccxt counts amounts."""
    return Decimal(1) if venue.name == "hyperliquid" else venue.instrument().contract_size
