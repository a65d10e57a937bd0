"""One back-test on the synthetic market, shared by the tests that look at its tables."""

from datetime import timedelta

import polars as pl
import pytest

from funding_pipeline.core.tables import MarketTables
from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.validation.backtest import BacktestConfig, BacktestResult, run_backtest
from funding_pipeline.validation.simulation import decision_times
from funding_pipeline_tests.portfolio import synthetic


@pytest.fixture(scope="session")
def tables() -> MarketTables:
    return synthetic.market()


@pytest.fixture(scope="session")
def backtest_config() -> BacktestConfig:
    return BacktestConfig(
        start=synthetic.START + timedelta(days=12),
        end=synthetic.START + timedelta(days=36, hours=5),
        portfolio=PortfolioConfig(beta_window_days=10, expected_hold_hours=336, risk_aversion=50),
    )


@pytest.fixture(scope="session")
def forecasts(tables: MarketTables, backtest_config: BacktestConfig) -> pl.DataFrame:
    times = decision_times(start=backtest_config.start, end=backtest_config.end, every_hours=8)
    return synthetic.baseline_forecasts(tables, times=list(times))


@pytest.fixture(scope="session")
def result(tables: MarketTables, forecasts: pl.DataFrame, backtest_config: BacktestConfig) -> BacktestResult:
    return run_backtest(tables=tables, forecasts=forecasts, terms=synthetic.terms(), config=backtest_config)
