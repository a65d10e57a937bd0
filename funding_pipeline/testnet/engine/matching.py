"""Orders against the market's book: taking from it, resting, and being traded through.

What lives here: placing, and filling resting orders. What does not: what the book offers (`taking`), or
what a fill does (`fills`).

Test accounts trade with the market, never with one another: two accounts' crossing orders rest side by
side. What one account takes from a level is gone for all within the same second of the book.
"""

from collections.abc import Sequence
from decimal import Decimal

from funding_pipeline.testnet.engine.acceptance import accepted
from funding_pipeline.testnet.engine.affordability import check_order
from funding_pipeline.testnet.engine.fills import cancel_order, end_order, new_order, record_fill
from funding_pipeline.testnet.engine.state import Desk
from funding_pipeline.testnet.engine.taking import crosses, cut, mark_taken, offered, opposite, total
from funding_pipeline.testnet.engine.values import Account, Book, Level, Order, Rejected, Ticket

ZERO = Decimal(0)


def place(desk: Desk, account: Account, ticket: Ticket, time: int) -> Order:
    """Accept, take from the book, rest or cancel what is left. Raises Rejected; then nothing has changed."""
    ticket = accepted(desk, account, ticket, time)
    book = desk.quotes.book(ticket.symbol, time)
    taking = _taking(desk, ticket, book, time)
    may_rest = ticket.kind == "limit" and ticket.time_in_force != "ioc"
    resting = ticket.quantity - total(taking) if may_rest else ZERO
    check_order(desk, account, ticket, taking, resting, time)
    if ticket.time_in_force == "post_only":
        _check_passive(ticket, book)
    order = new_order(desk, account, ticket, time)
    _take(desk, account, order, taking, time)
    if order.status == "rejected":
        pass
    elif resting:
        desk.watch(account, order)
    elif order.status == "open":
        cancel_order(desk, account, order, time, "no_liquidity" if ticket.kind == "market" else "ioc")
    desk.touch(account)
    return order


def keep_cancelled(desk: Desk, account: Account, ticket: Ticket, reason: str, time: int) -> Order:
    """An order that is cancelled in the moment it is accepted."""
    order = new_order(desk, account, ticket, time)
    cancel_order(desk, account, order, time, reason)
    return order


def fill_resting(desk: Desk, time: int) -> None:
    """Fill resting orders that the market has traded through, at their own prices, best price first."""
    resting: dict[str, list[tuple[Account, Order]]] = {}
    for account in desk.busy_accounts():
        for order in desk.open_orders(account):
            resting.setdefault(order.ticket.symbol, []).append((account, order))
    for symbol in sorted(resting):
        if not desk.is_frozen(symbol):
            book = desk.quotes.book(symbol, time)
            for account, order in sorted(resting[symbol], key=_priority):
                # An earlier fill may have cut a reduce-only order away.
                if order.status == "open":
                    _fill_crossed(desk, account, order, book, time)


def _taking(desk: Desk, ticket: Ticket, book: Book, time: int) -> list[Level]:
    """What fills at once: nothing of a post-only order, a part under a fault of a partial fill."""
    if ticket.time_in_force == "post_only":
        return []
    taking = offered(desk, ticket.symbol, book, ticket.side, ticket.price, ticket.quantity, time)
    parts = (desk.state.partial_then_halt, desk.state.refused_after_fill)
    fraction = min((part[ticket.symbol] for part in parts if ticket.symbol in part), default=None)
    if fraction is None:
        return taking
    step = desk.instrument(ticket.symbol).step
    return cut(taking, max(step, ticket.quantity * fraction // step * step))


def _take(desk: Desk, account: Account, order: Order, taking: Sequence[Level], time: int) -> None:
    """Fill the order from the levels, one fill each, as taker."""
    symbol, side = order.ticket.symbol, order.ticket.side
    fee_rate = desk.instrument(symbol).taker_fee
    for level in taking:
        mark_taken(desk, symbol, side, level, time)
        fee = level.price * level.quantity * fee_rate
        record_fill(desk, account, order, quantity=level.quantity, price=level.price, fee=fee, time=time)
    if taking and desk.state.partial_then_halt.pop(symbol, None) is not None:
        desk.state.halted.add(symbol)
    if taking and desk.state.refused_after_fill.pop(symbol, None) is not None and order.left:
        end_order(desk, account, order, time, status="rejected", reason="refused")


def _fill_crossed(desk: Desk, account: Account, order: Order, book: Book, time: int) -> None:
    """Fill a resting order as far as the opposite side has come past its price."""
    symbol, side, price = order.ticket.symbol, order.ticket.side, order.ticket.price
    assert price is not None, "only limit orders rest"
    crossing = offered(desk, symbol, book, side, price, order.left, time)
    for level in crossing:
        mark_taken(desk, symbol, side, level, time)
    quantity = total(crossing)
    if quantity:
        fee = price * quantity * desk.instrument(symbol).maker_fee
        record_fill(desk, account, order, quantity=quantity, price=price, fee=fee, time=time, is_maker=True)


def _priority(resting: tuple[Account, Order]) -> tuple[Decimal, int]:
    _, order = resting
    price = order.ticket.price or ZERO
    return (-price if order.ticket.side == "buy" else price), order.order_id


def _check_passive(ticket: Ticket, book: Book) -> None:
    levels = opposite(book, ticket.side)
    if levels and crosses(ticket.side, ticket.price, levels[0].price):
        raise Rejected("would_take", f"{ticket.side} at {ticket.price} would take {levels[0].price}")
