"""The part of the journal that keeps equity over time: what a day began with, and the highest there was.

What lives here: marks of equity over all venues. What does not: reading it (`trading`), or limits of loss
(`execution`).

Money that is brought in or taken out looks like profit or loss here: `rebase_equity` begins anew.
"""

from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import insert, select

from funding_pipeline.storage.journal_database import JournalDatabase
from funding_pipeline.storage.journal_schema import equities

_DAY = timedelta(days=1)
_LATE_EVENING = timedelta(hours=6)
_MARK = insert(equities)
_PEAK = select(equities.c.peak_usd).order_by(equities.c.sequence.desc()).limit(1)


class EquityJournal(JournalDatabase):
    """Equity over all venues, USD, whenever somebody looked."""

    def note_equity(self, at: datetime, equity_usd: Decimal) -> None:
        """Keep what all accounts are worth at `at` (the venues' time, UTC)."""
        with self._write("note_equity") as connection:
            last = connection.scalar(_PEAK)
            peak = equity_usd if last is None else max(last, equity_usd)
            connection.execute(_MARK, {"at": at, "equity_usd": equity_usd, "note": "", "peak_usd": peak})

    def rebase_equity(self, at: datetime, equity_usd: Decimal, *, by: str, reason: str) -> None:
        """Begin anew from `equity_usd`: after a deposit or withdrawal, or when a person accepts a loss."""
        with self._write("rebase_equity") as connection:
            values = {"at": at, "equity_usd": equity_usd, "note": f"{by}: {reason}", "peak_usd": equity_usd}
            connection.execute(_MARK, values)

    def equity_at_start_of(self, day: datetime) -> Decimal | None:
        """What the day that begins at `day` began with, or None; a later rebase goes before it.

        The last mark of the hours before it, or else the first one of the day: what was lost while nobody
        could look around midnight belongs to the day.
        """
        with self._read() as connection:
            wanted = select(equities.c.equity_usd).where(equities.c.at >= day, equities.c.at < day + _DAY)
            rebased = connection.scalar(
                wanted.where(equities.c.note != "").order_by(equities.c.sequence.desc()).limit(1)
            )
            if rebased is not None:
                return Decimal(rebased)
            before = select(equities.c.equity_usd).where(
                equities.c.at <= day, equities.c.at > day - _LATE_EVENING
            )
            last: Decimal | None = connection.scalar(before.order_by(equities.c.sequence.desc()).limit(1))
            first: Decimal | None = connection.scalar(wanted.order_by(equities.c.sequence).limit(1))
        return first if last is None else last

    def first_equity(self) -> Decimal | None:
        """The first mark there ever was, or None."""
        with self._read() as connection:
            first = select(equities.c.equity_usd).order_by(equities.c.sequence).limit(1)
            found: Decimal | None = connection.scalar(first)
        return found

    def peak_equity(self) -> Decimal | None:
        """The highest mark since the last rebase, or None where there is none."""
        with self._read() as connection:
            peak: Decimal | None = connection.scalar(_PEAK)
        return peak

    def equity_history(self, since: datetime) -> tuple[tuple[datetime, Decimal], ...]:
        """Marks at or after `since`, oldest first."""
        with self._read() as connection:
            wanted = select(equities.c.at, equities.c.equity_usd).where(equities.c.at >= since)
            return tuple(
                (row.at, row.equity_usd)
                for row in connection.execute(wanted.order_by(equities.c.sequence + 0))  # by `at`'s index
            )
