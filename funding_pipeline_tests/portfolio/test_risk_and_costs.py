"""Betas, basis risk and the panels they feed."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from funding_pipeline.core.errors import MarketDataError
from funding_pipeline.core.horizons import NEXT_SETTLEMENT
from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.portfolio.forecast_panels import forecast_panel
from funding_pipeline.portfolio.live import plan_at
from funding_pipeline.portfolio.panels import decision_panels
from funding_pipeline.portfolio.risk_model import risk_panel
from funding_pipeline.portfolio.universe import tradable_universe
from funding_pipeline_tests.portfolio import synthetic
from funding_pipeline_tests.portfolio.situations import universe_of

CONFIG = PortfolioConfig(beta_window_days=10)
AS_OF = synthetic.START + timedelta(days=20)


def test_beta_is_the_regression_slope_shrunk_to_one() -> None:
    universe = universe_of("a", ("BTC", "ETH"))
    rng = np.random.default_rng(0)
    btc = rng.normal(0, 0.01, 200)
    logs = np.cumsum(np.stack([btc, 2 * btc], axis=1), axis=0)
    panel = risk_panel(np.exp(logs), reference_price=np.exp(logs), universe=universe, window_days=20)
    count = 60  # rows of 8 hours in 20 days
    assert panel.beta[-1] == pytest.approx([1.0, 1 + count / (count + 30)])
    assert panel.beta[0] == pytest.approx([1.0, 1.0])
    assert panel.basis_sd[-1, 0] == pytest.approx(np.sqrt(30 / (count + 30)) * 20e-4)


def test_unknown_prices_give_the_priors() -> None:
    universe = universe_of("a", ("BTC", "ETH"))
    nothing = np.full((5, 2), np.nan)
    panel = risk_panel(nothing, reference_price=nothing, universe=universe, window_days=10)
    assert (panel.beta == 1).all()
    assert panel.price_sd[-1] == pytest.approx([0.015, 0.015])


def test_panels_know_only_the_past_and_restrict_stale_legs() -> None:
    tables = synthetic.market()
    forecasts = synthetic.baseline_forecasts(tables, times=[AS_OF])
    universe = tradable_universe(
        tables, forecasts=forecasts, start=synthetic.START, end=AS_OF + timedelta(days=1)
    ).universe
    names = [leg.name for leg in universe.legs]
    leg = names.index("a ETH/USDT:USDT")

    def at(hours_without: int) -> tuple[bool, bool, str]:
        stopped = synthetic.without_rows_after(
            tables, venue="a", name="ETH/USDT:USDT", time=AS_OF - timedelta(hours=hours_without)
        )
        stopped = replace(stopped, settled_funding=tables.settled_funding)
        panels = decision_panels(
            tables=stopped, forecasts=forecasts, universe=universe, times=[AS_OF],
            terms=synthetic.terms(), config=CONFIG,
        )  # fmt: skip
        own = panels.at(0)
        return bool(own.may_increase[leg]), bool(own.must_close[leg]), own.note[leg]

    assert at(0) == (True, False, "")
    assert at(2) == (True, False, "")
    assert at(3) == (False, False, "no recent own price: only reducing")
    assert at(73) == (False, True, "no own price for long: closed at its last known price")


def test_a_thousandfold_contract_shares_the_reference_of_its_base() -> None:
    tables = synthetic.market()
    forecasts = synthetic.baseline_forecasts(tables, times=[AS_OF])
    universe = tradable_universe(tables, forecasts=forecasts, start=synthetic.START, end=AS_OF).universe
    panels = decision_panels(
        tables=tables, forecasts=forecasts, universe=universe, times=[AS_OF], terms=synthetic.terms(),
        config=CONFIG,
    )  # fmt: skip
    own = panels.at(0)
    ratio = own.reference_price / own.price
    assert np.abs(ratio - 1).max() < 0.005
    thousand = [leg.symbol for leg in universe.legs].index("1000PEPE/USDT:USDT")
    assert own.price[thousand] > 1e-4


def test_the_live_plan_is_the_back_tests_plan() -> None:
    from funding_pipeline.validation.backtest import BacktestConfig, run_backtest
    from funding_pipeline.validation.simulation import decision_times

    tables = synthetic.market()
    start, end = AS_OF - timedelta(days=6), AS_OF + timedelta(days=2)
    times = decision_times(start=start, end=end, every_hours=8)
    forecasts = synthetic.baseline_forecasts(tables, times=list(times))
    result = run_backtest(
        tables=tables, forecasts=forecasts, terms=synthetic.terms(),
        config=BacktestConfig(start=start, end=end, portfolio=CONFIG, with_baselines=False),
    )  # fmt: skip
    for time in times[3::5]:
        before = result.positions.filter(pl.col("time") == time - timedelta(hours=8))
        held = {(v, s): q for v, s, q in before.select("venue", "symbol", "quantity").iter_rows()}
        plan = plan_at(
            tables=tables, forecasts=forecasts, positions=held, as_of=time, terms=synthetic.terms(),
            config=CONFIG,
        )  # fmt: skip
        after = result.positions.filter(pl.col("time") == time)
        expected = {(v, s): q for v, s, q in after.select("venue", "symbol", "quantity").iter_rows()}
        found = {
            (leg.venue, leg.symbol): float(q)
            for leg, q in zip(plan.universe.legs, plan.quantity_target, strict=True)
            if q != 0
        }
        assert found == pytest.approx(expected)
        assert plan.legs.height >= len(found)


def test_a_position_that_cannot_be_planned_is_left_alone_by_name() -> None:
    tables = synthetic.market()
    forecasts = synthetic.baseline_forecasts(tables, times=[AS_OF])
    plans = [
        plan_at(
            tables=tables, forecasts=forecasts, positions=positions, as_of=AS_OF, terms=synthetic.terms(),
            config=CONFIG,
        )
        for positions in ({}, {("z", "XYZ"): 1.0})
    ]  # fmt: skip
    assert plans[1].left_alone == ("z XYZ: it is not in the instruments table",)
    assert plans[1].legs.equals(plans[0].legs)


def test_collateral_is_proposed_from_where_it_is() -> None:
    """Nearly all of it on one venue: money can only come from there."""
    tables = synthetic.market()
    forecasts = synthetic.baseline_forecasts(tables, times=[AS_OF])
    there = {"a": 940_000.0, "b": 30_000.0, "c": 30_000.0}
    plan = plan_at(
        tables=tables, forecasts=forecasts, positions={}, as_of=AS_OF, terms=synthetic.terms(),
        config=CONFIG.model_copy(update={"no_trade_multiple": 0.25}), collateral_usd=there,
    )  # fmt: skip
    assert {move.source for move in plan.collateral.moves} == {"a"}
    assert {move.target for move in plan.collateral.moves} <= {"b", "c"}


def test_several_horizons_are_the_path_and_the_longest_is_the_plans() -> None:
    """A rate that falls within a day is not what the week is planned with."""
    tables = synthetic.market()
    week = synthetic.baseline_forecasts(tables, times=[AS_OF])
    day = week.with_columns(horizon_hours=pl.lit(24, dtype=pl.Int64), rate_per_hour=pl.lit(0.0))
    universe = tradable_universe(tables, forecasts=week, start=synthetic.START, end=AS_OF).universe
    path = forecast_panel(pl.concat([week, day]), universe=universe, times=[AS_OF], max_age_hours=24)
    alone = forecast_panel(week, universe=universe, times=[AS_OF], max_age_hours=24)
    assert path.stage_lengths == (24.0, 144.0)
    assert np.array_equal(path.rate_per_hour, alone.rate_per_hour, equal_nan=True)
    assert not path.rate_path[0, 0].any()
    assert path.rate_path[0, 1] == pytest.approx(alone.rate_per_hour[0] * 168 / 144, nan_ok=True)
    both = plan_at(
        tables=tables, forecasts=pl.concat([week, day]), positions={}, as_of=AS_OF,
        terms=synthetic.terms(), config=CONFIG,
    )  # fmt: skip
    assert both.status == "optimal"


def test_forecasts_of_the_next_settlement_alone_are_no_plan() -> None:
    tables = synthetic.market()
    next_one = synthetic.baseline_forecasts(tables, times=[AS_OF]).with_columns(
        horizon_hours=pl.lit(NEXT_SETTLEMENT, dtype=pl.Int64)
    )
    with pytest.raises(MarketDataError, match="horizon"):
        plan_at(
            tables=tables, forecasts=next_one, positions={}, as_of=AS_OF, terms=synthetic.terms(),
            config=CONFIG,
        )  # fmt: skip
