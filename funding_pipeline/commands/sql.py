"""`funding-pipeline sql`: one statement over the stored tables."""

import sys

import polars as pl

from funding_pipeline.commands.console import console
from funding_pipeline.commands.sql_format import OutputFormat
from funding_pipeline.core.errors import StorageError
from funding_pipeline.defs.resources import LakeDuckDB
from funding_pipeline.settings import Settings
from funding_pipeline.storage.lake import Lake
from funding_pipeline.storage.sql import query, stored_tables


def run_sql(settings: Settings, statement: str | None, *, output: OutputFormat) -> None:
    """Print the result of a statement; without one, the tables there are. Raises StorageError."""
    lake = Lake(str(settings.state_dir / "lake"))
    tables = stored_tables(lake)
    if not tables:
        raise StorageError(f"no tables in {lake.uri}: `make run` fills them")
    if statement is None:
        console.print("\n".join(tables))
        return
    with LakeDuckDB(database=":memory:", lake_uri=lake.uri).get_connection() as connection:
        frame = query(connection, statement)
    _print(frame, output)


def _print(frame: pl.DataFrame, output: OutputFormat) -> None:
    if output is OutputFormat.CSV:
        sys.stdout.write(frame.write_csv())
    elif output is OutputFormat.JSON:
        sys.stdout.write(frame.write_ndjson())
    else:
        with pl.Config(tbl_rows=200, tbl_cols=-1, tbl_width_chars=console.width, fmt_str_lengths=60):
            print(frame)
