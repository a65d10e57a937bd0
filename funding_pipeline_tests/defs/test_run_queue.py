"""The queue of dagster.yaml: governance never waits, a rebalance is alone, research keeps to two."""

from pathlib import Path

import dagster as dg
import pytest
import yaml

from funding_pipeline.defs.run_tags import (
    CLOSE_RUN,
    GOVERNANCE_RUN,
    HOUSEKEEPING_RUN,
    REBALANCE_RUN,
    RESEARCH_RUN,
    WORK,
)
from funding_pipeline.settings import project_root


@pytest.fixture
def instance(tmp_path: Path) -> dg.DagsterInstance:
    (tmp_path / "dagster.yaml").write_text((project_root() / "dagster.yaml").read_text("utf-8"), "utf-8")
    return dg.DagsterInstance.from_config(str(tmp_path))


def test_runs_are_taken_from_the_queue_each_second_and_not_limited_as_a_whole(
    instance: dg.DagsterInstance,
) -> None:
    config = instance.get_concurrency_config()
    assert config.run_queue_config is not None
    assert config.run_queue_config.max_concurrent_runs == -1
    assert instance.run_coordinator.dequeue_interval_seconds == 1


def test_each_kind_of_work_has_its_limit_and_governance_none() -> None:
    text = (project_root() / "dagster.yaml").read_text("utf-8")
    limits = yaml.safe_load(text)["concurrency"]["runs"]["tag_concurrency_limits"]
    by_work = {entry["value"]: entry["limit"] for entry in limits if entry["key"] == WORK}
    assert by_work == {
        REBALANCE_RUN[WORK]: 1,
        CLOSE_RUN[WORK]: 1,
        RESEARCH_RUN[WORK]: 2,
        HOUSEKEEPING_RUN[WORK]: 1,
    }
    assert GOVERNANCE_RUN[WORK] not in by_work


def test_governance_goes_before_a_rebalance_and_that_before_research() -> None:
    order = [GOVERNANCE_RUN, REBALANCE_RUN, CLOSE_RUN, RESEARCH_RUN, HOUSEKEEPING_RUN]
    priorities = [int(tags["dagster/priority"]) for tags in order]
    assert priorities == sorted(priorities, reverse=True)
    assert all(tags["dagster/max_retries"] == "0" for tags in order[:3])
