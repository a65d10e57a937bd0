"""Margin of an account: what it owns, what its positions and orders hold, what is free.

What lives here: equity, initial, order and maintenance margin, cross and isolated. What does not: whether
a new order can be carried (`affordability`), or what happens when margin is short (`liquidation`).

Cross positions share `wallet - isolated margins + profit of cross positions`; an isolated position has
its own margin, which is a part of the wallet set aside for it. `time` is ms; amounts are settle units.
"""

from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from funding_pipeline.core.trading import Side
from funding_pipeline.testnet.engine import tiers
from funding_pipeline.testnet.engine.fills import sign
from funding_pipeline.testnet.engine.ledger import money
from funding_pipeline.testnet.engine.state import Desk
from funding_pipeline.testnet.engine.values import Account, Level, Order, Position

ZERO = Decimal(0)


def unrealised(desk: Desk, position: Position, time: int) -> Decimal:
    """`quantity x (mark - entry)`."""
    if not position.quantity:
        return ZERO
    return money(position.quantity * (desk.mark(position.symbol, time) - position.entry))


def initial(desk: Desk, position: Position, time: int) -> Decimal:
    """`|quantity| x mark / leverage`; an isolated position holds its own margin."""
    if position.margin_mode == "isolated":
        return position.isolated_margin
    if not position.quantity:
        return ZERO
    return money(abs(position.quantity) * desk.mark(position.symbol, time) / position.leverage)


def maintenance(desk: Desk, position: Position, time: int) -> Decimal:
    """By the tier of the position's notional at the mark."""
    if not position.quantity:
        return ZERO
    notional = abs(position.quantity) * desk.mark(position.symbol, time)
    return tiers.maintenance(desk.instrument(position.symbol).tiers, notional)


def cross_positions(desk: Desk, account: Account) -> list[Position]:
    """Positions that share the account's collateral."""
    return [position for position in desk.held(account) if position.margin_mode == "cross"]


def cross_balance(account: Account) -> Decimal:
    """Wallet less what is set aside for isolated positions."""
    return account.wallet - sum((p.isolated_margin for p in account.positions.values()), ZERO)


def cross_equity(desk: Desk, account: Account, time: int) -> Decimal:
    """What stands behind the cross positions, their profit included."""
    profits = (unrealised(desk, position, time) for position in cross_positions(desk, account))
    return cross_balance(account) + sum(profits, ZERO)


def cross_maintenance(desk: Desk, account: Account, time: int) -> Decimal:
    """What the cross positions need."""
    return sum((maintenance(desk, p, time) for p in cross_positions(desk, account)), ZERO)


def cross_initial(desk: Desk, account: Account, time: int) -> Decimal:
    """What the cross positions hold."""
    return sum((initial(desk, p, time) for p in cross_positions(desk, account)), ZERO)


def order_margin(desk: Desk, account: Account, symbol: str | None = None) -> Decimal:
    """Margin of open orders beyond what the positions hold; reduce-only orders need none."""
    orders = desk.open_orders(account, symbol)
    symbols = sorted({order.ticket.symbol for order in orders})
    return sum((_symbol_order_margin(desk, account, name, orders) for name in symbols), ZERO)


def _symbol_order_margin(desk: Desk, account: Account, symbol: str, orders: Sequence[Order]) -> Decimal:
    position = desk.position(account, symbol)
    return resting_margin(position.quantity, resting_levels(orders, symbol), position.leverage)


def resting_levels(orders: Sequence[Order], symbol: str) -> dict[Side, list[Level]]:
    """What the orders that may increase a position would fill, by side."""
    found: dict[Side, list[Level]] = {"buy": [], "sell": []}
    for order in orders:
        ticket = order.ticket
        if ticket.symbol == symbol and not ticket.reduce_only and ticket.price is not None:
            found[ticket.side].append(Level(ticket.price, order.left))
    return found


def resting_margin(quantity: Decimal, resting: dict[Side, list[Level]], leverage: int) -> Decimal:
    """The dearer side: quantity by which |position| would grow, at the side's average price, / leverage."""
    needs = [ZERO]
    for side, levels in resting.items():
        size = sum((level.quantity for level in levels), ZERO)
        growth = abs(quantity + sign(side) * size) - abs(quantity)
        if growth > 0:
            value = sum((level.price * level.quantity for level in levels), ZERO)
            needs.append(money(value * growth / size / leverage))
    return max(needs)


def available(desk: Desk, account: Account, time: int) -> Decimal:
    """Cross equity less initial and order margin; may be below zero."""
    held = cross_initial(desk, account, time) + order_margin(desk, account)
    return cross_equity(desk, account, time) - held


def bankruptcy_price(desk: Desk, account: Account, position: Position, time: int) -> Decimal:
    """Price at which closing the position leaves nothing, everything else at its mark; may be below zero.

    On the tick, rounded so that nothing is left owing."""
    tick = desk.instrument(position.symbol).tick
    if position.margin_mode == "isolated":
        price = position.entry - position.isolated_margin / position.quantity
    else:
        equity = cross_equity(desk, account, time)
        price = desk.mark(position.symbol, time) - equity / position.quantity
    rounding = ROUND_CEILING if position.quantity > 0 else ROUND_FLOOR
    return (price / tick).to_integral_value(rounding) * tick


def liquidation_price(desk: Desk, account: Account, position: Position, time: int) -> Decimal | None:
    """Mark at which the position is liquidated, other marks unchanged; None: never, or flat."""
    if not position.quantity:
        return None
    collateral = position.isolated_margin
    if position.margin_mode == "cross":
        collateral = cross_equity(desk, account, time) - unrealised(desk, position, time)
        needed = cross_maintenance(desk, account, time) - maintenance(desk, position, time)
        collateral -= needed
    brackets = desk.instrument(position.symbol).tiers
    return tiers.liquidation_price(position.quantity, position.entry, collateral, brackets)
