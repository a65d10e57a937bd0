"""Whatever the database cannot do is one JournalError that names the journal and the mend."""

import os
import re
import resource
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import IntegrityError

from funding_pipeline.core.errors import JournalError
from funding_pipeline.storage.journal import Journal
from funding_pipeline.storage.journal_schema import SCHEMA_VERSION
from funding_pipeline_tests.storage.journal_samples import HandClock, fill, intent, verdict


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """File of a journal with a verdict and an intent, closed."""
    path = tmp_path / "journal.db"
    with Journal(f"sqlite:///{path}", now=HandClock()) as journal:
        journal.save_verdict(verdict())
        journal.write_intent(intent())
    return path


def opened(path: Path) -> Journal:
    """The journal in a file."""
    return Journal(f"sqlite:///{path}", now=HandClock())


def test_another_writer_that_keeps_it_locked(journal_url: str) -> None:
    with Journal(journal_url) as journal, Journal(journal_url, busy_timeout_seconds=0.05) as hasty:
        with journal._write("long"):
            with pytest.raises(
                JournalError, match=r"another process kept it locked too long: nothing"
            ) as failure:
                hasty.set_state("HALTED", reason="test", by="anna")
            assert hasty.state().state == "ACTIVE"  # readers do not wait
        assert hasty.name in str(failure.value)
        assert "\n" not in str(failure.value)
        assert hasty.set_state("HALTED", reason="test", by="anna").state == "HALTED"


def test_a_full_file_writes_nothing_and_goes_on_when_there_is_room(file: Path) -> None:
    with opened(file) as journal:
        with journal._read() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        many = [fill(str(n)) for n in range(2_000)]
        with pytest.raises(
            JournalError, match=f"journal {file}: .* is full; .* nothing was written; free space"
        ):
            journal.record_fills(many)
        assert journal.fills() == ()
        with journal._read() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
        assert journal.record_fills(many) == 2_000


def test_a_disk_that_takes_no_more_bytes(file: Path) -> None:
    with opened(file) as journal:
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
        try:
            with pytest.raises(JournalError, match=f"journal {file}: .*nothing was written; check the disk"):
                journal.record_fills(fill(str(n)) for n in range(2_000))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert journal.fills() == ()
        assert journal.record_fills([fill()]) == 1


def test_a_journal_opened_for_reading_refuses_to_write(file: Path) -> None:
    with Journal(f"sqlite:///file:{file}?mode=ro&uri=true", now=HandClock()) as journal:
        assert len(journal.unresolved()) == 1
        with pytest.raises(JournalError, match=f"journal {file}: .*make the file and its folder writable"):
            journal.record_outcome(intent().client_order_id, "accepted")
        assert len(journal.unresolved()) == 1


@pytest.fixture
def foreign_folder() -> Iterator[Path]:
    """A folder whose files this process may read but not write, also when the tests run as root."""
    folder = Path(tempfile.mkdtemp(prefix="journal-"))
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def test_a_file_without_the_right_to_write(foreign_folder: Path) -> None:
    path = foreign_folder / "journal.db"
    opened(path).close()
    path.chmod(0o444)
    foreign_folder.chmod(0o555)
    user = os.geteuid()
    os.seteuid(65534 if user == 0 else user)  # root may write everywhere
    try:
        with pytest.raises(JournalError, match=f"journal {path}: .*its folder .*writable for this user"):
            opened(path).set_state("HALTED", reason="test", by="anna")
        with pytest.raises(JournalError, match="its folder cannot be made: Permission denied"):
            opened(foreign_folder / "below" / "journal.db")
    finally:
        os.seteuid(user)
    assert opened(path).state().state == "ACTIVE"


def test_a_folder_in_the_place_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match=f"journal {tmp_path}: .*it cannot be opened"):
        opened(tmp_path)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(b"id,side\n1,buy\n" * 500)
    with pytest.raises(JournalError, match=f"journal {path}: .*move it aside .*-wal .*venues' statements"):
        opened(path)
    assert path.read_bytes().startswith(b"id,side")


