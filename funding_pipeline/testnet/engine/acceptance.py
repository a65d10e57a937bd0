"""Whether a ticket may become an order, as far as its own figures tell.

What lives here: shape, grid, minimum, price bound, reduce-only, client id. What does not: margin
(`affordability`) and the book (`matching`).
"""

from dataclasses import replace
from decimal import Decimal

from funding_pipeline.testnet.engine.fills import closing_side
from funding_pipeline.testnet.engine.state import Desk
from funding_pipeline.testnet.engine.values import Account, Instrument, Rejected, Ticket

PRICE_BOUND = Decimal("0.2")
"""A limit further than this fraction from the mark, either way, is refused."""
LARGEST_NOTIONAL = Decimal("1e12")
"""Settle units; above it no account could carry the order (and sums would leave 28 digits)."""


def accepted(desk: Desk, account: Account, ticket: Ticket, time: int) -> Ticket:
    """The ticket, a reduce-only one cut down to what it may reduce. Raises Rejected."""
    instrument = tradable(desk, ticket.symbol, time)
    if account.position_mode == "hedge":  # the engine knows no order that names a side of a hedge
        raise Rejected("position_mode", "the account is in hedge mode; orders here are for one-way mode")
    if ticket.client_id is not None and desk.order_id_of(account, ticket.client_id) is not None:
        raise Rejected("duplicate_client_id", f"client id {ticket.client_id} was used before")
    mark = desk.mark(ticket.symbol, time)
    _check_shape(ticket, mark)
    _check_grid(ticket, instrument)
    _check_minimum(desk, account, ticket, instrument, mark)
    if ticket.kind == "limit" and abs(_limit(ticket) - mark) > PRICE_BOUND * mark:
        raise Rejected("price_bound", f"{ticket.price} is too far from the mark {mark}")
    return _reducing(desk, account, ticket) if ticket.reduce_only else ticket


def tradable(desk: Desk, symbol: str, time: int) -> Instrument:
    """The instrument, if it trades now. Raises Rejected("unknown_symbol", "delisted" or "halted")."""
    instrument = desk.instrument(symbol)
    if instrument.listed_at > time:
        raise Rejected("unknown_symbol", f"{symbol} is not listed yet")
    if symbol in desk.state.delisted or symbol in desk.state.unlisted:
        raise Rejected("delisted", f"{symbol} is delisted")
    if desk.is_frozen(symbol):
        raise Rejected("halted", f"{symbol} is halted")
    return instrument


def _limit(ticket: Ticket) -> Decimal:
    assert ticket.price is not None
    return ticket.price


def _check_shape(ticket: Ticket, mark: Decimal) -> None:
    if ticket.kind == "limit" and ticket.price is None:
        raise Rejected("bad_request", "a limit order has a price")
    if ticket.kind == "market" and ticket.time_in_force == "post_only":
        raise Rejected("bad_request", "a market order cannot be post-only")
    numbers = [ticket.quantity] if ticket.price is None else [ticket.quantity, ticket.price]
    if not all(number.is_finite() for number in numbers):
        raise Rejected("bad_request", "quantity and price are finite numbers")
    if ticket.quantity <= 0:
        raise Rejected("below_minimum", "quantity is above zero")
    if ticket.price is not None and ticket.price <= 0:
        raise Rejected("price_bound", "price is above zero")
    if ticket.quantity * mark > LARGEST_NOTIONAL:
        raise Rejected("insufficient_margin", "no account could carry that quantity")
    if ticket.price is not None and ticket.price > LARGEST_NOTIONAL:
        raise Rejected("price_bound", f"{ticket.price} is too far from the mark {mark}")


def _check_grid(ticket: Ticket, instrument: Instrument) -> None:
    if ticket.quantity % instrument.step:
        raise Rejected("off_grid", f"quantity {ticket.quantity} is not a multiple of {instrument.step}")
    # The worst price of a market order is a bound, not a price at which anything rests.
    if ticket.kind == "limit" and _limit(ticket) % instrument.tick:
        raise Rejected("off_grid", f"price {ticket.price} is not a multiple of {instrument.tick}")


def _check_minimum(
    desk: Desk, account: Account, ticket: Ticket, instrument: Instrument, mark: Decimal
) -> None:
    # What is left of a position can be closed however little it is.
    if ticket.reduce_only and ticket.quantity >= abs(desk.position(account, ticket.symbol).quantity):
        return
    if ticket.quantity < instrument.min_quantity:
        raise Rejected("below_minimum", f"quantity is at least {instrument.min_quantity}")
    price = ticket.price if ticket.kind == "limit" and ticket.price is not None else mark
    if not ticket.reduce_only and ticket.quantity * price < instrument.min_notional:
        raise Rejected("below_minimum", f"notional is at least {instrument.min_notional}")


def _reducing(desk: Desk, account: Account, ticket: Ticket) -> Ticket:
    """Cut to the position. One that may rest yields to reduce-only orders that rest already; one that is
    done at once does not: they are cut afterwards, so that a position can always be closed."""
    position = desk.position(account, ticket.symbol).quantity
    room = abs(position) if position and ticket.side == closing_side(position) else Decimal(0)
    if room and ticket.kind == "limit" and ticket.time_in_force != "ioc":
        others = desk.open_orders(account, ticket.symbol)
        room -= sum((order.left for order in others if order.ticket.reduce_only), Decimal(0))
    if room <= 0:
        raise Rejected("reduce_only", f"{ticket.symbol}: there is no position to reduce")
    return replace(ticket, quantity=min(ticket.quantity, room))
