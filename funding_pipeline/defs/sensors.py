"""The sensors: settlements, the guard's heartbeat, the age of the data, and runs that failed.

What lives here: the four sensors, and the alerts of those that watch. What does not: asking for rebalances
(`settlement_sensor`), judging (`trading.readiness`), telling people (`guard`).
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
from pydantic import BaseModel, ConfigDict, ValidationError

from funding_pipeline.core.errors import FundingPipelineError
from funding_pipeline.core.governance import Alert, StateRecord
from funding_pipeline.defs.run_tags import CLOSE, REBALANCE
from funding_pipeline.defs.settlement_sensor import data_finding, look_at_settlements
from funding_pipeline.defs.trading_state import record_id, reported_records, state_event
from funding_pipeline.defs.trading_view import (
    Clock,
    absent_testnet,
    clock_of,
    freshness_of,
    intervals_of,
    newest_settlements,
    setup_of,
)
from funding_pipeline.execution.settlement_schedule import off_schedule, settlement_times
from funding_pipeline.guard.alerts import Alerts
from funding_pipeline.market.choice import MarketTime
from funding_pipeline.settings import Settings
from funding_pipeline.storage.journal import Journal
from funding_pipeline.storage.lake import Lake
from funding_pipeline.storage.planned_stop import planned_stop
from funding_pipeline.trading.governance_actions import last_known_time
from funding_pipeline.trading.readiness import Finding, guard_finding, state_finding
from funding_pipeline.trading.setup import TradingSetup
from funding_pipeline.venues.credentials import redact

Tell = Callable[[Journal, TradingSetup, Alert, float], Any]
"""Keeps an alert and brings it to people; the last value: market seconds per second."""

GOVERNANCE_JOBS = (
    "halt",
    "reduce",
    "resume",
    "flatten",
    "arm_live_trading",
    "disarm_live_trading",
    "tighten_limit",
)
_ALERT_WINDOW = timedelta(minutes=15)
_DAY = timedelta(days=1)
_TELLING_SECONDS = 5.0
_FIRST_HISTORY = 20


class Watch(BaseModel):
    """What a watching sensor has told: its cursor."""

    model_config = ConfigDict(frozen=True)

    alerted: bool = False
    record: str = ""

    @classmethod
    def read(cls, cursor: str | None) -> "Watch":
        """From a cursor; one that cannot be read is as none."""
        try:
            return cls.model_validate_json(cursor or "{}")
        except ValidationError:
            return cls()


def sensors(
    *,
    jobs: Sequence[Any],
    clock: Clock = clock_of,
    tell: Tell | None = None,
) -> list[dg.SensorDefinition]:
    """All four. `jobs`: the definitions of `rebalance` and `settlement_close`, which the first asks for.

    `clock`: the venues' time. `tell`: by default through the services of the settings.
    """
    tell = tell or tell_people

    @dg.sensor(
        name="settlement_sensor",
        jobs=jobs,
        minimum_interval_seconds=4,  # the daemon looks every 5 s: with 5 here it would now and then take 10
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="One rebalance before each settlement of the venues, and one settlement_close after it.",
    )
    def settlement_sensor(
        context: dg.SensorEvaluationContext,
        settings: dg.ResourceParam[Settings],
        lake: dg.ResourceParam[Lake],
    ) -> dg.SensorResult | dg.SkipReason:
        return _quietly(
            settings, clock, lambda setup, time: look_at_settlements(context, setup, time, settings, lake)
        )

    @dg.sensor(
        name="guard_heartbeat_sensor",
        minimum_interval_seconds=14,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Whether the guard lives, with an alert when it does not; reports changes of the state.",
    )
    def guard_heartbeat_sensor(
        context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings]
    ) -> dg.SensorResult | dg.SkipReason:
        return _quietly(settings, clock, lambda setup, time: _look_at_guard(context, setup, time, tell))

    @dg.sensor(
        name="data_freshness_sensor",
        minimum_interval_seconds=29,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Whether the market data is new enough to decide on, with an alert when it is not.",
    )
    def data_freshness_sensor(
        context: dg.SensorEvaluationContext,
        settings: dg.ResourceParam[Settings],
        lake: dg.ResourceParam[Lake],
    ) -> dg.SensorResult | dg.SkipReason:
        return _quietly(settings, clock, lambda setup, time: _look_at_data(context, setup, time, lake, tell))

    @dg.run_failure_sensor(
        name="failed_run_alert_sensor",
        minimum_interval_seconds=9,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="An alert for each failed run of trading and governance.",
    )
    def failed_run_alert_sensor(
        context: dg.RunFailureSensorContext, settings: dg.ResourceParam[Settings]
    ) -> dg.SkipReason | None:
        job = context.dagster_run.job_name
        if job not in (REBALANCE, CLOSE, *GOVERNANCE_JOBS):
            return dg.SkipReason(f"{job} is not watched")
        return _tell_of_failure(context, settings, clock, tell)

    return [settlement_sensor, guard_heartbeat_sensor, data_freshness_sensor, failed_run_alert_sensor]


_CLASS = re.compile(r"^(?:\w+\.)+[A-Z]\w*(?::\s*|$)")
"""The name of an error's class in front of what it says: no word for a person."""


