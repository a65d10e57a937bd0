"""What is written survives a kill whole; what was not committed is not there; a halt is never overlooked."""

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Event

import pytest

from funding_pipeline.core.errors import ExecutionLockedError, GovernanceError
from funding_pipeline.core.governance import Heartbeat
from funding_pipeline.storage.journal import Journal
from funding_pipeline_tests.storage.journal_samples import (
    NOON,
    SYMBOLS,
    HandClock,
    fill,
    intent,
    order_of,
    payment,
    verdict,
)

CHECKOUT = Path(__file__).resolve().parents[2]
_START = """
import os, signal, sys
from funding_pipeline.storage.journal import Journal
from funding_pipeline_tests.storage.journal_samples import *
"""
_WRITES_FOR_EVER = """
journal = Journal(sys.argv[1], now=HandClock())
journal.save_verdict(verdict())
with journal.lock("child"):
    for attempt in range(1, 100_000):
        sent = intent(attempt)
        journal.write_intent(sent)
        print("intent", sent.client_order_id, flush=True)
        journal.record_outcome(sent.client_order_id, "accepted", order=order_of(sent))
        print("outcome", sent.client_order_id, flush=True)
"""
_DIES_AT = """
def die(name):
    if name == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)
journal = Journal(sys.argv[1], now=HandClock(), commit_hook=die)
journal.save_verdict(verdict())
journal.write_intent(intent())
journal.record_outcome(intent().client_order_id, "accepted", order=order_of(intent()))
"""
_BEATS = """
journal = Journal(sys.argv[1])
for n in range(15):
    journal.record_fills([fill(f"{sys.argv[2]} {n}")])
    journal.tighten(sys.argv[2], -n, by="child", reason="test")
"""


def child(program: str, *arguments: str) -> subprocess.Popen[str]:
    """Another process that runs `program`."""
    command = [sys.executable, "-c", _START + program, *arguments]
    return subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)


def test_a_killed_writer_leaves_all_it_said_and_nothing_half(journal_url: str) -> None:
    with child(_WRITES_FOR_EVER, journal_url) as writer:
        assert writer.stdout is not None
        said = [writer.stdout.readline().split() for _ in range(23)]
        writer.kill()
        said += [words for words in map(str.split, writer.stdout) if len(words) == 2 and len(words[1]) == 24]
    clock = HandClock()
    with Journal(journal_url, now=clock) as journal:
        records = {record.intent.client_order_id: record for record in journal.intents()}
        assert {key for word, key in said if word == "intent"} <= set(records)
        assert len(records) - sum(word == "intent" for word, _ in said) in (0, 1)  # committed, not yet said
        for word, key in said:
            assert word == "intent" or records[key].outcome == "accepted"
        for number, record in enumerate(records.values(), start=1):
            assert record.intent == intent(number)
            assert (record.order is None) == (record.outcome == "pending")
        with journal.lock("heir"):  # the child is no more, so its lock is free at once
            for record in journal.unresolved():
                journal.record_outcome(record.intent.client_order_id, "absent")
            journal.write_intent(intent(len(records) + 1))
    if journal_url.startswith("sqlite"):
        with sqlite3.connect(journal_url.removeprefix("sqlite:///")) as file:
            assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        file.close()


@pytest.mark.parametrize(
    ("point", "outcomes"),
    [
        ("before:write_intent", []),
        ("before:record_outcome", ["pending"]),
    ],
)
def test_killed_at_a_commit(tmp_path: Path, point: str, outcomes: list[str]) -> None:
    url = f"sqlite:///{tmp_path}/journal.db"
    with child(_DIES_AT, url, point) as writer:
        assert writer.wait(timeout=60) == -signal.SIGKILL
    with Journal(url) as journal:
        assert [record.outcome for record in journal.intents()] == outcomes
        assert journal.latest_verdict() == verdict()


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def held() -> Iterator[ExitStack]:
    """Locks held to the end of the test: the context of a lock that nobody refers to closes at once."""
    with ExitStack() as stack:
        yield stack


def _writes(journal: Journal, held: ExitStack) -> list[tuple[str, Callable[[], object]]]:
    """Every write of the journal, in an order in which each can succeed, with the name of its commit."""
    sent = intent()
    return [
        ("save_verdict", lambda: journal.save_verdict(verdict())),
        ("write_intent", lambda: journal.write_intent(sent)),
        (
            "record_outcome",
            lambda: journal.record_outcome(sent.client_order_id, "accepted", order=order_of(sent)),
        ),
        ("record_fills", lambda: journal.record_fills([fill()])),
        ("record_payments", lambda: journal.record_payments([payment()])),
        ("beat", lambda: journal.beat(Heartbeat("guard", NOON))),
        ("tighten", lambda: journal.tighten("gross", 1, by="a", reason="b")),
        ("set_state", lambda: journal.set_state("HALTED", reason="b", by="a")),
        ("take_lock", lambda: held.enter_context(journal.lock("run"))),
    ]


def test_a_hook_that_raises_is_a_kill_before_or_after_the_commit(journal_url: str, held: ExitStack) -> None:
    deadly = ""

    def hook(name: str) -> None:
        if name == deadly:
            raise Killed(name)

    journal = Journal(journal_url, now=HandClock(), commit_hook=hook)
    for name, write in _writes(journal, held):
        deadly = f"before:{name}"
        before = _contents(journal)
        with pytest.raises(Killed):
            write()
        assert _contents(journal) == before
        deadly = f"after:{name}"
        with pytest.raises(Killed):
            write()
        assert _contents(journal) != before
    journal.close()


def _contents(journal: Journal) -> tuple[object, ...]:
    return (
        journal.latest_verdict(),
        journal.lock_holder(),
        journal.intents(),
        journal.fills(),
        journal.payments(),
        journal.heartbeat("guard"),
        dict(journal.tightened()),
        journal.state_history(),
    )


