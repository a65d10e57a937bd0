"""The settlement sensor, tick by tick, on an ephemeral instance: a rebalance and a close, or the reason."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from funding_pipeline.core.tables import FUNDING_INTERVALS
from funding_pipeline.defs.accounts import SETTLEMENT_TAG
from funding_pipeline.defs.run_tags import CLOSE, REBALANCE
from funding_pipeline_tests.defs.trading_desk import DAY, TradingDesk, rebalance_job

REBALANCE_AT_8 = "rebalance 2025-07-01T08:00Z"
CLOSE_AT_8 = "settlement_close 2025-07-01T08:00Z"
MINUTE = 60


@pytest.fixture
def new_desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., TradingDesk]:
    def make(**settings: object) -> TradingDesk:
        desk = TradingDesk(tmp_path, monkeypatch, **settings)
        desk.fill()
        desk.go_to(7)
        return desk

    return make


@pytest.fixture
def desk(new_desk: Callable[..., TradingDesk]) -> TradingDesk:
    """At 7:00, an hour before a settlement; all is well, and a tick has been."""
    made = new_desk()
    assert made.settle() == []
    return made


def test_a_rebalance_is_asked_for_once_with_its_settlement_and_a_close_after_it(desk: TradingDesk) -> None:
    desk.go_to(8, -4 * MINUTE)
    (request,) = desk.tick("settlement_sensor").run_requests
    assert (request.job_name, request.run_key) == (REBALANCE, REBALANCE_AT_8)
    assert request.tags[SETTLEMENT_TAG] == "2025-07-01T08:00Z"
    assert request.tags["dagster/max_retries"] == "0"
    desk.go_to(8, -3 * MINUTE)
    assert desk.settle() == []
    desk.go_to(8, 89)
    assert desk.settle() == []
    desk.go_to(8, 91)
    (request,) = desk.tick("settlement_sensor").run_requests
    assert (request.job_name, request.run_key) == (CLOSE, CLOSE_AT_8)
    assert desk.settle() == []


def test_one_rebalance_for_each_distinct_settlement_of_a_day(desk: TradingDesk) -> None:
    """KuCoin-like phases: okx at 04, 12 and 20, binance at 00, 08 and 16."""
    begun = DAY.replace(year=2021)
    rows = [
        ("binance", "BTC/USDT:USDT", begun, None, 8.0, begun),
        ("okx", "BTC/USDT:USDT", begun + timedelta(hours=4), None, 8.0, begun),
        ("okx", "ETH/USDT:USDT", begun + timedelta(hours=4), None, 8.0, begun),
    ]
    frame = pl.DataFrame(rows, schema=dict(FUNDING_INTERVALS.columns), orient="row")
    desk.lake.replace("funding_intervals", frame)
    asked = []
    for hour in range(8, 25):
        for minutes in (-4, 2):
            desk.go_to(hour, minutes * MINUTE)
            asked += desk.settle()
    hours = [key.split("T")[1][:2] for key in asked if key.startswith("rebalance")]
    assert hours == ["08", "12", "16", "20", "00"]
    assert [key.split("T")[1][:2] for key in asked if key.startswith("settlement_close")] == hours


def test_a_change_of_interval_counts_from_its_date_and_from_the_next_tick(desk: TradingDesk) -> None:
    desk.fill(hours=1.0)
    desk.go_to(7.5)
    assert desk.settle() == []
    desk.go_to(8, -4 * MINUTE)
    assert desk.settle() == [REBALANCE_AT_8]
    desk.go_to(9, -4 * MINUTE)
    assert desk.settle() == ["rebalance 2025-07-01T09:00Z", CLOSE_AT_8]


def test_a_tick_missed_while_the_daemon_was_down_is_skipped_and_said_once(desk: TradingDesk) -> None:
    desk.go_to(16, 60 * MINUTE)
    assert desk.settle() == ["settlement_close 2025-07-01T16:00Z"]
    desk.go_to(16, 61 * MINUTE)
    said = desk.why_not()
    assert "no rebalance before 2025-07-01T08:00Z, 2025-07-01T16:00Z: it was too late" in said
    assert "too late" not in desk.why_not()


def test_the_cursor_survives_a_restart_of_the_code(
    desk: TradingDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.go_to(8, -4 * MINUTE)
    assert desk.settle() == [REBALANCE_AT_8]
    again = TradingDesk(desk.settings.state_dir, monkeypatch)
    again.cursors, again.instance = dict(desk.cursors), desk.instance
    again.go_to(8, -3 * MINUTE)
    assert again.settle() == []


def test_without_its_cursor_it_asks_under_the_same_run_key(desk: TradingDesk) -> None:
    desk.go_to(8, -4 * MINUTE)
    assert desk.settle() == [REBALANCE_AT_8]
    desk.cursors.clear()
    assert desk.settle() == [REBALANCE_AT_8], "Dagster runs a run key once"


def test_a_rebalance_in_progress_holds_back_the_next_one(desk: TradingDesk) -> None:
    run = desk.instance.create_run_for_job(rebalance_job)
    desk.instance.report_run_canceling(run)
    desk.go_to(8, -4 * MINUTE)
    assert f"a rebalance is still in progress (run {run.run_id[:8]})" in desk.why_not()
    desk.instance.report_run_canceled(run)
    assert desk.settle() == [REBALANCE_AT_8]


@pytest.mark.parametrize("state", ["ACTIVE", "REDUCING"])
def test_in_reducing_a_rebalance_is_asked_for_and_may_only_reduce(desk: TradingDesk, state: str) -> None:
    with desk.journal() as journal:
        journal.set_state(state, reason="a try", by="person alice")  # type: ignore[arg-type]
    assert ("rebalances only reduce" in desk.why_not()) is (state == "REDUCING")
    desk.go_to(8, -4 * MINUTE)
    assert desk.settle() == [REBALANCE_AT_8]


def test_halted_stops_rebalances_but_no_close(desk: TradingDesk) -> None:
    with desk.journal() as journal:
        journal.set_state("HALTED", reason="margin", by="guard")
    desk.go_to(8, -4 * MINUTE)
    assert "trading: HALTED since 2025-07-01 07:00:00 by guard: margin" in desk.why_not()
    desk.go_to(8, -10)
    said = desk.why_not()
    assert "no rebalance before 2025-07-01T08:00Z: trading: HALTED" in said
    desk.go_to(8, 95)
    assert desk.settle() == [CLOSE_AT_8]


def test_a_silent_guard_stops_rebalances_until_it_is_back(desk: TradingDesk) -> None:
    desk.go_to(8, -4 * MINUTE)
    desk.pass_seconds(25)
    assert "guard: no sign of life for 25 s" in desk.why_not()
    desk.go_to(8, -3 * MINUTE)
    assert desk.settle() == [REBALANCE_AT_8]


def test_at_speed_a_heartbeat_may_be_as_many_times_older(desk: TradingDesk) -> None:
    desk.go_to(7.05, speed=60)
    desk.pass_seconds(21 * 60)
    assert "guard: no sign of life for 1,260 s of market time, allowed are 1,200" in desk.why_not()
    desk.pass_seconds(-2 * 60)
    assert desk.settle() == [REBALANCE_AT_8]


def test_stale_data_stops_rebalances_and_says_which(desk: TradingDesk) -> None:
    desk.go_to(8, -4 * MINUTE)
    desk.note_freshness(0.1, 10)
    said = desk.why_not()
    assert "data: 1 of 2 venues are fresh, 2 are needed: okx was read 10.0 h ago" in said
    desk.note_freshness(0.1, 8)
    assert desk.settle() == [REBALANCE_AT_8]


def test_without_keys_nothing_is_asked_for(desk: TradingDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FUNDING_OKX_API_PASSWORD")
    desk.go_to(8, -4 * MINUTE)
    assert "accounts: 1 of 2 venues have keys" in desk.why_not()


def test_without_a_testnet_it_says_so_and_forgets_nothing(desk: TradingDesk) -> None:
    desk.go_to(8, -4 * MINUTE)
    assert desk.settle() == [REBALANCE_AT_8]
    time, desk.time = desk.time, None
    cursor = desk.cursors["settlement_sensor"]
    assert "no local testnet answers on 127.0.0.1:1" in desk.why_not()
    desk.time, desk.cursors["settlement_sensor"] = time, cursor  # the daemon keeps it where none is returned
    assert desk.settle() == []


def test_where_trading_is_impossible_nothing_is_asked_for(new_desk: Callable[..., TradingDesk]) -> None:
    desk = new_desk(way="direct")
    assert "trading is not possible: paper trading needs the local testnet" in desk.why_not()


def test_a_recorded_folder_that_is_gone_is_a_reason(new_desk: Callable[..., TradingDesk]) -> None:
    desk = new_desk(market="recorded", data="/nowhere/at/all")
    assert "trading is not possible: " in desk.why_not()


def test_before_the_first_run_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = TradingDesk(tmp_path, monkeypatch)
    desk.go_to(8, -4 * MINUTE)
    assert "run `make run` first" in desk.why_not()
    desk.fill(features=False)
    assert (
        "forecasts: there is no table funding_features to forecast from (run `make run` first)"
        in desk.why_not()
    )


def test_a_journal_that_cannot_be_read_is_a_reason(desk: TradingDesk) -> None:
    (desk.settings.state_dir / "journal.sqlite").write_bytes(b"no database at all" * 100)
    assert "cannot be judged now: journal" in desk.why_not()


def test_at_speed_the_lead_is_half_of_the_gap(new_desk: Callable[..., TradingDesk]) -> None:
    desk = new_desk()
    desk.fill(hours=1.0)
    desk.go_to(7, 10, speed=60)
    assert desk.settle() == []
    desk.go_to(7.5, -10, speed=60)
    assert desk.settle() == []
    desk.go_to(7.5, 10, speed=60)
    assert REBALANCE_AT_8 in desk.settle()


def test_requests_are_of_jobs_that_the_sensor_targets(desk: TradingDesk) -> None:
    dg.Definitions.validate_loadable(desk.definitions)
