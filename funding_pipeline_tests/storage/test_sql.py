"""SQL over the store through dagster-duckdb's resource."""

from pathlib import Path

import polars as pl
import pytest

from funding_pipeline.core.errors import StorageError
from funding_pipeline.defs.resources import LakeDuckDB
from funding_pipeline.storage.lake import Lake
from funding_pipeline.storage.sql import query, stored_tables


@pytest.fixture
def duckdb(tmp_path: Path) -> LakeDuckDB:
    lake = Lake(str(tmp_path))
    lake.replace("rates", pl.DataFrame({"venue": ["a", "a", "b"], "rate": [1.0, 3.0, None]}))
    return LakeDuckDB(database=":memory:", lake_uri=lake.uri)


def test_tables_are_views_of_their_own_names(duckdb: LakeDuckDB) -> None:
    with duckdb.get_connection() as connection:
        frame = query(connection, "select venue, avg(rate) as mean from rates group by venue order by venue")
    assert frame.rows() == [("a", 2.0), ("b", None)]  # a missing rate stays missing


def test_a_wrong_statement_is_one_clear_error(duckdb: LakeDuckDB) -> None:
    with duckdb.get_connection() as connection, pytest.raises(StorageError, match=r"SQL: .*nowhere"):
        query(connection, "select * from nowhere")


def test_stored_tables_of_an_empty_store(tmp_path: Path) -> None:
    assert stored_tables(Lake(str(tmp_path / "none"))) == []