def test_a_damaged_page(file: Path) -> None:
    with sqlite3.connect(file) as raw:
        page = raw.execute("SELECT rootpage FROM sqlite_master WHERE name = 'intents'").fetchone()[0]
        size = raw.execute("PRAGMA page_size").fetchone()[0]
    raw.close()
    with file.open("r+b") as bytes_of_it:
        bytes_of_it.seek((page - 1) * size)
        bytes_of_it.write(b"\xff" * size)
    with opened(file) as journal:
        assert journal.state().state == "ACTIVE"
        with pytest.raises(
            JournalError, match=f"journal {file}: .*malformed.*restore a copy or start a new one"
        ):
            journal.intents()


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("quantity", "'0.01O'", "'0.01O' is not a decimal"),
        ("written_at", "'yesterday'", "'yesterday' is not a time"),
    ],
)
def test_a_value_that_someone_edited(file: Path, column: str, value: str, message: str) -> None:
    with sqlite3.connect(file) as raw:
        raw.execute(f"UPDATE intents SET {column} = {value}")
    raw.close()
    with (
        opened(file) as journal,
        pytest.raises(JournalError, match=f"journal {file}: {message}; it is damaged"),
    ):
        journal.intents()


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (
            str(SCHEMA_VERSION + 1),
            f"written by a newer version of this program .schema {SCHEMA_VERSION + 1}, "
            f"this one knows {SCHEMA_VERSION}.: update",
        ),
        ("0", f"has schema 0, this program needs {SCHEMA_VERSION}: start a new journal"),
    ],
)
def test_a_schema_of_another_version(journal_url: str, version: str, message: str) -> None:
    with Journal(journal_url) as journal:
        _execute(journal_url, f"UPDATE journal_schema SET version = {version}")
        with pytest.raises(JournalError, match=message):
            journal.set_state("HALTED", reason="test", by="anna")  # open since before the update
        with pytest.raises(JournalError, match=re.escape(journal.name) + ".*" + message):
            Journal(journal_url)


NOT_WRITTEN = (
    "UPDATE intents SET side = 'long'",
    "UPDATE intents SET outcome = 'done'",
    "UPDATE intents SET purpose = 'gamble'",
    "UPDATE intents SET kind = 'stop'",
    "UPDATE intents SET time_in_force = 'day'",
    "UPDATE intents SET client_order_id = 'short'",
    "UPDATE intents SET attempt = -1",
    "UPDATE intents SET quantity = NULL",
    "UPDATE intents SET verdict_id = 'nobody judged'",
    "UPDATE states SET state = 'STOPPED'",
    "UPDATE verdicts SET state = 'STOPPED'",
    "UPDATE journal_schema SET row_id = 2",
    "DELETE FROM verdicts",
)


def test_sql_checks_what_the_program_does_not_write(journal_url: str) -> None:
    with Journal(journal_url, now=HandClock()) as journal:
        journal.save_verdict(verdict())
        journal.write_intent(intent())
        for change in NOT_WRITTEN:
            with pytest.raises(JournalError), journal._write("test") as connection:
                connection.execute(text(change))
            with pytest.raises(IntegrityError):
                _execute(journal_url, change)
        assert [record.intent for record in journal.intents()] == [intent()]


def _execute(url: str, statement: str) -> None:
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA foreign_keys = ON")
            connection.exec_driver_sql(statement)
    finally:
        engine.dispose()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("journal.db", "the journal's address is not like sqlite:///path"),
        ("mysql://host/journal", "only sqlite and postgresql are supported"),
        ("sqlite://", "in memory would not survive a crash"),
        ("sqlite:///:memory:", "in memory would not survive a crash"),
        ("sqlite:////proc/none/journal.db", "/proc/none/journal.db: its folder cannot be made"),
    ],
)
def test_an_address_that_cannot_be_a_journal(url: str, message: str) -> None:
    with pytest.raises(JournalError, match=message):
        Journal(url)


def test_a_server_that_is_not_there_and_a_password_that_is_not_shown() -> None:
    with pytest.raises(
        JournalError, match=r"postgresql\+psycopg2://me:\*\*\*@.*start it, or mend"
    ) as failure:
        Journal("postgresql+psycopg2://me:hunter2@127.0.0.1:1/journal")
    assert "hunter2" not in str(failure.value)


def test_a_file_that_is_moved_or_replaced_while_open(file: Path) -> None:
    with opened(file) as journal:
        aside = file.rename(file.with_name("aside.db"))
        with pytest.raises(
            JournalError, match=f"journal {file} was moved or replaced while open: start again"
        ):
            journal.state()
        with opened(file) as fresh:
            with pytest.raises(JournalError, match="moved or replaced"):
                journal.set_state("HALTED", reason="test", by="anna")
            assert (fresh.state().state, fresh.state().by) == ("HALTED", "journal")  # not by anna
    assert aside.exists()


def test_the_folder_is_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "journal.db"
    opened(path).close()
    assert path.is_file()
