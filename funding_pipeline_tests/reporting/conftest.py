"""A small back-test whose book trades, for the report: no trade has to earn its cost first."""

from dataclasses import replace
from datetime import UTC, datetime

import polars as pl
import pytest

from funding_pipeline.core.tables import SETTLED_FUNDING, MarketTables
from funding_pipeline.market_data.quarantine import quarantine_rows
from funding_pipeline.reporting.report import ReportInputs
from funding_pipeline.validation.backtest import BacktestConfig, BacktestResult, run_backtest
from funding_pipeline.validation.verdict import verdict as judged
from funding_pipeline_tests.portfolio import synthetic
from funding_pipeline_tests.reporting import report_frames as frames
from funding_pipeline_tests.validation.conftest import (  # noqa: F401  (fixtures)
    backtest_config,
    forecasts,
    tables,
)

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
OVERFITTING = {"pbo": 0.12, "splits": 252, "settings": ["a", "b"]}
CAPACITY = {"capital_usd": 3e6, "is_largest_studied": False, "most_profit_capital_usd": 3e7}


@pytest.fixture(scope="session")
def result(
    tables: MarketTables,  # noqa: F811
    forecasts: pl.DataFrame,  # noqa: F811
    backtest_config: BacktestConfig,  # noqa: F811
) -> BacktestResult:
    blind = {"no_trade_multiple": 0.0}
    config = backtest_config.model_copy(
        update={"portfolio": backtest_config.portfolio.model_copy(update=blind)}
    )
    made = run_backtest(tables=tables, forecasts=forecasts, terms=synthetic.terms(), config=config)
    assert made.trades.height > 0
    return made


@pytest.fixture(scope="session")
def bare(result: BacktestResult) -> ReportInputs:
    return ReportInputs(
        market_label="recorded (tests)",
        is_simulated=False,
        generated_at=NOW,
        summary=result.summary,
        equity=result.equity,
        neutrality=result.neutrality,
        margin=result.margin,
        attribution=result.attribution,
        stress=result.stress,
        baseline_equity=result.baseline_equity,
        baseline_equity_venue_neutral=result.baseline_equity_venue_neutral,
        studies_missing="not asked for",
    )


@pytest.fixture(scope="session")
def full(bare: ReportInputs) -> ReportInputs:
    made, outcome = frames.forecasts_and_outcomes()
    bad = frames.settled(10).with_columns(rate=pl.lit(9.0))
    studied = {"overfitting": OVERFITTING, "capacity": CAPACITY, "comparisons": frames.comparisons()}
    summary = {**bare.summary, **studied}
    return replace(
        bare,
        summary={**summary, "verdict": judged(summary, runs=frames.studies_runs(), stress=bare.stress)},
        studies_runs=frames.studies_runs(),
        studies_regimes=frames.studies_regimes(),
        replays=frames.replays(),
        studies_missing="",
        settled_funding=frames.settled(),
        gaps=pl.DataFrame({"venue": ["okx"], "symbol": ["BTC/USDT:USDT"], "missing_settlements": [3]}),
        quarantine=quarantine_rows(SETTLED_FUNDING, bad).refused,
        regimes=frames.regimes(),
        anomalies=pl.DataFrame(
            {"as_of": [frames.START], "venue": ["okx"], "symbol": ["X"], "reason": ["odd"], "robust_z": [9.1]}
        ),
        forecast_skill=pl.DataFrame({"scope": ["all"], "horizon_hours": [168], "r2": [0.25], "mae": [None]}),
        forecasts=made,
        realised=outcome,
        plan_legs=frames.plan_legs(),
        provenance={"model": "v3"},
    )
