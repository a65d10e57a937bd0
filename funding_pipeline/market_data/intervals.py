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

    A gap to the settlement before of 1, 2, 4 or 8 h is the interval. After another gap the interval before
    holds if it divides the gap (settlements are missing); else the interval has been switched, to the
    longest of the four that divides it (Bybit SOL, 2022-11-08: 6 h, then every 2 h). The first row of an
    instrument takes the next one's. Told intervals stay; predicted rows are left alone.
    """
    settled = pl.col("kind") == "settled"
    rows = raw.filter(settled).sort(*_INSTRUMENT, "settled_at")
    moment = pl.col("settled_at").dt.round("1m")
    rows = rows.with_columns(gap=((moment - moment.shift(1)).dt.total_minutes() / 60.0).over(_INSTRUMENT))
    usual = pl.coalesce("interval_hours", pl.when(pl.col("gap").is_in(_INTERVALS)).then("gap"))
    dividing = [pl.when(pl.col("gap") % hours == 0).then(hours) for hours in sorted(_INTERVALS, reverse=True)]
    rows = rows.with_columns(before=usual.forward_fill().over(_INSTRUMENT), usual=usual).with_columns(
        interval_hours=pl.coalesce(
            "usual", pl.when(pl.col("gap") % pl.col("before") == 0).then("before"), *dividing, "before"
        )
    )
    filled = rows.with_columns(pl.col("interval_hours").backward_fill().over(_INSTRUMENT))
    return pl.concat([filled.select(raw.columns), raw.filter(~settled | pl.col("kind").is_null())])
