"""Rules between tables, between venues, and against the clock; same report as for one table.

What lives here: settlement gaps against intervals, prices against other venues, age, look-ahead.
What does not: rules about one table's own columns (`expectations`).
"""

from datetime import datetime

import polars as pl

from funding_pipeline.core.tables import TableSchema
from funding_pipeline.market_data.bounds import FACT_TABLES
from funding_pipeline.market_data.expectations import Expectation, holds
from funding_pipeline.market_data.instruments import DOLLARS
from funding_pipeline.market_data.quality import QualityReport, judge

_INSTRUMENT = ["venue", "symbol"]


def intervals_consistent(settled_funding: pl.DataFrame, funding_intervals: pl.DataFrame) -> QualityReport:
    """Gaps between settlements against the interval in effect, which is the row's own.

    Critical: a settlement without an interval in effect, one that carries another interval, and a gap
    shorter than the interval or no whole multiple of it. Warnings, which real history has: an interval that
    cannot be told, missing settlements (a multiple of the interval), and a switch of interval whose first
    gap differs from the new interval (Bybit SOL, 2022-11-08: 6 h before the first 2 h settlement). At a
    switch any gap up to the longer of both intervals is fair.
    """
    gap, interval = pl.col("gap_hours"), pl.col("interval_in_effect")
    switch = interval != pl.col("interval_before")
    longer = pl.max_horizontal("interval_in_effect", "interval_before")
    whole = (gap % interval == 0) | (switch & (gap % pl.col("interval_before") == 0))
    is_known = pl.col("interval_hours").is_not_null()
    fits = pl.when(switch).then(whole | (gap <= longer)).otherwise(whole & (gap > 0))
    frame = _with_gaps(settled_funding, funding_intervals).with_columns(
        is_known.alias("interval_known"),
        (~is_known | interval.is_not_null()).alias("interval_covers"),
        (pl.col("interval_hours") == interval).alias("interval_agrees"),
        pl.when(is_known).then(fits).alias("gap_fits"),
        pl.when(switch).then(gap <= longer).otherwise(gap <= interval).alias("none_missing"),
        (~switch | (gap == interval)).alias("switch_regular"),
    )
    return judge(
        "settled_funding, funding_intervals",
        frame,
        (
            holds("an interval is in effect", "interval_covers"),
            holds("interval known", "interval_known", severity="warning"),
            holds("interval_hours is the interval in effect", "interval_agrees"),
            holds("gap is a whole multiple of the interval", "gap_fits"),
            holds("no settlement missing", "none_missing", severity="warning"),
            holds("a switched interval begins with its own gap", "switch_regular", severity="warning"),
        ),
    )


def _with_gaps(settled: pl.DataFrame, intervals: pl.DataFrame) -> pl.DataFrame:
    """Settlements with `gap_hours`, `interval_in_effect` and `interval_before`; null at the first one."""
    in_effect = intervals.select(
        *_INSTRUMENT, "effective_from", pl.col("interval_hours").alias("interval_in_effect")
    ).sort("effective_from")
    gap = pl.col("settled_at").diff().over(_INSTRUMENT).dt.total_seconds() / 3600
    return (
        settled.sort("settled_at")
        .join_asof(
            in_effect, left_on="settled_at", right_on="effective_from", by=_INSTRUMENT, check_sortedness=False
        )
        .sort(*_INSTRUMENT, "settled_at")
        .with_columns(
            gap.alias("gap_hours"),
            pl.col("interval_in_effect").shift(1).over(_INSTRUMENT).alias("interval_before"),
        )
    )


def prices_within_band(
    prices: pl.DataFrame, instruments: pl.DataFrame, *, band: float = 0.20
) -> QualityReport:
    """Each instrument's closes against the cross-venue median of its base at the same moment.

    Per base unit (close / multiplier), dollar quotes only; the median is over trade closes and needs two
    venues. A warning: single closes outside. Of 1.33 million recorded trade closes 2 are outside 20 %, and 10
    closes of indices (all SOL on Deribit, 2022-11-09 and 10). An instrument that is another asset altogether
    has a base of its own (`identity`).
    """
    compared = _against_median(prices, instruments).with_columns(
        (pl.col("deviation").abs() <= band).alias("within_band")
    )
    rule = holds(f"every close within ±{band:.0%} of the median", "within_band", severity="warning")
    return judge("prices", compared, [rule])


