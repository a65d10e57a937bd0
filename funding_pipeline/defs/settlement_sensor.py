"""The sensor that asks for one rebalance before each settlement and one close after it.

What lives here: a look, put together from what was read, and what it says in the web UI. What does not: when
settlements are and what is due (`execution`), what stops a rebalance (`trading.readiness`), the jobs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import dagster as dg

from funding_pipeline.defs.accounts import SETTLEMENT_TAG
from funding_pipeline.defs.features import FEATURES
from funding_pipeline.defs.run_tags import CLOSE, CLOSE_RUN, REBALANCE, REBALANCE_RUN, unfinished_run
from funding_pipeline.defs.trading_view import freshness_of, intervals_of, newest_settlements
from funding_pipeline.execution.settlement_requests import Due, Progress, SettlementTiming, due, text_of
from funding_pipeline.execution.settlement_schedule import longest_gap, settlement_times, shortest_gap
from funding_pipeline.execution.states import Arming
from funding_pipeline.market.choice import MarketTime
from funding_pipeline.settings import Settings
from funding_pipeline.storage.lake import Lake
from funding_pipeline.trading.readiness import (
    FEWEST_VENUES,
    Finding,
    arming_finding,
    freshness_finding,
    guard_finding,
    keys_finding,
    oldest_allowed,
    remarks,
    state_finding,
    stops,
)
from funding_pipeline.trading.setup import TradingSetup

_DAY = timedelta(days=1)
_LOOK_BACK = timedelta(days=2)
"""Settlements that went by longer ago are not named one by one."""


@dataclass(frozen=True)
class Look:
    """What one look has read. `times`: settlements since what was dealt with, and of the coming day."""

    setup: TradingSetup
    time: MarketTime
    times: tuple[datetime, ...]
    timing: SettlementTiming
    progress: Progress


def look_at_settlements(
    context: dg.SensorEvaluationContext, setup: TradingSetup, time: MarketTime, settings: Settings, lake: Lake
) -> dg.SensorResult | dg.SkipReason:
    """Ask for what is due, or say why not. Raises JournalError, StorageError."""
    look = _read(context.cursor, setup, time, settings, lake)
    if look is None:
        return dg.SkipReason("there is no table funding_intervals yet: run `make run` first")
    return _asked(context, look, find(look, lake))


def _read(
    cursor: str | None, setup: TradingSetup, time: MarketTime, settings: Settings, lake: Lake
) -> Look | None:
    intervals = intervals_of(lake, setup.venues)
    if intervals is None:
        return None
    progress = Progress.read(cursor, now=time.now)
    dealt_with = min(progress.rebalanced, progress.closed)
    times = settlement_times(
        intervals,
        after=max(min(dealt_with, time.now - _DAY), time.now - _LOOK_BACK),
        until=time.now + _DAY,
        newest=newest_settlements(freshness_of(lake), setup.venues),
    )
    gap = shortest_gap(at for at in times if at > time.now - _DAY)
    timing = SettlementTiming.at_speed(settings.rebalance_lead_seconds, speed=time.speed, gap=gap)
    return Look(setup, time, times, timing, progress.at(time.now))


def find(look: Look, lake: Lake) -> list[Finding]:
    """Everything that may stop a rebalance. Raises JournalError, StorageError."""
    setup, now, speed = look.setup, look.time.now, look.time.speed
    config = setup.execution.at_speed(speed)
    with setup.journal(now=lambda: now) as journal:
        held, beat, armed_until = journal.state(), journal.heartbeat("guard"), journal.armed_until()
    keys = keys_finding(setup.venues)
    found = [
        state_finding(held),
        guard_finding(beat, now=now, max_age_seconds=config.guard_max_age_seconds),
        keys,
        arming_finding(Arming(setup.is_live, not keys.stops, armed_until), now=now),
        data_finding(lake, setup.venues, look.time, times=look.times),
    ]
    if len(setup.venues) < FEWEST_VENUES:
        text = f"{len(setup.venues)} venues can be traded on, {FEWEST_VENUES} are needed"
        found.append(Finding("venues", text, stops=True, action="choose others by FUNDING_VENUES"))
    if not lake.exists(FEATURES):
        text = f"there is no table {FEATURES} to forecast from"
        found.append(Finding("forecasts", text, stops=True, action="run `make run` first"))
    return found


def data_finding(
    lake: Lake, venues: Sequence[str], time: MarketTime, *, times: Sequence[datetime]
) -> Finding:
    """Whether the rows are new enough to decide on; `times`: settlements of a day or more."""
    oldest = oldest_allowed(longest_gap=longest_gap(times), speed=time.speed)
    return freshness_finding(freshness_of(lake), venues=venues, now=time.now, oldest=oldest)


def _asked(context: dg.SensorEvaluationContext, look: Look, findings: Sequence[Finding]) -> dg.SensorResult:
    running = unfinished_run(context.instance, REBALANCE)
    closing = unfinished_run(context.instance, CLOSE)
    stopped = stops(findings)
    busy = f"a rebalance is still in progress (run {running[:8]})" if running else ""
    found = due(
        look.times,
        now=look.time.now,
        timing=look.timing,
        progress=look.progress,
        held_back="; ".join(part for part in (stopped.replace("\n", "; "), busy) if part),
        closing=closing is not None,
    )
    for text in found.missed:
        context.log.warning(text)
    requests = _requests(found)
    if requests:
        return dg.SensorResult(run_requests=requests, cursor=found.progress.model_dump_json())
    lines = [*found.progress.untold, stopped, busy, remarks(findings), _next(look, stopped=bool(stopped))]
    return dg.SensorResult(
        skip_reason=dg.SkipReason("\n".join(line for line in lines if line)),
        cursor=found.progress.told().model_dump_json(),
    )


def _requests(found: Due) -> list[dg.RunRequest]:
    wanted = ((REBALANCE, found.rebalance, REBALANCE_RUN), (CLOSE, found.close, CLOSE_RUN))
    return [
        dg.RunRequest(
            run_key=found.run_key(job, at), job_name=job, tags={**tags, SETTLEMENT_TAG: text_of(at)}
        )
        for job, at, tags in wanted
        if at is not None
    ]


def _next(look: Look, *, stopped: bool) -> str:
    """What comes next, in the market's time."""
    coming = [at for at in look.times if at > max(look.time.now, look.progress.rebalanced)]
    clock = f"the market's time is {look.time.now:%Y-%m-%d %H:%M:%S}"
    if not coming:
        return f"{clock}; no settlement within a day"
    begins = "stopped" if stopped else f"rebalance from {coming[0] - look.timing.lead:%H:%M:%S}"
    close = coming[0] + look.timing.close_delay
    return f"{clock}; next settlement {text_of(coming[0])}: {begins}, close at {close:%H:%M:%S}"
