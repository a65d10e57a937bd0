"""The weekly schedule and the sensor on a real instance: one run after the other, the right partitions."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from funding_pipeline.core.market import MarketSpan
from funding_pipeline.defs.model_history import ModelDecision, keep_decision
from funding_pipeline.defs.partitions import market_partitions
from funding_pipeline.defs.run_tags import RESEARCH_RUN, TRAINING, TRAINING_STEP, WORK
from funding_pipeline.defs.training import SCHEDULE, SENSOR, training_automation
from funding_pipeline.defs.training_steps import STEPS
from funding_pipeline.market.choice import MarketTime
from funding_pipeline.models.drift import DRIFT_SCHEMA
from funding_pipeline.settings import Settings
from funding_pipeline.storage.lake import Lake

TRAINED = datetime(2025, 7, 1, tzinfo=UTC)
SPAN = MarketSpan(datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 7, 2, tzinfo=UTC), ("binance", "okx"))


@dg.op
def nothing() -> None:
    """Stands for the work of a step."""


def job_of(name: str) -> dg.JobDefinition:
    return dg.GraphDefinition(name=name, node_defs=[nothing]).to_job(name=name)


@dataclass
class Clockwork:
    """A market of which only the time is asked."""

    now: datetime

    def span(self) -> MarketSpan:
        return MarketSpan(SPAN.start, self.now, SPAN.venues)


class Automation:
    """Sensor and schedule with jobs that do nothing, and a clock that stands where it is put."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance) -> None:
        self.settings = Settings(market="simulated", way="direct", home=folder)
        self.lake = Lake(str(self.settings.state_dir / "lake"))
        self.instance = instance
        self.market = Clockwork(TRAINED)
        jobs = [job_of(name) for name in STEPS]
        schedule, sensor = training_automation(
            jobs=jobs, partitions=market_partitions(SPAN), clock=lambda settings: MarketTime(self.market.now)
        )
        self.resources = {"settings": self.settings, "market": self.market, "lake": self.lake}
        self.definitions = dg.Definitions(
            jobs=jobs,
            sensors=[sensor],
            schedules=[schedule],
            resources={n: dg.ResourceDefinition.hardcoded_resource(v) for n, v in self.resources.items()},
        )

    def trained(self, champion_to: datetime | None = TRAINED) -> None:
        """What a first `run` leaves behind."""
        self.lake.replace("latest_forecasts", pl.DataFrame({"as_of": [TRAINED]}))
        champion = "1" if champion_to else "baseline"
        decision = ModelDecision(
            "1", "abc", TRAINED, "promoted", "baseline", champion, champion_to, "rule", ["better"]
        )
        keep_decision(self.lake, decision)

    def drifted(self) -> None:
        row = (TRAINED, "error", "24 h", -0.5, 0.0, "drifted", 900)
        self.lake.replace("model_drift", pl.DataFrame([row], schema=DRIFT_SCHEMA, orient="row"))

    def pass_hours(self, hours: float) -> None:
        self.market.now += timedelta(hours=hours)

    def tick(self) -> Any:
        with dg.build_sensor_context(
            instance=self.instance, definitions=self.definitions, sensor_name=SENSOR, resources=self.resources
        ) as context:
            return self.definitions.resolve_sensor_def(SENSOR).evaluate_tick(context)

    def said(self) -> str:
        data = self.tick()
        assert data.run_requests == []
        return str(data.skip_message)

    def asked(self) -> dg.RunRequest:
        (request,) = self.tick().run_requests
        return request

    def schedule(self) -> Any:
        context = dg.build_schedule_context(
            instance=self.instance, scheduled_execution_time=datetime(2026, 11, 23, 2, 30, tzinfo=UTC),
            resources=self.resources,
        )  # fmt: skip
        return self.definitions.resolve_schedule_def(SCHEDULE).evaluate_tick(context)

    def do(self, request: dg.RunRequest, *, fails: bool = False) -> None:
        """The run that was asked for, to its end."""
        job = self.definitions.resolve_job_def(str(request.job_name or STEPS[0]))
        if not fails:
            assert job.execute_in_process(instance=self.instance, tags=dict(request.tags)).success
            return
        run = self.instance.create_run_for_job(job, tags=dict(request.tags))
        self.instance.report_run_failed(run)


@pytest.fixture
def automation(tmp_path: Path) -> Automation:
    return Automation(tmp_path, dg.DagsterInstance.ephemeral())


