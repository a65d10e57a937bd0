"""The forecast that knows the future is the label, row by row, and nothing where there is none."""

from datetime import timedelta

import polars as pl
import pytest

from funding_pipeline.core.tables import MarketTables
from funding_pipeline.validation.backtest import BacktestConfig, BacktestResult
from funding_pipeline.validation.baseline_runs import CEILINGS, ORACLE
from funding_pipeline.validation.oracle import oracle_forecasts


@pytest.fixture(scope="module")
def told(tables: MarketTables, forecasts: pl.DataFrame) -> pl.DataFrame:
    return oracle_forecasts(forecasts, settled_funding=tables.settled_funding)


def test_it_is_the_mean_of_what_was_paid_over_the_horizon(told: pl.DataFrame, tables: MarketTables) -> None:
    funding = tables.settled_funding.collect()
    for row in told.drop_nulls("rate_per_hour").sample(20, seed=1).iter_rows(named=True):
        end = row["as_of"] + timedelta(hours=row["horizon_hours"])
        paid = funding.filter(
            (pl.col("venue") == row["venue"]) & (pl.col("symbol") == row["symbol"]),
            (pl.col("settled_at") > row["as_of"]) & (pl.col("settled_at") <= end),
        )["rate"].sum()
        assert row["rate_per_hour"] == pytest.approx(paid / row["horizon_hours"], rel=1e-9)
        assert row["rate_per_hour"] == row["q10"] == row["q90"] == row["baseline_rate_per_hour"]


def test_rows_and_columns_are_those_of_the_forecasts(told: pl.DataFrame, forecasts: pl.DataFrame) -> None:
    key = ["as_of", "venue", "symbol", "horizon_hours"]
    assert told.columns == forecasts.columns
    assert told.select(key).equals(forecasts.select(key))
    assert told["model"].unique().to_list() == ["oracle: knows the future"]


def test_there_is_none_where_the_future_is_not_in_the_data(told: pl.DataFrame, tables: MarketTables) -> None:
    last = tables.settled_funding.select(pl.col("settled_at").max()).collect().item()
    beyond = pl.col("as_of") + timedelta(hours=168) > last
    assert told.filter(beyond).height > 0
    assert told.filter(beyond)["rate_per_hour"].null_count() == told.filter(beyond).height
    assert told.filter(~beyond)["rate_per_hour"].null_count() == 0


def test_several_horizons_get_each_its_own(told: pl.DataFrame, tables: MarketTables,
                                           forecasts: pl.DataFrame) -> None:  # fmt: skip
    both = pl.concat([forecasts, forecasts.with_columns(horizon_hours=pl.lit(24, dtype=pl.Int64))])
    found = oracle_forecasts(both, settled_funding=tables.settled_funding)
    assert found.filter(horizon_hours=168).equals(told)
    assert not found.filter(horizon_hours=24)["rate_per_hour"].equals(told["rate_per_hour"])


def test_it_is_run_as_a_ceiling_and_never_as_a_rival(
    result: BacktestResult, backtest_config: BacktestConfig
) -> None:
    figures = result.summary["baselines"][ORACLE]
    assert CEILINGS == (ORACLE,)
    assert figures["knows_the_future"] is True
    assert figures["venue_neutral"]["net_return_annual"] == figures["net_return_annual"]
    assert ORACLE not in result.summary["comparisons"]
    assert result.summary["ceiling"]["name"] == ORACLE
    assert result.summary["ceiling"]["net_return_annual"] == figures["net_return_annual"]
    assert set(result.baseline_equity[ORACLE].columns) == set(result.equity.columns)
