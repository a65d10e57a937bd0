"""Figures on capital from a series of equity: return, risk, drawdown, Sharpe with its uncertainty.

Returns are daily, by UTC day, arithmetic, on the starting capital and without compounding; a year has
365 days.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from funding_pipeline.portfolio.legs import Floats, Ints

DAYS_PER_YEAR = 365
CONVENTIONS = (
    "Figures are on starting capital, not compounded. Returns are daily by UTC day (whole days only), "
    "arithmetic; a year has 365 days; the risk-free rate is not subtracted. USDT, USDC and USD count as "
    "1 USD. Inverse contracts are held at a fixed base quantity and re-struck at each decision, at a fee. "
    "Legs are marked at their own venue's last close; open positions at the end are marked, not "
    "closed. Sharpe interval: 95 %, circular block bootstrap of daily returns (blocks of 7 days or more); "
    "newey_west is the same from a heteroskedasticity- and autocorrelation-consistent standard error."
)
PLAUSIBLE_SHARPE = 5.0
LEAST_DAYS = 28  # for any interval
_RESAMPLES = 1000
_SEED = 7


@dataclass(frozen=True)
class SharpeInterval:
    """95 % interval of the annual Sharpe ratio by block bootstrap, and by a Newey-West error."""

    low: float
    high: float
    newey_west_low: float
    newey_west_high: float


def daily_returns(equity: pl.DataFrame, *, capital_usd: float) -> pl.DataFrame:
    """One row per whole UTC day: `day` and `return` (profit of the day over capital).

    `equity` has `time` and `equity` with a row at every midnight; a first or last part of a day is
    left out. A series that begins at midnight begins with the capital, so that the cost of the first
    trades, already in its first row, falls on the first day.
    """
    midnight = pl.col("time") == pl.col("time").dt.truncate("1d")
    start = pl.when(pl.col("time") == pl.col("time").min()).then(capital_usd)
    days = equity.with_columns(equity=start.otherwise("equity")).filter(midnight).sort("time")
    return days.select(
        day=(pl.col("time") - pl.duration(days=1)).dt.date(),
        **{"return": pl.col("equity").diff() / capital_usd},
    ).slice(1)


def sharpe_ratio(returns: Floats) -> float | None:
    """Annual mean over annual standard deviation of daily returns; null for less than two or no risk."""
    if len(returns) < 2:
        return None
    deviation = float(np.std(returns, ddof=1))
    return float(np.mean(returns) / deviation * np.sqrt(DAYS_PER_YEAR)) if deviation > 1e-15 else None


def sharpe_interval(returns: Floats) -> SharpeInterval | None:
    """Intervals that allow for autocorrelation; null for less than 28 days or no risk."""
    sharpe = sharpe_ratio(returns)
    if sharpe is None or len(returns) < LEAST_DAYS:
        return None
    samples = returns[circular_blocks(len(returns))]
    deviation = samples.std(axis=1, ddof=1)
    usable = deviation > 1e-15
    ratios = samples.mean(axis=1)[usable] / deviation[usable] * np.sqrt(DAYS_PER_YEAR)
    low, high = np.quantile(ratios, [0.025, 0.975])
    error = sharpe_standard_error(returns)
    return SharpeInterval(
        low=float(low),
        high=float(high),
        newey_west_low=sharpe - 1.96 * error,
        newey_west_high=sharpe + 1.96 * error,
    )


def sharpe_standard_error(returns: Floats) -> float:
    """Standard error of the annual Sharpe ratio from the long-run variance of its influence function.

    psi_t = (r_t - m)/s - SR/2 ((r_t - m)^2/s^2 - 1) per day (Lo 2002; Ledoit and Wolf 2008), with
    Bartlett weights and floor(4 (n/100)^(2/9)) lags, at least 7.
    """
    n = len(returns)
    deviation = float(np.std(returns))
    z = (returns - returns.mean()) / deviation
    influence = z - returns.mean() / deviation / 2 * (z**2 - 1)
    lags = min(max(int(4 * (n / 100) ** (2 / 9)), 7), n - 1)
    variance = float(influence @ influence) / n
    for lag in range(1, lags + 1):
        variance += 2 * (1 - lag / (lags + 1)) * float(influence[lag:] @ influence[:-lag]) / n
    return float(np.sqrt(max(variance, 0.0) / n * DAYS_PER_YEAR))


def bootstrap_block_days(days: int) -> int:
    """Length of a block: the cube root of the sample, never below 7 days."""
    return max(7, int(np.cbrt(days)))


def circular_blocks(days: int, *, resamples: int = _RESAMPLES) -> Ints:
    """Resamples x days: day numbers of circular moving blocks of `bootstrap_block_days`, seeded."""
    block = bootstrap_block_days(days)
    starts = np.random.default_rng(_SEED).integers(0, days, size=(resamples, -(-days // block)))
    index = starts[:, :, None] + np.arange(block)[None, None, :]
    return np.asarray(index.reshape(resamples, -1)[:, :days] % days, dtype=np.int64)


def drawdown(equity: pl.DataFrame, *, capital_usd: float) -> Mapping[str, float]:
    """Largest fall from a peak (fraction of capital), share of time and longest days below a peak."""
    frame = equity.sort("time").with_columns(peak=pl.col("equity").cum_max().clip(lower_bound=capital_usd))
    under = (frame["peak"] - frame["equity"]).to_numpy() > 1e-9
    days = frame["time"].diff().dt.total_seconds().fill_null(0).to_numpy() / 86400
    runs = np.concatenate([[0.0], np.cumsum(days * under)])
    resets = np.maximum.accumulate(np.where(np.concatenate([[False], under]), 0.0, runs))
    total = float(days.sum())
    return {
        "max_drawdown": float(((frame["peak"] - frame["equity"]) / capital_usd).max() or 0.0),  # type: ignore[arg-type]
        "time_under_water": float((days * under).sum()) / total if total else 0.0,
        "longest_under_water_days": float((runs - resets).max()),
    }
