"""Which of Dagster's runs go: old ones, unless they are the newest of an asset or a person's order."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from funding_pipeline.defs.old_runs import remove_old_runs
from funding_pipeline.defs.run_tags import GOVERNANCE_RUN

TOMORROW = datetime.now(UTC) + timedelta(days=1)
QUARTERS = dg.StaticPartitionsDefinition(["2025-01", "2025-04"])


@dg.asset
def plan() -> None:
    """Made anew by each run."""


@dg.asset(partitions_def=QUARTERS)
def prices() -> None:
    """By quarter."""


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        yield instance


def made(instance: dg.DagsterInstance, asset: dg.AssetsDefinition, **options: object) -> str:
    result = dg.materialize([asset], instance=instance, **options)  # type: ignore[arg-type]
    return result.run_id


def left(instance: dg.DagsterInstance) -> set[str]:
    return {run.run_id for run in instance.get_runs()}


def test_the_newest_of_each_asset_and_partition_stays(instance: dg.DagsterInstance) -> None:
    old, first, again = (made(instance, plan) for _ in range(2)), None, None
    old = list(old)
    first = made(instance, prices, partition_key="2025-01")
    superseded = made(instance, prices, partition_key="2025-04")
    again = made(instance, prices, partition_key="2025-04")
    assert remove_old_runs(instance, before=datetime.now(UTC) - timedelta(days=1)) == 0
    assert remove_old_runs(instance, before=TOMORROW) == 2
    assert left(instance) == {old[1], first, again}
    assert superseded not in left(instance)
    assert instance.get_materialized_partitions(prices.key) == {"2025-01", "2025-04"}
    assert {path.stem for path in Path(instance.root_directory).glob("history/runs/*-*.db")} == left(instance)
    assert not list(Path(instance.root_directory).glob(f"storage/{old[0]}"))
    assert remove_old_runs(instance, before=TOMORROW) == 0


def test_orders_of_a_person_and_what_is_not_over_stay(instance: dg.DagsterInstance) -> None:
    ordered = made(instance, plan, tags=dict(GOVERNANCE_RUN))
    failed = instance.create_run_for_job(dg.Definitions([plan]).resolve_implicit_global_asset_job_def())
    newest = made(instance, plan)
    assert remove_old_runs(instance, before=TOMORROW) == 0
    instance.report_run_failed(failed)
    assert remove_old_runs(instance, before=TOMORROW) == 1
    assert left(instance) == {ordered, newest}


def test_more_runs_than_are_read_at_once(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("funding_pipeline.defs.old_runs._AT_ONCE", 2)
    runs = [made(instance, plan) for _ in range(7)]
    assert remove_old_runs(instance, before=TOMORROW) == 6
    assert left(instance) == {runs[-1]}
