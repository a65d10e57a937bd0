"""The profit once more, from the published tables and the raw closes alone, without the ledger."""

from datetime import datetime

import numpy as np
import polars as pl
import pytest

from funding_pipeline.core.tables import MarketTables
from funding_pipeline.validation.backtest import BacktestConfig, BacktestResult
from funding_pipeline_tests.portfolio import synthetic


def _closes(tables: MarketTables) -> dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]:
    """Own trade closes: (venue, symbol) -> times, prices."""
    trades = tables.prices.filter(pl.col("kind") == "trade").sort("close_time").collect()
    return {
        key: (part["close_time"].to_numpy(), part["close"].to_numpy())
        for key, part in trades.partition_by("venue", "symbol", as_dict=True).items()
    }


def _close_at(closes: tuple[np.ndarray, np.ndarray], time: datetime) -> float:
    moment = np.datetime64(time.replace(tzinfo=None), "us")
    return float(closes[1][np.searchsorted(closes[0], moment, side="right") - 1])


def test_equity_follows_from_trades_payments_and_closes(result: BacktestResult, tables: MarketTables) -> None:
    closes = _closes(tables)
    trades = list(result.trades.iter_rows(named=True))
    payments = list(result.funding_payments.iter_rows(named=True))
    for row in result.equity.gather_every(7).iter_rows(named=True):
        done = [t for t in trades if t["time"] <= row["time"]]
        cash = 1_000_000 - sum(t["quantity"] * t["price"] + t["fee_usd"] for t in done)
        cash += sum(p["cash_usd"] for p in payments if p["time"] <= row["time"])
        held: dict[tuple[str, str], float] = {}
        for t in done:
            held[t["venue"], t["symbol"]] = held.get((t["venue"], t["symbol"]), 0.0) + t["quantity"]
        worth = sum(quantity * _close_at(closes[leg], row["time"]) for leg, quantity in held.items())
        assert cash + worth == pytest.approx(row["equity"], abs=1e-5)


def test_positions_are_the_sum_of_trades(result: BacktestResult) -> None:
    key = ["venue", "symbol"]
    summed = result.trades.sort("time").with_columns(held=pl.col("quantity").cum_sum().over(key))
    both = result.positions.sort("time").join_asof(
        summed.select(*key, "time", "held"), on="time", by=key, check_sortedness=False
    )
    assert np.allclose(both["quantity"], both["held"], rtol=1e-9, atol=1e-9)


def test_payments_use_settled_rates_and_the_position_before_the_decision(
    result: BacktestResult, tables: MarketTables
) -> None:
    rates = tables.settled_funding.select("venue", "symbol", "settled_at", paid="rate").collect()
    joined = result.funding_payments.join(
        rates, left_on=["venue", "symbol", "time"], right_on=["venue", "symbol", "settled_at"]
    )
    assert joined.height == result.funding_payments.height
    assert (joined["rate"] == joined["paid"]).all()
    cash = -joined["quantity"] * joined["reference_price"] * joined["rate"]
    assert np.allclose(cash, joined["cash_usd"])
    for row in joined.sample(50, seed=1).iter_rows(named=True):
        mine = (pl.col("venue") == row["venue"]) & (pl.col("symbol") == row["symbol"])
        before = result.trades.filter(mine & (pl.col("time") < row["time"]))["quantity"].sum()
        assert before == pytest.approx(row["quantity"], rel=1e-9)


def test_no_settlement_of_a_held_leg_is_missing(result: BacktestResult, tables: MarketTables) -> None:
    """Every settlement after each position snapshot and up to the next decision is in the payments."""
    step = pl.duration(hours=8)
    positions = result.positions.select("venue", "symbol", "time", "quantity")
    owed = (
        tables.settled_funding.collect()
        .with_columns(time=(pl.col("settled_at") - pl.duration(microseconds=1)).dt.truncate("8h"))
        .join(positions, on=["venue", "symbol", "time"])
        .filter(pl.col("settled_at") <= result.equity["time"].max())
    )
    assert owed.select((pl.col("settled_at") <= pl.col("time") + step).all()).item()
    assert owed.height == result.funding_payments.height


def test_reference_prices_follow_the_venue_terms(result: BacktestResult, tables: MarketTables) -> None:
    prices = tables.prices.collect()
    expected_kind = {"a": "mark", "b": "index"}
    for row in result.funding_payments.sample(40, seed=2).iter_rows(named=True):
        at = prices.filter(pl.col("close_time") == row["time"])
        base = row["symbol"].split("/")[0].removeprefix("1000")
        if row["venue"] in expected_kind:
            own = at.filter(
                (pl.col("venue") == row["venue"])
                & (pl.col("symbol") == row["symbol"])
                & (pl.col("kind") == expected_kind[row["venue"]])
            )
            assert row["reference_price"] == own["close"].item()
        else:
            spot = at.filter((pl.col("kind") == "spot") & (pl.col("symbol") == f"{base}/USDT"))[
                "close"
            ].item()
            index = at.filter((pl.col("kind") == "index") & pl.col("symbol").str.starts_with(f"{base}/"))
            assert row["reference_price"] == pytest.approx((spot + index["close"].item()) / 2)


def test_fills_are_worse_than_marks_and_fees_follow_the_terms(result: BacktestResult) -> None:
    linear = result.trades.filter(pl.col("symbol") != "BTC/USD:BTC")
    side = linear["quantity"].sign()
    assert ((linear["price"] - linear["mark_price"]) * side > 0).all()
    rate = linear["fee_usd"] / (linear["quantity"] * linear["mark_price"]).abs()
    assert np.allclose(rate, synthetic.terms()["a"].taker_fee_bp * 1e-4)


def test_inverse_fee_is_charged_on_the_change_of_usd_contracts(
    result: BacktestResult, tables: MarketTables, backtest_config: BacktestConfig
) -> None:
    closes = _closes(tables)["b", "BTC/USD:BTC"]
    mine = (pl.col("venue") == "b") & (pl.col("symbol") == "BTC/USD:BTC")
    fees = dict(result.trades.filter(mine).select("time", "fee_usd").iter_rows())
    quantity = dict(result.positions.filter(mine).select("time", "quantity").iter_rows())
    assert fees, "the inverse leg should be used in this market"
    before = contracts = 0.0
    for time in result.neutrality["time"].unique().sort():
        price, after = _close_at(closes, time), quantity.get(time, 0.0)
        traded = abs(after * price - contracts)
        beyond = max(traded - abs(after - before) * price, 0.0)
        assert fees.get(time, 0.0) == pytest.approx(traded * 4e-4 + beyond * 1e-4, abs=1e-9)
        before, contracts = after, after * price


def test_years_add_up_to_the_total(result: BacktestResult) -> None:
    by_year, total = result.summary["by_year"], result.summary["pnl"]
    for source, value in total.items():
        assert sum(year[source] for year in by_year.values()) == pytest.approx(value)


def test_sources_add_up_in_every_row(result: BacktestResult) -> None:
    sources = pl.sum_horizontal(pl.col("^pnl_.*$"))
    gap = result.equity.select((pl.col("equity") - 1_000_000 - sources).abs().max()).item()
    assert gap < 1e-6
    assert result.equity["pnl_funding"][-1] == pytest.approx(result.funding_payments["cash_usd"].sum())
    assert -result.equity["pnl_slippage"][-1] == pytest.approx(result.trades["slippage_usd"].sum())
    assert -result.equity["pnl_fees"][-1] == pytest.approx(result.trades["fee_usd"].sum())
