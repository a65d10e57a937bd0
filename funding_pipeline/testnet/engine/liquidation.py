"""Liquidation, the insurance fund, and auto-deleveraging (ADL).

What lives here: what is done to an account whose equity is below its maintenance margin. What does not:
the margins themselves (`margin`), or when this runs (`timeline`).

A position is closed whole, through the book, for a fee that goes to the insurance fund. Where the book
would leave a deficit that the fund cannot bear, only what the book pays better than the bankruptcy price
is taken from it; the rest is closed at the bankruptcy price against opposite positions of other accounts,
those with the highest profit x leverage first, and beyond them by the exchange itself.
"""

from collections.abc import Sequence
from decimal import Decimal

from funding_pipeline.testnet.engine import margin
from funding_pipeline.testnet.engine.fills import cancel_order, closing_side, forced_order, record_fill
from funding_pipeline.testnet.engine.ledger import money, post
from funding_pipeline.testnet.engine.state import Desk
from funding_pipeline.testnet.engine.taking import mark_taken, offered, total
from funding_pipeline.testnet.engine.values import Account, EngineFill, Level, Order, Position

ZERO = Decimal(0)
LIQUIDATION_FEE = Decimal("0.0025")
"""Fraction of the notional closed; never more than the equity that is left."""
_RANKS = (Decimal("0.02"), Decimal("0.05"), Decimal("0.1"), Decimal("0.25"))


def liquidate(desk: Desk, account: Account, time: int) -> None:
    """Close what the account can no longer carry at the marks of `time`."""
    for position in list(desk.held(account)):
        if position.margin_mode == "isolated" and not desk.is_frozen(position.symbol):
            _liquidate_isolated(desk, account, position, time)
    while _is_short(desk, account, time):
        open_ones = [p for p in margin.cross_positions(desk, account) if not desk.is_frozen(p.symbol)]
        if not open_ones:
            return
        for order in desk.open_orders(account):
            cancel_order(desk, account, order, time, "liquidation")
        _close(desk, account, max(open_ones, key=lambda p: margin.maintenance(desk, p, time)), time)
    _cover_deficit(desk, account, time)


def _is_short(desk: Desk, account: Account, time: int) -> bool:
    """Cross equity below the cross positions' maintenance margin."""
    needed = margin.cross_maintenance(desk, account, time)
    return needed > 0 and margin.cross_equity(desk, account, time) < needed


def _liquidate_isolated(desk: Desk, account: Account, position: Position, time: int) -> None:
    equity = position.isolated_margin + margin.unrealised(desk, position, time)
    if equity >= margin.maintenance(desk, position, time):
        return
    for order in desk.open_orders(account, position.symbol):
        cancel_order(desk, account, order, time, "liquidation")
    kept, symbol = account.wallet - position.isolated_margin, position.symbol
    _close(desk, account, position, time)
    _insure(desk, account, kept - account.wallet, time, symbol)


def _cover_deficit(desk: Desk, account: Account, time: int) -> None:
    """A balance below zero with no cross position left is the insurance fund's loss."""
    balance = margin.cross_balance(account)
    if balance < 0 and not margin.cross_positions(desk, account):
        _insure(desk, account, -balance, time, None)


def _insure(desk: Desk, account: Account, deficit: Decimal, time: int, symbol: str | None) -> None:
    """Make a deficit good as far as the fund reaches; the rest stays owing."""
    paid = min(deficit, desk.state.insurance_fund)
    if paid > 0:
        desk.state.insurance_fund -= paid
        post(desk.state, account, "insurance", paid, time=time, symbol=symbol)
        desk.touch(account)


def _close(desk: Desk, account: Account, position: Position, time: int) -> None:
    """Close the whole position: through the book, then against other accounts."""
    symbol, size, side = position.symbol, abs(position.quantity), closing_side(position.quantity)
    bankruptcy = margin.bankruptcy_price(desk, account, position, time)
    equity = _equity_behind(desk, account, position, time)
    book, mark = desk.quotes.book(symbol, time), desk.mark(symbol, time)
    levels = offered(desk, symbol, book, side, None, size, time)
    if _deficit(levels, position, mark, equity) > desk.state.insurance_fund or total(levels) < size:
        limit = max(bankruptcy, desk.instrument(symbol).tick)
        levels = offered(desk, symbol, book, side, limit, size, time)
    order = forced_order(desk, account, symbol, size, time, side)
    for level in levels:
        mark_taken(desk, symbol, side, level, time)
        _fill_for_fee(desk, account, order, level, time)
    if order.left:
        _deleverage_others(desk, account, order, max(bankruptcy, ZERO), time)


