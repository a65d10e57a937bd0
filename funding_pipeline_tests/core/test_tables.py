"""Schemas are enforced by name."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from funding_pipeline.core.errors import SchemaError
from funding_pipeline.core.tables import ESTIMATED_FUNDING, NORMALIZED, SETTLED_FUNDING, MarketTables

_ROW = {
    "venue": "binance",
    "symbol": "BTC/USDT:USDT",
    "settled_at": datetime(2025, 1, 1, tzinfo=UTC),
    "rate": 0.0001,
    "interval_hours": 8,
    "known_at": datetime(2025, 1, 1, tzinfo=UTC),
}


def test_conform_orders_columns_and_rows() -> None:
    later = {**_ROW, "settled_at": datetime(2025, 1, 2, tzinfo=UTC)}
    frame = pl.DataFrame([later, _ROW]).select(sorted(_ROW))
    conformed = SETTLED_FUNDING.conform(frame)
    assert conformed.columns == list(SETTLED_FUNDING.columns)
    assert conformed["settled_at"].is_sorted()
    assert conformed.schema["interval_hours"] == pl.Float64


def test_a_missing_column_is_named() -> None:
    with pytest.raises(SchemaError, match=r"settled_funding: missing column\(s\) rate"):
        SETTLED_FUNDING.conform(pl.DataFrame([_ROW]).drop("rate"))


def test_a_null_where_none_may_be_is_named() -> None:
    with pytest.raises(SchemaError, match=r"settled_funding: null in column\(s\) rate"):
        SETTLED_FUNDING.conform(pl.DataFrame([{**_ROW, "rate": None}], schema_overrides={"rate": pl.Float64}))


def test_a_wrong_type_is_an_error_not_a_null() -> None:
    with pytest.raises(SchemaError, match="wrong column type"):
        SETTLED_FUNDING.conform(pl.DataFrame([{**_ROW, "rate": "n/a"}]))


def test_tables_as_they_were_known_hold_estimates_of_what_is_to_come_and_nothing_later() -> None:
    noon, day = datetime(2025, 1, 1, 12, tzinfo=UTC), timedelta(days=1)
    estimate = {**_ROW, "settles_at": noon + timedelta(hours=4), "known_at": noon}
    estimates = [estimate, {**estimate, "known_at": noon + timedelta(seconds=1)}]
    settled = [{**_ROW, "known_at": noon - day}, {**_ROW, "settled_at": noon, "known_at": noon + day}]
    empty = {schema.name: schema.empty().lazy() for schema in NORMALIZED}
    given = {
        "estimated_funding": ESTIMATED_FUNDING.conform(pl.DataFrame(estimates)).lazy(),
        "settled_funding": SETTLED_FUNDING.conform(pl.DataFrame(settled)).lazy(),
    }
    known = MarketTables(**{**empty, **given}).as_known_at(noon)
    assert known.estimated_funding.collect()["known_at"].to_list() == [noon]
    assert known.settled_funding.collect()["known_at"].to_list() == [noon - day]


@pytest.mark.parametrize("schema", NORMALIZED, ids=lambda schema: schema.name)
def test_every_schema_is_whole(schema) -> None:
    assert {"known_at"} <= set(schema.columns)
    assert set(schema.key) <= set(schema.columns)
    assert schema.event_time in schema.columns
    assert schema.nullable <= set(schema.columns)
    assert not schema.nullable & set(schema.key)
    assert all(schema.descriptions[name] for name in schema.columns)
    assert schema.conform(schema.empty()).is_empty()
