"""The rows of every panel: instruments that pay funding, crossed with the decision times.

What lives here: which (as_of, venue, symbol) exist, and as-of joins onto them. What does not: any
feature's formula.
"""

from datetime import timedelta

import polars as pl

from funding_pipeline.core.tables import UTC, MarketTables

INSTRUMENT = ("venue", "symbol")
# An instrument whose last settlement is older than this is delisted, or its venue silent.
MAX_SILENCE_HOURS = 24


def decision_times(as_of: pl.Series) -> pl.DataFrame:
    """Distinct decision times in order, one row per `as_of` (UTC)."""
    return pl.DataFrame({"as_of": as_of.cast(UTC)}).drop_nulls().unique().sort("as_of")


def settlements_in_order(settled: pl.LazyFrame) -> pl.DataFrame:
    """Settlements by instrument and time, with `rate_per_hour` and a `known_at` that never falls.

    A settlement counts as known only once every earlier one of its instrument is known too: a late
    row delays those behind it, so that no sum ever skips it and jumps later. One whose interval is unknown
    has no rate per hour and is left out.
    """
    return (
        settled.filter(pl.col("interval_hours").is_not_null())
        .select(*INSTRUMENT, "settled_at", "rate", "interval_hours", "known_at")
        .sort(*INSTRUMENT, "settled_at")
        .with_columns(
            pl.max_horizontal("known_at", "settled_at").cum_max().over(INSTRUMENT).alias("known_at"),
            (pl.col("rate") / pl.col("interval_hours")).alias("rate_per_hour"),
        )
        .collect()
    )


def decision_grid(settlements: pl.DataFrame, times: pl.DataFrame) -> pl.DataFrame:
    """One row per (as_of, venue, symbol) whose last known settlement is at most 24 h old.

    Columns: as_of, venue, symbol, `last_settled_at`, and that settlement's `rate_per_hour` and
    `interval_hours`. Sorted by as_of, venue, symbol.
    """
    span = settlements.group_by(INSTRUMENT).agg(
        pl.col("known_at").min().alias("first"), pl.col("settled_at").max().alias("last")
    )
    alive = (pl.col("as_of") >= pl.col("first")) & (pl.col("as_of") <= pl.col("last") + _silence())
    candidates = times.lazy().join(span.lazy(), how="cross").filter(alive).drop("first", "last")
    latest = settlements.lazy().select(
        *INSTRUMENT,
        "known_at",
        "rate_per_hour",
        "interval_hours",
        pl.col("settled_at").alias("last_settled_at"),
    )
    joined = as_of_join(candidates, latest, left_on="as_of", right_on="known_at", by=INSTRUMENT)
    fresh = pl.col("as_of") <= pl.col("last_settled_at") + _silence()
    return joined.filter(fresh).sort("as_of", *INSTRUMENT).collect()


def as_of_join(
    left: pl.LazyFrame, right: pl.LazyFrame, *, left_on: str, right_on: str, by: tuple[str, ...]
) -> pl.LazyFrame:
    """Each left row with the last right row of its group at or before its time; drops `right_on`.

    Rows of `right` with equal times must be in order already: the last of them is taken.
    """
    return (
        left.sort(left_on)
        .join_asof(
            right.sort(right_on, maintain_order=True),
            left_on=left_on,
            right_on=right_on,
            by=list(by),
            strategy="backward",
            coalesce=left_on == right_on,
            check_sortedness=False,
        )
        .drop(right_on, strict=False)
    )


def bases(tables: MarketTables) -> pl.DataFrame:
    """One row per (venue, symbol) and base that it has counted to: `base`, `multiplier` (1 where unknown) and
    `since`, when that was known. An instrument whose prices disagree with its namesakes leaves their base."""
    rows = tables.instruments.sort(*INSTRUMENT, "effective_from").select(
        *INSTRUMENT,
        "base",
        pl.col("multiplier").last().over(INSTRUMENT).fill_null(1.0),
        pl.col("known_at").alias("since"),
    )
    is_other = pl.col("base") != pl.col("base").shift(1).over(INSTRUMENT)
    return rows.filter(is_other.fill_null(value=True)).collect()


def with_base(rows: pl.LazyFrame, known: pl.DataFrame, *, at: str) -> pl.LazyFrame:
    """`rows`, in their order, with `base` and `multiplier` of their instruments as known `at` (a column).

    The first base of an instrument holds before it too; both are null for an instrument that is not `known`.
    """
    first = known.unique(INSTRUMENT, keep="first", maintain_order=True)
    found = rows.join(first.drop("since").lazy(), on=list(INSTRUMENT), how="left", maintain_order="left")
    later = known.join(first, on=[*INSTRUMENT, "since"], how="anti")
    if later.is_empty():
        return found
    then = later.lazy().select(*INSTRUMENT, "since", pl.col("base").alias("base_then"))
    dated = as_of_join(found.with_row_index("row"), then, left_on=at, right_on="since", by=INSTRUMENT)
    return (
        dated.sort("row")
        .with_columns(pl.coalesce("base_then", "base").alias("base"))
        .drop("row", "base_then")
    )


def _silence() -> timedelta:
    return timedelta(hours=MAX_SILENCE_HOURS)
