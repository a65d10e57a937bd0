"""Whether one run was better than another by more than luck: their daily returns, day against day.

What lives here: paired differences with intervals. What does not: the interval of one Sharpe ratio
(`statistics`), or luck out of many trials (`deflated_sharpe`, `overfitting`).

Both runs live through the same days, so the days are drawn for both at once: what moves both alike (a crash,
a month of high funding) cancels in the difference, and much shorter histories tell two runs apart.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from funding_pipeline.portfolio.legs import Floats
from funding_pipeline.validation.statistics import (
    DAYS_PER_YEAR,
    LEAST_DAYS,
    circular_blocks,
    daily_returns,
)

RESAMPLES = 2000
_LEVEL = (0.025, 0.975)
_NO_DIFFERENCE = 1e-15


@dataclass(frozen=True)
class PairedDifference:
    """One run less its rival, 95 % intervals; fractions of capital, the mean per year of 365 days.

    `probability_better`: share of resamples in which the mean is higher; ties count by half.
    `drawdown_difference`: of the largest falls from a peak, on the same drawn days; below zero is better.
    """

    net_annual_difference: float
    low: float
    high: float
    probability_better: float
    drawdown_difference: float
    drawdown_low: float
    drawdown_high: float
    days: int


def paired_difference(own: Floats, rival: Floats, *, resamples: int = RESAMPLES) -> PairedDifference | None:
    """`own` less `rival`, daily returns of the same days in order; null below 28 days.

    Circular block bootstrap (Politis and Romano 1992) of the pairs, blocks as for the Sharpe interval.
    Percentile intervals. Raises ValueError where the lengths differ or a return is not finite.
    """
    if own.shape != rival.shape or not (np.isfinite(own).all() and np.isfinite(rival).all()):
        raise ValueError(f"daily returns must be finite and of the same days: {own.shape}, {rival.shape}")
    if len(own) < LEAST_DAYS:
        return None
    index = circular_blocks(len(own), resamples=resamples)
    mean = (own - rival)[index].mean(axis=1) * DAYS_PER_YEAR
    fall = max_drawdown(own[index]) - max_drawdown(rival[index])
    better = (mean > _NO_DIFFERENCE).mean() + 0.5 * (np.abs(mean) <= _NO_DIFFERENCE).mean()
    low, high = np.quantile(mean, _LEVEL)
    fall_low, fall_high = np.quantile(fall, _LEVEL)
    return PairedDifference(
        net_annual_difference=float((own - rival).mean() * DAYS_PER_YEAR),
        low=float(low),
        high=float(high),
        probability_better=float(better),
        drawdown_difference=float(max_drawdown(own) - max_drawdown(rival)),
        drawdown_low=float(fall_low),
        drawdown_high=float(fall_high),
        days=len(own),
    )


def max_drawdown(returns: Floats) -> Floats:
    """Largest fall of the summed returns from a peak (0 at the start), over the last axis, at day ends."""
    path = np.cumsum(returns, axis=-1)
    peak = np.maximum(np.maximum.accumulate(path, axis=-1), 0.0)
    return np.asarray((peak - path).max(axis=-1), dtype=np.float64)


def compared(own: pl.DataFrame, rival: pl.DataFrame, *, capital_usd: float) -> PairedDifference | None:
    """`paired_difference` of two equity frames (`time`, `equity`) over the whole days that both have."""
    mine, other = (daily_returns(frame, capital_usd=capital_usd) for frame in (own, rival))
    both = mine.join(other, on="day", suffix="_rival", maintain_order="left")
    return paired_difference(both["return"].to_numpy(), both["return_rival"].to_numpy())


def comparisons(
    own: pl.DataFrame, rivals: Mapping[str, Mapping[str, pl.DataFrame]], *, capital_usd: float
) -> dict[str, dict[str, dict[str, Any]]]:
    """Baseline -> variant -> PairedDifference as plain data, of equity frames; empty below 28 days."""
    out: dict[str, dict[str, dict[str, Any]]] = {}
    for name, variants in rivals.items():
        for variant, frame in variants.items():
            found = compared(own, frame, capital_usd=capital_usd)
            if found is not None:
                out.setdefault(name, {})[variant] = asdict(found)
    return out


def value_added(
    own: pl.DataFrame, without: pl.DataFrame, *, capital_usd: float, years: float
) -> dict[str, float | int | None] | None:
    """What the model adds to the same optimiser `without` it; null below 28 days.

    `net_annual`, `low`, `high`: difference of net return on capital per year with its 95 % interval;
    `probability` that it is above zero; `ratio` of the net returns, null where the other earned nothing.
    """
    found = compared(own, without, capital_usd=capital_usd)
    if found is None:
        return None
    mine, other = (_profit(frame, capital_usd) / capital_usd / years for frame in (own, without))
    return {
        "net_annual": found.net_annual_difference,
        "low": found.low,
        "high": found.high,
        "ratio": mine / other if other > 0 else None,
        "probability": found.probability_better,
        "with_model_net_annual": mine,
        "without_model_net_annual": other,
        "days": found.days,
    }


def mean_interval(equity: pl.DataFrame, *, capital_usd: float) -> dict[str, float] | None:
    """Net return on capital per year of whole days with its 95 % interval; null below 28 days."""
    returns = daily_returns(equity, capital_usd=capital_usd)["return"].to_numpy()
    found = paired_difference(returns, np.zeros_like(returns))
    if found is None:
        return None
    return {"low": found.low, "high": found.high, "level": 0.95, "probability": found.probability_better}


def _profit(equity: pl.DataFrame, capital_usd: float) -> float:
    return float(equity.sort("time")["equity"][-1]) - capital_usd
