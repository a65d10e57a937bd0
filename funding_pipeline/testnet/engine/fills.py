"""A fill and what it does: to the order, the position, the isolated margin, the wallet.

What lives here: average entry, realised profit, the record. What does not: at which price and how much
(`matching`, `liquidation`), or whether it is allowed (`acceptance`, `affordability`).
"""

from dataclasses import replace
from decimal import Decimal

from funding_pipeline.core.trading import OrderStatus, Side
from funding_pipeline.testnet.engine.ledger import money, post
from funding_pipeline.testnet.engine.state import Desk
from funding_pipeline.testnet.engine.values import Account, EngineFill, FillKind, Order, Position, Ticket

ZERO = Decimal(0)


def sign(side: Side) -> int:
    """+1 for buy, -1 for sell."""
    return 1 if side == "buy" else -1


def closing_side(quantity: Decimal) -> Side:
    """The side that reduces a position of signed `quantity`."""
    return "sell" if quantity > 0 else "buy"


def record_fill(
    desk: Desk,
    account: Account,
    order: Order,
    *,
    quantity: Decimal,
    price: Decimal,
    fee: Decimal,
    time: int,
    is_maker: bool = False,
    kind: FillKind = "trade",
) -> EngineFill:
    """Fill `quantity` (unsigned) of the order at `price`; `fee` in settle units is what is paid."""
    symbol, state, fee = order.ticket.symbol, desk.state, money(fee)
    position = desk.kept_position(account, symbol)
    before = position.quantity
    pnl = _move(position, sign(order.ticket.side) * quantity, price, time)
    fill = EngineFill(
        state.next_fill, account.account_id, order.order_id, order.ticket.client_id, symbol,
        order.ticket.side, quantity, price, fee, pnl, is_maker, time, kind, before,
    )  # fmt: skip
    state.next_fill += 1
    account.fills.append(fill)
    desk.index_fill(fill)
    post(state, account, "realised_pnl", pnl, time=time, symbol=symbol, reference=fill.fill_id)
    post(state, account, "fee", -fee, time=time, symbol=symbol, reference=fill.fill_id)
    _fill_order(desk, account, order, quantity=quantity, price=price, fee=fee, time=time)
    clip_reduce_only(desk, account, symbol, time)
    desk.touch(account)
    return fill


def new_order(desk: Desk, account: Account, ticket: Ticket, time: int) -> Order:
    """An order with the next id, kept and indexed. It does not rest yet: while it takes, resting
    reduce-only orders yield to it."""
    order = Order(desk.state.next_order, account.account_id, ticket, time, time)
    desk.state.next_order += 1
    account.orders[order.order_id] = order
    desk.index(account, order)
    return order


def forced_order(
    desk: Desk, account: Account, symbol: str, quantity: Decimal, time: int, side: Side
) -> Order:
    """The order in whose name the exchange itself closes (part of) a position."""
    return new_order(desk, account, Ticket(symbol, side, "market", quantity, reduce_only=True), time)


def cancel_order(desk: Desk, account: Account, order: Order, time: int, reason: str) -> None:
    """Take what is left of an open order away."""
    end_order(desk, account, order, time, status="cancelled", reason=reason)


def end_order(
    desk: Desk, account: Account, order: Order, time: int, *, status: OrderStatus, reason: str
) -> None:
    """An open order ends with what was filled of it."""
    order.status, order.updated, order.cancel_reason = status, time, reason
    desk.close(account, order)
    desk.touch(account)


def clip_reduce_only(desk: Desk, account: Account, symbol: str, time: int) -> None:
    """Cut resting reduce-only orders down to the position, the oldest served first."""
    orders = [order for order in desk.open_orders(account, symbol) if order.ticket.reduce_only]
    if not orders:
        return
    position = desk.position(account, symbol).quantity
    room = abs(position)
    for order in orders:
        allowed = min(order.left, room) if order.ticket.side == closing_side(position) else ZERO
        room -= allowed
        if not allowed:
            cancel_order(desk, account, order, time, "reduce_only")
        elif allowed < order.left:
            order.ticket = replace(order.ticket, quantity=order.filled + allowed)
            order.updated = time


def _move(position: Position, change: Decimal, price: Decimal, time: int) -> Decimal:
    """Apply a signed change of quantity; the profit that the closed part realises."""
    before, after = position.quantity, position.quantity + change
    is_increase = not before or (before > 0) == (change > 0)
    closed = ZERO if is_increase else min(abs(before), abs(change))
    pnl = money(closed * (price - position.entry) * (1 if before > 0 else -1))
    if closed:
        position.isolated_margin -= money(position.isolated_margin * closed / abs(before))
    if position.margin_mode == "isolated":
        position.isolated_margin += money((abs(change) - closed) * price / position.leverage)
    if is_increase:
        position.entry = (abs(before) * position.entry + abs(change) * price) / abs(after)
    elif not after or (after > 0) != (before > 0):
        position.entry = price if after else ZERO
    if not before or before * after < 0:
        position.opened = time
    position.quantity, position.updated = after, time
    position.realised += pnl
    return pnl


def _fill_order(
    desk: Desk, account: Account, order: Order, *, quantity: Decimal, price: Decimal, fee: Decimal, time: int
) -> None:
    filled = order.filled + quantity
    order.average = (order.average * order.filled + price * quantity) / filled
    order.filled, order.updated = filled, time
    order.fee += fee
    if not order.left:
        order.status = "filled"
        desk.close(account, order)
