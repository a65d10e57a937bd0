"""What a forecast is about: the funding that a position would have been charged over a horizon.

Only settled funding is a label. What does not live here: anything known at as_of (`panel`).
"""

from collections.abc import Sequence
from datetime import timedelta

import polars as pl

from funding_pipeline.core.horizons import NEXT_SETTLEMENT
from funding_pipeline.core.tables import UTC
from funding_pipeline.features.decision_grid import (
    INSTRUMENT,
    as_of_join,
    decision_times,
    settlements_in_order,
)
from funding_pipeline.features.funding import on_plateau
from funding_pipeline.features.trailing import running_sums, window_sums

LABELS_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "as_of": UTC,
    "venue": pl.String,
    "symbol": pl.String,
    "horizon_hours": pl.Int64,
    "rate_per_hour": pl.Float64,
    "plateau_share": pl.Float64,
    "known_at": UTC,
}


def realised_funding(
    settled: pl.LazyFrame, *, as_of: pl.Series, horizons_hours: Sequence[int]
) -> pl.DataFrame:
    """One row per (as_of, venue, symbol, horizon) between an instrument's first and last settlement.

    `rate_per_hour`: sum of the rates settled in (as_of, as_of + h], divided by h; fraction of
    notional per hour; null when a settlement in that span is missing or the instrument's data end before
    its end. `plateau_share`: share of the horizon at the bare interest. `known_at`: when the first
    settlement at or after as_of + h, and so every one before it, was known; on time, as_of + h. Horizon 0
    is the next settlement alone: its rate over its interval, known when it is. Sorted by key.
    """
    settlements = _settlements(settled)
    times = decision_times(as_of)
    grid = _grid(settlements, times)
    frames = [
        _next_settlement(grid, settlements) if h == NEXT_SETTLEMENT else _labels(grid, settlements, int(h))
        for h in horizons_hours
    ]
    empty = pl.DataFrame(schema=LABELS_SCHEMA)
    return pl.concat([empty, *frames]).sort("as_of", *INSTRUMENT, "horizon_hours")


def _settlements(settled: pl.LazyFrame) -> pl.DataFrame:
    rows = settlements_in_order(settled)
    hours = pl.col("interval_hours")
    sums = {
        "sum_rate": pl.col("rate"),
        "sum_hours": hours,
        "sum_plateau": on_plateau(pl.col("rate_per_hour")).cast(pl.Float64) * hours,
    }
    return running_sums(rows, sums)


def _grid(settlements: pl.DataFrame, times: pl.DataFrame) -> pl.DataFrame:
    """Decision times of each instrument from its first settlement to its last, with the interval then."""
    span = settlements.group_by(INSTRUMENT).agg(
        pl.col("settled_at").min().alias("first"), pl.col("settled_at").max().alias("last")
    )
    inside = (pl.col("as_of") >= pl.col("first")) & (pl.col("as_of") <= pl.col("last"))
    grid = times.join(span, how="cross").filter(inside).select("as_of", *INSTRUMENT)
    return grid.with_columns(_intervals_at(grid, settlements, hours=0).alias("interval_then"))


def _intervals_at(grid: pl.DataFrame, settlements: pl.DataFrame, *, hours: int) -> pl.Series:
    """Interval of the last settlement at or before as_of + hours, row for row of `grid`."""
    at = (pl.col("as_of") + timedelta(hours=hours)).alias("at")
    left = grid.lazy().select(*INSTRUMENT, at).with_row_index("row")
    right = settlements.lazy().select(*INSTRUMENT, "settled_at", "interval_hours")
    joined = as_of_join(left, right, left_on="at", right_on="settled_at", by=INSTRUMENT)
    return joined.sort("row").collect()["interval_hours"]


def _labels(grid: pl.DataFrame, settlements: pl.DataFrame, horizon: int) -> pl.DataFrame:
    end = pl.col("as_of") + timedelta(hours=horizon)
    sums = window_sums(
        grid,
        settlements,
        names=("sum_rate", "sum_hours", "sum_plateau"),
        start_hours=0,
        end_hours=horizon,
        event_time="settled_at",
        known_at="settled_at",
    )
    # A settlement pays for the hours before it, so an unaligned span is short by less than one interval.
    slack = pl.max_horizontal("interval_then", "interval_at_end")
    # Only a settlement at the end or after it shows that none came between: intervals change unannounced.
    covered = (horizon - pl.col("sum_hours") < slack) & pl.col("told_at").is_not_null()
    hours = pl.when(pl.col("sum_hours") > 0).then(pl.col("sum_hours"))
    return grid.with_columns(
        *sums.get_columns(),
        _intervals_at(grid, settlements, hours=horizon).alias("interval_at_end"),
        _told_at(grid, settlements, hours=horizon),
    ).select(
        "as_of",
        *INSTRUMENT,
        pl.lit(horizon, dtype=pl.Int64).alias("horizon_hours"),
        pl.when(covered).then(pl.col("sum_rate") / horizon).alias("rate_per_hour"),
        pl.when(covered).then(pl.col("sum_plateau") / hours).alias("plateau_share"),
        pl.max_horizontal(end, "told_at").alias("known_at"),
    )


def _told_at(grid: pl.DataFrame, settlements: pl.DataFrame, *, hours: int) -> pl.Series:
    """When the first settlement at or after as_of + hours was known, row for row of `grid`; null: none is."""
    at = grid.with_columns(pl.col("as_of") + timedelta(hours=hours)).with_row_index("row")
    return _first_settlement(at, settlements, or_at=True).sort("row").collect()["told_at"]


def _first_settlement(grid: pl.DataFrame, settlements: pl.DataFrame, *, or_at: bool) -> pl.LazyFrame:
    """`grid` with the first settlement after as_of (`or_at`: or at it), nulls where there is none."""
    coming = settlements.lazy().select(
        *INSTRUMENT, "settled_at", "interval_hours", "rate_per_hour", pl.col("known_at").alias("told_at")
    )
    return (
        grid.lazy()
        .sort("as_of")
        .join_asof(
            coming.sort("settled_at"),
            left_on="as_of",
            right_on="settled_at",
            by=list(INSTRUMENT),
            strategy="forward",
            allow_exact_matches=or_at,
            coalesce=False,
            check_sortedness=False,
        )
    )


def _next_settlement(grid: pl.DataFrame, settlements: pl.DataFrame) -> pl.DataFrame:
    """The first settlement after as_of; null where its interval did not begin by then: one is missing."""
    joined = _first_settlement(grid, settlements, or_at=False).drop_nulls("settled_at")
    whole = (pl.col("settled_at") - pl.col("as_of")).dt.total_seconds() <= pl.col("interval_hours") * 3600
    rate = pl.when(whole).then("rate_per_hour")
    plateau = on_plateau(pl.col("rate_per_hour")).cast(pl.Float64)
    return joined.select(
        "as_of",
        *INSTRUMENT,
        pl.lit(NEXT_SETTLEMENT, dtype=pl.Int64).alias("horizon_hours"),
        rate.alias("rate_per_hour"),
        pl.when(whole).then(plateau).alias("plateau_share"),
        pl.col("told_at").alias("known_at"),
    ).collect()