@pytest.fixture
def kept(tmp_path: Path) -> Automation:
    """With an instance that has a home: a schedule needs one."""
    return Automation(tmp_path, dg.DagsterInstance.local_temp(str(tmp_path)))


def test_before_anything_is_loaded_there_is_nothing_to_look_after(kept: Automation) -> None:
    assert "run `make run` first" in kept.said()
    assert "run `make run` first" in kept.schedule().skip_message


def test_a_week_old_champion_is_trained_anew_step_by_step(automation: Automation) -> None:
    automation.trained()
    automation.pass_hours(170)
    done = []
    while done != list(STEPS):
        request = automation.asked()
        assert request.tags[WORK] == RESEARCH_RUN[WORK]
        done.append(request.tags[TRAINING_STEP])
        automation.do(request)
    runs = automation.instance.get_runs()
    assert len({run.tags[TRAINING] for run in runs}) == 1
    assert "done: training of 2025-07-08 02:00 (the champion is 170 h old)" in automation.said()


def test_a_step_is_asked_for_once_while_it_is_under_way(automation: Automation) -> None:
    automation.trained()
    automation.pass_hours(30)
    first = automation.asked()
    assert automation.asked().run_key == first.run_key  # the daemon makes one run of a key
    job = automation.definitions.resolve_job_def(STEPS[0])
    automation.instance.create_run_for_job(job, tags=dict(first.tags))
    assert "load_market_data is under way" in automation.said()


def test_a_daily_look_trains_only_after_drift(automation: Automation) -> None:
    automation.trained()
    automation.pass_hours(25)
    for _ in STEPS[:-1]:
        automation.do(automation.asked())
    assert "the next look at the models is due in 24.0 h" in automation.said()
    automation.drifted()
    assert automation.asked().tags[TRAINING_STEP] == STEPS[-1]


def test_a_failed_step_is_said_and_the_next_training_is_a_day_later(automation: Automation) -> None:
    automation.trained()
    automation.pass_hours(30)
    automation.do(automation.asked(), fails=True)
    assert "load_market_data failed" in automation.said()
    automation.pass_hours(23.9)
    assert "load_market_data failed" in automation.said()
    automation.pass_hours(0.1)
    assert automation.asked().tags[TRAINING_STEP] == STEPS[0]


def test_only_quarters_since_the_last_training_are_loaded(automation: Automation) -> None:
    automation.trained()
    automation.pass_hours(30)
    load = automation.asked()
    assert load.tags["dagster/asset_partition_range_start"] == "2025-04|binance"  # late rows of June
    assert load.tags["dagster/asset_partition_range_end"] == "2025-07|okx"
    automation.do(load)
    automation.do(automation.asked())
    features = automation.asked()
    assert features.tags["dagster/asset_partition_range_start"] == "2025-04"
    assert features.tags["dagster/asset_partition_range_end"] == "2025-07"


def test_a_quarter_that_has_no_partition_yet_is_left_for_the_next_start(automation: Automation) -> None:
    automation.trained()
    automation.lake.replace("latest_forecasts", pl.DataFrame({"as_of": [TRAINED]}))
    automation.pass_hours(24 * 120)
    assert automation.asked().tags["dagster/asset_partition_range_end"] == "2025-07|okx"


def test_the_schedule_begins_a_training_on_monday_night(kept: Automation) -> None:
    kept.trained()
    schedule = kept.definitions.resolve_schedule_def(SCHEDULE)
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("30 2 * * 1", "UTC")
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING
    (request,) = kept.schedule().run_requests
    assert request.tags[TRAINING_STEP] == STEPS[0]
    kept.do(request)
    assert "is going on" in kept.schedule().skip_message
    assert kept.asked().tags[TRAINING] == request.tags[TRAINING]


def test_without_a_testnet_nothing_is_asked(automation: Automation, tmp_path: Path) -> None:
    automation.trained()
    automation.resources["settings"] = Settings(market="simulated", home=tmp_path, testnet_port=1)
    schedule, sensor = training_automation(
        jobs=[job_of(name) for name in STEPS], partitions=market_partitions(SPAN), clock=lambda settings: None
    )
    context = dg.build_sensor_context(instance=automation.instance, resources=automation.resources)
    assert "no local testnet answers" in str(sensor.evaluate_tick(context).skip_message)
    assert schedule.name == SCHEDULE
