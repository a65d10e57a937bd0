"""What a person may order, on a real journal: confirmed, allowed, kept; loosening never by a machine."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from funding_pipeline.core.errors import GovernanceError, SettingsError
from funding_pipeline.core.governance import Alert, Heartbeat
from funding_pipeline.core.risk_limits import RiskLimits
from funding_pipeline.execution.states import Actor
from funding_pipeline.market.choice import MarketTime, connector
from funding_pipeline.storage.journal import Journal
from funding_pipeline.trading.governance_actions import (
    arm,
    change_state,
    confirmed,
    guard_report,
    open_journal,
    tighten,
)
from funding_pipeline.trading.overview import overview
from funding_pipeline.trading.setup import TradingSetup
from funding_pipeline.venues.testnet_address import TestnetAddress

NOW = datetime(2025, 7, 1, 8, tzinfo=UTC)
ALICE = Actor("person", "alice")


@pytest.fixture
def setup(tmp_path: Path) -> TradingSetup:
    return TradingSetup(
        mode="paper",
        venues=("binance", "okx"),
        connect=connector(TestnetAddress(1)),
        journal_url=f"sqlite:///{tmp_path / 'journal.sqlite'}",
        limits=(RiskLimits(),),
    )


@pytest.fixture
def journal(setup: TradingSetup) -> Journal:
    return Journal(setup.journal_url, now=lambda: NOW)


def test_a_confirmed_order_names_its_person() -> None:
    assert confirmed("halt", person=" alice ", reason="odd", confirm="HALT") == ALICE


@pytest.mark.parametrize("confirm", ["", "halt", "HALT ", "RESUME"])
def test_another_word_confirms_nothing(confirm: str) -> None:
    with pytest.raises(GovernanceError, match="type HALT in capitals"):
        confirmed("halt", person="alice", reason="odd", confirm=confirm)


@pytest.mark.parametrize("kind", ["guard", "executor", "sensor", "journal", "person"])
def test_only_a_person_with_a_name_resumes(journal: Journal, kind: str) -> None:
    journal.set_state("HALTED", reason="margin", by="guard")
    with pytest.raises(GovernanceError, match="only a person may loosen"):
        change_state(journal, "ACTIVE", by=Actor(kind), reason="all is well")  # type: ignore[arg-type]
    assert journal.state().state == "HALTED"


def test_a_halt_that_comes_at_the_same_moment_is_not_undone(setup: TradingSetup) -> None:
    """The guard halts between the look of the person who resumes and the change."""
    guard = Journal(setup.journal_url, now=lambda: NOW)
    guard.set_state("REDUCING", reason="margin", by="guard")

    def halts(name: str) -> None:
        if name == "before:set_state" and not halted:
            halted.append(name)

    halted: list[str] = []
    journal = Journal(setup.journal_url, now=lambda: NOW, commit_hook=halts)
    look = journal.state

    def look_and_be_overtaken() -> object:
        seen = look()
        guard.set_state("HALTED", reason="naked leg", by="guard")
        return seen

    journal.state = look_and_be_overtaken  # type: ignore[method-assign,assignment]
    with pytest.raises(GovernanceError, match="became HALTED by guard at this moment"):
        change_state(journal, "ACTIVE", by=ALICE, reason="all is well")
    held = guard.state()
    assert (held.state, held.reason, held.by) == ("HALTED", "naked leg", "guard")


def test_halting_again_keeps_both_reasons(journal: Journal) -> None:
    change_state(journal, "HALTED", by=ALICE, reason="odd")
    again = change_state(journal, "HALTED", by=Actor("person", "bob"), reason="too")
    assert again.after.by == "person bob"
    assert change_state(journal, "HALTED", by=Actor("person", "bob"), reason="too").before == again.after


def test_the_guards_last_word(journal: Journal) -> None:
    assert guard_report(journal) == "the guard has never reported"
    journal.beat(Heartbeat("guard", NOW, "REDUCING: margin of okx"))
    journal.raise_alert(Alert("margin okx", "critical", "margin of okx is 0.5", "add collateral", NOW))
    assert "REDUCING: margin of okx; last critical alert at 2025-07-01 08:00:00: margin of okx is 0.5" in (
        guard_report(journal)
    )


@pytest.mark.parametrize(
    ("name", "value"), [("max_gross_notional_usd", 2e6), ("survival_move_fraction", 0.2)]
)
def test_tightening_refuses_to_loosen(journal: Journal, setup: TradingSetup, name: str, value: float) -> None:
    with pytest.raises(SettingsError, match="looser"):
        tighten(journal, setup, name, value, speed=1, by=ALICE, reason="a try")
    assert journal.tightened() == {}


def test_tightening_twice_only_goes_one_way(journal: Journal, setup: TradingSetup) -> None:
    def to(value: float) -> float:
        name = "survival_move_fraction"
        return tighten(journal, setup, name, value, speed=1, by=ALICE, reason="a try").before

    assert (to(0.40), to(0.45)) == (0.35, 0.40)
    with pytest.raises(SettingsError, match="looser"):
        to(0.40)


def test_paper_is_not_armed(journal: Journal, setup: TradingSetup) -> None:
    with pytest.raises(GovernanceError, match="on paper"):
        arm(journal, setup, by=ALICE, reason="a try", hours=1)


def test_without_a_clock_the_journal_is_opened_at_its_newest_time(setup: TradingSetup) -> None:
    with open_journal(setup, MarketTime(NOW)) as journal:
        journal.beat(Heartbeat("guard", NOW + timedelta(seconds=3)))
    with open_journal(setup, None) as journal:
        assert journal.now() == NOW + timedelta(seconds=3)


def test_the_overview_gathers_what_a_person_asks_for(journal: Journal, setup: TradingSetup) -> None:
    journal.beat(Heartbeat("guard", NOW - timedelta(seconds=2), "watching"))
    tighten(journal, setup, "max_gross_notional_usd", 1e6, speed=1, by=ALICE, reason="a try")
    later = utc_now() + timedelta(seconds=90)
    seen = overview(journal, setup, speed=1, real_now=later)
    assert (seen.state.state, seen.executing) == ("ACTIVE", None)
    assert seen.guard_age_seconds == pytest.approx(90, abs=5)
    assert seen.guard.stops  # by this machine's clock, whatever the market's says
    assert seen.tightened == {"max_gross_notional_usd": 1e6}
    assert seen.limits_version != RiskLimits().version
