"""One executor at a time; a dead one's lock expires; an overtaken one writes nothing."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from funding_pipeline.core.errors import ExecutionLockedError, JournalError
from funding_pipeline.storage.journal import Journal
from funding_pipeline_tests.storage.journal_samples import SYMBOLS, HandClock, intent, verdict


@pytest.fixture
def other(journal: Journal, journal_url: str, clock: HandClock) -> Journal:
    """The same journal as another process sees it."""
    return Journal(journal_url, now=clock)


def test_a_second_executor_is_told_who_holds_the_lock(journal: Journal, other: Journal) -> None:
    with journal.lock("run 1"):
        assert other.lock_holder() == "run 1"
        with pytest.raises(
            ExecutionLockedError, match="run 1 has been executing since 2024-02-01 12:00:00 UTC"
        ):
            other.lock("run 2").__enter__()
        with pytest.raises(ExecutionLockedError), journal.lock("run 1"):
            pytest.fail("the same owner twice is two executors as well")
    assert other.lock_holder() is None
    with other.lock("run 2"):
        assert journal.lock_holder() == "run 2"


def test_the_lock_is_given_back_after_an_error(journal: Journal, other: Journal) -> None:
    with pytest.raises(KeyError), journal.lock("run 1"):
        raise KeyError("anything")
    with other.lock("run 2"):
        pass


def test_an_error_is_not_hidden_by_a_lock_that_cannot_be_given_back(
    journal_url: str, clock: HandClock
) -> None:
    def fail(name: str) -> None:
        if name == "before:give_back_lock":
            raise JournalError("the disk is full")

    with Journal(journal_url, now=clock, commit_hook=fail) as journal:
        with pytest.raises(KeyError), journal.lock("run 1"):
            raise KeyError("anything")
        clock.advance(seconds=30)
        with pytest.raises(JournalError, match="disk is full"), journal.lock("run 2"):
            pass
        assert journal.lock_holder() == "run 2"  # until it expires


def test_a_dead_holders_lock_expires_and_is_taken_over(
    journal: Journal, other: Journal, clock: HandClock
) -> None:
    journal.save_verdict(verdict())
    with journal.lock("run 1", ttl_seconds=30) as lease:
        clock.advance(seconds=29.9)
        with pytest.raises(ExecutionLockedError, match="run 1"):
            other.lock("run 2").__enter__()
        clock.advance(seconds=0.1)
        with other.lock("run 2"):
            with pytest.raises(ExecutionLockedError, match="lock of run 1 expired and run 2 took it"):
                lease.renew()
            with pytest.raises(ExecutionLockedError, match="run 2 took it"):
                journal.write_intent(intent())
            other.write_intent(intent())
    assert [record.intent for record in journal.intents()] == [intent()]


def test_an_overtaken_holder_does_not_give_back_the_others_lock(
    journal: Journal, other: Journal, clock: HandClock
) -> None:
    first = journal.lock("run 1", ttl_seconds=1)
    first.__enter__()
    clock.advance(seconds=2)
    with other.lock("run 2"):
        first.__exit__(None, None, None)
        assert journal.lock_holder() == "run 2"


def test_the_lock_is_renewed_by_hand_and_by_every_intent(
    journal: Journal, other: Journal, clock: HandClock
) -> None:
    journal.save_verdict(verdict())
    with journal.lock("run 1", ttl_seconds=30) as lease:
        clock.advance(seconds=20)
        assert lease.renew() == clock() + timedelta(seconds=30)
        clock.advance(seconds=20)
        journal.write_intent(intent())
        clock.advance(seconds=20)
        assert other.lock_holder() == "run 1"


def test_nobody_sends_without_the_lock_while_another_holds_it(journal: Journal, other: Journal) -> None:
    journal.save_verdict(verdict())
    with journal.lock("run 1"), pytest.raises(ExecutionLockedError, match="run 1 has been executing"):
        other.write_intent(intent())
    other.write_intent(intent(symbol=SYMBOLS[1]))


@pytest.mark.parametrize(("owner", "ttl_seconds"), [("", 30), ("run", 0)])
def test_a_lock_needs_an_owner_and_a_time(journal: Journal, owner: str, ttl_seconds: float) -> None:
    with pytest.raises(JournalError, match="a lock needs"):
        journal.lock(owner, ttl_seconds=ttl_seconds).__enter__()


# --- fenced by process: a clock that is put back keeps nobody out
_HOLDER = """
import sys, time
from datetime import datetime, UTC
from funding_pipeline.storage.journal import Journal
at = datetime(2024, 2, 1, 12, tzinfo=UTC)
with Journal(sys.argv[1], now=lambda: at) as journal, journal.lock("run 1", ttl_seconds=30):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(journal: Journal, journal_url: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock at noon."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, journal_url], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


@given(back=st.integers(min_value=0, max_value=7 * 86_400))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_living_holder_is_not_robbed_however_far_the_clock_goes_back(
    journal: Journal, clock: HandClock, holder: "subprocess.Popen[str]", back: int
) -> None:
    clock.advance(seconds=-back)
    assert journal.lock_holder() == "run 1"
    with pytest.raises(ExecutionLockedError, match="run 1"):
        journal.lock("run 2").__enter__()
    clock.advance(seconds=back)


@pytest.mark.parametrize("back", [0, 3_600, 86_400])
def test_a_killed_holders_lock_is_free_at_once_whatever_the_clock_says(
    journal: Journal, clock: HandClock, holder: "subprocess.Popen[str]", back: int
) -> None:
    clock.advance(seconds=-back)
    holder.kill()
    holder.wait()
    assert journal.lock_holder() is None
    with journal.lock("flatten"):
        assert journal.lock_holder() == "flatten"
