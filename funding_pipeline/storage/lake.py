"""The store: one Delta Lake table per name, replaced partition by partition in one commit.

What lives here: reading, replacing and versions. What does not: what the rows mean. A commit is
atomic: a reader sees the table before or after it, and a write that fails leaves it as it was.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import polars as pl
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from funding_pipeline.core.errors import StorageError

Partition = tuple[str, str]
"""A venue and a quarter such as `2025-07`: the physical partition of a market-data table."""

PARTITION_COLUMNS = ("venue", "quarter")
_CONFLICT_ATTEMPTS = 8


@dataclass(frozen=True)
class Lake:
    """Delta tables below `uri`, a local folder or `s3://bucket/prefix`."""

    uri: str
    storage_options: Mapping[str, str] = field(default_factory=dict)

    def path(self, table: str) -> str:
        """Address of a table."""
        return f"{self.uri.rstrip('/')}/{table}"

    def exists(self, table: str) -> bool:
        """Whether the table has ever been written."""
        return DeltaTable.is_deltatable(self.path(table), storage_options=self._options)

    def version(self, table: str) -> int:
        """Number of the table's newest commit; raises StorageError if it was never written."""
        return int(self._open(table).version())

    def scan(self, table: str) -> pl.LazyFrame:
        """The newest version of a table; raises StorageError naming it if it was never written."""
        self._open(table)
        return pl.scan_delta(self.path(table), storage_options=self._options)

    def replaced_since(self, table: str, version: int) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Rows of the files that left the table since `version`, and of those that came.

        Rows that were written again as they were are in both; what no commit touched is in neither.
        """
        now = set(self._open(table).file_uris())
        before = set(self._open(table, version).file_uris())
        gone, come = sorted(before - now), sorted(now - before)
        empty = self.scan(table).head(0).collect()
        return self._read_files(gone, empty), self._read_files(come, empty)

    def _read_files(self, uris: Sequence[str], empty: pl.DataFrame) -> pl.DataFrame:
        """Rows of single files of a table, with the columns that are part of their paths."""
        if not uris:
            return empty
        return pl.scan_parquet(
            list(uris),
            hive_partitioning=True,
            hive_schema={
                name: pl.String for name in ("table_name", *PARTITION_COLUMNS) if name in empty.columns
            },
            missing_columns="insert",
            extra_columns="ignore",
            schema=empty.schema,
            storage_options=self._options,
        ).collect()

    def replace(self, table: str, frame: pl.DataFrame) -> int:
        """Replace the whole table; returns the new version."""
        return self._write(table, frame, partition_by=None, predicate=None)

    def replace_partitions(
        self,
        table: str,
        frame: pl.DataFrame,
        *,
        partitions: Iterable[Partition],
        of: Iterable[Partition] | None = None,
        where: Mapping[str, str] | None = None,
    ) -> int:
        """Replace the given (venue, quarter) partitions, also those without a row; returns the version.

        `frame` has the columns `venue` and `quarter`. `of`: every partition that the source has; rows of
        others leave with the same commit. `where` names further partition columns with the one value that
        is replaced. Raises StorageError if a row lies outside the given partitions.
        """
        wanted = sorted(set(partitions))
        _require_inside(table, frame, wanted)
        fixed = [f"{column} = '{_quoted(value)}'" for column, value in (where or {}).items()]
        replaced = partitions_predicate(wanted)
        if of is not None:
            replaced += f" OR NOT ({partitions_predicate([*wanted, *of])})"
        predicate = " AND ".join([*fixed, f"({replaced})"])
        columns = [*(where or {}), *PARTITION_COLUMNS]
        return self._write(table, frame, partition_by=columns, predicate=predicate)

    def replace_quarters(
        self, table: str, frame: pl.DataFrame, *, quarters: Sequence[str], of: Sequence[str]
    ) -> int:
        """Replace the given quarters of a table that is partitioned by `quarter` alone.

        `of`: every quarter that the source has; rows of others leave with the same commit.
        """
        kept = _listed(sorted({*of, *quarters}))
        predicate = f"quarter IN ({_listed(sorted(set(quarters)))}) OR quarter NOT IN ({kept})"
        return self._write(table, frame, partition_by=["quarter"], predicate=predicate)

    def _make_empty(self, table: str, schema: Any, partition_by: list[str] | None) -> None:
        """Make the table if nobody has; losing that race is no failure."""
        if not self.exists(table):
            DeltaTable.create(
                self.path(table),
                schema=schema,
                mode="ignore",
                partition_by=partition_by,
                storage_options=self._options,
            )

    @property
    def _options(self) -> dict[str, str] | None:
        return dict(self.storage_options) or None

    def _open(self, table: str, version: int | None = None) -> DeltaTable:
        try:
            return DeltaTable(self.path(table), version=version, storage_options=self._options)
        except TableNotFoundError as error:
            raise StorageError(
                f"table {table} has not been made yet in {self.uri}: materialize it, or run `make run`"
            ) from error
        except (DeltaError, OSError) as error:
            raise StorageError(f"table {table} in {self.uri} cannot be read: {_first_line(error)}") from error

    def _write(
        self, table: str, frame: pl.DataFrame, *, partition_by: list[str] | None, predicate: str | None
    ) -> int:
        """One commit. A table of partitions is made empty first: of two first writers neither is lost."""
        rows = frame.to_arrow()
        options: dict[str, Any] = {"partition_by": partition_by, "storage_options": self._options}
        if predicate is None:
            options |= {"schema_mode": "overwrite"}
        else:
            options |= {"predicate": predicate, "schema_mode": "merge"}
        retrying = Retrying(
            retry=retry_if_exception_type(CommitFailedError),  # another writer was first: try again
            wait=wait_random_exponential(multiplier=0.1, max=2.0),
            stop=stop_after_attempt(_CONFLICT_ATTEMPTS),
            reraise=True,
        )
        try:
            if predicate is not None:
                retrying(self._make_empty, table, rows.schema, partition_by)
            retrying(write_deltalake, self.path(table), rows, mode="overwrite", **options)
        except (DeltaError, OSError) as error:
            raise StorageError(
                f"table {table} in {self.uri} was not written (what it held is untouched): "
                f"{_first_line(error)}"
            ) from error
        return self.version(table)


def partitions_predicate(partitions: Sequence[Partition]) -> str:
    """SQL for a set of (venue, quarter) partitions, quarters with the same venues taken together."""
    by_quarter = {
        quarter: tuple(sorted(venue for venue, _ in pairs))
        for quarter, pairs in groupby(
            sorted(set(partitions), key=lambda pair: pair[1]), key=lambda pair: pair[1]
        )
    }
    by_venues: dict[tuple[str, ...], list[str]] = {}
    for quarter, venues in by_quarter.items():
        by_venues.setdefault(venues, []).append(quarter)
    clauses = [
        f"(venue IN ({_listed(venues)}) AND quarter IN ({_listed(quarters)}))"
        for venues, quarters in by_venues.items()
    ]
    return " OR ".join(clauses)


def _listed(values: Iterable[str]) -> str:
    return ", ".join(f"'{_quoted(value)}'" for value in values)


def _quoted(value: str) -> str:
    return value.replace("'", "''")


def _require_inside(table: str, frame: pl.DataFrame, partitions: Sequence[Partition]) -> None:
    """A row outside the replaced partitions would survive the next replacement as a duplicate."""
    if not partitions:
        raise StorageError(f"table {table}: no partition named to replace")
    found = set(frame.select(PARTITION_COLUMNS).unique().iter_rows())
    outside = sorted(found - set(partitions))
    if outside:
        raise StorageError(f"table {table}: rows of partition {outside[0]} outside those being replaced")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
