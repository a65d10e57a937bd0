"""The market's regime at each decision time, from trailing quantities and fixed thresholds.

A regime here is a filtered state: it uses rows up to as_of only and never changes when later rows
arrive. No fitted hidden states, so that a reader can check each one by hand.
"""

from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from funding_pipeline.core.tables import UTC
from funding_pipeline.features.funding import PLATEAU_RATE_PER_HOUR

CALM_CARRY, CROWDED_LONGS, STRESS, INVERTED = "calm carry", "crowded longs", "stress", "inverted"
REGIMES = (CALM_CARRY, CROWDED_LONGS, STRESS, INVERTED)
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

    def entered(self, value: pl.Expr) -> pl.Expr:
        """Whether the value itself is beyond the threshold that turns the flag on."""
        return value >= self.enter if self.enter >= self.leave else value <= self.enter

    def flag(self, value: pl.Expr, *, forget_after: timedelta | None = None) -> pl.Expr:
        """On or off, row by row in time order; off before the first crossing.

        A null keeps the state, for `forget_after` since the last value where that is given.
        """
        on = self.entered(value)
        off = value <= self.leave if self.enter >= self.leave else value >= self.leave
        if forget_after is not None:
            known_at = pl.when(value.is_not_null()).then(pl.col("as_of")).forward_fill()
            off = off.fill_null(value=False) | (pl.col("as_of") - known_at > forget_after)
        crossed = pl.when(on).then(pl.lit(value=True)).when(off).then(pl.lit(value=False))
        return crossed.forward_fill().fill_null(value=False)


@dataclass(frozen=True)
class RegimeThresholds:
    """Where each flag goes on and off. Rates per hour; ratios against the median of `typical`.

    `least_volatility`: per root hour (56 % a year); a move in a market quieter than that is no stress.
    `level_share`: of the funding above the bare interest, that is taken as usual dispersion: where longs
    pay much, venues differ by much, and that is what is earned, not stress. `forget_after`: without
    prices for so long, volatility says nothing any more. `stress_lasts`: at least, after it began.
    """

    inverted: Hysteresis = Hysteresis(enter=-1e-6, leave=2e-6)
    crowded: Hysteresis = Hysteresis(enter=2.0 * PLATEAU_RATE_PER_HOUR, leave=1.4 * PLATEAU_RATE_PER_HOUR)
    volatility: Hysteresis = Hysteresis(enter=2.2, leave=1.5)
    dispersion: Hysteresis = Hysteresis(enter=3.5, leave=2.0)
    typical: str = "90d"
    least_volatility: float = 0.006
    level_share: float = 0.5
    forget_after: timedelta = timedelta(days=3)
    stress_lasts: str = "48h"


def market_regime(features: pl.DataFrame, *, thresholds: RegimeThresholds | None = None) -> pl.DataFrame:
    """One row per as_of: `regime` and its inputs, in time order.

    - stress: 24 h volatility over 2.2 times, or dispersion between venues over 3.5 times, what is usual
      (until back under 1.5 and 2 times, for two days at least). Usual is the median of the last 90 days;
      of volatility at least 0.006 per root hour, of dispersion at least half of what the market pays
      above the bare interest;
    - inverted: mean funding of 168 h under -1e-6 per hour (until over 2e-6);
    - crowded longs: over twice the bare interest (until under 1.4 times);
    - calm carry: none of these. The first that applies, in this order, is the regime.
    Flags hold between their thresholds, so give at least 90 days of rows before the first as_of that
    matters. Without prices, volatility is null: after three days stress rests on dispersion alone.
    """
    limits = thresholds or RegimeThresholds()
    inputs = _inputs(features, limits)
    week = pl.col("market_rate_168h_per_hour")
    regime = (
        pl.when(_stress(limits))
        .then(pl.lit(STRESS))
        .when(limits.inverted.flag(week))
        .then(pl.lit(INVERTED))
        .when(limits.crowded.flag(week))
        .then(pl.lit(CROWDED_LONGS))
        .otherwise(pl.lit(CALM_CARRY))
    )
    labelled = inputs.with_columns(regime.alias("regime"))
    return labelled.select(pl.col(name).cast(dtype) for name, dtype in REGIMES_SCHEMA.items())


def _stress(limits: RegimeThresholds) -> pl.Expr:
    """On by volatility or by dispersion, and for a while after either went over its threshold."""
    volatility, dispersion = pl.col("volatility_ratio"), pl.col("dispersion_ratio")
    begun = limits.volatility.entered(volatility) | limits.dispersion.entered(dispersion)
    recent = begun.fill_null(value=False).cast(pl.Int8).rolling_max_by("as_of", limits.stress_lasts) == 1
    volatile = limits.volatility.flag(volatility, forget_after=limits.forget_after)
    return volatile | limits.dispersion.flag(dispersion, forget_after=limits.forget_after) | recent


def regime_features(features: pl.DataFrame) -> pl.DataFrame:
    """One row per as_of, for models: as_of, volatility_ratio, dispersion_ratio, and 0 or 1 per regime.

    Columns of the regimes are `regime_calm_carry`, `regime_crowded_longs`, `regime_stress` and
    `regime_inverted`; exactly one of them is 1. Known at as_of; ratios are null where they are unknown.
    """
    found = market_regime(features)
    flags = [
        (pl.col("regime") == name).cast(pl.Float64).alias(f"regime_{name.replace(' ', '_')}")
        for name in REGIMES
    ]
    return found.select("as_of", "volatility_ratio", "dispersion_ratio", *flags)


def _inputs(features: pl.DataFrame, limits: RegimeThresholds) -> pl.DataFrame:
    """Market-wide quantities of each as_of, and their ratios to what was typical until then."""
    per_base = features.group_by("as_of", "base").agg(
        pl.col("market_rate_24h_per_hour", "market_rate_168h_per_hour").max(),  # the same on every row
        pl.col("volatility_24h_per_sqrt_hour").max().alias("volatility"),
        pl.col("base_dispersion_168h_per_hour").max().alias("dispersion"),
    )
    market = (
        per_base.group_by("as_of")
        .agg(
            pl.col("market_rate_24h_per_hour", "market_rate_168h_per_hour").median(),
            pl.col("volatility", "dispersion").median(),
        )
        .sort("as_of")
    )
    paid = limits.level_share * (pl.col("market_rate_168h_per_hour") - PLATEAU_RATE_PER_HOUR)
    return market.with_columns(
        _ratio("volatility", limits.typical, least=pl.lit(limits.least_volatility)),
        _ratio("dispersion", limits.typical, least=paid),
    )


def _ratio(name: str, typical: str, *, least: pl.Expr) -> pl.Expr:
    usual = pl.max_horizontal(pl.col(name).rolling_median_by("as_of", window_size=typical), least)
    return pl.when(usual > 0).then(pl.col(name) / usual).alias(f"{name}_ratio")