def test_each_write_has_its_hooks_in_pairs(journal_url: str, held: ExitStack) -> None:
    called: list[str] = []
    with Journal(journal_url, now=HandClock(), commit_hook=called.append) as journal:
        expected = []
        for name, write in _writes(journal, held):
            write()
            expected += [f"before:{name}", f"after:{name}"]
    assert called == expected


def test_an_intent_waits_for_a_halt_that_is_being_written_and_is_refused(journal_url: str) -> None:
    """The halt has been written but not committed when the intent begins: the intent must not slip by."""
    intending = Event()
    with ThreadPoolExecutor() as pool:
        attempts = []

        def during_the_halt(name: str) -> None:
            if name == "before:set_state":
                attempts.append(pool.submit(_intend, other, intending))
                assert intending.wait(timeout=30)
                assert not attempts[0].done()

        other = Journal(journal_url, now=HandClock())
        other.save_verdict(verdict())
        journal = Journal(journal_url, now=HandClock(), commit_hook=during_the_halt)
        journal.set_state("HALTED", reason="test", by="anna")
        with pytest.raises(GovernanceError, match="HALTED"):
            attempts[0].result(timeout=30)
    assert journal.intents() == ()


def _intend(journal: Journal, begun: Event) -> None:
    begun.set()
    journal.write_intent(intent())


def test_no_intent_after_the_commit_of_a_halt(journal_url: str) -> None:
    """Writers in full flight; what is there when the halt returns is all there will ever be."""
    flying = Event()

    def keep_writing(number: int) -> None:
        symbol = SYMBOLS[number]
        with Journal(journal_url, now=HandClock(), busy_timeout_seconds=60) as own:
            for attempt in range(1, 100_000):
                sent = intent(attempt, symbol)
                own.write_intent(sent)
                own.record_outcome(sent.client_order_id, "accepted")
                if attempt == 3:
                    flying.set()

    with (
        Journal(journal_url, now=HandClock(), busy_timeout_seconds=60) as journal,
        ThreadPoolExecutor(3) as pool,
    ):
        journal.save_verdict(verdict())
        writers = [pool.submit(keep_writing, number) for number in range(3)]
        assert flying.wait(timeout=60)
        journal.set_state("HALTED", reason="test", by="anna")
        at_the_halt = len(journal.intents())
        for writer in writers:
            with pytest.raises(GovernanceError, match="HALTED"):
                writer.result(timeout=60)
        assert len(journal.intents()) == at_the_halt >= 3


def test_two_processes_write_at_once_and_nothing_is_lost(journal_url: str) -> None:
    """They also race to make the tables."""
    writers = [child(_BEATS, journal_url, name) for name in ("a", "b")]
    for writer in writers:
        with writer:
            assert writer.wait(timeout=60) == 0
    with Journal(journal_url) as journal:
        assert {each.fill_id for each in journal.fills()} == {
            f"{name} {n}" for name in "ab" for n in range(15)
        }
        assert journal.tightened() == {"a": -14.0, "b": -14.0}


def test_one_of_many_threads_takes_the_lock(journal_url: str, held: ExitStack) -> None:
    def take(number: int) -> str | None:
        with Journal(journal_url, now=HandClock(), busy_timeout_seconds=60) as own:
            try:
                held.enter_context(own.lock(f"run {number}"))
            except ExecutionLockedError:
                return None
            return f"run {number}"

    with ThreadPoolExecutor(6) as pool:
        holders = [name for name in pool.map(take, range(6)) if name is not None]
    with Journal(journal_url, now=HandClock()) as journal:
        assert holders == [journal.lock_holder()]


def test_the_database_is_asked_to_be_durable(journal: Journal) -> None:
    with journal._read() as connection:
        if connection.dialect.name == "sqlite":
            settings = [
                connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            ]
            assert settings == ["wal", 2, 1, 5000]
        else:
            assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
            assert connection.exec_driver_sql("SHOW lock_timeout").scalar() == "5s"


@pytest.mark.parametrize("loss", ["deleted", "emptied", "another"])
def test_a_lost_or_replaced_journal_starts_halted_and_says_why(loss: str, tmp_path: Path) -> None:
    file, clock = tmp_path / "journal.sqlite", HandClock()
    url = f"sqlite:///{file}"
    with Journal(url, now=clock) as journal:
        assert journal.state().state == "ACTIVE"
        journal.set_state("HALTED", reason="odd fills", by="alice")
    for beside in ("-wal", "-shm"):
        file.with_name(f"{file.name}{beside}").unlink(missing_ok=True)
    clock.advance(minutes=1)
    if loss == "deleted":
        file.unlink()
    elif loss == "emptied":
        file.write_bytes(b"")  # what a full disk leaves
    else:
        with Journal(f"sqlite:///{tmp_path / 'other.sqlite'}", now=clock):
            pass
        (tmp_path / "other.sqlite").replace(file)

    for _ in range(2):  # and stays halted until a person resumes
        with Journal(url, now=clock) as journal:
            assert journal.state().state == "HALTED"
            assert "lost or was replaced" in journal.state().reason
    with Journal(url, now=clock) as journal:
        journal.set_state("ACTIVE", reason="compared", by="alice")
    with Journal(url, now=clock) as journal:
        assert journal.state().state == "ACTIVE"


def test_a_journal_on_a_server_is_remembered_in_its_marker(journal_url: str, tmp_path: Path) -> None:
    marker = tmp_path / "journal.known"
    marker.write_text("2020-01-01T00:00:00+00:00", "utf-8")
    with Journal(journal_url, now=HandClock(), marker=marker) as journal:
        assert journal.state().state == "HALTED"
