"""Pairwise differentials: what a pair trade is about, made from the forecasts of its two legs.

One row per two instruments of one base on two venues at one moment, in alphabetical order of the
venues, so that no direction is chosen with hindsight.
"""

import polars as pl

from funding_pipeline.market_data.instruments import parse_symbol

_VALUES = ("realised", "rate_per_hour", "baseline_rate_per_hour")
# A horizon counts as "on the plateau" when at least half of it was charged the bare interest.
PLATEAU_SHARE = 0.5


def judged_rows(forecasts: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    """Forecasts joined with what was realised; rows without a label are left out.

    Adds `base`, `realised` (rate per hour) and `on_plateau`. Sorted by key.
    """
    key = ["as_of", "venue", "symbol", "horizon_hours"]
    share = pl.col("plateau_share") if "plateau_share" in labels.columns else pl.lit(0.0)
    truth = labels.filter(pl.col("rate_per_hour").is_finite()).select(
        *key,
        pl.col("rate_per_hour").alias("realised"),
        (share >= PLATEAU_SHARE).fill_null(value=False).alias("on_plateau"),
    )
    symbols = forecasts["symbol"].unique().sort().to_list()
    named = pl.DataFrame(
        {"symbol": symbols, "base": [parse_symbol(s).base for s in symbols]},
        schema={"symbol": pl.String, "base": pl.String},
    )
    return forecasts.join(truth, on=key, how="inner").join(named, on="symbol", how="left").sort(key)


def differentials(rows: pl.DataFrame) -> pl.DataFrame:
    """All venue pairs of `judged_rows`: as_of, base, horizon_hours, `venue_pair` and differences.

    Each of realised, rate_per_hour, baseline_rate_per_hour is first venue less second, per hour;
    `on_plateau` where both legs are.
    """
    by = ["as_of", "base", "horizon_hours"]
    legs = rows.select(*by, "venue", "symbol", *_VALUES, "on_plateau")
    both = legs.join(legs, on=by, suffix="_b").filter(pl.col("venue") < pl.col("venue_b"))
    return both.select(
        *by,
        pl.concat_str("venue", "venue_b", separator=" - ").alias("venue_pair"),
        *[(pl.col(name) - pl.col(f"{name}_b")).alias(name) for name in _VALUES],
        (pl.col("on_plateau") & pl.col("on_plateau_b")).alias("on_plateau"),
    ).sort(*by, "venue_pair", "realised")