def tell_people(journal: Journal, setup: TradingSetup, alert: Alert, speed: float) -> None:
    """Through the services that are set; without any, the alert is in the journal and in the log."""
    alerts = Alerts(journal, setup.alert_urls, setup.escalation_urls, speed=speed)
    alerts.tell(alert)
    alerts.flush(_TELLING_SECONDS)


def _quietly(
    settings: Settings,
    clock: Clock,
    look: Callable[[TradingSetup, MarketTime], dg.SensorResult | dg.SkipReason],
) -> dg.SensorResult | dg.SkipReason:
    """A look, or the reason why there is none; never raises for what is missing or down."""
    try:
        setup = setup_of(settings)
    except FundingPipelineError as error:
        return dg.SkipReason(f"trading is not possible: {error}")
    time = clock(settings)
    if time is None:
        return dg.SkipReason(absent_testnet(settings))
    try:
        return look(setup, time)
    except FundingPipelineError as error:
        return dg.SkipReason(f"cannot be judged now: {error}")


def _look_at_guard(
    context: dg.SensorEvaluationContext, setup: TradingSetup, time: MarketTime, tell: Tell
) -> dg.SensorResult:
    watch = Watch.read(context.cursor)
    oldest = setup.execution.at_speed(time.speed).guard_max_age_seconds
    with _journal(setup, time) as journal:
        finding = guard_finding(journal.heartbeat("guard"), now=time.now, max_age_seconds=oldest)
        history = journal.state_history()
        if finding.stops and not watch.alerted:
            tell(journal, setup, _alert("guard_heartbeat", "critical", finding, time.now), time.speed)
    fresh = _new_records(context.instance, history, told=watch.record)
    held = history[0]
    text = f"{finding.line()}\n{state_finding(held).line()}"
    return dg.SensorResult(
        skip_reason=dg.SkipReason(text + ("" if finding.stops else "\nok")),
        asset_events=[state_event(record, history[history.index(record) :]) for record in fresh],
        cursor=Watch(alerted=finding.stops, record=record_id(held)).model_dump_json(),
    )


def _new_records(
    instance: dg.DagsterInstance, history: Sequence[StateRecord], *, told: str
) -> list[StateRecord]:
    """Changes since the one that was told last, oldest first, without those that a job has reported."""
    ids = [record_id(record) for record in history]
    if ids[0] == told:
        return []
    fresh = history[: ids.index(told)] if told in ids else history[:_FIRST_HISTORY]
    known = reported_records(instance)
    return [record for record in reversed(fresh) if record_id(record) not in known]


