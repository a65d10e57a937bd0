"""The executor's lock: one at a time, and a dead holder's lock expires.

What lives here: taking, renewing and giving back the lock, and the check that an intent's writer still
holds it. What does not: what is done under it (`trading`).

A holder on this machine that has ended holds nothing any more, whatever the clock says; one that lives, or is
on another machine, holds it until it expires. Where no process is known, one that was taken after now was
taken before the clock was put back, and is past.

Each taking has a number of its own. A holder that slept past its expiry and was overtaken is told so
at its next intent, in the same transaction, and writes nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, select, update

from funding_pipeline.core.errors import ExecutionLockedError, JournalError
from funding_pipeline.storage.journal_database import JournalDatabase
from funding_pipeline.storage.journal_schema import EXECUTOR_LOCK, locks
from funding_pipeline.storage.process_identity import has_ended, this_process

_ROW = select(locks).where(locks.c.name == EXECUTOR_LOCK)
_CHANGE = update(locks).where(locks.c.name == EXECUTOR_LOCK)


@dataclass(frozen=True)
class Lease:
    """A lock that is held, until it expires or is given back. `generation`: number of this taking."""

    owner: str
    generation: int
    ttl_seconds: float
    _journal: "LockJournal"

    def renew(self) -> datetime:
        """Hold it for `ttl_seconds` from now; returns the expiry. ExecutionLockedError: overtaken."""
        with self._journal._write("renew_lock") as connection:
            return extend(connection, self, self._journal.now())


class LockJournal(JournalDatabase):
    """The part of the journal that keeps the executor's lock."""

    _lease: Lease | None = None

    @contextmanager
    def lock(self, owner: str, *, ttl_seconds: float = 30) -> Iterator[Lease]:
        """Hold the executor's lock; every intent written meanwhile through this journal renews it.

        Raises ExecutionLockedError naming the holder while another one's has not expired. Given back at
        the end, also after an error; if that fails (a kill), it expires by itself.
        """
        lease = self._take(owner, ttl_seconds)
        self._lease = lease
        try:
            yield lease
        except BaseException:
            with suppress(JournalError):  # what went wrong first is what matters; the lock expires
                self._give_back(lease)
            raise
        else:
            self._give_back(lease)

    def lock_holder(self) -> str | None:
        """Owner of the lock, if someone holds it and it has not expired."""
        with self._read() as connection:
            row = _row(connection)
        return str(row.owner) if _is_held(row, self.now()) else None

    def _take(self, owner: str, ttl_seconds: float) -> Lease:
        if not owner or ttl_seconds <= 0:
            raise JournalError(f"a lock needs an owner and a time to live, not {owner!r} and {ttl_seconds}")
        with self._write("take_lock") as connection:
            at = self.now()
            row = _row(connection)
            _require_free(row, at)
            lease = Lease(owner, row.generation + 1, ttl_seconds, self)
            _set(
                connection,
                generation=lease.generation,
                owner=owner,
                acquired_at=at,
                expires_at=at + timedelta(seconds=ttl_seconds),
                process=this_process(),
            )
        return lease

    def _give_back(self, lease: Lease) -> None:
        """Free the lock unless someone has taken it over; losing it is no failure here."""
        self._lease = None
        with self._write("give_back_lock") as connection:
            if _row(connection).generation == lease.generation:
                _set(connection, owner=None, acquired_at=None, expires_at=None, process=None)

    def _require_lock(self, connection: Connection, at: datetime) -> None:
        """The lease of this journal still holds (and is renewed), or nobody else holds the lock."""
        if self._lease is not None:
            extend(connection, self._lease, at)
        else:
            _require_free(_row(connection), at)


def extend(connection: Connection, lease: Lease, at: datetime) -> datetime:
    """Move the expiry of `lease`; raises ExecutionLockedError when another one took the lock."""
    row = _row(connection)
    if row.generation != lease.generation or row.owner is None:
        raise ExecutionLockedError(
            f"the lock of {lease.owner} expired and "
            + (f"{row.owner} took it at {row.acquired_at:%Y-%m-%d %H:%M:%S} UTC" if row.owner else "is gone")
            + ": stop, and start again from what the venues hold"
        )
    expires_at = at + timedelta(seconds=lease.ttl_seconds)
    _set(connection, expires_at=expires_at)
    return expires_at


def _is_held(row: Row[Any], at: datetime) -> bool:
    if row.owner is None or row.expires_at <= at or has_ended(row.process):
        return False
    return row.process is not None or bool(row.acquired_at <= at)


def _require_free(row: Row[Any], at: datetime) -> None:
    if _is_held(row, at):
        raise ExecutionLockedError(
            f"{row.owner} has been executing since {row.acquired_at:%Y-%m-%d %H:%M:%S} UTC; its lock expires "
            f"at {row.expires_at:%H:%M:%S} UTC if it is dead"
        )


def _row(connection: Connection) -> Row[Any]:
    return connection.execute(_ROW).one()


def _set(connection: Connection, **values: Any) -> None:
    connection.execute(_CHANGE, values)
