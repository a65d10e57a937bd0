"""The forecast to beat: a trailing mean of settled funding, shrunk towards zero.

Formula: rate_per_hour = shrinkage x sum(rate) / sum(interval) over the trailing window. With 336 h
and one half it is the baseline column of every forecast (docs/forecasting.md, section 3).
"""

import polars as pl

from funding_pipeline.core.errors import MarketDataError

BASELINE_WINDOW_HOURS = 336
BASELINE_SHRINKAGE = 0.5
BASELINE_MODEL = "baseline"
# 10, 50 and 90 % quantiles of (realised - baseline) / scale, used only until labels are known. Measured
# on the recorded 2021 to 2024: (-0.65, 0.35, 1.13) at 24 h and (-0.51, 0.30, 1.08) at 168 h; the wider.
DEFAULT_QUANTILES = (-0.65, 0.35, 1.13)


def baseline_rate(
    window_hours: int = BASELINE_WINDOW_HOURS, *, shrinkage: float = BASELINE_SHRINKAGE
) -> pl.Expr:
    """Shrunk trailing mean as an expression over the feature panel, fraction of notional per hour.

    Falls back on the newest settlement where the window is empty, so that it is never null.
    """
    mean = pl.coalesce(f"rate_{window_hours}h_per_hour", "rate_last_per_hour")
    return (shrinkage * mean).alias("baseline_rate_per_hour")


def baseline_forecast(
    features: pl.DataFrame,
    *,
    window_hours: int = BASELINE_WINDOW_HOURS,
    shrinkage: float = BASELINE_SHRINKAGE,
) -> pl.DataFrame:
    """One row per row of `features`: as_of, venue, symbol, `rate_per_hour` (fraction per hour).

    `window_hours` must be one of the panel's windows. Raises MarketDataError for another.
    """
    if f"rate_{window_hours}h_per_hour" not in features.columns:
        raise MarketDataError(f"features: no trailing mean over {window_hours} h (column is missing)")
    rate = baseline_rate(window_hours, shrinkage=shrinkage).alias("rate_per_hour")
    return features.select("as_of", "venue", "symbol", rate).sort("as_of", "venue", "symbol")
