"""The watching sensors: what they say, their alerts, and the trading state as the web UI shows it."""

from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster import DagsterExecutionInterruptedError

from funding_pipeline.core.governance import Heartbeat
from funding_pipeline.defs.sensors import sensors
from funding_pipeline.defs.trading_state import TRADING_STATE
from funding_pipeline.storage.planned_stop import note_planned_stop
from funding_pipeline_tests.defs.trading_desk import TradingDesk, close_job, rebalance_job

GUARD = "guard_heartbeat_sensor"
DATA = "data_freshness_sensor"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TradingDesk:
    made = TradingDesk(tmp_path, monkeypatch)
    made.fill()
    made.go_to(7)
    return made


def told_states(desk: TradingDesk) -> list[str]:
    """What the asset's events say, oldest first."""
    records = desk.instance.fetch_materializations(dg.AssetKey(TRADING_STATE), limit=50).records
    made = [record.asset_materialization for record in records]
    return [f"{m.metadata['state'].value} {m.metadata['by'].value}" for m in reversed(made) if m is not None]


def test_a_fresh_guard_is_said(desk: TradingDesk) -> None:
    desk.pass_seconds(1.2)
    said = str(desk.tick(GUARD).skip_message)
    assert said.startswith("guard: 1.2 s ago, watching\ntrading: ACTIVE since")
    assert said.endswith("\nok")
    assert desk.alerts == []


def test_a_silent_guard_is_alerted_once_with_what_to_do_and_again_after_it_was_back(
    desk: TradingDesk,
) -> None:
    for _ in range(3):
        desk.pass_seconds(30)
        assert "no sign of life" in str(desk.tick(GUARD).skip_message)
    (alert,) = desk.alerts
    assert (alert.key, alert.severity) == ("guard_heartbeat", "critical")
    assert "funding-pipeline guard" in alert.action
    desk.go_to(8)
    desk.tick(GUARD)
    desk.pass_seconds(30)
    desk.tick(GUARD)
    assert len(desk.alerts) == 2


def test_changes_of_state_are_events_of_the_asset_once_and_in_order(desk: TradingDesk) -> None:
    desk.tick(GUARD)
    with desk.journal() as journal:
        journal.set_state("REDUCING", reason="margin", by="guard")
        journal.set_state("HALTED", reason="margin again", by="guard")
    (first, second) = desk.tick(GUARD).asset_events
    assert [first.metadata["reason"].value, second.metadata["reason"].value] == ["margin", "margin again"]
    assert "margin again" not in str(first.metadata["history"].value)
    assert desk.tick(GUARD).asset_events == []
    assert told_states(desk) == ["ACTIVE journal", "REDUCING guard", "HALTED guard"]


def test_after_a_lost_cursor_nothing_is_told_twice(desk: TradingDesk) -> None:
    desk.tick(GUARD)
    desk.cursors.clear()
    assert desk.tick(GUARD).asset_events == []


def test_what_a_job_has_reported_is_not_reported_again(desk: TradingDesk) -> None:
    desk.tick(GUARD)
    desk.run("halt", {"person": "alice", "reason": "a try", "confirm": "HALT"})
    assert desk.tick(GUARD).asset_events == []
    assert told_states(desk) == ["ACTIVE journal", "HALTED person alice"]


def test_fresh_data_is_said_and_stale_data_is_alerted_once(desk: TradingDesk) -> None:
    assert "not read yet" in str(desk.tick(DATA).skip_message)
    desk.note_freshness(0.5, 0.5)
    assert str(desk.tick(DATA).skip_message) == "data: 2 of 2 venues are fresh\nok"
    desk.note_freshness(10, 10)
    assert "0 of 2 venues are fresh, 2 are needed" in str(desk.tick(DATA).skip_message)
    desk.tick(DATA)
    (alert,) = desk.alerts
    assert (alert.key, alert.severity) == ("data_freshness", "warning")
    assert "settlement_close" in alert.action


