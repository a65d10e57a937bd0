"""All accounts at one moment as a book, with what limits over time need from the journal.

What lives here: reading venues side by side, and the day's turnover and equity. What does not: one account
(`venue_book`), or judging (`execution`).
"""

import asyncio
from collections.abc import Mapping
from datetime import datetime

from funding_pipeline.core.errors import FundingPipelineError
from funding_pipeline.execution.book import BookState, VenueBook
from funding_pipeline.storage.journal import Journal
from funding_pipeline.trading.session import TradingSession
from funding_pipeline.trading.venue_book import read_venue_book


async def read_book(
    session: TradingSession, *, betas: Mapping[str, float]
) -> tuple[BookState, dict[str, str]]:
    """Every account now, and why those that are missing are missing. `betas`: to BTC, by base.

    Raises JournalError; a venue that fails is in the second value and in `BookState.missing_venues`.
    """
    down = dict(session.down)

    async def read(venue: str) -> VenueBook | None:
        try:
            return await read_venue_book(session.gateways[venue], at=session.now())
        except FundingPipelineError as error:
            down[venue] = str(error)
            return None

    books = await asyncio.gather(*(read(venue) for venue in sorted(session.gateways)))
    told = {book.venue: book for book in books if book is not None}
    state = book_state(
        told, at=session.now(), journal=session.journal, betas=betas, expected=frozenset(session.setup.venues)
    )
    return state, down


def book_state(
    books: Mapping[str, VenueBook],
    *,
    at: datetime,
    journal: Journal,
    betas: Mapping[str, float],
    expected: frozenset[str],
) -> BookState:
    """`books` with the day's start, the peak and the turnover as the journal knows them.

    A day, or a life, whose first equity is not kept yet begins with what is there now.
    """
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    state = BookState(at=at, venues=books, betas=betas, expected_venues=expected)
    begun = journal.equity_at_start_of(midnight)
    peak = journal.peak_equity()
    now = state.equity_usd
    return BookState(
        at=at,
        venues=books,
        betas=betas,
        equity_at_day_start_usd=now if begun is None else begun,
        peak_equity_usd=now if peak is None else (peak if now is None else max(peak, now)),
        turnover_today_usd=journal.turnover_since(midnight),
        expected_venues=expected,
    )
