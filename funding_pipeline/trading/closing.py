"""After a settlement: what was paid, against what was forecast, and profit by source since the last time.

What lives here: putting statements, books and forecasts together. What does not: each of them
(`statements`, `book_reading`, `pnl`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from funding_pipeline.core.trading import FundingPayment
from funding_pipeline.execution.book import BookState, VenueBook
from funding_pipeline.trading.book_reading import read_book
from funding_pipeline.trading.orders import Key
from funding_pipeline.trading.pnl import PnlBySource
from funding_pipeline.trading.rebalancing import pnl_between
from funding_pipeline.trading.session import TradingSession
from funding_pipeline.trading.statements import FundingOfLeg, funding_by_leg, record_statements

_LONGEST_UNREAD = timedelta(days=1)


@dataclass(frozen=True)
class SettlementStatement:
    """Since `since`: payments, their legs against the forecast, profit by source (None: no earlier book).

    `late`: payments of settlements that were closed before, which their venue listed only since: they belong
    to the statements of then. `payments_through`: number of the newest payment that was looked at.
    `counted`: books up to which everything is in here, to be `previous` the next time. A venue whose book or
    statement could not be read has none: what it did counts when it tells.
    """

    since: datetime
    book: BookState
    counted: Mapping[str, VenueBook]
    payments: tuple[FundingPayment, ...]
    funding: tuple[FundingOfLeg, ...]
    pnl: PnlBySource | None
    problems: tuple[str, ...]
    late: tuple[FundingPayment, ...] = ()
    payments_through: int = 0


async def close_settlement(
    session: TradingSession,
    *,
    previous: Mapping[str, VenueBook],
    hourly_rates: Mapping[Key, float],
    interval_hours: Mapping[Key, float],
    payments_through: int | None = None,
) -> SettlementStatement:
    """Read the venues' statements into the journal and compare them with the forecast.

    `previous`: books of the last time, and `payments_through` its newest payment (None: not known, and then
    nothing counts as late). `hourly_rates`: forecast per hour, as a fraction of notional, and
    `interval_hours` between settlements, by leg. Raises JournalError; what a venue does not tell is named.
    """
    now = session.now()
    since = min((book.at for book in previous.values()), default=now)
    # The book first: what comes between the two readings counts the next time, and is not lost.
    book, down = await read_book(session, betas={})
    problems = await record_statements(
        session.journal, session.gateways, _legs(session, previous), since=since, at_once=8
    )
    told = {
        venue: found
        for venue, found in book.venues.items()
        if not _is_unread(venue, problems) or _is_overdue(previous.get(venue), now)
    }
    fills = [f for f in session.journal.fills(since=since) if _is_new(f.venue, f.traded_at, previous, told)]
    payments = [
        p for p in session.journal.payments(since=since) if _is_new(p.venue, p.settled_at, previous, told)
    ]
    recorded = session.journal.payments_recorded_after(payments_through or 0)
    return SettlementStatement(
        since=since,
        book=book,
        counted=told,
        payments=tuple(payments),
        funding=funding_by_leg(payments, _forecast(payments, previous, hourly_rates, interval_hours)),
        pnl=pnl_between(session, previous, told, fills) if previous else None,
        problems=(*problems, *down.values()),
        late=() if payments_through is None else _late(recorded, previous),
        payments_through=max((number for number, _ in recorded), default=payments_through or 0),
    )


def _is_unread(venue: str, problems: tuple[str, ...]) -> bool:
    """Whether a statement of the venue is among what could not be read (`record_statements`)."""
    return any(problem.startswith(f"{venue} ") for problem in problems)


def _is_overdue(before: VenueBook | None, now: datetime) -> bool:
    """Whether its statement has been missing for a day, as that of a delisted leg is for ever: the venue
    counts again, and what is missing shows as a difference."""
    return before is not None and now - before.at > _LONGEST_UNREAD


def _is_new(
    venue: str, at: datetime, previous: Mapping[str, VenueBook], told: Mapping[str, VenueBook]
) -> bool:
    """Whether it came between the two books of its venue; a venue that was silent has an older one.

    What happened at the very moment of a book is in that book."""
    before, after = previous.get(venue), told.get(venue)
    return before is None or (after is not None and before.at < at <= after.at)


def _late(
    recorded: Iterable[tuple[int, FundingPayment]], previous: Mapping[str, VenueBook]
) -> tuple[FundingPayment, ...]:
    """Of what was recorded since the last close, what had been settled by the book of then."""
    return tuple(
        payment
        for _, payment in recorded
        if payment.venue in previous and payment.settled_at <= previous[payment.venue].at
    )


def _legs(session: TradingSession, previous: Mapping[str, VenueBook]) -> set[Key]:
    """Instruments that may have been paid: ever ordered, or held the last time."""
    held = {(book.venue, p.symbol) for book in previous.values() for p in book.positions}
    return held | session.journal.ordered()


def _forecast(
    payments: list[FundingPayment],
    previous: Mapping[str, VenueBook],
    hourly_rates: Mapping[Key, float],
    interval_hours: Mapping[Key, float],
) -> dict[Key, Decimal]:
    """Cash that the forecast expected of the settlements that were paid, quote units.

    The notional is what the venue charged (payment / rate) where it tells the rate, else that of the
    position held the last time.
    """
    expected: dict[Key, Decimal] = {}
    for payment in payments:
        key = (payment.venue, payment.symbol)
        notional = _struck(payment) or _held(previous, key)
        if key not in hourly_rates or key not in interval_hours or notional is None:
            continue
        cash = -notional * Decimal(repr(hourly_rates[key] * interval_hours[key]))
        expected[key] = expected.get(key, Decimal(0)) + cash
    return expected


def _struck(payment: FundingPayment) -> Decimal | None:
    """Signed notional from cash = -notional x rate."""
    return -payment.amount / Decimal(repr(payment.rate)) if payment.rate else None


def _held(previous: Mapping[str, VenueBook], key: Key) -> Decimal | None:
    book = previous.get(key[0])
    found = [p for p in book.positions if p.symbol == key[1]] if book is not None else []
    return found[0].quantity * found[0].mark_price if found and found[0].mark_price is not None else None