def _equity_behind(desk: Desk, account: Account, position: Position, time: int) -> Decimal:
    """What the position may lose from its mark before others lose."""
    if position.margin_mode == "isolated":
        return position.isolated_margin + margin.unrealised(desk, position, time)
    return margin.cross_equity(desk, account, time)


def _deficit(levels: Sequence[Level], position: Position, mark: Decimal, equity: Decimal) -> Decimal:
    """What closing at the levels would cost beyond `equity`."""
    direction = 1 if position.quantity > 0 else -1
    result = sum((direction * (level.price - mark) * level.quantity for level in levels), equity)
    return max(ZERO, -result)


def _fill_for_fee(desk: Desk, account: Account, order: Order, level: Level, time: int) -> None:
    """One liquidation fill; its fee, as far as equity reaches, goes to the insurance fund."""
    position = desk.position(account, order.ticket.symbol)
    direction = 1 if position.quantity > 0 else -1
    loss = direction * (desk.mark(position.symbol, time) - level.price) * level.quantity
    left = _equity_behind(desk, account, position, time) - loss
    fee = min(money(level.price * level.quantity * LIQUIDATION_FEE), max(ZERO, money(left)))
    record_fill(
        desk,
        account,
        order,
        quantity=level.quantity,
        price=level.price,
        fee=fee,
        time=time,
        kind="liquidation",
    )
    desk.state.insurance_fund += fee


def _deleverage_others(desk: Desk, account: Account, order: Order, price: Decimal, time: int) -> None:
    """Close what is left of a liquidation at the bankruptcy price, and as much of the winners' positions."""
    need, symbol = order.left, order.ticket.symbol
    for winner in _queue(desk, account, symbol, order, time):
        size = min(need, abs(winner.positions[symbol].quantity))
        if size > 0:
            deleverage(desk, winner, symbol, size, price, time)
            need -= size
    record_fill(
        desk, account, order, quantity=order.left, price=price, fee=ZERO, time=time, kind="liquidation"
    )


def _queue(desk: Desk, loser: Account, symbol: str, order: Order, time: int) -> list[Account]:
    """Other accounts with an opposite position, first in the queue first."""
    found = []
    for account in desk.busy_accounts():
        position = account.positions.get(symbol)
        if account is loser or position is None or not position.quantity:
            continue
        if closing_side(position.quantity) != order.ticket.side:
            found.append((-adl_score(desk, account, position, time), account.account_id, account))
    return [account for _, _, account in sorted(found, key=lambda row: row[:2])]


def deleverage(
    desk: Desk, account: Account, symbol: str, quantity: Decimal, price: Decimal, time: int
) -> EngineFill:
    """Close `quantity` of a position at `price`, free of fees, as auto-deleveraging does."""
    side = closing_side(account.positions[symbol].quantity)
    order = forced_order(desk, account, symbol, quantity, time, side)
    return record_fill(desk, account, order, quantity=quantity, price=price, fee=ZERO, time=time, kind="adl")


def adl_score(desk: Desk, account: Account, position: Position, time: int) -> Decimal:
    """Profit as a fraction of entry notional, times notional / equity; below zero when losing."""
    if not position.quantity:
        return ZERO
    profit = margin.unrealised(desk, position, time) / (abs(position.quantity) * position.entry)
    equity = _equity_behind(desk, account, position, time)
    notional = abs(position.quantity) * desk.mark(position.symbol, time)
    return profit * notional / equity if equity > 0 else profit * notional


def adl_rank(desk: Desk, account: Account, position: Position, time: int) -> int:
    """0 (flat or losing) to 5, by fixed bounds of the score: a testnet has no crowd to rank within."""
    score = adl_score(desk, account, position, time)
    return 0 if score <= 0 else 1 + sum(score > bound for bound in _RANKS)