def _against_median(prices: pl.DataFrame, instruments: pl.DataFrame) -> pl.DataFrame:
    """Comparable closes with `deviation` = close / median - 1, both per base unit."""
    terms = (
        instruments.lazy()
        .filter(pl.col("quote").is_in(DOLLARS) & pl.col("multiplier").is_not_null())
        .select(*_INSTRUMENT, "base", "multiplier", "effective_from", "effective_to")
    )
    moment = ["base", "close_time"]
    per_unit = (
        prices.lazy()
        .select(*_INSTRUMENT, "kind", "close_time", "close")
        .join(terms, on=_INSTRUMENT)
        .filter(
            pl.col("effective_from") <= pl.col("close_time"),
            (pl.col("close_time") < pl.col("effective_to")).fill_null(value=True),
        )
        .with_columns((pl.col("close") / pl.col("multiplier")).alias("close_per_unit"))
        .drop("multiplier", "effective_from", "effective_to", "close")
    )
    medians = (
        per_unit.filter(pl.col("kind") == "trade")
        .group_by(moment)
        .agg(pl.col("close_per_unit").median().alias("median"), pl.col("venue").n_unique().alias("venues"))
        .filter(pl.col("venues") >= 2)
    )
    deviation = pl.col("close_per_unit") / pl.col("median") - 1
    return (
        per_unit.join(medians, on=moment)
        .with_columns(deviation.alias("deviation"))
        .sort(*_INSTRUMENT, "kind", "close_time")
        .collect()
    )


def staleness(
    table: TableSchema,
    frame: pl.DataFrame,
    *,
    as_of: datetime,
    limit_hours: float,
    expected: pl.DataFrame | None = None,
) -> QualityReport:
    """Hours since the latest row of each instrument that was known at `as_of`, at most `limit_hours`.

    One judged row per (venue, symbol). `expected` (venue, symbol) names instruments that must have
    rows; one without any is stale. Without it only instruments present in `frame` are judged.
    """
    known = frame.filter(pl.col("known_at") <= as_of)
    latest = known.group_by(_INSTRUMENT).agg(pl.col("known_at").max().alias("latest"))
    judged = frame.select(_INSTRUMENT) if expected is None else expected.select(_INSTRUMENT)
    age = (pl.lit(as_of) - pl.col("latest")).dt.total_seconds() / 3600
    ages = judged.unique().join(latest, on=_INSTRUMENT, how="left").with_columns(age.alias("age_hours"))
    limit = {"column": "age_hours", "max_value": limit_hours}
    return judge(
        table.name,
        ages.sort(_INSTRUMENT),
        (
            Expectation(
                "every instrument has rows", "ExpectColumnValuesToNotBeNull", {"column": "age_hours"}
            ),
            Expectation(f"latest row at most {limit_hours:g} h old", "ExpectColumnValuesToBeBetween", limit),
        ),
    )


def nothing_known_early(
    table: TableSchema, frame: pl.DataFrame, *, as_of: datetime | None = None
) -> QualityReport:
    """No row is known before what it states has happened, nor after `as_of` where that is given.

    The first is asked of tables of facts only: estimates, intervals and listings are announced ahead.
    """
    rules = []
    if table.name in FACT_TABLES:
        early = pl.col("known_at") >= pl.col(table.event_time)
        frame = frame.with_columns(early.alias("not_early"))
        rules.append(holds(f"known_at not before {table.event_time}", "not_early"))
    if as_of is not None:
        frame = frame.with_columns((pl.col("known_at") <= as_of).alias("not_from_later"))
        rules.append(holds(f"known_at not after {as_of:%Y-%m-%d %H:%M}", "not_from_later"))
    return judge(table.name, frame, rules)
