"""Which rows a normalized table accepts; every other row is kept aside with its reason.

What lives here: the row rules and the duplicates. What does not: checks that a stored table still
keeps its promises (`quality`), or that tables agree with each other (`cross_checks`).

A row that breaks several rules is refused once, under the first rule in the order below.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from funding_pipeline.core.tables import MADE_UP, PRICES, QUARANTINE, SETTLED_FUNDING, TableSchema
from funding_pipeline.market_data.bounds import (
    MAX_RATE_PER_8H,
    bounds_of,
    float_columns,
    is_rate_table,
    ordered_pairs_of,
)
from funding_pipeline.market_data.funding_caps import beyond_all, beyond_stated, with_caps

UNKNOWN = "(null)"
PRICE_KINDS = ("trade", "mark", "index", "spot")
# A stamp further off is an error of the stamp, and would keep the instrument blind until then.
_LATEST_PUBLICATION = timedelta(days=7)
SHORTEST_GAP = timedelta(minutes=30)  # no venue settles more often than hourly


@dataclass(frozen=True)
class Quarantined:
    """Rows of one table, judged. `accepted.height + refused.height + merged` is what came in.

    `accepted` has the table's columns sorted by key; `refused` is QUARANTINE; `merged` counts rows
    that repeated an accepted or refused row.
    """

    accepted: pl.DataFrame
    refused: pl.DataFrame
    merged: int


def quarantine_rows(
    table: TableSchema, frame: pl.DataFrame, *, terms: pl.DataFrame | None = None
) -> Quarantined:
    """Judge every row of `frame`, which has the columns of `table` (others are dropped).

    `terms`: RAW_INSTRUMENT_TERMS, whose caps and floors bound a rate from when they were stated.

    Rows equal in everything but `known_at` and `is_made_up` are one fact, known from the earliest. Rows that
    share a key and disagree are all refused: nothing says which is right, a gap is visible downstream, and a
    wrong rate would be traded on. The result does not depend on row order. Raises SchemaError where
    a column is missing or has a wrong type.
    """
    typed = table.typed(frame)
    distinct = _merge_repeats(table, typed)
    if is_rate_table(table):
        distinct = with_caps(distinct, terms, at="known_at")
    judged = distinct.with_columns(_first_reason(table).alias("_reason"))
    judged = judged.with_columns(pl.coalesce("_reason", _conflict_reason(table)).alias("_reason"))
    if table is SETTLED_FUNDING:
        judged = _without_repeats(judged)
    accepted = judged.filter(pl.col("_reason").is_null()).select(*table.columns).sort(table.key)
    refused = _as_quarantine(table, judged.filter(pl.col("_reason").is_not_null()))
    return Quarantined(accepted, refused, merged=frame.height - distinct.height)


def _merge_repeats(table: TableSchema, frame: pl.DataFrame) -> pl.DataFrame:
    facts = [name for name in table.columns if name not in ("known_at", MADE_UP) or name in table.key]
    made_up = [MADE_UP] if MADE_UP in table.columns else []  # of equal facts the real one is kept
    return frame.sort("known_at", *made_up, nulls_last=True).unique(facts, keep="first", maintain_order=True)


def _first_reason(table: TableSchema) -> pl.Expr:
    """The first broken rule as text, null where a row keeps them all."""
    return pl.coalesce(
        pl.when(broken).then(pl.lit(reason)) for broken, reason in _rules(table)
    )  # a null condition is not a broken rule


def _rules(table: TableSchema) -> Iterator[tuple[pl.Expr, str]]:
    for name in table.columns:
        if name not in table.nullable:
            yield pl.col(name).is_null(), f"null {name}"
    for name in ("venue", "symbol"):
        yield pl.col(name) == "", f"empty {name}"
    if table is PRICES:
        yield ~pl.col("kind").is_in(PRICE_KINDS), f"kind is none of {', '.join(PRICE_KINDS)}"
    if table is SETTLED_FUNDING:
        late = pl.col("known_at") - pl.col("settled_at") > _LATEST_PUBLICATION
        yield late, f"known more than {_LATEST_PUBLICATION.days} days after it happened"
    for name in float_columns(table):
        yield ~pl.col(name).is_finite(), f"{name} not finite"
    for name, bound in bounds_of(table).items():
        yield bound.broken_by(name), f"{name} not {bound}"
    if is_rate_table(table):
        yield beyond_all(), f"|rate| above {MAX_RATE_PER_8H:.0%} per 8 h and every cap known of it"
        yield beyond_stated(), "rate beyond the cap or floor that the venue had stated for it"
    for greater, less in ordered_pairs_of(table):
        yield pl.col(greater) < pl.col(less), f"{greater} below {less}"


def _conflict_reason(table: TableSchema) -> pl.Expr:
    """Refuses rows that share a key; a row refused for itself does not taint its sound twin."""
    sound = pl.col("_reason").is_null()
    shared = sound & (sound.cast(pl.UInt32).sum().over(table.key) > 1)
    return pl.when(shared).then(pl.lit("conflicting rows with one key"))


def _without_repeats(judged: pl.DataFrame) -> pl.DataFrame:
    """Settlements of one instrument minutes apart: the same rate is one payment stated twice, another is a
    conflict, and both go."""
    series = ["venue", "symbol"]
    sound, at = pl.col("_reason").is_null(), pl.col("settled_at")
    ordered = judged.filter(sound).sort(*series, "settled_at")
    after = (at - at.shift(1).over(series)) < SHORTEST_GAP
    before = (at.shift(-1).over(series) - at) < SHORTEST_GAP
    again = pl.col("rate") == pl.col("rate").shift(1).over(series)
    differs_before = before & (pl.col("rate") != pl.col("rate").shift(-1).over(series))
    reason = (
        pl.when(after & again)
        .then(pl.lit(f"settled again within {SHORTEST_GAP.seconds // 60} minutes at the same rate"))
        .when((after & ~again) | differs_before)
        .then(pl.lit(f"conflicting settlements within {SHORTEST_GAP.seconds // 60} minutes"))
    )
    return pl.concat([ordered.with_columns(reason.alias("_reason")), judged.filter(~sound)])


def as_quarantine(table: TableSchema, frame: pl.DataFrame, reason: str) -> pl.DataFrame:
    """All rows of `frame` as refused for one reason."""
    return _as_quarantine(table, table.typed(frame).with_columns(_reason=pl.lit(reason)))


def _as_quarantine(table: TableSchema, bad: pl.DataFrame) -> pl.DataFrame:
    return QUARANTINE.conform(
        bad.select(
            pl.lit(table.name).alias("table_name"),
            pl.col("venue").fill_null(UNKNOWN),
            pl.col("symbol").fill_null(UNKNOWN),
            pl.col(table.event_time).alias("event_time"),
            pl.col("_reason").alias("reason"),
            _row_json(table).alias("row_json"),
            "known_at",
        )
    )


def _row_json(table: TableSchema) -> pl.Expr:
    """The row as JSON. JSON has no NaN: such values stand in `not_finite`, so that no two rows merge."""
    floats = float_columns(table)
    plain = pl.struct(
        pl.when(pl.col(name).is_finite()).then(pl.col(name)).alias(name) if name in floats else name
        for name in table.columns
    )
    odd = pl.concat_str(
        [pl.when(~pl.col(name).is_finite()).then(pl.format(f"{name}={{}}", pl.col(name))) for name in floats]
        or [pl.lit(None, dtype=pl.String)],
        separator=", ",
        ignore_nulls=True,
    )
    with_odd = pl.struct(plain.struct.field("*"), odd.alias("not_finite"))
    return (
        pl.when(odd.str.len_bytes() > 0)
        .then(with_odd.struct.json_encode())
        .otherwise(plain.struct.json_encode())
    )