def _look_at_data(
    context: dg.SensorEvaluationContext, setup: TradingSetup, time: MarketTime, lake: Lake, tell: Tell
) -> dg.SensorResult | dg.SkipReason:
    watch, intervals = Watch.read(context.cursor), intervals_of(lake, setup.venues)
    if intervals is None:
        return dg.SkipReason("there is no market data yet: run `make run` first")
    newest = newest_settlements(freshness_of(lake), setup.venues)
    times = settlement_times(intervals, after=time.now - _DAY, until=time.now, newest=newest)
    finding = data_finding(lake, setup.venues, time, times=times)
    if finding.stops and not watch.alerted:
        with _journal(setup, time) as journal:
            tell(journal, setup, _alert("data_freshness", "warning", finding, time.now), time.speed)
    lines = [
        finding.line(),
        *_changed_intervals(off_schedule(intervals, newest)),
        "" if finding.stops else "ok",
    ]
    return dg.SensorResult(
        skip_reason=dg.SkipReason("\n".join(line for line in lines if line)),
        cursor=Watch(alerted=finding.stops).model_dump_json(),
    )


def _changed_intervals(venues: Sequence[str]) -> list[str]:
    return [
        f"{venue} has settled at a time that no interval of its tells: taken as hourly until the job "
        "refresh_reference_data has read the intervals again"
        for venue in venues
    ]


def _journal(setup: TradingSetup, time: MarketTime) -> Journal:
    """The journal at the venues' time; an alert is a repeat for a quarter of a real hour."""
    window = _ALERT_WINDOW * max(time.speed, 1.0)
    return setup.journal(now=lambda: time.now, alert_window=window)


def _alert(key: str, severity: Any, finding: Finding, at: datetime) -> Alert:
    return Alert(key, severity, f"{finding.subject}: {finding.text}", finding.action, at)


def _tell_of_failure(
    context: dg.RunFailureSensorContext, settings: Settings, clock: Clock, tell: Tell
) -> dg.SkipReason | None:
    """Keep the alert; where the testnet is down, at the newest time that the journal knows.

    A run that was under way when a person ended `up` has not failed."""
    run = context.dagster_run
    if (stopped_at := _stopped_under_way(context, settings)) is not None:
        return dg.SkipReason(
            f"run {run.run_id[:8]} was under way when `up` was ended at {stopped_at:%H:%M:%S} UTC"
        )
    try:
        setup, time = setup_of(settings), clock(settings)
        with _journal(setup, time or MarketTime(datetime.now(UTC))) as journal:
            at = last_known_time(journal) if time is None else time.now
            alert = failure_alert(run.job_name, run.run_id, _reason(context), at)
            tell(journal, setup, alert, 1.0 if time is None else time.speed)
    except FundingPipelineError as error:
        return dg.SkipReason(f"the failure of run {run.run_id[:8]} could not be kept: {error}")
    return None


def _stopped_under_way(context: dg.RunFailureSensorContext, settings: Settings) -> datetime | None:
    """When `up` was ended by a person, if the run was under way then; None: it failed by itself."""
    at, record = (
        planned_stop(settings.state_dir),
        context.instance.get_run_record_by_id(context.dagster_run.run_id),
    )
    if at is None or record is None or record.end_time is None:
        return None
    return at if record.create_timestamp <= at <= datetime.fromtimestamp(record.end_time, UTC) else None


def failure_alert(job: str, run_id: str, reason: str, at: datetime) -> Alert:
    """The alert of a failed run, with what to do."""
    actions = {
        REBALANCE: "look at the run in the web UI; what is held stays hedged or is the guard's to mend, and "
        "the next settlement is tried again",
        CLOSE: "look at the run in the web UI; the next close reads what this one missed",
    }
    action = actions.get(job, "nothing was changed where the run says so: read its error, and run it again")
    severity: Any = "critical" if job in (REBALANCE, "halt", "flatten") else "warning"
    return Alert(f"run_failed {job}", severity, f"{job} failed (run {run_id[:8]}): {reason}", action, at)


def _reason(context: dg.RunFailureSensorContext) -> str:
    """The innermost error of the first step that failed, in one line without secrets."""
    steps = context.get_step_failure_events()
    error = steps[0].step_failure_data.error if steps else None
    while error is not None and error.cause is not None:
        error = error.cause
    text = error.message if error is not None else (context.failure_event.message or "no reason given")
    text = _CLASS.sub("", " ".join(text.split()))
    return redact(text)[:300] or "its process was ended from outside"