def test_a_venue_that_settles_off_its_intervals_is_said(desk: TradingDesk) -> None:
    desk.note_freshness(0.5, 0.5)
    frame = desk.lake.scan("market_freshness").collect()
    assert desk.time is not None
    off = frame.with_columns(newest_settlement=desk.time.now - timedelta(hours=1))
    desk.lake.replace("market_freshness", off)
    assert "binance has settled at a time that no interval of its tells" in str(desk.tick(DATA).skip_message)


@pytest.mark.parametrize("sensor", [GUARD, DATA])
def test_a_testnet_that_is_down_is_a_reason(desk: TradingDesk, sensor: str) -> None:
    desk.time = None
    assert "no local testnet answers" in str(desk.tick(sensor).skip_message)


def test_a_damaged_journal_is_a_reason(desk: TradingDesk) -> None:
    (desk.settings.state_dir / "journal.sqlite").write_bytes(b"no database at all" * 100)
    assert "journal" in str(desk.tick(GUARD).skip_message)


def test_a_failed_run_of_a_trading_job_becomes_an_alert(desk: TradingDesk) -> None:
    result = desk.run("rebalance")
    sensor = next(s for s in sensors(jobs=desk.jobs) if s.name == "failed_run_alert_sensor")
    context = dg.build_run_status_sensor_context(
        sensor_name=sensor.name,
        dagster_event=next(e for e in result.all_events if e.event_type_value == "PIPELINE_FAILURE"),
        dagster_instance=desk.instance,
        dagster_run=result.dagster_run,
        resources={"settings": desk.settings},
    ).for_run_failure()
    desk.time = None  # as when the run failed because of it
    with desk.journal() as journal:
        journal.beat(Heartbeat("guard", journal.now(), "watching"))
    sensor(context)
    with desk.journal() as journal:
        (alert,) = journal.alerts()
    assert alert.title.startswith(f"rebalance failed (run {result.run_id[:8]})")
    assert "the venue said no" in alert.title
    assert "the next settlement is tried again" in alert.action


def test_a_run_that_a_planned_stop_interrupts_is_no_alert(desk: TradingDesk) -> None:
    def note(folder: Path) -> None:
        @dg.op
        def trades() -> None:
            note_planned_stop(folder)
            raise DagsterExecutionInterruptedError

        @dg.job(name="rebalance")
        def rebalance() -> None:
            trades()

        result = rebalance.execute_in_process(instance=desk.instance, raise_on_error=False)
        sensor = next(s for s in sensors(jobs=desk.jobs) if s.name == "failed_run_alert_sensor")
        context = dg.build_run_status_sensor_context(
            sensor_name=sensor.name,
            dagster_event=next(e for e in result.all_events if e.event_type_value == "PIPELINE_FAILURE"),
            dagster_instance=desk.instance,
            dagster_run=result.dagster_run,
            resources={"settings": desk.settings},
        ).for_run_failure()
        sensor(context)

    note(desk.settings.state_dir)
    with desk.journal() as journal:
        assert journal.alerts() == ()
    (desk.settings.state_dir / "planned_stop.json").unlink()
    note(desk.settings.state_dir.parent)  # nobody stopped this one: it was killed
    with desk.journal() as journal:
        (alert,) = journal.alerts()
    assert "its process was ended from outside" in alert.title
    assert "Dagster" not in alert.title


def test_a_run_of_research_that_fails_is_nobodys_alert(desk: TradingDesk) -> None:
    @dg.op
    def fails() -> None:
        raise ValueError("no")

    @dg.job
    def research() -> None:
        fails()

    result = research.execute_in_process(instance=desk.instance, raise_on_error=False)
    sensor = next(s for s in sensors(jobs=[rebalance_job, close_job]) if s.name == "failed_run_alert_sensor")
    context = dg.build_run_status_sensor_context(
        sensor_name=sensor.name,
        dagster_event=next(e for e in result.all_events if e.event_type_value == "PIPELINE_FAILURE"),
        dagster_instance=desk.instance,
        dagster_run=result.dagster_run,
        resources={"settings": desk.settings},
    ).for_run_failure()
    sensor(context)
    with desk.journal() as journal:
        assert journal.alerts() == ()
