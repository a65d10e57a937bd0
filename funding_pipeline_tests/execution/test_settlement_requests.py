"""What is asked for around settlements: once each, in time, and said where it was missed."""

from datetime import UTC, datetime, timedelta

import pytest

from funding_pipeline.execution.settlement_requests import Due, Progress, SettlementTiming, due

DAY = datetime(2025, 7, 1, tzinfo=UTC)
TIMING = SettlementTiming(timedelta(minutes=5), timedelta(seconds=30))
TIMES = [DAY + timedelta(hours=hour) for hour in range(4, 49, 4)]


def at(hour: float, seconds: float = 0) -> datetime:
    return DAY + timedelta(hours=hour, seconds=seconds)


def begun(hour: float = 1) -> Progress:
    return Progress.read(None, now=at(hour))


def look(now: datetime, progress: Progress, held_back: str = "", *, closing: bool = False) -> Due:
    return due(TIMES, now=now, timing=TIMING, progress=progress, held_back=held_back, closing=closing)


def test_a_rebalance_is_asked_for_from_the_lead_on_and_once() -> None:
    early = look(at(8, -301), begun(5))
    assert early.rebalance is None
    found = look(at(8, -300), early.progress)
    assert found.rebalance == at(8)
    assert found.run_key("rebalance", at(8)) == "rebalance 2025-07-01T08:00Z"
    assert look(at(8, -290), found.progress).rebalance is None


def test_nearer_than_is_useful_it_is_missed_and_said_once() -> None:
    found = look(at(8, -20), begun(5))
    assert found.rebalance is None
    assert "2025-07-01T08:00Z" in found.missed[0]
    assert look(at(8, -15), found.progress).missed == ()


def test_settlements_of_a_night_off_are_missed_in_one_line_and_closed_in_one_run() -> None:
    found = look(at(31), begun(5))
    assert (found.rebalance, found.close) == (None, at(28))
    assert len(found.missed) == 1
    assert "2025-07-01T08:00Z, " in found.missed[0]
    assert "and 2 more" in found.missed[0]
    assert look(at(31), found.progress).close is None


def test_what_is_held_back_is_asked_for_when_it_may_be() -> None:
    held = look(at(8, -200), begun(5), "the guard is silent")
    assert held.rebalance is None
    assert look(at(8, -100), held.progress).rebalance == at(8)


def test_what_was_held_back_until_too_late_says_why() -> None:
    held = look(at(8, -200), begun(5), "the guard is silent")
    found = look(at(8, -10), held.progress)
    assert found.missed == ("no rebalance before 2025-07-01T08:00Z: the guard is silent",)
    assert found.progress.untold == found.missed
    assert found.progress.told().untold == ()


def test_a_close_follows_a_settlement_by_its_delay_also_when_rebalances_are_held_back() -> None:
    assert look(at(8, 89), begun(5)).close is None
    found = look(at(8, 90), begun(5), "halted")
    assert found.close == at(8)
    assert look(at(8, 95), found.progress).close is None


def test_closes_wait_for_the_one_under_way_and_become_one() -> None:
    waiting = look(at(8, 100), begun(5), closing=True)
    assert waiting.close is None
    assert look(at(12, 100), waiting.progress).close == at(12)


def test_the_cursor_survives_a_restart() -> None:
    held = look(at(8, -200), begun(5), "the guard is silent").progress
    assert Progress.read(held.model_dump_json(), now=at(9)) == held


@pytest.mark.parametrize("cursor", [None, "", "not json", '{"rebalanced": 1}'])
def test_without_a_readable_cursor_only_what_comes_counts(cursor: str | None) -> None:
    progress = Progress.read(cursor, now=at(9))
    assert (progress.rebalanced, progress.closed) == (at(9), at(9))
    assert bool(progress.untold) == bool(cursor)


def test_a_clock_that_went_back_begins_a_new_life_with_run_keys_of_its_own() -> None:
    progress = look(at(12, 100), begun(5)).progress.at(at(2))
    assert progress.life == 2
    assert "went back" in progress.untold[0]
    found = look(at(4, -100), progress)
    assert found.run_key("rebalance", at(4)) == "rebalance 2025-07-01T04:00Z life 2"


def test_a_change_of_speed_is_no_clock_that_went_back() -> None:
    progress = begun(5).model_copy(update={"rebalanced": at(12)})
    assert progress.at(at(8)) == progress


@pytest.mark.parametrize(
    ("speed", "gap_hours", "lead", "least"),
    [(1, 8, 300, 30), (0, 1, 300, 30), (4, 1, 1200, 120), (60, 1, 1800, 450), (60, 8, 14400, 1800)],
)
def test_the_lead_is_real_seconds_and_at_most_half_of_the_gap(
    speed: float, gap_hours: float, lead: float, least: float
) -> None:
    timing = SettlementTiming.at_speed(300, speed=speed, gap=timedelta(hours=gap_hours))
    assert (timing.lead.total_seconds(), timing.least.total_seconds()) == (lead, least)
