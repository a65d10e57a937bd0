"""Tags by which the run queue (dagster.yaml) tells runs apart, and names of the trading jobs.

What lives here: names and tags. What does not: jobs, and the queue's limits, which stand in dagster.yaml.
"""

import os
from collections.abc import Mapping

import dagster as dg

REBALANCE = "rebalance"
CLOSE = "settlement_close"

WORK = "funding/work"
"""What a run does; dagster.yaml limits how many of each there are at once."""

REBALANCE_RUN: Mapping[str, str] = {
    WORK: "rebalance",
    "dagster/priority": "5",
    "dagster/max_retries": "0",
    "dagster/max_runtime": "900",  # a run that hangs would hold back all that come after it
}
CLOSE_RUN: Mapping[str, str] = {
    WORK: "settlement_close",
    "dagster/priority": "3",
    "dagster/max_retries": "0",
    "dagster/max_runtime": "1800",
}
HOUSEKEEPING_RUN: Mapping[str, str] = {
    WORK: "housekeeping",
    "dagster/priority": "-10",
    "dagster/max_retries": "0",
    "dagster/max_runtime": "7200",
}
GOVERNANCE_RUN: Mapping[str, str] = {
    WORK: "governance",
    "dagster/priority": "10",
    "dagster/max_retries": "0",
}
_NICE = 10

RESEARCH_RUN: Mapping[str, str] = {
    WORK: "research",
    "dagster/priority": "-5",
    "dagster/max_runtime": "14400",  # a training whose process was killed would be under way for ever
}

TRAINING = "funding/training"
"""On each run of a training: which one. At most one such run is under way (dagster.yaml)."""
TRAINING_STEP, TRAINING_WHY = "funding/training_step", "funding/training_why"
TRAINING_AT = "funding/training_at"
"""The venues' time at which the training was asked for, ISO 8601."""

UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
"""States of a run that is not over."""


def give_way(context: dg.AssetExecutionContext) -> None:
    """Lower the priority of a training's process: a rebalance beside it has its settlement to meet."""
    if TRAINING in context.run.tags:
        os.setpriority(os.PRIO_PROCESS, 0, _NICE)


def unfinished_run(instance: dg.DagsterInstance, job: str) -> str | None:
    """Id of a run of the job that is waiting or under way, or None."""
    runs = instance.get_runs(dg.RunsFilter(job_name=job, statuses=UNFINISHED), limit=1)
    return runs[0].run_id if runs else None
