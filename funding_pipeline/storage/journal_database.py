"""The database below the journal: opening it, transactions, and one clear error for all that fails.

What lives here: what SQLite and PostgreSQL need to be equally safe. What does not: what is written
(the modules `journal_*`, gathered in `journal`).

A write is one transaction, durable when it returns: SQLite in WAL mode with synchronous=FULL, or
PostgreSQL with synchronous_commit. Writers queue (SQLite by BEGIN IMMEDIATE, PostgreSQL by a lock on the
row of the schema's version), so what a writer has read is still so when it commits. Readers never wait.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from sqlite3 import Error as SqliteError
from typing import Any, Self

from sqlalchemy import Connection, Engine, create_engine, event, insert, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import SQLAlchemyError
from tenacity import RetryCallState, Retrying, retry_if_exception, wait_random

from funding_pipeline.core.errors import JournalError
from funding_pipeline.storage.journal_failures import (
    damaged_text,
    failure_text,
    file_identity,
    file_of,
    is_contention,
)
from funding_pipeline.storage.journal_marker import JournalMarker
from funding_pipeline.storage.journal_migration import copy_aside, found_version, migrate, require_version
from funding_pipeline.storage.journal_schema import (
    EXECUTOR_LOCK,
    SCHEMA_VERSION,
    locks,
    metadata,
    schema_version,
    states,
)
from funding_pipeline.storage.journal_types import UnreadableValueError

_WRITES = "journal_writes"
_LONGEST_MIGRATION_SECONDS = 600.0
_BEGUN_AT = select(states.c.since).order_by(states.c.sequence).limit(1)
_STATE_NOW = select(states.c.state).order_by(states.c.sequence.desc()).limit(1)
_LOST = {
    "state": "HALTED",
    "reason": "the journal used here before is lost or was replaced by another: compare what the venues hold "
    "with their statements, then resume",
    "by": "journal",
}


def utc_now() -> datetime:
    """The machine's time, UTC."""
    return datetime.now(UTC)


class JournalDatabase:
    """Connections to one journal. Safe to share between threads.

    Makes its tables where there are none, and brings those of an older program up to date: a SQLite file is
    copied aside before.

    `now`: the time of states, leases and expiries. `commit_hook(name)` is called with "before:<write>"
    inside each write, just before its commit, and with "after:<write>" once it is durable; what it raises
    passes through: before the commit nothing is written, as if the process had been killed there.
    `busy_timeout_seconds`: how long to wait for another writer. `marker`: a file that remembers which journal
    is used here, by default one beside a SQLite file; a journal that it does not know, because the one before
    was lost or replaced, starts HALTED. Raises JournalError.
    """

    def __init__(
        self,
        url: str,
        *,
        now: Callable[[], datetime] = utc_now,
        commit_hook: Callable[[str], None] | None = None,
        busy_timeout_seconds: float = 5.0,
        marker: Path | None = None,
    ) -> None:
        self.now = now
        self._commit_hook = commit_hook or (lambda name: None)
        self._busy_timeout_seconds = busy_timeout_seconds
        address = _usable_url(url)
        self.name = _shown_name(address)
        file = file_of(address.database) if address.get_backend_name() == "sqlite" else None
        beside = None if file is None else file.with_name(f"{file.name}.known")
        self._marker = JournalMarker(marker or beside)
        self._file = file
        with self._errors():
            self._engine = _engine(address, busy_timeout_seconds)
            self._prepare()
        self._identity = file_identity(file)
        self._recognise()

    def close(self) -> None:
        """Close all connections; the journal may not be used afterwards."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        """One consistent look at what has been committed."""
        self._require_same_file()
        with self._errors(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def _write(self, name: str) -> Iterator[Connection]:
        """One durable transaction, alone among writers; anything raised inside undoes it whole."""
        self._require_same_file()
        with self._errors():
            with self._engine.connect() as connection:
                connection.execution_options(**{_WRITES: True})
                with connection.begin():
                    require_version(connection, self.name)
                    yield connection
                    self._commit_hook(f"before:{name}")
            self._commit_hook(f"after:{name}")

    def _require_same_file(self) -> None:
        """A file moved aside stays writable through open connections, and nobody else would see it."""
        if file_identity(self._file) != self._identity:
            raise JournalError(f"journal {self.name} was moved or replaced while open: start again")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except UnreadableValueError as error:
            raise JournalError(damaged_text(str(error), self.name)) from error
        except (SQLAlchemyError, SqliteError) as error:
            raise JournalError(failure_text(error, self.name)) from error

    def _prepare(self) -> None:
        """Make the tables unless they are there, or bring them up to date; of two at once neither fails."""
        is_old = False

        def is_over(state: RetryCallState) -> bool:
            longest = _LONGEST_MIGRATION_SECONDS if is_old else self._busy_timeout_seconds
            return (state.seconds_since_start or 0) >= longest

        retrying = Retrying(
            retry=retry_if_exception(is_contention),
            wait=wait_random(max=0.05),
            stop=is_over,
            reraise=True,
        )
        for attempt in retrying:
            with attempt:
                found = self._version()
                is_old = found is not None and found < SCHEMA_VERSION
                if found != SCHEMA_VERSION:
                    self._make_or_migrate()

    def _version(self) -> int | None:
        """The version of the tables, or None where there are none."""
        with self._engine.connect() as connection, connection.begin():
            return found_version(connection, self.name)

    def _make_or_migrate(self) -> None:
        """Under the writers' lock: another process may have done it while this one waited."""
        with self._engine.connect() as connection:
            connection.execution_options(**{_WRITES: True})
            with connection.begin():
                found = found_version(connection, self.name, is_locked=True)
                if found is None:
                    metadata.create_all(connection)
                    _insert_first_rows(connection, self.now(), is_first=self._marker.known is None)
                elif found < SCHEMA_VERSION:
                    self._migrate(connection, found)

    def _migrate(self, connection: Connection, found: int) -> None:
        if self._file is not None:
            copy_aside(self._file, found, self.now())
        try:
            migrate(connection, found)
        except (ArithmeticError, TypeError, ValueError) as error:
            raise JournalError(damaged_text(f"a stored value cannot be read ({error})", self.name)) from error
        self._commit_hook("before:migrate")

    def _recognise(self) -> None:
        """Halt in a journal that took another one's place, before anybody can trade on what it lacks."""
        with self._read() as connection:
            begun_at = connection.execute(_BEGUN_AT).scalar_one().isoformat()
        if self._marker.known == begun_at:
            return
        if self._marker.known is not None:
            with self._write("replaced") as connection:
                if connection.scalar(_STATE_NOW) != "HALTED":
                    connection.execute(insert(states).values(**_LOST, since=self.now()))
        self._marker.remember(begun_at)


