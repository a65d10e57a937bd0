"""Funding intervals, read off the settlements themselves: per settlement, and as effective-dated rows."""

import polars as pl

from funding_pipeline.core.tables import FUNDING_INTERVALS

_INSTRUMENT = ["venue", "symbol"]
_INTERVALS = (1.0, 2.0, 4.0, 8.0)


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


def with_inferred_intervals(raw: pl.DataFrame) -> pl.DataFrame:
    """Raw settled `funding_rates` with `interval_hours` filled in where the venue does not tell it.

    A gap to the settlement before of 1, 2, 4 or 8 h is the interval; after any other gap (a settlement is
    missing, or it is the first) the interval of the settlement before holds, and for a first one that
    of the next. Rows that are told keep what they are told; predicted rows are left alone.
    """
    settled = pl.col("kind") == "settled"
    moment = pl.col("settled_at").dt.round("1m")
    gap = (moment - moment.shift(1)).dt.total_minutes() / 60.0
    inferred = pl.when(gap.is_in(_INTERVALS)).then(gap)
    rows = raw.filter(settled).sort(*_INSTRUMENT, "settled_at")
    filled = rows.with_columns(
        pl.coalesce("interval_hours", inferred.over(_INSTRUMENT)).alias("interval_hours")
    ).with_columns(pl.col("interval_hours").forward_fill().backward_fill().over(_INSTRUMENT))
    return pl.concat([filled.select(raw.columns), raw.filter(~settled | pl.col("kind").is_null())])
