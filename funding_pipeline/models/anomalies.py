"""Readings far from what was typical of the last 90 days, each with a reason that a person can read.

Typical is the trailing median, the unit the trailing median absolute deviation (times 1.4826, the
factor that makes it a standard deviation for normal data), both of earlier rows only.
"""

from dataclasses import dataclass

import polars as pl

from funding_pipeline.core.tables import UTC

MARKET = "market"
ANOMALIES_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "as_of": UTC,
    "venue": pl.String,
    "symbol": pl.String,
    "feature": pl.String,
    "value": pl.Float64,
    "typical": pl.Float64,
    "robust_z": pl.Float64,
    "reason": pl.String,
}
_NORMAL = 1.4826
_LEAST_ROWS = 30


@dataclass(frozen=True)
class Watched:
    """A feature to watch; `floor` is the least robust deviation, `factor` and `unit` are for print.

    `steps`: the feature stays where it was put, so that only the reading that changed it is news.
    """

    feature: str
    text: str
    floor: float
    factor: float
    unit: str
    steps: bool = False


_PER_YEAR = 8760.0 * 100
_INSTRUMENT_FEATURES = (
    Watched("rate_24h_per_hour", "funding over 24 h", 5e-6, _PER_YEAR, "%/yr"),
    Watched(
        "base_gap_24h_per_hour", "funding over 24 h against the base's other venues", 5e-6, _PER_YEAR, "%/yr"
    ),
    Watched("interval_hours", "funding interval", 0.1, 1.0, "h", steps=True),
    Watched("basis", "price against the cross-venue median", 2e-4, 1e4, "bp"),
    Watched("open_interest_change_24h", "open interest, change over 24 h", 0.02, 100.0, "%"),
    Watched("book_spread_bp", "bid-ask spread", 0.2, 1.0, "bp"),
)
_MARKET_FEATURES = (
    Watched("market_rate_24h_per_hour", "mean funding over 24 h", 5e-6, _PER_YEAR, "%/yr"),
    Watched("base_dispersion_168h_per_hour", "dispersion of funding between venues", 2e-6, _PER_YEAR, "%/yr"),
    Watched("volatility_24h_per_sqrt_hour", "volatility over 24 h", 5e-4, 100.0, "% per root hour"),
    Watched("momentum_24h", "price change over 24 h", 0.01, 100.0, "%"),
)


def anomalies(features: pl.DataFrame, *, least_z: float = 6.0, typical_days: int = 90) -> pl.DataFrame:
    """One row per anomalous reading: as_of, venue, symbol, feature, value, typical, robust_z, reason.

    A reading is anomalous where |value - typical| is at least `least_z` robust deviations. Readings
    of the whole market (median over bases) have venue and symbol `market`. Value and typical are in
    the feature's unit (features.FEATURE_DOCS). An instrument is judged once it has 30 rows and 30
    deviations; a null is never an anomaly. Sorted by as_of, venue, symbol, feature. Known at as_of.
    """
    market = _market_rows(features)
    frames = [pl.DataFrame(schema=ANOMALIES_SCHEMA)]
    frames += [_unusual(features, w, least_z, typical_days) for w in _INSTRUMENT_FEATURES]
    frames += [_unusual(market, w, least_z, typical_days) for w in _MARKET_FEATURES]
    return pl.concat(frames).sort("as_of", "venue", "symbol", "feature")


def _market_rows(features: pl.DataFrame) -> pl.DataFrame:
    names = [w.feature for w in _MARKET_FEATURES]
    return (
        features.group_by("as_of", "base")
        .agg(pl.col(names).median())
        .group_by("as_of")
        .agg(pl.col(names).median())
        .with_columns(pl.lit(MARKET).alias("venue"), pl.lit(MARKET).alias("symbol"))
    )


def _unusual(rows: pl.DataFrame, watched: Watched, least_z: float, typical_days: int) -> pl.DataFrame:
    by, value = ["venue", "symbol"], pl.col("value")
    judged = (
        rows.lazy()
        .select("as_of", *by, pl.col(watched.feature).alias("value"))
        .drop_nulls("value")
        .sort(*by, "as_of")
        .with_columns(_earlier_median("value", typical_days).over(by).alias("typical"))
        .with_columns((value - pl.col("typical")).abs().alias("deviation"))
        .with_columns(
            _earlier_median("deviation", typical_days).over(by).alias("usual"),
            value.shift(1).over(by).alias("previous"),
        )
        .drop_nulls("usual")  # no scale yet: nothing can be called unusual
    )
    unit = pl.max_horizontal(_NORMAL * pl.col("usual"), pl.lit(watched.floor))
    scored = judged.with_columns(((value - pl.col("typical")) / unit).alias("robust_z"))
    news = value != pl.col("previous") if watched.steps else pl.lit(value=True)
    found = scored.filter((pl.col("robust_z").abs() >= least_z) & news).with_columns(
        pl.lit(watched.feature).alias("feature"), _reason(watched, typical_days).alias("reason")
    )
    return found.select(pl.col(name).cast(dtype) for name, dtype in ANOMALIES_SCHEMA.items()).collect()


def _earlier_median(name: str, days: int) -> pl.Expr:
    """Median over the window before, without the row itself."""
    return pl.col(name).rolling_median_by(
        "as_of", window_size=f"{days}d", closed="left", min_samples=_LEAST_ROWS
    )


def _reason(watched: Watched, typical_days: int) -> pl.Expr:
    """`binance BTC/USDT:USDT: funding over 24 h is 95.0 %/yr, typically 8.1 %/yr (last 90 days); ...`."""
    who = (
        pl.when(pl.col("venue") == MARKET)
        .then(pl.lit("whole market"))
        .otherwise(pl.concat_str("venue", "symbol", separator=" "))
    )
    shown = [(pl.col(c) * watched.factor).round(2).cast(pl.String) for c in ("value", "typical")]
    return pl.format(
        "{}: {} is {} "
        + watched.unit
        + ", typically {} "
        + watched.unit
        + " (last {} days); {} robust deviations",
        who,
        pl.lit(watched.text),
        *shown,
        pl.lit(str(typical_days)),
        pl.col("robust_z").round(1).cast(pl.String),
    )
