"""A back-test opens nothing unproven, denied, halted or about to end; caps bound what it expects."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from funding_pipeline.core.tables import INSTRUMENTS, MarketTables
from funding_pipeline.portfolio.forecast_panels import ForecastPanel, within_caps
from funding_pipeline.portfolio.identity_lists import IdentityLists
from funding_pipeline.portfolio.legs import Leg, Universe
from funding_pipeline.validation.backtest import BacktestConfig, BacktestResult, run_backtest
from funding_pipeline_tests.portfolio import synthetic


def run(
    tables: MarketTables, forecasts: pl.DataFrame, config: BacktestConfig, **portfolio: Any
) -> BacktestResult:
    changed = config.portfolio.model_copy(update=portfolio)
    plain = config.model_copy(update={"with_baselines": False, "portfolio": changed})
    return run_backtest(tables=tables, forecasts=forecasts, terms=synthetic.terms(), config=plain)


def stated(
    tables: MarketTables, leg: tuple[str, str], at: datetime | None = None, **values: Any
) -> MarketTables:
    """The same market where the terms of one leg are others, from `at` on or from its first row on."""
    known = tables.instruments.collect()
    is_mine = (pl.col("venue") == leg[0]) & (pl.col("symbol") == leg[1])
    columns = [pl.lit(value, dtype=INSTRUMENTS.columns[name]).alias(name) for name, value in values.items()]
    mine, kept = known.filter(is_mine).with_columns(columns), known.filter(~is_mine)
    if at is not None:
        since = pl.lit(at)
        mine, kept = mine.with_columns(effective_from=since, known_at=since), known
    rows = pl.concat([kept, mine.select(known.columns)], how="vertical_relaxed")
    return replace(tables, instruments=rows.lazy())


def held(result: BacktestResult, leg: tuple[str, str]) -> pl.DataFrame:
    return result.positions.filter(
        pl.col("venue") == leg[0], pl.col("symbol") == leg[1], pl.col("quantity") != 0
    )


@pytest.fixture
def largest(result: BacktestResult, backtest_config: BacktestConfig) -> tuple[str, str]:
    """The leg with the largest position a week after the start."""
    there = result.positions.filter(pl.col("time") == backtest_config.start + timedelta(days=8))
    venue, symbol = there.sort("notional_usd").select("venue", "symbol").row(0)
    return venue, symbol


@pytest.mark.parametrize("identity", ["unproven", "disagrees", None])
def test_what_prices_do_not_prove_is_never_opened_unless_allowed(
    identity: str | None, tables: MarketTables, forecasts: pl.DataFrame, backtest_config: BacktestConfig,
    largest: tuple[str, str],
) -> None:  # fmt: skip
    doubtful = stated(tables, largest, identity=identity)
    assert held(run(doubtful, forecasts, backtest_config), largest).is_empty()
    allowed = IdentityLists(allow=(" ".join(largest),))
    assert not held(run(doubtful, forecasts, backtest_config, identity=allowed), largest).is_empty()


def test_what_the_user_denies_is_never_opened(
    tables: MarketTables, forecasts: pl.DataFrame, backtest_config: BacktestConfig, largest: tuple[str, str]
) -> None:
    base = largest[1].split("/")[0].removeprefix("1000")
    for entry in (" ".join(largest), base):
        denied = run(tables, forecasts, backtest_config, identity=IdentityLists(deny=(entry,)))
        assert held(denied, largest).is_empty()


def test_an_announced_end_is_left_in_time(
    tables: MarketTables, forecasts: pl.DataFrame, backtest_config: BacktestConfig, largest: tuple[str, str],
    result: BacktestResult,
) -> None:  # fmt: skip
    announced = backtest_config.start + timedelta(days=8)
    ends = announced + timedelta(days=4)
    found = run(stated(tables, largest, at=announced, delists_at=ends), forecasts, backtest_config)
    before = held(found, largest).filter(pl.col("time") < announced)
    assert before.equals(held(result, largest).filter(pl.col("time") < announced))
    last = held(found, largest)["time"].max()
    assert isinstance(last, datetime)
    assert announced <= last < ends - timedelta(hours=24)


def test_a_halted_leg_is_not_enlarged(
    tables: MarketTables, forecasts: pl.DataFrame, backtest_config: BacktestConfig, largest: tuple[str, str]
) -> None:
    at = backtest_config.start + timedelta(days=8)
    found = run(stated(tables, largest, at=at, is_active=False), forecasts, backtest_config)
    sizes = held(found, largest).filter(pl.col("time") >= at)["quantity"].abs()
    assert (sizes.diff().drop_nulls() <= 1e-9).all()


def test_a_forecast_stays_within_the_cap_in_force() -> None:
    universe = Universe.of(
        [Leg("a", "X/USDT:USDT", "X", 1.0, False, "USDT"), Leg("b", "X/USDT:USDT", "X", 1.0, False, "USDT")]
    )
    noon = datetime.fromisoformat("2024-01-01T12:00:00+00:00")
    row = dict.fromkeys(INSTRUMENTS.columns) | {
        "venue": "a", "symbol": "X/USDT:USDT", "known_at": noon, "effective_from": noon,
        "funding_cap": 0.003, "funding_floor": -0.001,
    }  # fmt: skip
    instruments = pl.LazyFrame([row], schema=dict(INSTRUMENTS.columns))
    wild = np.array([[0.01, 0.01], [-0.01, -0.01]])
    expected = ForecastPanel(wild, np.ones((2, 2)), wild[:, None], (24.0,))
    found = within_caps(
        expected, instruments, interval_hours=np.full((2, 2), 4.0), universe=universe,
        times=[noon, noon + timedelta(hours=1)],
    )  # fmt: skip
    assert found.rate_per_hour.tolist() == [[0.003 / 4, 0.01], [-0.001 / 4, -0.01]]
    assert found.rate_path[:, 0].tolist() == found.rate_per_hour.tolist()
    early = within_caps(
        expected, instruments, interval_hours=np.full((2, 2), 4.0), universe=universe,
        times=[noon - timedelta(hours=2), noon - timedelta(hours=1)],
    )  # fmt: skip
    assert early is expected
