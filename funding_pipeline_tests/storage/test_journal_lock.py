"""One executor at a time; a dead one's lock expires; an overtaken one writes nothing."""

from datetime import timedelta

import pytest

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
