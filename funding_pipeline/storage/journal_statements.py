"""The part of the journal that keeps what the venues' statements say: fills and funding payments.

What lives here: keeping each once. What does not: reading statements and reconciling them (`trading`).

A fill is told apart by venue, symbol, id and side: on some venues ids count per symbol, and both sides of
a trade with oneself have the same id. A payment by venue, symbol, settlement and id: some venues give
no id, or the same one to all.
"""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, Select, Table, insert, select, update

from funding_pipeline.core.errors import JournalError
from funding_pipeline.core.trading import Fill, FundingPayment
from funding_pipeline.storage.journal_database import JournalDatabase
from funding_pipeline.storage.journal_schema import fills, payments
from funding_pipeline.storage.journal_totals import count_fills, count_payments

Statement = TypeVar("Statement", Fill, FundingPayment)
_FILL_KEY = ("venue", "symbol", "fill_id", "side")
_PAYMENT_KEY = ("venue", "symbol", "settled_at", "payment_key")
_IDS_PER_QUERY = 400


class StatementJournal(JournalDatabase):
    """Fills and funding payments as the venues stated them."""

    def record_fills(self, new: Iterable[Fill]) -> int:
        """Keep fills that are not there yet; returns how many. What a venue told later fills in a null.

        Raises JournalError, and keeps none, where a fill contradicts what is kept under its id.
        """
        rows = [asdict(fill) for fill in new]
        with self._write("record_fills") as connection:
            fresh, completed = _keep(connection, fills, _FILL_KEY, "fill_id", rows)
            count_fills(connection, fresh, completed)
        return len(fresh)

    def fills(
        self, *, venue: str | None = None, symbol: str | None = None, since: datetime | None = None
    ) -> tuple[Fill, ...]:
        """Fills, oldest first; `since` is inclusive."""
        wanted = _narrowed(fills, venue, symbol).order_by(fills.c.traded_at, fills.c.sequence)
        wanted = wanted if since is None else wanted.where(fills.c.traded_at >= since)
        with self._read() as connection:
            return _values(connection, wanted, Fill)

    def record_payments(self, new: Iterable[FundingPayment]) -> int:
        """Keep payments that are not there yet; returns how many. Raises JournalError as `record_fills`."""
        rows = [{**asdict(payment), "payment_key": payment.payment_id or ""} for payment in new]
        with self._write("record_payments") as connection:
            fresh, _ = _keep(connection, payments, _PAYMENT_KEY, "settled_at", rows)
            count_payments(connection, fresh)
        return len(fresh)

    def payments(
        self, *, venue: str | None = None, symbol: str | None = None, since: datetime | None = None
    ) -> tuple[FundingPayment, ...]:
        """Funding payments, oldest first; `since` is inclusive."""
        wanted = _narrowed(payments, venue, symbol).order_by(payments.c.settled_at, payments.c.sequence)
        wanted = wanted if since is None else wanted.where(payments.c.settled_at >= since)
        with self._read() as connection:
            return _values(connection, wanted, FundingPayment)

    def payments_recorded_after(self, number: int) -> tuple[tuple[int, FundingPayment], ...]:
        """Payments and the numbers under which they were kept, beyond `number`, as they became known."""
        wanted = select(payments).where(payments.c.sequence > number).order_by(payments.c.sequence)
        names = list(FundingPayment.__dataclass_fields__)
        with self._read() as connection:
            rows = connection.execute(wanted).mappings()
            return tuple((row["sequence"], FundingPayment(**{n: row[n] for n in names})) for row in rows)


def _keep(
    connection: Connection, table: Table, key: tuple[str, ...], found_by: str, rows: list[dict[str, Any]]
) -> tuple[list[dict[str, Any]], list[tuple[dict[str, Any], dict[str, Any]]]]:
    """Insert what is new and complete what was null; new rows, and completed ones as (before, after)."""
    known = _known(connection, table, key, found_by, rows)
    fresh: dict[Hashable, dict[str, Any]] = {}
    completed: list[tuple[dict[str, Any], dict[str, Any]]] = []
    for row in rows:
        name = tuple(row[column] for column in key)
        kept = fresh.get(name) or known.get(name)
        if kept is None:
            fresh[name] = dict(row)
            continue
        told = _told_later(kept, row, table.name)
        before = dict(kept)
        kept.update(told)
        if told and name not in fresh:
            completed.append((before, dict(kept)))
            connection.execute(update(table).where(table.c.sequence == kept["sequence"]).values(**told))
    if fresh:
        connection.execute(insert(table), list(fresh.values()))
    return list(fresh.values()), completed


def _known(
    connection: Connection, table: Table, key: tuple[str, ...], found_by: str, rows: list[dict[str, Any]]
) -> dict[Hashable, dict[str, Any]]:
    """Rows kept already that may be the same as one of `rows`, by their key."""
    found: dict[Hashable, dict[str, Any]] = {}
    instruments = sorted({(row["venue"], row["symbol"]) for row in rows})
    for venue, symbol in instruments:
        wanted = sorted({row[found_by] for row in rows if (row["venue"], row["symbol"]) == (venue, symbol)})
        for start in range(0, len(wanted), _IDS_PER_QUERY):
            some = table.c[found_by].in_(wanted[start : start + _IDS_PER_QUERY])
            kept = connection.execute(_narrowed(table, venue, symbol).where(some)).mappings()
            found.update({tuple(row[column] for column in key): dict(row) for row in kept})
    return found


def _told_later(kept: Mapping[str, Any], row: Mapping[str, Any], table: str) -> dict[str, Any]:
    """Values that were null and are told now; raises JournalError where both are told and differ."""
    told: dict[str, Any] = {}
    for name, value in row.items():
        if value is None or value == kept[name]:
            continue
        if kept[name] is not None:
            raise JournalError(
                f"{table}: {row['venue']} {row['symbol']} {row.get('fill_id', row.get('settled_at'))} has "
                f"{name} {kept[name]} in the journal and {value} now: compare with the venue's statement"
            )
        told[name] = value
    return told


def _narrowed(table: Table, venue: str | None, symbol: str | None) -> Select[Any]:
    wanted = select(table)
    wanted = wanted if venue is None else wanted.where(table.c.venue == venue)
    return wanted if symbol is None else wanted.where(table.c.symbol == symbol)


def _values(connection: Connection, wanted: Select[Any], kind: type[Statement]) -> tuple[Statement, ...]:
    names = list(kind.__dataclass_fields__)
    rows = connection.execute(wanted).mappings()
    return tuple(kind(**{name: row[name] for name in names}) for row in rows)
