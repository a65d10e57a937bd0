"""What a venue does to its traders: deleveraging a leg, halting, delisting. Asked for by the fault API.

What lives here: these actions on the engine's state. What does not: when they happen (the server's
faults), or auto-deleveraging that a liquidation needs (`liquidation`).
"""

from decimal import Decimal

from funding_pipeline.testnet.engine.fills import cancel_order, closing_side, forced_order, record_fill
from funding_pipeline.testnet.engine.liquidation import deleverage
from funding_pipeline.testnet.engine.state import Desk
from funding_pipeline.testnet.engine.values import Account, EngineFill, Rejected

ZERO = Decimal(0)


def deleverage_leg(
    desk: Desk, account: Account, symbol: str, quantity: Decimal | None, price: Decimal | None, time: int
) -> EngineFill:
    """Close `quantity` (unsigned; None or more than is held: all) at `price` (None: the mark)."""
    held = abs(desk.position(account, symbol).quantity)
    size = held if quantity is None else min(held, quantity)
    if size <= 0:
        raise Rejected("reduce_only", f"{symbol}: there is no position to deleverage")
    return deleverage(desk, account, symbol, size, desk.mark(symbol, time) if price is None else price, time)


def halt(desk: Desk, symbol: str | None) -> None:
    """Stop trading of a symbol (None: of everything): no orders, fills or liquidations; funding goes on."""
    if symbol is None:
        desk.state.is_halted = True
    else:
        desk.state.halted.add(desk.instrument(symbol).symbol)


def resume(desk: Desk, symbol: str | None) -> None:
    """End a halt, and list what `unlist` took away; None ends them all."""
    if symbol is None:
        desk.state.is_halted = False
        desk.state.halted.clear()
        desk.state.unlisted.clear()
    else:
        desk.state.halted.discard(symbol)
        desk.state.unlisted.discard(symbol)


def unlist(desk: Desk, symbol: str, time: int) -> None:
    """Cancel its orders and list it no more until `resume`; positions stay, and funding goes on."""
    desk.state.unlisted.add(desk.instrument(symbol).symbol)
    for account in desk.busy_accounts():
        for order in desk.open_orders(account, symbol):
            cancel_order(desk, account, order, time, "delisted")


def list_funding_late(desk: Desk, symbol: str, time: int) -> None:
    """Statements leave the symbol's funding from `time` on out, until `list_funding`; the wallet has it."""
    desk.state.unlisted_funding[desk.instrument(symbol).symbol] = time


def list_funding(desk: Desk, symbol: str) -> None:
    """List what `list_funding_late` held back."""
    desk.state.unlisted_funding.pop(symbol, None)


def delist(desk: Desk, symbol: str, time: int) -> list[EngineFill]:
    """Cancel its orders, settle its positions at the mark, free of fees, and list it no more."""
    desk.state.delisted.add(desk.instrument(symbol).symbol)
    mark = desk.mark(symbol, time)
    fills: list[EngineFill] = []
    for account in desk.busy_accounts():
        for order in desk.open_orders(account, symbol):
            cancel_order(desk, account, order, time, "delisted")
        position = desk.position(account, symbol)
        if position.quantity:
            size, side = abs(position.quantity), closing_side(position.quantity)
            order = forced_order(desk, account, symbol, size, time, side)
            fills.append(
                record_fill(
                    desk, account, order, quantity=size, price=mark, fee=ZERO, time=time, kind="settlement"
                )
            )
    return fills


def halt_after_partial(desk: Desk, symbol: str, fraction: Decimal) -> None:
    """The next order that takes in the symbol fills at most `fraction` of it; then the symbol halts."""
    desk.state.partial_then_halt[desk.instrument(symbol).symbol] = _checked(fraction)


def refuse_after_fill(desk: Desk, symbol: str, fraction: Decimal) -> None:
    """The next order that takes in the symbol fills at most `fraction` of it, and ends as rejected."""
    desk.state.refused_after_fill[desk.instrument(symbol).symbol] = _checked(fraction)


def _checked(fraction: Decimal) -> Decimal:
    if not ZERO < fraction < 1:
        raise Rejected("bad_request", "the fraction is between 0 and 1")
    return fraction
