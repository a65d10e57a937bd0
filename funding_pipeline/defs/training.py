"""Training without a person: every week, when the champion grows old, and when something has drifted.

What lives here: the weekly schedule, and the sensor that asks for one step after the other. What does not:
which step comes when (`training_steps`), the steps themselves (`jobs`).

Training on new rows needs jobs of different partitions, which one job cannot mix: so a chain of runs.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import dagster as dg
import polars as pl

from funding_pipeline.core.errors import FundingPipelineError
from funding_pipeline.core.market import Market
from funding_pipeline.defs.decision import market_now
from funding_pipeline.defs.jobs import BUILD_FEATURES, LOAD
from funding_pipeline.defs.model_drift import DRIFT
from funding_pipeline.defs.model_history import model_history
from funding_pipeline.defs.partitions import QUARTER_FORMAT, quarter_start
from funding_pipeline.defs.run_tags import (
    RESEARCH_RUN,
    TRAINING,
    TRAINING_AT,
    TRAINING_STEP,
    TRAINING_WHY,
    UNFINISHED,
)
from funding_pipeline.defs.trading_view import Clock, absent_testnet, clock_of, kept_table
from funding_pipeline.defs.training_steps import (
    Models,
    Next,
    Status,
    StepRun,
    first_step,
    next_of,
    unfinished,
)
from funding_pipeline.models.drift import findings
from funding_pipeline.settings import Settings
from funding_pipeline.storage.lake import Lake

SCHEDULE, SENSOR = "weekly_training", "training_sensor"
_CHAIN: Mapping[str, str] = {"funding/chain": "training"}
_LOADED_AGAIN = timedelta(days=3)
"""Rows that came late for a quarter that had ended are loaded with the quarter after it."""


def training_automation(
    *, jobs: Sequence[Any], partitions: dg.MultiPartitionsDefinition, clock: Clock = clock_of
) -> tuple[dg.ScheduleDefinition, dg.SensorDefinition]:
    """Schedule and sensor. `jobs`: definitions of all steps; `partitions`: quarter by venue, as loaded.

    A quarter that begins while Dagster runs is trained on after its next start.
    """
    load = next(job for job in jobs if job.name == LOAD)

    @dg.schedule(
        name=SCHEDULE,
        job=load,
        cron_schedule="30 2 * * 1",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Begins a training every Monday, 02:30 UTC; training_sensor asks for its further steps.",
    )
    def weekly_training(
        context: dg.ScheduleEvaluationContext,
        market: dg.ResourceParam[Market],
        lake: dg.ResourceParam[Lake],
    ) -> dg.RunRequest | dg.SkipReason:
        try:
            models = _models(lake)
            if models is None:
                return dg.SkipReason("nothing has been loaded yet: run `make run` first")
            now, last = market_now(market), _last_step(context.instance)
            if going_on := unfinished(last, models, now=now):
                return dg.SkipReason(f"not another training: {going_on} is going on")
            return _request(first_step(now=now, why="weekly schedule"), models, partitions, now=now)
        except FundingPipelineError as error:
            return dg.SkipReason(f"cannot be judged now: {error}")

    @dg.sensor(
        name=SENSOR,
        jobs=jobs,
        minimum_interval_seconds=14,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Looks at the models once a day of the venues' time, trains when the champion is a week "
        "old or something has drifted, and asks for the steps of a training one after the other.",
    )
    def training_sensor(
        context: dg.SensorEvaluationContext,
        settings: dg.ResourceParam[Settings],
        market: dg.ResourceParam[Market],
        lake: dg.ResourceParam[Lake],
    ) -> dg.SensorResult | dg.SkipReason:
        if settings.uses_testnet and clock(settings) is None:
            return dg.SkipReason(absent_testnet(settings))
        try:
            models = _models(lake)
            if models is None:
                return dg.SkipReason("nothing has been loaded yet: run `make run` first")
            now = market_now(market)
            wanted = next_of(_last_step(context.instance), models, now=now)
            if not wanted.step:
                return dg.SkipReason(wanted.text)
            context.log.info(wanted.text)
            return dg.SensorResult(run_requests=[_request(wanted, models, partitions, now=now)])
        except FundingPipelineError as error:
            return dg.SkipReason(f"cannot be judged now: {error}")

    return weekly_training, training_sensor


def _models(lake: Lake) -> Models | None:
    """How the models stand, from small tables; None before the first whole run."""
    if not lake.exists("latest_forecasts"):
        return None
    history, drift = model_history(lake), kept_table(lake, DRIFT)
    found = () if drift is None else findings(drift)
    trained = history["train_end"].max()
    if isinstance(trained, datetime):
        return Models(trained, history["champion_train_end"][-1], found)
    looked = None if drift is None else drift["measured_at"].max()
    if not isinstance(looked, datetime):
        looked = lake.scan("latest_forecasts").select(pl.col("as_of").max()).collect().item()
    return Models(looked, None, found, any_trained=False)


def _last_step(instance: dg.DagsterInstance) -> StepRun | None:
    """The newest run of any training."""
    runs = instance.get_runs(dg.RunsFilter(tags=dict(_CHAIN)), limit=1)
    if not runs:
        return None
    (run,) = runs
    status: Status = "failed"
    if run.status == dg.DagsterRunStatus.SUCCESS:
        status = "succeeded"
    elif run.status in UNFINISHED:
        status = "under way"
    return StepRun.of_tags(run.tags, status=status, run_id=run.run_id)


def _request(
    wanted: Next, models: Models, partitions: dg.MultiPartitionsDefinition, *, now: datetime
) -> dg.RunRequest:
    """The run of a step, with the partitions of the newest rows where it has any."""
    about = {
        TRAINING: wanted.training,
        TRAINING_STEP: wanted.step,
        TRAINING_WHY: wanted.why,
        TRAINING_AT: wanted.training.split(" ")[0] + "+00:00",
    }
    tags = {**RESEARCH_RUN, **_CHAIN, **about, **_range(wanted.step, models, partitions, now=now)}
    return dg.RunRequest(run_key=f"{wanted.training} {wanted.step}", job_name=wanted.step, tags=tags)


def _range(
    step: str, models: Models, partitions: dg.MultiPartitionsDefinition, *, now: datetime
) -> Mapping[str, str]:
    """Tags that choose the quarters since the newest version was trained, as far as they are known."""
    if step not in (LOAD, BUILD_FEATURES):
        return {}
    first = f"{quarter_start(min(models.trained_to - _LOADED_AGAIN, now)):{QUARTER_FORMAT}}"
    keys: list[str] = [str(key) for key in partitions.get_partition_keys()]
    wanted = [key for key in keys if key.split("|")[0] >= first] or keys[-1:]
    if step == BUILD_FEATURES:
        wanted = [key.split("|")[0] for key in wanted]
    return {
        "dagster/asset_partition_range_start": wanted[0],
        "dagster/asset_partition_range_end": wanted[-1],
    }
