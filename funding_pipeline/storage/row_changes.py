"""How many rows of a table came, changed and left between two of its versions."""

from dataclasses import dataclass

import polars as pl

from funding_pipeline.core.tables import TableSchema
from funding_pipeline.storage.lake import Lake


@dataclass(frozen=True)
class RowChanges:
    """Counts by key: rows with a new key, with other values under a key, and without their key now."""

    came: int
    changed: int
    left: int

    @property
    def is_any(self) -> bool:
        """Whether anything is different."""
        return self.came + self.changed + self.left > 0


def row_changes(lake: Lake, table: TableSchema, *, since: int | None) -> RowChanges:
    """What has happened to `table` since the version `since` (None: it was not there yet)."""
    if since is None:
        return RowChanges(lake.scan(table.name).select(pl.len()).collect().item(), 0, 0)
    gone, come = (_by_key(table, frame) for frame in lake.replaced_since(table.name, since))
    both = gone.join(come, on=list(table.key), how="inner", suffix="_now", nulls_equal=True)
    changed = both.filter(pl.col("values") != pl.col("values_now")).height
    return RowChanges(come.height - both.height, changed, gone.height - both.height)


def _by_key(table: TableSchema, rows: pl.DataFrame) -> pl.DataFrame:
    """The key of each row, and a hash of everything else."""
    values = [name for name in table.columns if name in rows.columns and name not in table.key]
    return rows.select(*table.key, values=pl.struct(values).hash())