def _insert_first_rows(connection: Connection, at: datetime, *, is_first: bool) -> None:
    start = {"state": "ACTIVE", "reason": "new journal", "by": "journal"} if is_first else _LOST
    connection.execute(insert(schema_version).values(row_id=1, version=SCHEMA_VERSION))
    connection.execute(insert(locks).values(name=EXECUTOR_LOCK, generation=0))
    connection.execute(insert(states).values(**start, since=at))


def _usable_url(url: str) -> URL:
    try:
        address = make_url(url)
    except SQLAlchemyError as error:
        raise JournalError("the journal's address is not like sqlite:///path or postgresql://...") from error
    kind = address.get_backend_name()
    if kind not in {"sqlite", "postgresql"}:
        raise JournalError(f"journal {_shown_name(address)}: only sqlite and postgresql are supported")
    if kind == "sqlite":
        _make_folder(address)
    return address


def _make_folder(address: URL) -> None:
    file = file_of(address.database)
    if file is None:
        raise JournalError("a journal in memory would not survive a crash: name a file (sqlite:///path)")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise JournalError(f"journal {file}: its folder cannot be made: {error.strerror}") from error


def _shown_name(address: URL) -> str:
    """The file, or the address without its password."""
    if address.get_backend_name() == "sqlite":
        return str(file_of(address.database) or ":memory:")
    return address.render_as_string(hide_password=True)


def _engine(address: URL, busy_timeout_seconds: float) -> Engine:
    """Engine whose connections are durable and wait at most `busy_timeout_seconds` for a lock."""
    engine = create_engine(address, pool_pre_ping=address.get_backend_name() == "postgresql")
    is_sqlite = engine.dialect.name == "sqlite"
    session = _sqlite_session if is_sqlite else _postgresql_session
    milliseconds = max(1, round(busy_timeout_seconds * 1000))

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _: Any) -> None:
        session(connection, milliseconds)

    if is_sqlite:

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            writes = connection.get_execution_options().get(_WRITES, False)
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _sqlite_session(connection: Any, milliseconds: int) -> None:
    """The driver's own transactions are turned off: it would begin a write with a read's lock."""
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {milliseconds}")
    mode = cursor.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise SqliteError(f"no write-ahead log here (mode {mode}): use a local disk")
    for pragma in ("synchronous = FULL", "fullfsync = ON", "foreign_keys = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _postgresql_session(connection: Any, milliseconds: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit TO on")
        cursor.execute(f"SET lock_timeout TO {milliseconds}")
    connection.commit()
