"""One account as a book of values: what limits, the guard and statements look at.

What lives here: reading it through the gateways. What does not: what follows from it (`execution`).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from funding_pipeline.core.trading import Balance, PositionState
from funding_pipeline.execution.book import VenueBook
from funding_pipeline.market_data.instruments import DOLLARS
from funding_pipeline.venues.private import PrivateGateway
from funding_pipeline.venues.public import PublicGateway

ZERO = Decimal(0)


async def read_venue_book(
    private: PrivateGateway,
    *,
    at: datetime,
    public: PublicGateway | None = None,
    symbols: Sequence[str] = (),
) -> VenueBook:
    """Balances, positions and open orders now. `marks`: of positions as the venue told, and the mids of the
    books of `symbols` that are not held. Raises VenueError."""
    balances = await private.balance()
    positions = await private.positions()
    marks = {held.symbol: held.mark_price for held in positions if held.mark_price is not None}
    if public is not None:
        marks |= {symbol: await _mid(public, symbol) for symbol in sorted(set(symbols) - set(marks))}
    return VenueBook(
        venue=private.venue,
        at=at,
        equity_usd=equity_usd(balances, positions),
        balances=balances,
        positions=positions,
        marks=marks,
        open_orders=await private.open_orders(),
    )


async def _mid(public: PublicGateway, symbol: str) -> Decimal:
    book = (await public.order_book(symbol)).row(0, named=True)
    return (Decimal(str(book["bid_px"][0])) + Decimal(str(book["ask_px"][0]))) / 2


def equity_usd(balances: Sequence[Balance], positions: Sequence[PositionState]) -> Decimal | None:
    """Equity in dollar currencies, taken at par: as told, or wallet and unrealised profit. None: not told.

    An account without any balance has none of it: zero.
    """
    own = [balance for balance in balances if balance.currency in DOLLARS]
    if own and all(balance.equity is not None for balance in own):
        return sum((balance.equity for balance in own if balance.equity is not None), ZERO)
    open_profit = [position.unrealised_pnl for position in positions]
    if any(balance.wallet is None for balance in own) or any(profit is None for profit in open_profit):
        return None
    wallets = sum((balance.wallet for balance in own if balance.wallet is not None), ZERO)
    return wallets + sum((profit for profit in open_profit if profit is not None), ZERO)


def total_equity(books: Mapping[str, VenueBook]) -> Decimal | None:
    """Over all venues; None where one does not say."""
    told = [book.equity_usd for book in books.values()]
    if any(equity is None for equity in told):
        return None
    return sum((equity for equity in told if equity is not None), ZERO)
