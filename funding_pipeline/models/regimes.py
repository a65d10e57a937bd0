"""The market's regime at each decision time, from trailing quantities and fixed thresholds.

A regime here is a filtered state: it uses rows up to as_of only and never changes when later rows
arrive. No fitted hidden states, so that a reader can check each one by hand.
"""

from dataclasses import dataclass

import polars as pl

from funding_pipeline.core.tables import UTC
from funding_pipeline.features.funding import PLATEAU_RATE_PER_HOUR

CALM_CARRY, CROWDED_LONGS, STRESS, INVERTED = "calm carry", "crowded longs", "stress", "inverted"
REGIMES_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "as_of": UTC,
    "regime": pl.String,
    "market_rate_24h_per_hour": pl.Float64,
    "market_rate_168h_per_hour": pl.Float64,
    "volatility_ratio": pl.Float64,
    "dispersion_ratio": pl.Float64,
}


@dataclass(frozen=True)
class Hysteresis:
    """A flag that goes on at `enter` and off at `leave`, and holds between."""

    enter: float
    leave: float

    def flag(self, value: pl.Expr) -> pl.Expr:
        """On or off, row by row in time order; off before the first crossing; null keeps the state."""
        rising = self.enter >= self.leave
        on = value >= self.enter if rising else value <= self.enter
        off = value <= self.leave if rising else value >= self.leave
        crossed = pl.when(on).then(pl.lit(value=True)).when(off).then(pl.lit(value=False))
        return crossed.forward_fill().fill_null(value=False)


@dataclass(frozen=True)
class RegimeThresholds:
    """Where each flag goes on and off. Rates per hour; ratios against the median of `typical`."""

    inverted: Hysteresis = Hysteresis(enter=-1e-6, leave=2e-6)
    crowded: Hysteresis = Hysteresis(enter=2.0 * PLATEAU_RATE_PER_HOUR, leave=1.4 * PLATEAU_RATE_PER_HOUR)
    volatility: Hysteresis = Hysteresis(enter=2.2, leave=1.5)
    dispersion: Hysteresis = Hysteresis(enter=3.5, leave=2.0)
    typical: str = "90d"


def market_regime(features: pl.DataFrame, *, thresholds: RegimeThresholds | None = None) -> pl.DataFrame:
    """One row per as_of: `regime` and its inputs, in time order.

    - stress: 24 h volatility over 2.2 times, or dispersion between venues over 3.5 times, its median
      of the last 90 days (until back under 1.5 and 2 times);
    - inverted: mean funding of 168 h under -1e-6 per hour (until over 2e-6);
    - crowded longs: over twice the bare interest (until under 1.4 times);
    - calm carry: none of these. The first that applies, in this order, is the regime.
    Flags hold between their thresholds, so give at least 90 days of rows before the first as_of that
    matters. Without prices, volatility is null and stress rests on dispersion.
    """
    limits = thresholds or RegimeThresholds()
    inputs = _inputs(features, limits.typical)
    stress = limits.volatility.flag(pl.col("volatility_ratio")) | limits.dispersion.flag(
        pl.col("dispersion_ratio")
    )
    week = pl.col("market_rate_168h_per_hour")
    regime = (
        pl.when(stress)
        .then(pl.lit(STRESS))
        .when(limits.inverted.flag(week))
        .then(pl.lit(INVERTED))
        .when(limits.crowded.flag(week))
        .then(pl.lit(CROWDED_LONGS))
        .otherwise(pl.lit(CALM_CARRY))
    )
    labelled = inputs.with_columns(regime.alias("regime"))
    return labelled.select(pl.col(name).cast(dtype) for name, dtype in REGIMES_SCHEMA.items())


def _inputs(features: pl.DataFrame, typical: str) -> pl.DataFrame:
    """Market-wide quantities of each as_of, and their ratios to what was typical until then."""
    per_base = features.group_by("as_of", "base").agg(
        pl.col("market_rate_24h_per_hour", "market_rate_168h_per_hour").first(),
        pl.col("volatility_24h_per_sqrt_hour").first().alias("volatility"),
        pl.col("base_dispersion_168h_per_hour").first().alias("dispersion"),
    )
    market = (
        per_base.group_by("as_of")
        .agg(
            pl.col("market_rate_24h_per_hour", "market_rate_168h_per_hour").median(),
            pl.col("volatility", "dispersion").median(),
        )
        .sort("as_of")
    )
    return market.with_columns(_ratio("volatility", typical), _ratio("dispersion", typical))


def _ratio(name: str, typical: str) -> pl.Expr:
    usual = pl.col(name).rolling_median_by("as_of", window_size=typical)
    return pl.when(usual > 0).then(pl.col(name) / usual).alias(f"{name}_ratio")
