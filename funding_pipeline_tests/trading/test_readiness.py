"""What stops a rebalance, and what is only said."""

from datetime import UTC, datetime, timedelta

import pytest

from funding_pipeline.core.governance import Heartbeat, StateRecord, TradingState
from funding_pipeline.execution.states import Arming
from funding_pipeline.trading.readiness import (
    Freshness,
    arming_finding,
    freshness_finding,
    guard_finding,
    keys_finding,
    oldest_allowed,
    remarks,
    state_finding,
    stops,
)

NOW = datetime(2025, 7, 1, 8, tzinfo=UTC)
THREE = ("binance", "bybit", "okx")


def hours(number: float) -> timedelta:
    return timedelta(hours=number)


def fresh(venue: str, *, age: float = 0.5, behind: float = 1, problem: str = "") -> Freshness:
    read = NOW - hours(age)
    return Freshness(venue, read, read - hours(behind), read - hours(behind), problem)


@pytest.mark.parametrize(("state", "stopped"), [("ACTIVE", False), ("REDUCING", False), ("HALTED", True)])
def test_only_halted_stops_and_reducing_is_said(state: TradingState, stopped: bool) -> None:
    finding = state_finding(StateRecord(state, "margin", "guard", NOW))
    assert finding.stops is stopped
    assert "guard: margin" in finding.line()
    assert ("only reduce" in remarks([finding])) is (state == "REDUCING")


def test_a_guard_that_never_gave_a_sign_stops() -> None:
    finding = guard_finding(None, now=NOW, max_age_seconds=20)
    assert finding.stops
    assert "funding-pipeline guard" in finding.line()


@pytest.mark.parametrize(("age", "stopped"), [(1.2, False), (20, False), (20.5, True), (-86_400, True)])
def test_a_heartbeat_may_be_so_old(age: float, stopped: bool) -> None:
    beat = Heartbeat("guard", NOW - timedelta(seconds=age), "watching")
    finding = guard_finding(beat, now=NOW, max_age_seconds=20)
    assert finding.stops is stopped
    assert stopped or finding.line() == f"guard: {age:.1f} s ago, watching"


def test_a_guard_that_is_not_asked_for_stops_nothing() -> None:
    assert not guard_finding(None, now=NOW, max_age_seconds=None).stops


def test_fewer_than_two_fresh_venues_stop_and_one_stale_one_is_left_out() -> None:
    rows = [fresh("binance"), fresh("bybit"), fresh("okx", age=4, problem="okx: 503")]
    finding = freshness_finding(rows, venues=THREE, now=NOW, oldest=hours(3))
    assert not finding.stops
    assert "okx was read 4.0 h ago: okx: 503" in finding.line()
    worse = freshness_finding([rows[0], rows[2]], venues=THREE, now=NOW, oldest=hours(3))
    assert worse.stops
    assert "bybit was never read" in worse.text


def test_prices_that_stood_still_when_they_were_read_are_stale() -> None:
    rows = [fresh("binance"), fresh("okx", age=0.1, behind=9)]
    finding = freshness_finding(rows, venues=("binance", "okx"), now=NOW, oldest=hours(3))
    assert finding.stops
    assert "okx's newest price was 9.0 h old when it was read" in finding.text


def test_a_venue_without_prices_is_stale_and_says_its_problem() -> None:
    row = Freshness("okx", NOW, None, None, "okx: refused")
    assert row.staleness(NOW, oldest=hours(3)) == "okx has no prices: okx: refused"


def test_data_that_was_never_read_is_read_by_the_first_rebalance() -> None:
    finding = freshness_finding(None, venues=THREE, now=NOW, oldest=hours(3))
    assert not finding.stops
    assert stops([finding]) == ""


@pytest.mark.parametrize(("gap", "speed", "oldest"), [(1, 1, 3), (8, 1, 9), (1, 60, 3), (1, 360, 12)])
def test_data_may_be_as_old_as_settlements_lie_apart(gap: float, speed: float, oldest: float) -> None:
    assert oldest_allowed(longest_gap=hours(gap), speed=speed) == hours(oldest)


def test_two_venues_with_keys_are_enough_to_ask_and_no_value_is_shown() -> None:
    environment = {
        f"FUNDING_{venue}_{name}": "hidden-value-1"
        for venue in ("BINANCE", "BYBIT")
        for name in ("API_KEY", "API_SECRET")
    }
    finding = keys_finding(THREE, environment)
    assert not finding.stops
    assert "no keys of okx: what is held there is not known, so nothing is opened" in finding.line()
    alone = keys_finding(THREE, {k: v for k, v in environment.items() if "BYBIT" not in k})
    assert alone.stops
    assert "hidden-value-1" not in finding.line() + alone.line()


def test_live_without_arming_is_said_and_only_reduces() -> None:
    finding = arming_finding(Arming(is_live=True, has_keys=True), now=NOW)
    assert not finding.stops
    assert "not armed" in finding.line()
    assert arming_finding(Arming(is_live=False, has_keys=True), now=NOW).action == ""
