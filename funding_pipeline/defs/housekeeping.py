"""Housekeeping: what grows by itself is kept small, every night and whenever somebody asks.

What lives here: the parts of a market's state folder and what is done with each, the job and its schedule.
What does not: how it is done (`market.landing`, `storage.lake_upkeep`, `tracking.upkeep`, `old_runs`).

The journal is measured and never touched. Whatever is removed, nobody reads any more: a rebalance, a
training or a person may be at work beside it. A part that fails costs the others nothing.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import dagster as dg

from funding_pipeline.core.errors import FundingPipelineError, StorageError
from funding_pipeline.core.retention import Retention
from funding_pipeline.defs import metadata as md
from funding_pipeline.defs.old_runs import remove_old_runs as remove_runs_of_dagster
from funding_pipeline.defs.run_tags import HOUSEKEEPING_RUN
from funding_pipeline.market.landing import Landing
from funding_pipeline.settings import Settings
from funding_pipeline.storage.file_lock import held_alone
from funding_pipeline.storage.folder_size import Size
from funding_pipeline.storage.lake import Lake
from funding_pipeline.storage.lake_upkeep import keep_small, local_tables
from funding_pipeline.tracking.forecasters import ModelTracking
from funding_pipeline.tracking.upkeep import remove_old_runs as remove_runs_of_mlflow
from funding_pipeline.tracking.upkeep import versions_in_use
from funding_pipeline.venues.archive import remove_days

HOUSEKEEPING = "housekeeping"
_MEGABYTE = 1e6


@dataclass(frozen=True)
class Tidied:
    """One part of the state: its size before and after, what was done, and what went wrong."""

    part: str
    before: Size
    after: Size
    done: str
    problem: str = ""

    def row(self) -> dict[str, str | int | float]:
        """For a table that a person reads."""
        gone = self.before - self.after
        return {
            "part": self.part,
            "files before": self.before.files,
            "MB before": round(self.before.bytes / _MEGABYTE, 2),
            "files removed": gone.files,
            "MB removed": round(gone.bytes / _MEGABYTE, 2),
            "files": self.after.files,
            "MB": round(self.after.bytes / _MEGABYTE, 2),
            "what": self.problem or self.done,
        }


def keep_house(settings: Settings, instance: dg.DagsterInstance, *, now: datetime) -> list[Tidied]:
    """Tidy every part of the state folder. `now`: this machine's time, UTC, as files and runs are stamped.

    Raises StorageError only where another housekeeping is at work.
    """

    def refuse(who: str) -> StorageError:
        return StorageError(f"{settings.state_dir}: another housekeeping is at work ({who})")

    with held_alone(settings.state_dir / "housekeeping.lock", refuse=refuse):
        before = Size.of(settings.state_dir)
        done = [_tidied(name, folder, work) for name, folder, work in _parts(settings, instance, now)]
        whole = Size.of(settings.state_dir)
        return [*done, Tidied("everything", before, whole, "with the journal, which is never touched")]


def _tidied(part: str, folder: Path, work: Callable[[], str]) -> Tidied:
    before, done, problem = Size.of(folder), "", ""
    try:
        done = work()
    except FundingPipelineError as error:
        problem = str(error)
    return Tidied(part, before, Size.of(folder), done, problem)


def _parts(
    settings: Settings, instance: dg.DagsterInstance, now: datetime
) -> Iterator[tuple[str, Path, Callable[[], str]]]:
    home, kept = settings.state_dir, settings.retention
    tracking, landing = ModelTracking(home / "mlflow"), home / "landing"
    yield "landed rows", landing / "rows", partial(_landed, landing / "rows")
    yield "bodies", landing / "bodies", partial(_bodies, landing / "bodies", kept, now)
    yield "tables", home / "lake", partial(_tables, Lake(str(home / "lake")), tracking, kept)
    yield "runs of Dagster", home / "dagster", partial(_runs, instance, kept, now)
    yield "runs of MLflow", home / "mlflow", partial(_models, tracking, kept, now)
    yield "logs", home / "logs", lambda: "`up` rotates them"


def _landed(rows: Path) -> str:
    return f"{Landing(rows).merge()} files fewer by merging"


def _bodies(folder: Path, kept: Retention, now: datetime) -> str:
    gone = remove_days(folder, before=(now - timedelta(days=kept.bodies)).date())
    return f"{gone} files older than {kept.bodies} days"


def _tables(lake: Lake, tracking: ModelTracking, kept: Retention) -> str:
    used, names = versions_in_use(tracking), local_tables(lake)
    for name in names:
        keep_small(lake, name, days=kept.tables, kept=used.get(name, ()))
    return f"{len(names)} tables; versions of the last {kept.tables} days stay readable"


def _runs(instance: dg.DagsterInstance, kept: Retention, now: datetime) -> str:
    gone = remove_runs_of_dagster(instance, before=now - timedelta(days=kept.runs))
    return f"{gone} runs older than {kept.runs} days"


def _models(tracking: ModelTracking, kept: Retention, now: datetime) -> str:
    gone = remove_runs_of_mlflow(tracking, before=now - timedelta(days=kept.models))
    return f"{gone} runs older than {kept.models} days without a registered model"


def housekeeping_automation() -> tuple[dg.JobDefinition, dg.ScheduleDefinition]:
    """The job, and its schedule: once a day."""

    @dg.op(name="keep_house")
    def keep_house_op(context: dg.OpExecutionContext, settings: dg.ResourceParam[Settings]) -> None:
        """Tidies every part of the state folder, and shows what was there, went and is left."""
        try:
            done = keep_house(settings, context.instance, now=datetime.now(UTC))
        except FundingPipelineError as error:
            raise dg.Failure(description=str(error), allow_retries=False) from None
        shown = {"parts": md.table_of([part.row() for part in done])}
        if problems := [f"{part.part}: {part.problem}" for part in done if part.problem]:
            raise dg.Failure(description="; ".join(problems), metadata=shown, allow_retries=False)
        context.add_output_metadata(shown)

    @dg.job(
        name=HOUSEKEEPING,
        description="Keep the state small: merge, vacuum, remove what is old. Never the journal.",
        tags=dict(HOUSEKEEPING_RUN),
        executor_def=dg.in_process_executor,
    )
    def housekeeping() -> None:
        keep_house_op()

    schedule = dg.ScheduleDefinition(
        name="daily_housekeeping",
        job=housekeeping,
        cron_schedule="40 3 * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Housekeeping every night, 03:40 UTC.",
    )
    return housekeeping, schedule
