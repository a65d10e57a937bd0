"""States, verdicts, tightened limits, arming, heartbeats and alerts."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from funding_pipeline.core.errors import GovernanceError, JournalError
from funding_pipeline.core.governance import Alert, Heartbeat, StateRecord
from funding_pipeline.storage.journal import Journal
from funding_pipeline_tests.storage.journal_samples import NOON, HandClock, verdict


def test_a_new_journal_is_active_by_itself(journal: Journal) -> None:
    assert journal.state() == StateRecord("ACTIVE", "new journal", "journal", NOON)
    assert journal.latest_verdict() is None
    assert journal.armed_until() is None
    assert journal.heartbeat("guard") is None


def test_states_are_kept_with_who_and_why(journal: Journal, clock: HandClock) -> None:
    clock.advance(seconds=1)
    halted = journal.set_state("HALTED", reason="venue frozen", by="guard")
    assert halted == StateRecord("HALTED", "venue frozen", "guard", clock())
    clock.advance(seconds=1)
    assert journal.set_state("HALTED", reason="venue frozen", by="guard") == halted  # each second, once kept
    resumed = journal.set_state("ACTIVE", reason="venue is back", by="anna")
    assert journal.state() == resumed
    assert [record.state for record in journal.state_history()] == ["ACTIVE", "HALTED", "ACTIVE"]
    assert journal.state_history(limit=1) == (resumed,)


def test_a_machine_does_not_loosen_what_a_person_set(journal: Journal) -> None:
    halted = journal.set_state("HALTED", reason="stop", by="anna")
    assert journal.set_state("REDUCING", reason="margin", by="guard", stricter_only=True) == halted
    journal.set_state("ACTIVE", reason="go on", by="anna")
    reducing = journal.set_state("REDUCING", reason="margin", by="guard", stricter_only=True)
    assert journal.state() == reducing


def test_what_became_stricter_meanwhile_is_not_loosened(journal: Journal) -> None:
    looked_at = journal.set_state("REDUCING", reason="margin", by="guard")
    halted = journal.set_state("HALTED", reason="clock", by="guard")
    with pytest.raises(GovernanceError, match="HALTED by guard at this moment"):
        journal.set_state("ACTIVE", reason="go on", by="anna", loosens=looked_at)
    assert journal.state() == halted
    assert journal.set_state("ACTIVE", reason="go on", by="anna", loosens=halted).state == "ACTIVE"


@pytest.mark.parametrize(("state", "reason"), [("STOPPED", "why"), ("HALTED", " ")])
def test_a_state_needs_a_known_name_and_a_reason(journal: Journal, state: Any, reason: str) -> None:
    with pytest.raises(JournalError, match=r"STOPPED|reason is empty"):
        journal.set_state(state, reason=reason, by="anna")


def test_verdicts_come_back_whole(journal: Journal) -> None:
    first, second = verdict("v1"), verdict("v2", state="REDUCING", breaches=())
    journal.save_verdict(first)
    journal.save_verdict(second)
    journal.save_verdict(first)  # again after a crash
    assert (journal.verdict("v1"), journal.latest_verdict()) == (first, second)
    assert repr(journal.verdict("v1")) == repr(first)
    assert journal.verdict("v3") is None
    leg = first.legs[0]
    changed = replace(first, legs=(replace(leg, allowed=leg.allowed + Decimal("0.01")),))
    with pytest.raises(JournalError, match="v1 is in the journal with other contents"):
        journal.save_verdict(changed)


def test_limits_tighten_until_the_next_start(journal: Journal) -> None:
    journal.tighten("gross_usd", 5_000, by="anna", reason="holiday")
    journal.tighten("gross_usd", 4_000.5, by="anna", reason="holiday")
    journal.tighten("distance_to_liquidation", 0.4, by="guard", reason="wild", smaller_is_tighter=False)
    assert journal.tightened() == {"gross_usd": 4_000.5, "distance_to_liquidation": 0.4}
    with pytest.raises(GovernanceError, match=r"gross_usd stands at 4000\.5: 4500 would loosen it"):
        journal.tighten("gross_usd", 4_500, by="anna", reason="more")
    with pytest.raises(GovernanceError, match="would loosen it"):
        journal.tighten("distance_to_liquidation", 0.3, by="a", reason="b", smaller_is_tighter=False)
    with pytest.raises(JournalError, match="cannot be tightened to nan"):
        journal.tighten("gross_usd", float("nan"), by="anna", reason="more")
    assert journal.forget_tightened() == 3
    assert journal.tightened() == {}
    journal.tighten("gross_usd", 4_500, by="anna", reason="more")


def test_arming_expires_and_can_be_ended(journal: Journal, clock: HandClock) -> None:
    until = NOON + timedelta(hours=1)
    journal.arm(by="anna", until=until)
    assert journal.armed_until() == until
    clock.advance(hours=1)
    assert journal.armed_until() is None
    with pytest.raises(GovernanceError, match="over already"):
        journal.arm(by="anna", until=until)
    journal.arm(by="anna", until=until + timedelta(hours=1))
    journal.disarm(by="ben", reason="lunch")
    assert journal.armed_until() is None


def test_the_newest_heartbeat_is_kept(journal: Journal, clock: HandClock) -> None:
    clock.advance(seconds=5)
    for seconds, status in ((1, "ok"), (3, "okx is down"), (2, "late")):
        journal.beat(Heartbeat("guard", NOON + timedelta(seconds=seconds), status))
    assert journal.heartbeat("guard") == Heartbeat("guard", NOON + timedelta(seconds=3), "okx is down")
    assert journal.heartbeat("executor") is None


def test_a_heartbeat_ahead_of_the_clock_gives_way(journal: Journal, clock: HandClock) -> None:
    """A testnet was put back: else a dead guard would look alive, and a living one silent, until then."""
    journal.beat(Heartbeat("guard", NOON + timedelta(days=3)))
    journal.beat(Heartbeat("guard", NOON, "again"))
    assert journal.heartbeat("guard") == Heartbeat("guard", NOON, "again")


def test_an_alert_from_before_the_clock_was_put_back_is_past(journal: Journal) -> None:
    first = Alert("margin okx", "critical", "Margin", "Add collateral", NOON + timedelta(days=3))
    assert journal.raise_alert(first)
    assert journal.raise_alert(replace(first, raised_at=NOON))


def test_an_alert_repeats_within_its_window_unless_it_grows_worse(journal: Journal) -> None:
    first = Alert("margin okx", "warning", "Margin", "Add collateral", NOON, {"ratio": 0.1, "venue": "okx"})
    soon = NOON + timedelta(minutes=5)
    worse = replace(first, severity="critical", raised_at=soon)
    assert journal.raise_alert(first)
    assert not journal.raise_alert(replace(first, raised_at=soon))
    assert journal.raise_alert(worse)
    assert not journal.raise_alert(replace(first, raised_at=soon))
    assert journal.raise_alert(replace(first, key="margin gate"))
    later = replace(worse, raised_at=soon + timedelta(minutes=15))
    assert journal.raise_alert(later)
    assert journal.alerts(since=soon) == (worse, later)
    assert len(journal.alerts()) == 4
    assert journal.alerts()[0] == first
