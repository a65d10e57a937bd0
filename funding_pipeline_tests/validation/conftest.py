"""One back-test on the synthetic market, shared by the tests that look at its tables."""

from datetime import timedelta

import polars as pl
import pytest

from funding_pipeline.core.tables import MarketTables
from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.portfolio.universe import tradable_universe
from funding_pipeline.validation.backtest import BacktestConfig, BacktestResult, run_backtest
from funding_pipeline.validation.replays import cost_blind, replay
from funding_pipeline.validation.simulation import MarketHistory, Run, decision_times, market_history
from funding_pipeline_tests.portfolio import synthetic


@pytest.fixture(scope="session")
def tables() -> MarketTables:
    return synthetic.market()


@pytest.fixture(scope="session")
def backtest_config() -> BacktestConfig:
    return BacktestConfig(
        start=synthetic.START + timedelta(days=12),
        end=synthetic.START + timedelta(days=36, hours=5),
        portfolio=PortfolioConfig(
            beta_window_days=10,
            expected_hold_hours=336,
            risk_aversion=50,
            no_trade_multiple=0.25,
            uncertainty_aversion=0.0,
        ),
    )


@pytest.fixture(scope="session")
def forecasts(tables: MarketTables, backtest_config: BacktestConfig) -> pl.DataFrame:
    times = decision_times(start=backtest_config.start, end=backtest_config.end, every_hours=8)
    return synthetic.baseline_forecasts(tables, times=list(times))


@pytest.fixture(scope="session")
def result(tables: MarketTables, forecasts: pl.DataFrame, backtest_config: BacktestConfig) -> BacktestResult:
    return run_backtest(tables=tables, forecasts=forecasts, terms=synthetic.terms(), config=backtest_config)


@pytest.fixture(scope="session")
def invested(
    tables: MarketTables, forecasts: pl.DataFrame, backtest_config: BacktestConfig
) -> tuple[MarketHistory, Run]:
    """A run that holds as much as its limits permit: decisions count no cost, the ledger does."""
    config = backtest_config.portfolio
    start, end = backtest_config.start, backtest_config.end
    history = market_history(
        tables=tables,
        forecasts=forecasts,
        universe=tradable_universe(tables, forecasts=forecasts, start=start, end=end).universe,
        start=start,
        end=end,
        terms=synthetic.terms(),
        config=config,
    )
    return history, replay(history, config=config, panels=cost_blind(history.panels))
