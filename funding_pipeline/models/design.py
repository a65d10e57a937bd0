"""Feature panel into numbers that mean the same for every coin, venue and year.

Every rate is divided by the instrument's own scale (mean of its mean |rate| over 168 h and 720 h, with
a floor), so that a calm BTC contract and a wild new coin look alike and one pooled model serves both.
No feature names a coin or a venue.
"""

from typing import TYPE_CHECKING

import polars as pl

from funding_pipeline.core.errors import SchemaError
from funding_pipeline.features.catalog import FEATURE_COLUMNS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KEYS = ("as_of", "venue", "symbol")
_OWN_WINDOWS_HOURS = (8, 24, 72, 168, 336, 720, 2160)
LINEAR_FEATURES = (
    *(f"rate_{hours}h_per_hour" for hours in _OWN_WINDOWS_HOURS),
    *(f"base_rate_{hours}h_per_hour" for hours in (24, 168, 336, 720, 2160)),
    *(f"market_rate_{hours}h_per_hour" for hours in (24, 168, 720)),
)
# Row for row the first of LINEAR_FEATURES, less the median of the base.
GAP_FEATURES = tuple(f"base_median_gap_{hours}h_per_hour" for hours in _OWN_WINDOWS_HOURS)
LOG_SCALE = "log_scale"
# Instruments that settle at most every so often are tied to each other by the plateau and by arbitrage.
_SELDOM_HOURS = 4.0
# Funding alone: prices, open interest, volatility and the venue's estimate added nothing out of sample
# (docs/forecasting.md, ablation), and what is not read cannot break on a venue that lacks it.
MODEL_FEATURES = (
    "rate_last_per_hour",
    *LINEAR_FEATURES[: len(_OWN_WINDOWS_HOURS)],
    *(f"{share}_share_{hours}h" for share in ("plateau", "repeated") for hours in (168, 720)),
    *GAP_FEATURES,
    *(f"venue_gap_{hours}h_per_hour" for hours in (168, 720, 2160)),
    *(f"market_rate_{hours}h_per_hour" for hours in (24, 168, 720)),
    "base_dispersion_168h_per_hour",
    "interval_hours",
)
# The size of an error follows the market's swings, which the point forecast does not need to know.
_NOT_FOR_SPREAD = frozenset(
    {
        "estimated_rate_per_hour",
        "hours_since_settlement",
        "hours_to_settlement",
        "book_spread_bp",
        "book_imbalance",
        "book_impact_100k_bp",
        "taker_imbalance_1h",
        "open_interest_change_24h",
        "open_interest_change_168h",
    }
)
SPREAD_FEATURES = tuple(name for name in FEATURE_COLUMNS if name not in _NOT_FOR_SPREAD)


def scale_of(floor_per_hour: float) -> pl.Expr:
    """Scale of an instrument's rates, at least the floor; fraction of notional per hour."""
    size = pl.mean_horizontal("rate_absolute_168h_per_hour", "rate_absolute_720h_per_hour")
    return size.fill_null(0.0).clip(lower_bound=floor_per_hour)


def is_rate(feature: str) -> bool:
    """True for features in fraction of notional per hour, which are divided by the scale."""
    return feature.endswith("_per_hour")


def checked(features: pl.DataFrame) -> pl.DataFrame:
    """`features` in key order; raises SchemaError naming a missing column."""
    missing = [c for c in (*KEYS, "base", *FEATURE_COLUMNS) if c not in features.columns]
    if missing:
        raise SchemaError(f"table features: missing column(s) {', '.join(missing)}")
    return features.sort(KEYS)


def scales(features: pl.DataFrame, floor_per_hour: float) -> "NDArray[np.float64]":
    """Scale of each row, fraction of notional per hour."""
    return features.select(scale_of(floor_per_hour).alias("scale")).to_series().to_numpy()


def tree_matrix(
    features: pl.DataFrame, names: tuple[str, ...], floor_per_hour: float
) -> "NDArray[np.float32]":
    """Rows x features for the trees: rates in units of the scale, then its logarithm; NaN: unknown."""
    scale = scale_of(floor_per_hour)
    columns = [pl.col(n) / scale if is_rate(n) else pl.col(n) for n in names]
    numbers = features.select(
        *[column.cast(pl.Float32).alias(n) for column, n in zip(columns, names, strict=True)],
        scale.log().cast(pl.Float32).alias(LOG_SCALE),
    )
    return numbers.fill_null(float("nan")).to_numpy()


def linear_matrix(features: pl.DataFrame, floor_per_hour: float) -> "NDArray[np.float64]":
    """Rows x trailing means in units of the scale; an empty window takes the newest rate."""
    scale = scale_of(floor_per_hour)
    filled = [(pl.coalesce(n, "rate_last_per_hour") / scale).alias(n) for n in LINEAR_FEATURES]
    return features.select(filled).to_numpy()


def seldom_gap_matrix(features: pl.DataFrame) -> "NDArray[np.float64]":
    """Rows x GAP_FEATURES, rate per hour; 0 where unknown and for instruments that settle under 4 h apart."""
    seldom = pl.col("interval_hours") >= _SELDOM_HOURS
    gaps = [pl.when(seldom).then(pl.col(name)).fill_null(0.0).alias(name) for name in GAP_FEATURES]
    return features.select(gaps).to_numpy()
