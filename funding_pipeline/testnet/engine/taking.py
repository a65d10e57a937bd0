"""What a book offers a taker, and what of it test accounts have taken already.

What lives here: walking the levels of one side, within a second of the book. What does not: orders
(`matching`).
"""

from collections.abc import Sequence
from decimal import Decimal

from funding_pipeline.core.trading import Side
from funding_pipeline.testnet.engine.state import Desk, Taken
from funding_pipeline.testnet.engine.values import Book, Level

ZERO = Decimal(0)


def crosses(side: Side, limit: Decimal | None, price: Decimal) -> bool:
    """Whether an order of `side` up to `limit` (None: any price) would trade at `price`."""
    return limit is None or (price <= limit if side == "buy" else price >= limit)


def opposite(book: Book, side: Side) -> Sequence[Level]:
    """The levels that an order of `side` takes, best first."""
    return book.asks if side == "buy" else book.bids


def offered(
    desk: Desk, symbol: str, book: Book, side: Side, limit: Decimal | None, quantity: Decimal, time: int
) -> list[Level]:
    """Levels of the opposite side up to `limit`, less what was taken in this second, up to `quantity`."""
    gone = _gone(desk, symbol, side, time)
    found: list[Level] = []
    for level in opposite(book, side):
        if quantity <= 0 or not crosses(side, limit, level.price):
            break
        size = min(quantity, level.quantity - gone.get(level.price, ZERO))
        if size > 0:
            found.append(Level(level.price, size))
            quantity -= size
    return found


def mark_taken(desk: Desk, symbol: str, side: Side, level: Level, time: int) -> None:
    """A taker of `side` took the level's quantity: it is gone for everyone until the next second."""
    gone = _gone(desk, symbol, side, time)
    gone[level.price] = gone.get(level.price, ZERO) + level.quantity


def total(levels: Sequence[Level]) -> Decimal:
    """Quantity of the levels."""
    return sum((level.quantity for level in levels), ZERO)


def cut(levels: Sequence[Level], quantity: Decimal) -> list[Level]:
    """The first `quantity` of the levels."""
    kept: list[Level] = []
    for level in levels:
        if quantity > 0:
            kept.append(Level(level.price, min(quantity, level.quantity)))
            quantity -= kept[-1].quantity
    return kept


def _gone(desk: Desk, symbol: str, side: Side, time: int) -> dict[Decimal, Decimal]:
    """Quantities by price that takers of `side` have had from the book of this second."""
    taken = desk.state.taken.get(symbol)
    if taken is None or taken.second != time // 1000:
        taken = desk.state.taken[symbol] = Taken(time // 1000)
    return taken.asks if side == "buy" else taken.bids
