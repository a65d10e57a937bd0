"""Housekeeping: every part is tidied, one that fails costs itself, and the journal stays as it is."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from funding_pipeline.core.errors import StorageError
from funding_pipeline.defs.housekeeping import Tidied, housekeeping_automation, keep_house
from funding_pipeline.settings import Settings
from funding_pipeline.storage.file_lock import held_alone
from funding_pipeline.storage.journal import Journal
from funding_pipeline.storage.lake import Lake

NOW = datetime.now(UTC)
DAYS = {"keep_tables_days": 1, "keep_runs_days": 1, "keep_models_days": 1, "keep_bodies_days": 1}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    found = Settings(home=tmp_path, **DAYS)  # type: ignore[arg-type]
    lake = Lake(str(tmp_path / "lake"))
    for number in range(3):
        lake.replace("plan", pl.DataFrame({"n": [number]}))
    for age in (0, 10):
        day = tmp_path / "landing" / "bodies" / "okx" / f"{NOW - timedelta(days=age):%Y-%m-%d}"
        day.mkdir(parents=True)
        (day / "1.jsonl.gz").write_bytes(b"x" * 100)
    with Journal(f"sqlite:///{tmp_path / 'journal.db'}", now=lambda: NOW) as journal:
        journal.note_equity(NOW - timedelta(days=400), Decimal(1000))
    return found


def by_name(done: list[Tidied]) -> dict[str, Tidied]:
    return {part.part: part for part in done}


def test_every_part_is_tidied_and_the_journal_is_not_touched(settings: Settings) -> None:
    journal = settings.state_dir / "journal.db"
    before = journal.read_bytes()
    with dg.DagsterInstance.ephemeral() as instance:
        done = by_name(keep_house(settings, instance, now=NOW))
    assert [part.problem for part in done.values()] == [""] * len(done)
    assert done["bodies"].row()["files removed"] == 1
    assert done["everything"].before.bytes > done["bodies"].before.bytes > done["bodies"].after.bytes
    assert done["bodies"].row()["what"] == "1 files older than 1 days"
    assert (settings.state_dir / "landing" / "bodies" / "okx" / f"{NOW:%Y-%m-%d}" / "1.jsonl.gz").exists()
    assert Lake(str(settings.state_dir / "lake")).scan("plan").collect()["n"].to_list() == [2]
    assert journal.read_bytes() == before


def test_a_part_that_fails_costs_itself(settings: Settings) -> None:
    for log in (settings.state_dir / "lake" / "plan" / "_delta_log").glob("*.json"):
        log.write_text("{", "utf-8")
    with dg.DagsterInstance.ephemeral() as instance:
        done = by_name(keep_house(settings, instance, now=NOW))
    assert "table plan" in done["tables"].problem
    assert done["bodies"].after.files == 1


def test_there_is_one_housekeeping_at_a_time(settings: Settings) -> None:
    lock = settings.state_dir / "housekeeping.lock"
    with (
        dg.DagsterInstance.ephemeral() as instance,
        held_alone(lock, refuse=StorageError),
        pytest.raises(StorageError, match="another housekeeping"),
    ):
        keep_house(settings, instance, now=NOW)


def test_the_job_shows_what_it_did_and_runs_every_night(settings: Settings) -> None:
    job, schedule = housekeeping_automation()
    assert (schedule.job_name, schedule.cron_schedule) == (job.name, "40 3 * * *")
    resources = {"settings": dg.ResourceDefinition.hardcoded_resource(settings)}
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance, resources=resources)
        [output] = [event for event in result.all_events if event.is_successful_output]
    shown = str(output.step_output_data.metadata["parts"].value)
    assert "bodies" in shown
    assert "MB removed" in shown
