"""Whether an account can carry an order: margin and the leverage that the tier allows.

What lives here: the check of a new order against what is free. What does not: the margins (`margin`), or
the order's own figures (`acceptance`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from funding_pipeline.core.trading import Side
from funding_pipeline.testnet.engine import margin, tiers
from funding_pipeline.testnet.engine.fills import sign
from funding_pipeline.testnet.engine.state import Desk
from funding_pipeline.testnet.engine.taking import total
from funding_pipeline.testnet.engine.values import Account, Level, Position, Rejected, Ticket

ZERO = Decimal(0)


@dataclass(frozen=True)
class _Change:
    """What an order would do: fill `taking` at once (signed `taken` for `value`), and rest `resting`.

    `levels`: what rests of the symbol by side, this order not included.
    """

    ticket: Ticket
    position: Position
    taken: Decimal
    value: Decimal
    resting: Decimal
    levels: dict[Side, list[Level]]

    @property
    def after(self) -> Decimal:
        """The position once `taking` is filled."""
        return self.position.quantity + self.taken

    @property
    def only_reduces(self) -> bool:
        """The position shrinks and does not flip, even if the other orders of this side are filled first."""
        ahead = total(self.levels[self.ticket.side]) + abs(self.taken)
        is_opposite = self.position.quantity * sign(self.ticket.side) < 0
        return is_opposite and ahead + self.resting <= abs(self.position.quantity)

    def levels_after(self) -> dict[Side, list[Level]]:
        """What rests by side, this order included."""
        if not self.resting or self.ticket.price is None:
            return self.levels
        side = self.ticket.side
        return {**self.levels, side: [*self.levels[side], Level(self.ticket.price, self.resting)]}


def check_order(
    desk: Desk, account: Account, ticket: Ticket, taking: Sequence[Level], resting: Decimal, time: int
) -> None:
    """Raises Rejected("insufficient_margin" or "leverage") where the account could not carry the order.

    `taking`: what fills at once; `resting`: quantity that would rest. An order that only reduces needs
    no margin.
    """
    change = _Change(
        ticket,
        desk.position(account, ticket.symbol),
        sign(ticket.side) * total(taking),
        sum((level.price * level.quantity for level in taking), ZERO),
        resting,
        margin.resting_levels(desk.open_orders(account), ticket.symbol),
    )
    if change.only_reduces:
        return
    mark = desk.mark(ticket.symbol, time)
    _check_leverage(desk, change, mark)
    free = margin.available(desk, account, time) + margin.order_margin(desk, account, ticket.symbol)
    free -= margin.resting_margin(change.after, change.levels_after(), change.position.leverage)
    free -= _cost_of_taking(desk, change, mark)
    if free < 0:
        raise Rejected("insufficient_margin", f"{ticket.symbol}: {-free:f} more margin is needed")


def _check_leverage(desk: Desk, change: _Change, mark: Decimal) -> None:
    """The largest position that the orders could make must be allowed the position's leverage."""
    symbol, largest = change.ticket.symbol, ZERO
    for side, levels in change.levels_after().items():
        size = total(levels)
        largest = max(largest, abs(change.after + sign(side) * size))
    most = tiers.tier_at(desk.instrument(symbol).tiers, largest * mark).max_leverage
    if change.position.leverage > most:
        raise Rejected("leverage", f"{symbol}: a position of {largest} may have a leverage of {most}")


def _cost_of_taking(desk: Desk, change: _Change, mark: Decimal) -> Decimal:
    """What filling at once costs the free margin: fees, loss against the mark, more initial margin."""
    position, before, after = change.position, abs(change.position.quantity), abs(change.after)
    fee = change.value * desk.instrument(position.symbol).taker_fee
    if position.margin_mode == "cross":
        loss = sign(change.ticket.side) * change.value - change.taken * mark
        return fee + loss + (after - before) * mark / position.leverage
    if not change.taken:
        return fee
    price = change.value / abs(change.taken)
    if position.quantity * change.after >= 0:
        return fee + max(ZERO, after - before) * price / position.leverage
    released = position.isolated_margin + position.quantity * (price - position.entry)
    return fee + after * price / position.leverage - released
