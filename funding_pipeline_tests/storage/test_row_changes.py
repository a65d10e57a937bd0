"""Rows that came, changed and left: counted by key, over the files that commits have replaced."""

from pathlib import Path

import polars as pl

from funding_pipeline.core.tables import SETTLED_FUNDING
from funding_pipeline.storage.lake import Lake
from funding_pipeline.storage.row_changes import RowChanges, row_changes

Q1, Q2 = ("a", "2024-01"), ("a", "2024-04")


def rows(quarter: str, rates: dict[int, float]) -> pl.DataFrame:
    """A settlement per day of the quarter's first month."""
    day = pl.lit(f"{quarter}-01").str.to_datetime(time_zone="UTC") + pl.duration(days=pl.col("day"))
    frame = pl.DataFrame(
        {"day": list(rates), "rate": list(rates.values())}, schema={"day": pl.Int64, "rate": pl.Float64}
    )
    named = frame.with_columns(
        venue=pl.lit("a"), symbol=pl.lit("S"), settled_at=day, interval_hours=8.0, known_at=day
    )
    return SETTLED_FUNDING.conform(named).with_columns(quarter=pl.lit(quarter))


def test_counts_by_key(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    both = pl.concat([rows("2024-01", {1: 1e-4, 2: 1e-4, 3: 1e-4}), rows("2024-04", {1: 1e-4})])
    first = lake.replace_partitions("settled_funding", both, partitions=[Q1, Q2])
    assert row_changes(lake, SETTLED_FUNDING, since=None) == RowChanges(4, 0, 0)

    edited = rows("2024-01", {1: 1e-4, 2: 2e-4, 4: 1e-4, 5: 1e-4})
    lake.replace_partitions("settled_funding", edited, partitions=[Q1])
    assert row_changes(lake, SETTLED_FUNDING, since=first) == RowChanges(2, 1, 1)

    second = lake.version("settled_funding")
    lake.replace_partitions("settled_funding", edited, partitions=[Q1], of=[Q1])
    assert row_changes(lake, SETTLED_FUNDING, since=second) == RowChanges(0, 0, 1)
    third = lake.version("settled_funding")
    lake.replace_partitions("settled_funding", edited, partitions=[Q1], of=[Q1])
    assert not row_changes(lake, SETTLED_FUNDING, since=third).is_any
