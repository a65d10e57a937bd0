"""Funding intervals as effective-dated rows, read off the settlements themselves."""

import polars as pl

from funding_pipeline.core.tables import FUNDING_INTERVALS

_INSTRUMENT = ["venue", "symbol"]


def funding_intervals(settled: pl.LazyFrame) -> pl.DataFrame:
    """One row per (venue, symbol, run of settlements at one interval), from SETTLED_FUNDING rows.

    A run begins with the first settlement paid at its interval and is known from that moment.
    `effective_to` is filled by the next run, so it is known only once that has begun: a decision
    joins on `effective_from` alone.
    """
    changed = pl.col("interval_hours") != pl.col("interval_hours").shift(1).over(_INSTRUMENT)
    runs = (
        settled.sort(*_INSTRUMENT, "settled_at")
        .filter(changed.fill_null(value=True))
        .select(
            *_INSTRUMENT,
            pl.col("settled_at").alias("effective_from"),
            pl.col("settled_at").shift(-1).over(_INSTRUMENT).alias("effective_to"),
            "interval_hours",
            "known_at",
        )
        .collect()
    )
    return FUNDING_INTERVALS.conform(runs)
