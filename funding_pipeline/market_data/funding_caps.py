"""Caps and floors of funding, as venues state them per instrument: what a rate can be, at most and at least.

What lives here: the bounds in force at a moment, for rows of rates. What does not: refusing rows beyond them
(`quarantine`), or what a forecast makes of them (`portfolio.forecast_panels`).
"""

import polars as pl

from funding_pipeline.core.venue_terms import load_venue_terms
from funding_pipeline.market_data.bounds import LONGEST_INTERVAL_HOURS, MAX_RATE_PER_8H, MAX_RATE_PER_HOUR

CAP, FLOOR = "_cap", "_floor"
_SERIES = ["venue", "symbol"]
_ROUNDING = 1e-9


def with_caps(rows: pl.DataFrame, terms: pl.DataFrame | None, *, at: str) -> pl.DataFrame:
    """`rows` with the cap and floor (fraction of notional per settlement) stated by `at`; null: none by then.

    `terms`: RAW_INSTRUMENT_TERMS.
    """
    nothing = pl.lit(None, dtype=pl.Float64)
    if terms is None or terms.is_empty():
        return rows.with_columns(nothing.alias(CAP), nothing.alias(FLOOR))
    stated = terms.select(
        *_SERIES, "observed_at", pl.col("funding_cap").alias(CAP), pl.col("funding_floor").alias(FLOOR)
    ).drop_nulls(_SERIES)
    numbered = rows.with_row_index("_row").sort(at)
    joined = numbered.join_asof(
        stated.sort("observed_at"), left_on=at, right_on="observed_at", by=_SERIES, check_sortedness=False
    )
    return joined.sort("_row").drop("_row", "observed_at")


def beyond_stated() -> pl.Expr:
    """True where a rate is beyond the cap or floor that was stated for it by then; null where none was."""
    above = pl.col("rate") > pl.col(CAP) + _ROUNDING
    below = pl.col("rate") < pl.col(FLOOR) - _ROUNDING
    return above.fill_null(value=False) | below.fill_null(value=False)


def beyond_all() -> pl.Expr:
    """True where a rate is beyond what any contract pays: 16 % per 8 h pro rata, or its venue's own limit.

    A stated cap or floor makes more possible, up to the 4 % per hour of the venue that has most.
    """
    hours = pl.col("interval_hours").fill_null(LONGEST_INTERVAL_HOURS)
    limits = {name: terms.funding_cap_per_hour for name, terms in load_venue_terms().items()}
    documented = {name: limit for name, limit in limits.items() if limit is not None}
    own = pl.col("venue").replace_strict(documented, default=None, return_dtype=pl.Float64)
    stated = pl.when(pl.col("rate") > 0).then(pl.col(CAP)).otherwise(-pl.col(FLOOR))
    possible = pl.when(stated.is_not_null()).then(pl.min_horizontal(stated, MAX_RATE_PER_HOUR * hours))
    most = pl.max_horizontal(MAX_RATE_PER_8H / 8 * hours, own * hours, possible)
    return pl.col("rate").abs() > most + _ROUNDING


def limited(estimates: pl.DataFrame, terms: pl.DataFrame | None) -> pl.DataFrame:
    """Estimated rates within the cap and floor stated by then: a venue limits them before it pays."""
    bounded = with_caps(estimates, terms, at="known_at")
    rate = pl.col("rate").clip(pl.col(FLOOR), pl.col(CAP))
    return bounded.with_columns(rate).drop(CAP, FLOOR)
