"""Two made-up markets whose verdict is known before: one that pays for being held, one that is noise."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl

from funding_pipeline.core.tables import MarketTables
from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.validation.backtest import BacktestConfig
from funding_pipeline.validation.simulation import decision_times
from funding_pipeline_tests.portfolio import synthetic


def lasting_spreads(*, days: int = synthetic.DAYS, times: float = 10.0) -> MarketTables:
    """Spreads of some 80 % a year between venues that never change but for noise."""
    tables = synthetic.market(days=days)
    return replace(tables, settled_funding=tables.settled_funding.with_columns(rate=pl.col("rate") * times))


def pure_noise(*, days: int = synthetic.DAYS, seed: int = 2, sd_per_hour: float = 1e-4) -> MarketTables:
    """Funding drawn anew at every settlement around zero: the past says nothing of the next."""
    tables = synthetic.market(days=days)
    funding = tables.settled_funding.collect().sort("settled_at", "venue", "symbol")
    drawn = np.random.default_rng(seed).normal(0, sd_per_hour, funding.height)
    noise = funding.with_columns(rate=pl.Series(drawn) * pl.col("interval_hours"))
    return replace(tables, settled_funding=noise.lazy())


def daily_config(*, days: int, hold_hours: float = 336.0) -> BacktestConfig:
    """Decisions once a day from day 12 on."""
    return BacktestConfig(
        start=synthetic.START + timedelta(days=12),
        end=synthetic.START + timedelta(days=days),
        portfolio=PortfolioConfig(
            beta_window_days=10, expected_hold_hours=hold_hours, risk_aversion=50, rebalance_every_hours=24
        ),
        trials=1,
    )


def trailing_forecasts(tables: MarketTables, config: BacktestConfig, *, hours: int = 72) -> pl.DataFrame:
    """The trailing mean as forecast, and one half of it as the baseline beside it."""
    every = config.portfolio.rebalance_every_hours
    times = decision_times(start=config.start, end=config.end, every_hours=every)
    half = synthetic.baseline_forecasts(tables, times=list(times), hours=hours)
    numbers = pl.col("rate_per_hour", "q10", "q50", "q90")
    return half.with_columns(numbers * 2).with_columns(model=pl.lit("trailing mean"))
