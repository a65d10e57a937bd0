"""Tidying Delta tables: old files go, the rows and the versions in use stay, writers are not disturbed."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable

from funding_pipeline.core.errors import StorageError
from funding_pipeline.storage.lake import Lake
from funding_pipeline.storage.lake_upkeep import keep_small, local_tables


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def plans(number: int) -> pl.DataFrame:
    return pl.DataFrame({"plan": [number] * 10, "leg": range(10)})


def files(lake: Lake) -> int:
    return len(list(Path(lake.path("plan")).rglob("*.parquet")))


def test_versions_of_the_last_days_stay(lake: Lake) -> None:
    for number in range(5):
        lake.replace("plan", plans(number))
    before = files(lake)
    keep_small(lake, "plan", days=7)
    assert local_tables(lake) == ["plan"]
    assert files(lake) >= before
    assert DeltaTable(lake.path("plan"), version=1).to_pyarrow_table()["plan"][0].as_py() == 1


def test_older_ones_go_but_for_those_in_use(lake: Lake) -> None:
    for number in range(5):
        lake.replace("plan", plans(number))
    keep_small(lake, "plan", days=0, kept=[2, 900])
    assert lake.scan("plan").collect().equals(plans(4))
    assert pl.read_delta(lake.path("plan"), version=2).equals(plans(2))
    with pytest.raises((OSError, pl.exceptions.PolarsError)):
        pl.read_delta(lake.path("plan"), version=1)
    keep_small(lake, "plan", days=0)
    with pytest.raises((OSError, pl.exceptions.PolarsError)):
        pl.read_delta(lake.path("plan"), version=2)


def test_small_files_of_a_partition_become_one(lake: Lake) -> None:
    frame = pl.DataFrame({"venue": "okx", "quarter": "2025-01", "x": range(6)})
    lake.replace_partitions("prices", frame, partitions=[("okx", "2025-01")])
    path = lake.path("prices")
    for row in range(4):
        frame[row : row + 1].write_delta(path, mode="append")
    keep_small(lake, "prices", days=0)
    assert len(DeltaTable(path).file_uris()) == 1
    assert lake.scan("prices").collect().height == 10


def test_a_rebalance_beside_it_loses_nothing(lake: Lake) -> None:
    """Retention by time protects readers; here the newest version is the only one that has to be there."""
    lake.replace("plan", plans(0))

    def rebalance() -> None:
        for number in range(1, 25):
            lake.replace("plan", plans(number))

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(rebalance)
        while not writing.done():
            keep_small(lake, "plan", days=1)
            assert lake.scan("plan").collect()["plan"].n_unique() == 1
        writing.result()
    assert lake.scan("plan").collect().equals(plans(24))


def test_a_damaged_table_is_named(lake: Lake) -> None:
    lake.replace("plan", plans(0))
    for log in Path(lake.path("plan"), "_delta_log").glob("*.json"):
        log.write_text("{", "utf-8")
    with pytest.raises(StorageError, match="table plan"):
        keep_small(lake, "plan", days=7)
