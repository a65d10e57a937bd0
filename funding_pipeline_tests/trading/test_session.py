"""Where the venues' time runs faster, all patience of real work is as many times longer, and counted once."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from funding_pipeline.core.risk_limits import RiskLimits
from funding_pipeline.storage.journal import Journal
from funding_pipeline.trading.session import TradingSession
from funding_pipeline.trading.setup import TradingSetup
from funding_pipeline_tests.storage.journal_samples import NOON, HandClock, verdict


class StandingSession(TradingSession):
    """A session without venues, whose time is put where a test wants it."""

    clock: HandClock
    on_commit: Callable[[str], None] = staticmethod(lambda name: None)

    def now(self) -> datetime:
        return self.clock()


@pytest.fixture
def session(tmp_path: Path) -> Iterator[StandingSession]:
    clock, made = HandClock(), None

    def hook(name: str) -> None:
        if made is not None:
            made.on_commit(name)

    with Journal(f"sqlite:///{tmp_path / 'journal.sqlite'}", now=clock, commit_hook=hook) as journal:
        setup = TradingSetup("paper", (), lambda: None, "", (RiskLimits(),))  # type: ignore[arg-type, return-value]
        made = StandingSession(setup, None, journal, 60.0)  # type: ignore[arg-type]
        made.clock = clock
        yield made


def test_seconds_of_limits_and_execution_are_sixty_times_as_many(session: StandingSession) -> None:
    assert session.config.deadline_seconds == 60 * session.setup.execution.deadline_seconds
    assert session.limits().verdict_valid_seconds == 60 * RiskLimits().verdict_valid_seconds
    assert session.limits().max_gross_notional_usd == RiskLimits().max_gross_notional_usd


def test_what_was_tightened_meanwhile_is_in_the_venues_seconds(session: StandingSession) -> None:
    session.journal.tighten("verdict_valid_seconds", 1_200, by="person anna", reason="a test")
    assert session.limits().verdict_valid_seconds == 1_200


def test_a_dead_executors_lock_lasts_a_minute_of_this_machine(session: StandingSession) -> None:
    """One that is alive renews it all the time; on a fast testnet a minute of market time is nothing."""
    held: list[str | None] = []

    def look(name: str) -> None:
        if name == "after:take_lock":
            for passed in (59 * 60, 2 * 60):
                session.clock.advance(seconds=passed)
                held.append(session.journal.lock_holder())
            session.clock.time = NOON

    session.on_commit = look
    empty = verdict(legs=(), breaches=())
    assert asyncio.run(session.executor("rebalance 1").rebalance(empty)).status == "done"
    assert held == ["rebalance 1", None]
