"""The evidence in a summary: plain data, each part told another way from the published tables."""

import json
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from funding_pipeline.validation.backtest import BacktestResult, run_backtest
from funding_pipeline.validation.baseline_runs import ORACLE
from funding_pipeline.validation.concentration import best_days_share
from funding_pipeline.validation.plausibility import plausibility
from funding_pipeline.validation.statistics import daily_returns
from funding_pipeline_tests.portfolio import synthetic
from funding_pipeline_tests.validation import markets

DAYS = 45


@pytest.fixture(scope="module")
def found() -> BacktestResult:
    tables, config = markets.lasting_spreads(days=DAYS), markets.daily_config(days=DAYS)
    forecasts = markets.trailing_forecasts(tables, config)
    return run_backtest(tables=tables, forecasts=forecasts, terms=synthetic.terms(), config=config)


def test_a_summary_is_ready_for_json(found: BacktestResult) -> None:
    text = json.dumps(found.summary, allow_nan=False)
    assert json.loads(text)["verdict"]["word"] in ("edge", "weak edge", "no edge")


def test_every_rival_is_compared_in_both_variants(found: BacktestResult) -> None:
    compared = found.summary["comparisons"]
    assert set(compared) == set(found.summary["baselines"]) - {ORACLE}
    assert all(set(variants) == {"plain", "venue_neutral"} for variants in compared.values())
    own = daily_returns(found.equity, capital_usd=1e6)["return"].mean() * 365
    rule = daily_returns(found.baseline_equity["threshold_24h"], capital_usd=1e6)["return"].mean() * 365
    told = compared["threshold_24h"]["plain"]["net_annual_difference"]
    assert told == pytest.approx(own - rule)
    interval = found.summary["net_return_interval"]
    assert interval["low"] < own < interval["high"]
    assert compared["cash"]["plain"]["low"] == interval["low"]


def test_value_added_is_against_the_same_optimiser(found: BacktestResult) -> None:
    added, baselines = found.summary["value_added_by_ai"], found.summary["baselines"]
    other = baselines["optimiser_no_model"]["net_return_annual"]
    assert added["with_model_net_annual"] == pytest.approx(found.summary["net_return_annual"])
    assert added["without_model_net_annual"] == pytest.approx(other)
    assert added["ratio"] == pytest.approx(found.summary["net_return_annual"] / other)


def test_break_even_is_told_from_the_trades(found: BacktestResult) -> None:
    trades, pnl = found.trades, found.summary["pnl"]
    paid = trades["fee_usd"].sum() + trades["slippage_usd"].sum()
    traded = (trades["quantity"] * trades["mark_price"]).abs().sum()
    cost = found.summary["break_even_cost"]
    assert cost["round_trip_bp_paid"] == pytest.approx(4 * paid / traded * 1e4)
    assert cost["multiplier"] == pytest.approx((pnl["funding"] + pnl["basis"]) / paid)


def test_the_last_year_of_a_shorter_run_is_all_of_it(found: BacktestResult) -> None:
    last = found.summary["last_year"]
    assert last["days"] == pytest.approx(DAYS - 12)
    assert last["net_usd"] == pytest.approx(found.equity["equity"][-1] - 1e6)


def test_concentration_adds_up(found: BacktestResult) -> None:
    told = found.summary["concentration"]
    assert sum(told["net_by_base_usd"].values()) == pytest.approx(found.equity["equity"][-1] - 1e6)
    bases = told["net_by_base_usd"]
    assert told["base_share_of_net"] == pytest.approx(max(bases.values()) / sum(bases.values()))
    paid = found.funding_payments.group_by("venue").agg(pl.col("cash_usd").abs().sum()).sort("cash_usd")
    assert told["venue"] == paid["venue"][-1]


def test_doubts_are_told_from_the_run(found: BacktestResult) -> None:
    told = found.summary["plausibility"]
    assert told["flagged"] == (found.summary["sharpe"] > 5)
    text = " ".join(told["doubts"])
    assert f"of {found.summary['decisions']} decisions" in text
    assert "Marked 1.0 times a day" in text
    assert f"{found.summary['concentration']['base']} gave" in text
    assert found.equity["time"].diff().max() == timedelta(days=1)


def test_a_run_that_did_nothing_has_no_shares() -> None:
    nothing = {"sharpe": None, "pnl": dict.fromkeys(("funding", "basis", "fees", "slippage"), 0.0)}
    empty = {"base": None, "base_share_of_net": None, "venue": None, "venue_share_of_funding_flows": None}
    told = plausibility(nothing, decisions=3, decisions_at_old_prices=0, marks_per_day=3.0,
                        largest_margin_use=None, concentration=empty, best_days_share=None)  # fmt: skip
    assert not told["flagged"]
    assert any("not known" in doubt for doubt in told["doubts"])
    assert best_days_share(np.zeros(0)) is None
    assert best_days_share(np.r_[np.full(9, 0.0), 0.5, np.full(10, 0.05)]) == pytest.approx(0.55)
