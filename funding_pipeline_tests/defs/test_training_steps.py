"""The chain of a training: one step after the other, one training at a time, and a failure ends it."""

from datetime import UTC, datetime, timedelta

import pytest

from funding_pipeline.defs.training_steps import (
    LOOK,
    STEPS,
    Models,
    Next,
    Status,
    StepRun,
    first_step,
    next_of,
    unfinished,
)

NOW = datetime(2025, 7, 10, 12, tzinfo=UTC)
LOAD, REFERENCE, FEATURES, CHECK, TRAIN = STEPS


def models(*, age_hours: float = 30, drift: tuple[str, ...] = ()) -> Models:
    trained = NOW - timedelta(hours=age_hours)
    return Models(trained, trained, drift)


def step(name: str, status: Status = "succeeded", *, why: str = LOOK, hours_ago: float = 1) -> StepRun:
    at = NOW - timedelta(hours=hours_ago)
    return StepRun(f"{at:%Y-%m-%dT%H:%M} {why}", name, why, at, status, "0123456789abcdef")


def asked(last: StepRun | None, held: Models) -> Next:
    return next_of(last, held, now=NOW)


@pytest.mark.parametrize(("done", "then"), [(LOAD, REFERENCE), (REFERENCE, FEATURES), (FEATURES, CHECK)])
def test_steps_follow_one_another_within_one_training(done: str, then: str) -> None:
    last = step(done)
    found = asked(last, models())
    assert (found.step, found.training, found.why) == (then, last.training, LOOK)


def test_a_step_under_way_is_waited_for() -> None:
    found = asked(step(LOAD, "under way"), models(age_hours=1000))
    assert found.step == ""
    assert "load_market_data is under way (run 01234567)" in found.text


def test_a_look_without_drift_ends_before_training() -> None:
    found = asked(step(CHECK), models())
    assert found.step == ""
    assert "the next look at the models is due in 23.0 h" in found.text


def test_a_look_that_finds_drift_trains_unless_the_champion_is_of_today() -> None:
    assert asked(step(CHECK), models(drift=("errors",))).step == TRAIN
    assert asked(step(CHECK), models(drift=("errors",), age_hours=20)).step == ""


def test_a_weekly_training_trains_whatever_the_drift() -> None:
    assert asked(step(CHECK, why="weekly schedule"), models(age_hours=1)).step == TRAIN


def test_a_failed_step_is_said_and_not_tried_again_before_a_day_has_passed() -> None:
    found = asked(step(FEATURES, "failed"), models(age_hours=400))
    assert found.step == ""
    assert "build_features failed (run 01234567)" in found.text
    assert "the same models go on forecasting" in found.text
    later = asked(step(FEATURES, "failed", hours_ago=24), models(age_hours=400))
    assert later.step == LOAD
    assert later.training != step(FEATURES, hours_ago=24).training


def test_a_week_old_champion_is_trained_anew_and_a_younger_one_looked_at() -> None:
    assert asked(None, models(age_hours=168)).why == "the champion is 168 h old"
    assert asked(None, models(age_hours=100)).why == LOOK
    assert asked(None, models(age_hours=23)).step == ""


def test_without_a_champion_the_newest_version_counts() -> None:
    refused = Models(NOW - timedelta(hours=168), None)
    assert asked(None, refused).why == "the newest model is 168 h old"


def test_where_nothing_could_be_trained_it_is_tried_once_a_day() -> None:
    none = Models(NOW - timedelta(hours=30), None, any_trained=False)
    assert asked(None, none).why == "no model has been trained yet"
    assert asked(step(CHECK, why="no model has been trained yet"), none).step == TRAIN
    assert asked(step(TRAIN, why="no model has been trained yet"), none).step == ""


def test_a_training_that_was_refused_is_not_begun_again_within_a_day() -> None:
    stale = Models(NOW - timedelta(hours=2), NOW - timedelta(hours=200))
    assert asked(step(TRAIN, hours_ago=2), stale).step == ""
    day_old = Models(NOW - timedelta(hours=24), NOW - timedelta(hours=222))
    assert asked(step(TRAIN, hours_ago=24), day_old).step == LOAD


def test_a_testnet_that_was_put_back_does_not_hold_trainings_up_for_good() -> None:
    """The last training is dated after now, and so is the model: neither is waited for."""
    ahead = Models(NOW + timedelta(days=30), NOW + timedelta(days=30))
    assert asked(step(TRAIN, hours_ago=-700), ahead).step == LOAD


def test_only_an_unfinished_training_stands_in_the_way_of_the_schedule() -> None:
    assert unfinished(None, models(), now=NOW) == ""
    assert unfinished(step(TRAIN), models(), now=NOW) == ""
    assert unfinished(step(LOAD, "failed"), models(), now=NOW) == ""
    assert LOAD in unfinished(step(LOAD), models(), now=NOW)
    assert TRAIN in unfinished(step(TRAIN, "under way"), models(), now=NOW)


def test_a_training_by_schedule_begins_with_loading() -> None:
    first = first_step(now=NOW, why="weekly schedule")
    assert (first.step, first.training) == (LOAD, "2025-07-10T12:00 weekly schedule")
