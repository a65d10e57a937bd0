"""What somebody else does on an account: orders of another program, trades and settings by hand.

What lives here: these actions on the engine's state, as the account's owner or another program takes them
behind a client's back. What does not: when they happen (the server's faults), what a venue does to its
traders (`interventions`).
"""

from dataclasses import replace
from decimal import Decimal

from funding_pipeline.core.trading import MarginMode, Side
from funding_pipeline.testnet.engine import matching, modes
from funding_pipeline.testnet.engine.acceptance import accepted
from funding_pipeline.testnet.engine.fills import cancel_order, closing_side
from funding_pipeline.testnet.engine.state import Desk
from funding_pipeline.testnet.engine.values import (
    Account,
    ConditionalOrder,
    Order,
    PositionMode,
    Rejected,
    Ticket,
)

AWAY = Decimal("0.15")
"""How far from the mark another program's orders wait, as a fraction of it."""
_USUAL_USD = Decimal(200)
OWNER = "by its owner"
"""Reason noted on a foreign order whose fault has ended."""


def rest_order(
    desk: Desk, account: Account, symbol: str, side: Side, client_id: str | None, time: int
) -> Order:
    """A small limit order far from the market. Raises Rejected as for any order."""
    return matching.place(desk, account, _far_ticket(desk, symbol, side, client_id, time), time)


def keep_conditional(
    desk: Desk, account: Account, symbol: str, side: Side, client_id: str | None, time: int
) -> ConditionalOrder:
    """A stop order far from the market: a sell below it, a buy above it. It is listed and never sent."""
    away = _far_ticket(desk, symbol, "buy" if side == "sell" else "sell", client_id, time)
    accepted(desk, account, away, time)
    assert away.price is not None, "a limit order has a price"
    ticket = replace(away, side=side, kind="market", price=None)
    order = ConditionalOrder(desk.state.next_order, ticket, away.price, side == "buy", time)
    desk.state.next_order += 1
    account.conditional[order.order_id] = order
    return order


def withdraw(desk: Desk, account: Account, order_id: int, time: int) -> None:
    """The order's owner takes it back; nothing happens where it is done."""
    account.conditional.pop(order_id, None)
    order = account.orders.get(order_id)
    if order is not None and order.status == "open":
        cancel_order(desk, account, order, time, OWNER)


def trade(
    desk: Desk, account: Account, symbol: str, side: Side | None, quantity: Decimal | None, time: int
) -> Order:
    """A market order without an id. `side` None closes what is held; `quantity` None: all that is held, or
    some 200 of the quote currency where nothing is. Raises Rejected."""
    held = desk.position(account, symbol).quantity
    if side is None and not held:
        raise Rejected("reduce_only", f"{symbol}: there is no position to close")
    size = quantity or (abs(held) if held else _usual(desk, symbol, time))
    ticket = Ticket(symbol, side or closing_side(held), "market", size, reduce_only=side is None)
    return matching.place(desk, account, ticket, time)


def change_settings(
    desk: Desk,
    account: Account,
    symbol: str,
    time: int,
    *,
    leverage: int | None = None,
    margin_mode: MarginMode | None = None,
    position_mode: PositionMode | None = None,
) -> None:
    """Leverage and margin mode of an instrument, and the account's position mode; None: as it is.

    Raises Rejected where the venue would refuse it, as for the margin mode of a position that is open.
    """
    if position_mode is not None and position_mode != account.position_mode:
        modes.set_position_mode(desk, account, position_mode)
    if margin_mode is not None:
        modes.set_margin_mode(desk, account, symbol, margin_mode)
    if leverage is not None:
        modes.set_leverage(desk, account, symbol, leverage, time)


def _far_ticket(desk: Desk, symbol: str, side: Side, client_id: str | None, time: int) -> Ticket:
    """Its price has three significant figures, which every venue's grid takes."""
    mark, tick = desk.mark(symbol, time), desk.instrument(symbol).tick
    price = mark * (1 - AWAY if side == "buy" else 1 + AWAY)
    place = max(Decimal(1).scaleb(price.adjusted() - 2), tick)
    return Ticket(
        symbol, side, "limit", _usual(desk, symbol, time), price // place * place, client_id=client_id
    )


def _usual(desk: Desk, symbol: str, time: int) -> Decimal:
    """A quantity on the step that makes some 200, and no less than the venue takes."""
    instrument = desk.instrument(symbol)
    wanted = max(_USUAL_USD, instrument.min_notional * 2) / desk.mark(symbol, time)
    return max((wanted // instrument.step) * instrument.step, instrument.min_quantity, instrument.step)
