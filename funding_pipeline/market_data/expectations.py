"""What a stored table promises, as expectations by name; Great Expectations judges them.

What lives here: the expectations of each table and the columns prepared for those that compare
rows. What does not: running them (`quality`), or rules between tables (`cross_checks`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

from funding_pipeline.core.errors import SchemaError
from funding_pipeline.core.tables import NORMALIZED, TableSchema
from funding_pipeline.market_data.bounds import (
    MAX_RATE_PER_HOUR,
    SETTLEMENT_INTERVALS_HOURS,
    bounds_of,
    float_columns,
    is_rate_table,
    ordered_pairs_of,
    rate_per_8h,
)

Severity = Literal["critical", "warning"]

ALL_FINITE = "all_finite"
TIME_INCREASES = "time_increases"
RATE_PER_8H = "rate_per_8h"
_MOST_PER_8H = 8 * MAX_RATE_PER_HOUR + 1e-9


@dataclass(frozen=True)
class Expectation:
    """One promise: `kind` names a Great Expectations class, `arguments` are its arguments.

    A broken `critical` one fails the report; a broken `warning` is listed and does not.
    """

    name: str
    kind: str
    arguments: Mapping[str, object] = field(hash=False)
    severity: Severity = "critical"


def schema_of(table_name: str) -> TableSchema:
    """Schema of a normalized table; raises SchemaError for another name."""
    for table in NORMALIZED:
        if table.name == table_name:
            return table
    raise SchemaError(f"no normalized table is called {table_name!r}")


def holds(name: str, column: str, *, severity: Severity = "critical") -> Expectation:
    """The prepared boolean `column` is true in every row where it is known."""
    return Expectation(name, "ExpectColumnValuesToBeInSet", {"column": column, "value_set": [True]}, severity)


def expectation_suite(table_name: str) -> tuple[Expectation, ...]:
    """Every expectation of a normalized table, critical unless it says otherwise.

    Whatever `quarantine_rows` accepts keeps them, except the usual intervals: a venue may invent one.
    """
    table = schema_of(table_name)
    return (*_whole_rows(table), *_values(table))


def _whole_rows(table: TableSchema) -> Iterator[Expectation]:
    yield Expectation(
        f"{', '.join(table.key)} unique",
        "ExpectCompoundColumnsToBeUnique",
        {"column_list": list(table.key)},
    )
    yield holds(f"{table.event_time} increases per instrument", TIME_INCREASES)
    for column in table.columns:
        if column not in table.nullable:
            yield Expectation(f"{column} known", "ExpectColumnValuesToNotBeNull", {"column": column})


def _values(table: TableSchema) -> Iterator[Expectation]:
    if float_columns(table):
        yield holds("numbers finite", ALL_FINITE)
    for column, bound in bounds_of(table).items():
        arguments = {"column": column, "min_value": bound.low, "strict_min": bound.strict_low}
        if bound.high is not None:
            arguments["max_value"] = bound.high
        yield Expectation(f"{column} {bound}", "ExpectColumnValuesToBeBetween", arguments)
    for greater, less in ordered_pairs_of(table):
        yield _at_least(greater, less)
    if is_rate_table(table):
        yield from _rates()


def _at_least(greater: str, less: str) -> Expectation:
    arguments = {"column_A": greater, "column_B": less, "or_equal": True}
    arguments["ignore_row_if"] = "either_value_is_missing"
    return Expectation(f"{greater} >= {less}", "ExpectColumnPairValuesAToBeGreaterThanB", arguments)


def _rates() -> Iterator[Expectation]:
    yield Expectation(
        f"|rate| <= {_MOST_PER_8H:.0%} per 8 h",
        "ExpectColumnValuesToBeBetween",
        {"column": RATE_PER_8H, "min_value": -_MOST_PER_8H, "max_value": _MOST_PER_8H},
    )
    yield Expectation(
        "interval_hours usual",
        "ExpectColumnValuesToBeInSet",
        {"column": "interval_hours", "value_set": list(SETTLEMENT_INTERVALS_HOURS)},
        "warning",
    )


def prepare(table: TableSchema, frame: pl.DataFrame) -> pl.DataFrame:
    """`frame` with the helper columns of its suite. Rows keep their order: it is one of the promises.

    Raises SchemaError where a column is missing.
    """
    missing = [name for name in table.columns if name not in frame.columns]
    if missing:
        raise SchemaError(f"table {table.name}: missing column(s) {', '.join(missing)}")
    floats = float_columns(table)
    prepared = frame.select(*table.columns).with_columns(_time_increases(table).alias(TIME_INCREASES))
    if floats:
        finite = pl.all_horizontal(pl.col(name).is_finite().fill_null(value=True) for name in floats)
        prepared = prepared.with_columns(finite.alias(ALL_FINITE))
    if is_rate_table(table):
        prepared = prepared.with_columns(rate_per_8h().alias(RATE_PER_8H))
    return prepared


def _time_increases(table: TableSchema) -> pl.Expr:
    """True where a row is later than the one before it of the same series, null for the first one.

    A series is what the key says without its times: an estimate is repeated for one settlement, so
    there the later `known_at` counts.
    """
    times = {table.event_time, "known_at"}
    series = [name for name in table.key if name not in times]
    event = pl.col(table.event_time)
    before = event.shift(1).over(series)
    if "known_at" not in table.key:
        return event > before
    known_later = pl.col("known_at") > pl.col("known_at").shift(1).over(series)
    return (event > before) | ((event == before) & known_later)
