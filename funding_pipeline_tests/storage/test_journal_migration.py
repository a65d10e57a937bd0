"""A journal of an older program: migrated whole at open, its file copied aside, or left as it was."""

import sqlite3
import threading
from decimal import Decimal
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text

from funding_pipeline.core.errors import JournalError
from funding_pipeline.storage.journal import Journal
from funding_pipeline.storage.journal_schema import SCHEMA_VERSION, metadata
from funding_pipeline_tests.storage.journal_history import (
    KilledError,
    instruments_from_rows,
    instruments_kept,
    money_from_rows,
    money_kept,
)
from funding_pipeline_tests.storage.journal_samples import NOON, HandClock

_HERE = Path(__file__).parent
_ROWS = (_HERE / "journal_rows_2.sql").read_text("utf-8").splitlines()


@pytest.fixture
def old_url(journal_url: str) -> str:
    """A journal of schema 2 with a history, made from SQL that never changes."""
    engine = create_engine(journal_url)
    schema = (_HERE / f"journal_schema_2_{engine.dialect.name}.sql").read_text("utf-8")
    with engine.begin() as connection:
        for statement in [*schema.split(";\n"), *_ROWS]:
            if statement.strip():
                connection.exec_driver_sql(statement.rstrip(";").replace("%", "%%"))
    engine.dispose()
    return journal_url


def _version(url: str) -> int:
    engine = create_engine(url)
    with engine.connect() as connection:
        found = int(connection.scalar(text("SELECT version FROM journal_schema")))
    engine.dispose()
    return found


def test_an_old_journal_keeps_its_rows_and_gains_totals(old_url: str) -> None:
    with Journal(old_url, now=HandClock()) as journal:
        assert len(journal.intents()) == sum(row.startswith("INSERT INTO intents ") for row in _ROWS) > 5
        assert len(journal.fills()) == sum(row.startswith("INSERT INTO fills ") for row in _ROWS) > 5
        assert instruments_kept(journal) == instruments_from_rows(journal)
        assert money_kept(journal) == money_from_rows(journal)
        assert journal.state().state == "ACTIVE"
        assert journal.peak_equity() == _highest(journal)
        last = {(r.intent.request.venue, r.intent.request.symbol): r for r in journal.intents()}
        totals = journal.instrument_totals()
        assert all(totals[key].last_price == r.intent.request.price for key, r in last.items())
    assert _version(old_url) == SCHEMA_VERSION


def _highest(journal: Journal) -> Decimal:
    with journal._read() as connection:
        rows = connection.exec_driver_sql("SELECT equity_usd, note FROM equities ORDER BY sequence").all()
    since = max((number for number, row in enumerate(rows) if row[1]), default=0)
    return max(Decimal(row[0]) for row in rows[since:])


def test_a_migrated_journal_has_the_schema_of_a_new_one(old_url: str) -> None:
    Journal(old_url).close()
    engine = create_engine(old_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        for table in ("instrument_totals", "currency_totals"):
            columns = {c["name"]: c["nullable"] for c in inspect(connection).get_columns(table)}
            assert columns == {c.name: c.nullable for c in metadata.tables[table].columns}
    engine.dispose()


def test_a_kill_before_the_commit_leaves_the_old_journal(old_url: str) -> None:
    def kill(name: str) -> None:
        raise KilledError(name)

    with pytest.raises(KilledError):
        Journal(old_url, commit_hook=kill)
    assert _version(old_url) == 2
    engine = create_engine(old_url)
    assert not inspect(engine).has_table("instrument_totals")
    engine.dispose()
    with Journal(old_url) as journal:
        assert instruments_kept(journal) == instruments_from_rows(journal)


def test_two_at_once_migrate_once(old_url: str) -> None:
    failures: list[BaseException] = []

    def open_it() -> None:
        try:
            Journal(old_url).close()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    with Journal(old_url) as journal:
        assert instruments_kept(journal) == instruments_from_rows(journal)


@pytest.mark.parametrize("journal_url", ["sqlite"], indirect=True)
def test_the_old_file_is_kept_beside(old_url: str, tmp_path: Path) -> None:
    Journal(old_url, now=HandClock()).close()
    (copy,) = tmp_path.glob("*.backup")
    assert copy.name == f"journal.db.schema-2-{NOON:%Y%m%dT%H%M%SZ}.backup"
    with sqlite3.connect(copy) as connection:
        assert connection.execute("SELECT version FROM journal_schema").fetchone() == (2,)
        (intents,) = connection.execute("SELECT count(*) FROM intents").fetchone()
    connection.close()
    assert intents == sum(row.startswith("INSERT INTO intents ") for row in _ROWS)
    Journal(old_url).close()
    assert list(tmp_path.glob("*.backup")) == [copy]


@pytest.mark.parametrize("journal_url", ["sqlite"], indirect=True)
def test_no_copy_no_migration(old_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("funding_pipeline.storage.journal_migration.os.fsync", full)
    with pytest.raises(JournalError, match=r"cannot be copied .* and was not changed .*free space"):
        Journal(old_url)
    assert _version(old_url) == 2


def test_an_unreadable_value_is_named(old_url: str) -> None:
    engine = create_engine(old_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE fills SET quantity = 'many'")
    engine.dispose()
    with pytest.raises(JournalError, match="a stored value cannot be read"):
        Journal(old_url)
    assert _version(old_url) == 2
