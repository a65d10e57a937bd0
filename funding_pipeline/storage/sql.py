"""SQL over the store: every Delta table as a view of its own name in a private DuckDB.

DuckDB is the engine, not the store: its own files admit one process only, so the database is
in memory and any number of people and steps can ask at once.
"""

from collections.abc import Iterable
from pathlib import Path

import duckdb
import polars as pl
from deltalake import DeltaTable

from funding_pipeline.core.errors import StorageError
from funding_pipeline.storage.lake import Lake


def stored_tables(lake: Lake) -> list[str]:
    """Names of the tables in a local store, sorted."""
    root = Path(lake.uri)
    if not root.is_dir():
        return []
    return sorted(entry.name for entry in root.iterdir() if (entry / "_delta_log").is_dir())


def register_views(
    connection: duckdb.DuckDBPyConnection, lake: Lake, tables: Iterable[str] | None = None
) -> None:
    """Make the named tables (all stored ones by default) readable by name on `connection`."""
    for name in stored_tables(lake) if tables is None else tables:
        connection.register(name, _open(lake, name).to_pyarrow_dataset())


def _open(lake: Lake, table: str) -> DeltaTable:
    lake.version(table)  # raises by name if the table was never made
    return DeltaTable(lake.path(table), storage_options=dict(lake.storage_options) or None)


def query(connection: duckdb.DuckDBPyConnection, statement: str) -> pl.DataFrame:
    """Result of one SQL statement; raises StorageError with DuckDB's own reason in one line."""
    try:
        return connection.sql(statement).pl()
    except (duckdb.Error, AttributeError) as error:
        reason = " ".join(str(error).split()) if isinstance(error, duckdb.Error) else "it returns no rows"
        raise StorageError(f"SQL: {reason}") from error
