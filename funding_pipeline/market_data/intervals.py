"""Funding intervals, read off the settlements themselves: per settlement, and as effective-dated rows."""

from datetime import datetime, timedelta

import polars as pl

from funding_pipeline.core.tables import FUNDING_INTERVALS

CONTEXT = timedelta(days=7)
"""How far before a row its interval may depend on others."""
_INSTRUMENT = ["venue", "symbol"]
_RUN = [*_INSTRUMENT, "_run"]
_INTERVALS = (1.0, 2.0, 4.0, 8.0)
_HELD = 3  # gaps of one length in a row that are an interval
_LOOK_BACK = 6


def funding_intervals(settled: pl.LazyFrame) -> pl.DataFrame:
    """One row per (venue, symbol, run of settlements at one interval), from SETTLED_FUNDING rows.

    A run begins with the first settlement paid at its interval and is known from that moment.
    `effective_to` is filled by the next run, so it is known only once that has begun: a decision
    joins on `effective_from` alone. A settlement whose interval is unknown ends no run.
    """
    changed = pl.col("interval_hours") != pl.col("interval_hours").shift(1).over(_INSTRUMENT)
    runs = (
        settled.filter(pl.col("interval_hours").is_not_null())
        .sort(*_INSTRUMENT, "settled_at")
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
    """Raw settled `funding_rates` with `interval_hours` filled in where the source does not state it.

    The interval of a settlement is read off the gap before it, and a hole is not an interval:

    - a gap no longer than those just before it is the interval;
    - a longer one is a hole where the gaps go back to the length they had before: the interval is the one
      that holds on both sides. It is a switch where three such gaps follow each other;
    - anything else, such as the 6 h between an 8 h and a 2 h grid, is unknown: null.

    What only a later row settles is dated by that row (`venue_time`), so that no decision knows it earlier;
    until then it is null. Stated intervals stay, except one that a recorder has read off a hole: a single
    longer one, as long as its gap. Predicted rows are left alone. Rows are judged by others up to `CONTEXT`
    before.
    """
    settled = pl.col("kind") == "settled"
    rows = _with_gaps(raw.filter(settled))
    interval, confirmed_at = pl.lit(None, dtype=pl.Float64), pl.lit(None, dtype=pl.Datetime("us", "UTC"))
    gap, before, at = pl.col("_gap"), pl.col("_before"), pl.col("_at")
    for rows_later in range(_HELD, 0, -1):  # the nearest row that tells comes last and takes precedence
        is_hole = (gap > before) & (gap.shift(-rows_later).over(_INSTRUMENT) == before)
        interval = pl.when(is_hole).then(before).otherwise(interval)
        confirmed_at = pl.when(is_hole).then(at.shift(-rows_later).over(_INSTRUMENT)).otherwise(confirmed_at)
    is_switch = gap.is_in(_INTERVALS) & pl.col("_third").is_not_null()
    at_once = gap.is_in(_INTERVALS) & (gap <= before)
    interval = pl.when(at_once | is_switch).then(gap).otherwise(interval)
    confirmed_at = pl.when(at_once).then(at).when(is_switch).then("_third").otherwise(confirmed_at)
    is_late = pl.col("_stated").is_null() & (confirmed_at > at)
    filled = rows.with_columns(
        interval_hours=pl.coalesce("_stated", interval),
        venue_time=pl.when(is_late)
        .then(pl.max_horizontal("venue_time", confirmed_at))
        .otherwise("venue_time"),
    )
    return pl.concat([filled.select(raw.columns), raw.filter(~settled | pl.col("kind").is_null())])


def intervals_since(raw: pl.DataFrame, start: datetime) -> pl.DataFrame:
    """`funding_rates` that were read from `CONTEXT` before `start`, with their intervals, from `start` on."""
    moment = pl.col("settled_at")
    return with_inferred_intervals(raw).filter((moment >= start) | moment.is_null())


def _with_gaps(settled: pl.DataFrame) -> pl.DataFrame:
    """Settlements by instrument with `_at` (nominal), `_gap` (hours since the last one), `_stated`
    (interval), `_before` (shortest interval of the last few) and `_third` (when a run of gaps had three)."""
    at, stated = pl.col("settled_at").dt.round("1m"), pl.col("interval_hours")
    rows = settled.sort(*_INSTRUMENT, "settled_at").with_columns(
        _at=at, _gap=at.diff().over(_INSTRUMENT).dt.total_minutes() / 60.0
    )
    last = stated.shift(1).over(_INSTRUMENT)
    is_lone = (stated == pl.col("_gap")) & (stated > last) & (stated.shift(-1).over(_INSTRUMENT) == last)
    rows = rows.with_columns(
        _stated=pl.when(~is_lone.fill_null(value=False)).then(stated),
        _run=pl.col("_gap").rle_id().over(_INSTRUMENT),
    )
    usual = pl.coalesce("_stated", pl.when(pl.col("_gap").is_in(_INTERVALS)).then("_gap"))
    third = pl.when(pl.int_range(pl.len()).over(_RUN) == _HELD - 1).then("_at")
    return rows.with_columns(
        _before=usual.shift(1).rolling_min(_LOOK_BACK, min_samples=1).over(_INSTRUMENT),
        _third=third.max().over(_RUN),
    )
