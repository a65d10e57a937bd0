"""The store: partitions are replaced in one commit, and failures leave what was there."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funding_pipeline.core.errors import StorageError
from funding_pipeline.storage.lake import Lake, partitions_predicate


def _rows(*rows: tuple[str, str, int]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["venue", "quarter", "value"], orient="row")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def test_only_named_partitions_change(lake: Lake) -> None:
    lake.replace_partitions(
        "t",
        _rows(("a", "2024-01", 1), ("a", "2024-04", 2), ("b", "2024-01", 3)),
        partitions=[("a", "2024-01"), ("a", "2024-04"), ("b", "2024-01")],
    )
    lake.replace_partitions("t", _rows(("a", "2024-04", 9)), partitions=[("a", "2024-04")])
    assert sorted(lake.scan("t").collect()["value"]) == [1, 3, 9]
    assert lake.version("t") == 2  # made empty, then two replacements


def test_a_partition_without_rows_becomes_empty(lake: Lake) -> None:
    partitions = [("a", "2024-01"), ("b", "2024-01")]
    lake.replace_partitions("t", _rows(("a", "2024-01", 1), ("b", "2024-01", 2)), partitions=partitions)
    lake.replace_partitions("t", _rows().cast({"value": pl.Int64}), partitions=[("a", "2024-01")])
    assert lake.scan("t").collect()["value"].to_list() == [2]


def test_writing_twice_gives_the_same_table(lake: Lake) -> None:
    frame = _rows(("a", "2024-01", 1))
    for _ in range(2):
        lake.replace_partitions("t", frame, partitions=[("a", "2024-01")])
    assert lake.scan("t").collect().height == 1


def test_a_row_outside_is_refused_and_nothing_changes(lake: Lake) -> None:
    lake.replace_partitions("t", _rows(("a", "2024-01", 1)), partitions=[("a", "2024-01")])
    with pytest.raises(StorageError, match="outside those being replaced"):
        lake.replace_partitions("t", _rows(("b", "2024-01", 2)), partitions=[("a", "2024-01")])
    assert lake.scan("t").collect()["value"].to_list() == [1]


def test_tables_of_others_in_one_table_stay(lake: Lake) -> None:
    frame = _rows(("a", "2024-01", 1)).with_columns(table_name=pl.lit("x"))
    lake.replace_partitions("q", frame, partitions=[("a", "2024-01")], where={"table_name": "x"})
    other = frame.with_columns(table_name=pl.lit("y"), value=pl.lit(2))
    lake.replace_partitions("q", other, partitions=[("a", "2024-01")], where={"table_name": "y"})
    assert sorted(lake.scan("q").collect()["value"]) == [1, 2]


def test_a_table_never_made_is_named_with_the_mend(lake: Lake) -> None:
    with pytest.raises(StorageError, match=r"table prices has not been made yet.*make run"):
        lake.scan("prices")


def test_a_damaged_log_is_an_error_that_names_the_table(lake: Lake) -> None:
    lake.replace("t", _rows(("a", "2024-01", 1)))
    for entry in (Path(lake.path("t")) / "_delta_log").glob("*.json"):
        entry.write_text("{ not json", "utf-8")
    with pytest.raises(StorageError, match="table t in"):
        lake.scan("t").collect()


def test_a_failing_write_leaves_the_table_as_it_was(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.replace("t", _rows(("a", "2024-01", 1)))

    def full_disk(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("funding_pipeline.storage.lake.write_deltalake", full_disk)
    with pytest.raises(StorageError, match=r"t in .* was not written .*No space left"):
        lake.replace("t", _rows(("a", "2024-01", 2)))
    assert lake.scan("t").collect()["value"].to_list() == [1]


@pytest.mark.parametrize("round_number", range(4))
def test_first_writers_of_a_table_do_not_lose_each_other_s_rows(lake: Lake, round_number: int) -> None:
    venues = ["b", "c", "d", "e"]

    def write(venue: str) -> None:
        lake.replace_partitions("t", _rows((venue, "2024-01", 1)), partitions=[(venue, "2024-01")])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, venues))
    assert sorted(lake.scan("t").collect()["venue"]) == venues


@settings(max_examples=50, deadline=None)
@given(
    st.sets(st.tuples(st.sampled_from("abc"), st.sampled_from(["2024-01", "2024-04", "2024-07"])), min_size=1)
)
def test_predicate_selects_exactly_the_partitions(chosen: set[tuple[str, str]]) -> None:
    every = pl.DataFrame(
        [(v, q) for v in "abc" for q in ("2024-01", "2024-04", "2024-07")],
        schema=["venue", "quarter"],
        orient="row",
    )
    found = every.filter(pl.sql_expr(partitions_predicate(sorted(chosen))))
    assert set(found.iter_rows()) == chosen


def test_partitions_that_the_source_has_no_more_leave_with_the_commit(lake: Lake) -> None:
    whole = [("a", "2024-01"), ("a", "2024-04"), ("b", "2024-01")]
    rows = _rows(("a", "2024-01", 1), ("a", "2024-04", 2), ("b", "2024-01", 3))
    lake.replace_partitions("t", rows, partitions=whole, of=whole)
    version = lake.version("t")
    now = lake.replace_partitions(
        "t", _rows(("a", "2024-04", 4)), partitions=whole[1:2], of=[("a", "2024-01"), ("a", "2024-04")]
    )
    assert now == version + 1
    assert sorted(lake.scan("t").collect()["value"]) == [1, 4]


def test_quarters_that_the_source_has_no_more_leave_with_the_commit(lake: Lake) -> None:
    rows = pl.DataFrame({"quarter": ["2024-01", "2024-04"], "value": [1, 2]})
    lake.replace_quarters("t", rows, quarters=["2024-01", "2024-04"], of=["2024-01", "2024-04"])
    lake.replace_quarters("t", rows.head(1), quarters=["2024-01"], of=["2024-01"])
    assert lake.scan("t").collect()["value"].to_list() == [1]
