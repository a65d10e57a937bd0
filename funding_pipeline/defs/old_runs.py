"""Removes Dagster's old runs with their events and output.

A run stays while it is the newest that made some asset or partition: Dagster reads there what is loaded and
since when. Runs of a person's orders stay for good. Ticks have their retention in dagster.yaml.
"""

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import dagster as dg

from funding_pipeline.defs.run_tags import GOVERNANCE_RUN, UNFINISHED, WORK

_AT_ONCE = 100
_OVER = [status for status in dg.DagsterRunStatus if status not in UNFINISHED]
Made = tuple[dg.AssetKey, str | None]


def remove_old_runs(instance: dg.DagsterInstance, *, before: datetime) -> int:
    """Remove finished runs that were created before a time; how many they were."""
    newest: dict[Made, str | None] = {}
    old = [
        run_id
        for run_id in _finished(instance, before)
        if all(_newest(instance, made, newest) != run_id for made in _made_by(instance, run_id))
    ]
    for run_id in old:
        instance.compute_log_manager.delete_logs(prefix=[run_id])
        instance.delete_run(run_id)
        _remove_events_file(instance, run_id)
    return len(old)


def _finished(instance: dg.DagsterInstance, before: datetime) -> Iterator[str]:
    wanted = dg.RunsFilter(statuses=_OVER, created_before=before)
    cursor: str | None = None
    while records := instance.get_run_records(wanted, limit=_AT_ONCE, cursor=cursor):
        for record in records:
            if record.dagster_run.tags.get(WORK) != GOVERNANCE_RUN[WORK]:
                yield record.dagster_run.run_id
        cursor = records[-1].dagster_run.run_id


def _made_by(instance: dg.DagsterInstance, run_id: str) -> set[Made]:
    entries = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    events = [entry.dagster_event for entry in entries if entry.dagster_event is not None]
    return {(event.asset_key, event.partition) for event in events if event.asset_key is not None}


def _newest(instance: dg.DagsterInstance, made: Made, known: dict[Made, str | None]) -> str | None:
    """The run that made an asset, or a partition of it, last."""
    if made not in known:
        key, partition = made
        records = instance.fetch_materializations(
            key if partition is None else dg.AssetRecordsFilter(key, asset_partitions=[partition]), limit=1
        ).records
        known[made] = records[0].run_id if records else None
    return known[made]


def _remove_events_file(instance: dg.DagsterInstance, run_id: str) -> None:
    """On SQLite a run's events have a file of their own, which stays behind empty."""
    for path in (Path(instance.root_directory) / "history" / "runs").glob(f"{run_id}.db*"):
        with suppress(FileNotFoundError):
            path.unlink()
