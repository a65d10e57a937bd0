"""Forecasts and payment times as known at each decision: arrays of times x legs from the stored tables.

What lives here: the forecast path and when funding is next paid. What does not: prices, risk and costs
(`panels`), or what a stage means to the plan (`stages`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import polars as pl

from funding_pipeline.core.errors import MarketDataError
from funding_pipeline.core.horizons import NEXT_SETTLEMENT
from funding_pipeline.portfolio.as_of import as_of_panels
from funding_pipeline.portfolio.legs import Floats, Universe
from funding_pipeline.portfolio.stages import stage_lengths, stage_rates

_LEG = ["venue", "symbol"]
_Z_80 = 2 * 1.2815515655446004  # width of q10..q90 in standard deviations of a normal


@dataclass(frozen=True)
class ForecastPanel:
    """Times x legs, fraction of notional per hour, NaN where none is known or it is too old.

    `rate_per_hour` and `rate_sd` of the longest horizon; `rate_path` times x stages x legs.
    """

    rate_per_hour: Floats
    rate_sd: Floats
    rate_path: Floats
    stage_lengths: tuple[float, ...]


@dataclass(frozen=True)
class PaymentPanel:
    """Times x legs, hours, NaN where unknown: age of the last payment, interval, time to the next one."""

    age_hours: Floats
    interval_hours: Floats
    until_next_hours: Floats


def forecast_panel(
    forecasts: pl.DataFrame, *, universe: Universe, times: Sequence[datetime], max_age_hours: float
) -> ForecastPanel:
    """`forecasts` has the FORECASTS schema; its longest horizon is the plan's, shorter ones shape the path.

    Raises MarketDataError where there is no horizon beyond the next settlement.
    """
    horizons = tuple(sorted(set(forecasts["horizon_hours"].to_list()) - {NEXT_SETTLEMENT}))
    if not horizons:
        raise MarketDataError("forecasts have no horizon (horizon_hours) that a plan can be made from")
    means: dict[int, Floats] = {}
    sd = np.zeros(0)
    for hours in horizons:
        own = forecasts.filter(pl.col("horizon_hours") == hours)
        means[hours], sd = _one_horizon(own, universe=universe, times=times, max_age_hours=max_age_hours)
    return ForecastPanel(
        rate_per_hour=means[horizons[-1]],
        rate_sd=sd,
        rate_path=np.swapaxes(stage_rates(means), 0, 1),
        stage_lengths=stage_lengths(horizons),
    )


def _one_horizon(
    forecasts: pl.DataFrame, *, universe: Universe, times: Sequence[datetime], max_age_hours: float
) -> tuple[Floats, Floats]:
    frame = forecasts.select(*_LEG, "as_of", "rate_per_hour", "q10", "q90", made="as_of")
    values = ["rate_per_hour", "q10", "q90", "made"]
    rate, low, high, age = as_of_panels(frame, on="as_of", values=values, universe=universe, times=times)
    stale = ~(age <= max_age_hours)
    spread = np.maximum(high - low, 0.0) / _Z_80
    return np.where(stale, np.nan, rate), np.where(stale, np.nan, spread)


def within_caps(
    expected: ForecastPanel,
    instruments: pl.LazyFrame,
    *,
    interval_hours: Floats,
    universe: Universe,
    times: Sequence[datetime],
) -> ForecastPanel:
    """Forecasts within the caps and floors stated by each time: a contract pays no more than that.

    `interval_hours`: times x legs, between settlements. What is not stated bounds nothing.
    """
    names = ["funding_floor", "funding_cap"]
    rows = instruments.sort("known_at", "effective_from").select(*_LEG, "known_at", *names).collect()
    stated = as_of_panels(rows, on="known_at", values=names, universe=universe, times=times)
    if not np.isfinite(stated).any():
        return expected
    floor, cap = (panel / interval_hours for panel in stated)
    low, high = np.where(np.isfinite(floor), floor, -np.inf), np.where(np.isfinite(cap), cap, np.inf)
    return replace(
        expected,
        rate_per_hour=np.clip(expected.rate_per_hour, low, high),
        rate_path=np.clip(expected.rate_path, low[:, None], high[:, None]),
    )


def payment_panel(funding: pl.LazyFrame, *, universe: Universe, times: Sequence[datetime]) -> PaymentPanel:
    """From settlements known at each time; the next is one interval after the last, or after those missed.

    An interval that is unknown leaves the one before in force."""
    held = pl.col("interval_hours").forward_fill().over(_LEG)
    frame = funding.sort("settled_at").select(*_LEG, "known_at", "settled_at", interval_hours=held).collect()
    values = ["settled_at", "interval_hours"]
    age, interval = as_of_panels(frame, on="known_at", values=values, universe=universe, times=times)
    with np.errstate(invalid="ignore", divide="ignore"):
        until = interval - np.mod(age, interval)
    return PaymentPanel(age_hours=age, interval_hours=interval, until_next_hours=until)
