"""Whole runs of a reckless policy: liquidations happen, and every table still adds up."""

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from funding_pipeline.core.tables import MarketTables
from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.portfolio.legs import Floats, LegInputs
from funding_pipeline.portfolio.universe import tradable_universe
from funding_pipeline.validation.margin_history import MARGIN_SCHEMA
from funding_pipeline.validation.result_frames import (
    LIQUIDATED,
    equity_frame,
    funding_payments_frame,
    margin_frame,
    positions_frame,
    trades_frame,
)
from funding_pipeline.validation.simulation import (
    Decision,
    MarketHistory,
    Run,
    decision_times,
    market_history,
    simulate,
)
from funding_pipeline_tests.portfolio import synthetic

BEGIN = synthetic.START + timedelta(days=12)
END = BEGIN + timedelta(days=12, hours=5)
CONFIG = PortfolioConfig(beta_window_days=10)
LEVERAGE = 40.0


class Reckless:
    """Random one-sided positions, new ones twice a week, far larger than the collateral should carry."""

    def __init__(self, seed: int, *, shares: Floats | None = None) -> None:
        """`shares`: collateral asked for per venue."""
        self._rng = np.random.default_rng(seed)
        self._shares = shares
        self.seen: list[Floats] = []

    def decide(self, index: int, inputs: LegInputs, quantities: Floats, venue_equity_usd: Floats) -> Decision:
        """Keep what is held for ten decisions."""
        self.seen.append(venue_equity_usd)
        target = quantities.copy()
        if index % 10 == 0:
            size = LEVERAGE * venue_equity_usd.sum() / len(quantities)
            target = np.nan_to_num(self._rng.normal(0, size, len(quantities)) / inputs.price)
        return Decision(
            target=target,
            reasons=("reckless",) * len(target),
            collateral_target_usd=self._shares,
            note="dice",
        )


def _history(tables: MarketTables) -> MarketHistory:
    times = decision_times(start=BEGIN, end=END, every_hours=8)
    forecasts = synthetic.baseline_forecasts(tables, times=list(times))
    universe = tradable_universe(tables, forecasts=forecasts, start=BEGIN, end=END).universe
    return market_history(
        tables=tables, forecasts=forecasts, universe=universe, start=BEGIN, end=END,
        terms=synthetic.terms(), config=CONFIG,
    )  # fmt: skip


@pytest.fixture(scope="module")
def history(tables: MarketTables) -> MarketHistory:
    return _history(tables)


@pytest.fixture(scope="module", params=range(4))
def run(request: pytest.FixtureRequest, history: MarketHistory) -> Run:
    return simulate(history, policy=Reckless(request.param), config=CONFIG)


def test_venues_are_liquidated_and_every_row_adds_up(history: MarketHistory, run: Run) -> None:
    assert run.liquidations
    equity = equity_frame(history, run)
    sources = pl.sum_horizontal(pl.col("^pnl_.*$"))
    assert equity.select((pl.col("equity") - CONFIG.capital_usd - sources).abs().max()).item() <= 1e-6
    lost = sum(float(item.fills.slippage_usd.sum()) for item in run.liquidations)
    assert equity["pnl_liquidation"][-1] == pytest.approx(-lost)
    assert (run.margin.equity_usd + run.margin.maintenance_usd >= -1e5).all()


def test_trades_and_payments_alone_give_the_same_equity(
    history: MarketHistory, run: Run, tables: MarketTables
) -> None:
    trades, payments = trades_frame(history, run), funding_payments_frame(history, run)
    equity = equity_frame(history, run)
    forced = trades["reason"] == LIQUIDATED
    assert forced.any()
    assert trades["time"].is_sorted()
    assert payments["cash_usd"].sum() == pytest.approx(equity["pnl_funding"][-1], abs=1e-6)
    assert -trades["fee_usd"].sum() == pytest.approx(equity["pnl_fees"][-1], abs=1e-6)
    taken = trades.filter(~forced)["slippage_usd"].sum()
    assert -taken == pytest.approx(equity["pnl_slippage"][-1], abs=1e-6)
    cash = -trades.select(pl.col("quantity") * pl.col("price") + pl.col("fee_usd")).sum().to_series().item()
    held = _held(trades)
    price = dict(zip((leg.name for leg in history.panels.universe.legs), history.price[-1], strict=True))
    worth = sum(quantity * price[name] for name, quantity in held.items())
    paid = payments["cash_usd"].sum()
    assert CONFIG.capital_usd + cash + paid + worth == pytest.approx(equity["equity"][-1], abs=1e-4)


def _held(trades: pl.DataFrame, *, until: datetime | None = None) -> dict[str, float]:
    rows = trades if until is None else trades.filter(pl.col("time") < until)
    summed = rows.group_by("venue", "symbol").agg(pl.col("quantity").sum())
    return {f"{venue} {symbol}": quantity for venue, symbol, quantity in summed.iter_rows()}


def test_payments_are_on_what_was_held_at_the_settlement(history: MarketHistory, run: Run) -> None:
    """A trade at T is after the settlement of T, a liquidation too: it happens on that hour's equity."""
    trades, payments = trades_frame(history, run), funding_payments_frame(history, run)
    times = {history.path.times[item.point] for item in run.liquidations}
    around = payments.filter(
        pl.col("time").is_in([time + timedelta(hours=k) for time in times for k in (-1, 0, 1)])
    )
    assert around.height
    for row in around.iter_rows(named=True):
        before = _held(trades, until=row["time"])[f"{row['venue']} {row['symbol']}"]
        assert before == pytest.approx(row["quantity"], rel=1e-9)


def test_a_liquidated_venue_is_flat_until_the_next_decision_and_others_are_not(
    history: MarketHistory, run: Run
) -> None:
    universe = history.panels.universe
    for item in run.liquidations:
        mine = universe.venue_index == item.venue
        assert not run.held[item.step][mine].any()
        assert not item.fills.quantity[~mine].any()
    both = positions_frame(history, run)
    assert both["time"].is_in(list(history.panels.times)).all()


def test_margin_use_reaches_one_where_a_venue_fell(history: MarketHistory, run: Run) -> None:
    frame = margin_frame(history, run)
    assert dict(frame.schema) == MARGIN_SCHEMA
    assert frame.height == len(history.panels.times) * len(history.panels.universe.venues)
    assert (frame["worst_used_fraction"] >= frame["used_fraction"]).all()
    decisions = np.array(history.panels.times)
    for item in run.liquidations:
        number = int((decisions < history.path.times[item.point]).sum()) - 1
        assert run.margin.used[number, item.venue] > 1.0
    calm = frame.filter(pl.col("maintenance_usd") == 0)
    assert (calm["used_fraction"] == 0).all()


def test_what_happens_later_does_not_change_what_happened(
    history: MarketHistory, run: Run, tables: MarketTables, request: pytest.FixtureRequest
) -> None:
    seed = int(request.node.callspec.params["run"])
    cut = BEGIN + timedelta(days=6)
    later = pl.col("known_at") > cut
    wild = replace(
        tables,
        prices=tables.prices.with_columns(
            close=pl.when(later).then(pl.col("close") * 1.5).otherwise(pl.col("close"))
        ),
    )
    other = _history(wild)
    changed = simulate(other, policy=Reckless(seed), config=CONFIG)
    past = pl.col("time") <= cut
    for frame in (trades_frame, equity_frame, funding_payments_frame):
        assert_frame_equal(frame(other, changed).filter(past), frame(history, run).filter(past))
    soon = pl.col("time") < cut - timedelta(hours=8)
    assert_frame_equal(margin_frame(other, changed).filter(soon), margin_frame(history, run).filter(soon))


def test_collateral_is_even_at_first_levelled_a_decision_later_and_its_sum_stays(
    history: MarketHistory, run: Run
) -> None:
    assert np.abs(run.levelled_usd.sum(axis=1)).max() < 1e-6
    assert run.levelled_usd.any()
    moved = np.flatnonzero(np.abs(run.levelled_usd).max(axis=1) > 0)
    times = history.panels.times
    assert all(times[number].hour == 8 for number in moved)  # asked at 00:00, in force at 08:00
    policy = Reckless(0)
    simulate(history, policy=policy, config=CONFIG)
    assert policy.seen[0] == pytest.approx(np.full(3, CONFIG.capital_usd / 3))


def test_collateral_goes_where_the_policy_wants_it(history: MarketHistory) -> None:
    class Idle(Reckless):
        def decide(
            self, index: int, inputs: LegInputs, quantities: Floats, venue_equity_usd: Floats
        ) -> Decision:
            decision = super().decide(1, inputs, quantities, venue_equity_usd)
            return replace(decision, target=np.zeros_like(quantities))

    policy = Idle(0, shares=np.array([2.0, 1.0, 1.0]))
    run = simulate(history, policy=policy, config=CONFIG)
    assert policy.seen[0] == pytest.approx(np.full(3, CONFIG.capital_usd / 3))
    assert policy.seen[1] == pytest.approx(CONFIG.capital_usd * np.array([0.5, 0.25, 0.25]))
    assert run.equity[-1, 0] == pytest.approx(CONFIG.capital_usd)
    assert run.notes == ("dice",) * len(history.panels.times)


def test_between_its_own_closes_a_leg_moves_with_the_cross_venue_price(
    history: MarketHistory, tables: MarketTables
) -> None:
    """Venue c has a candle every eight hours, a and b every hour."""
    universe, path = history.panels.universe, history.path
    slow, fast = ([leg.name for leg in universe.legs].index(f"{venue} ETH/USDT:USDT") for venue in ("c", "a"))
    ratio = (path.price[:, slow] / path.price[:, fast])[:-1]  # the end is a step, marked at the last close
    assert np.abs(ratio / np.median(ratio) - 1).max() < 0.01
    assert len(np.unique(path.price[:, slow])) > 0.9 * len(path.times)
    at_steps = path.price[path.point_of_step]
    assert np.array_equal(at_steps, history.price, equal_nan=True)
    whole = path.usd_per_unit.sum(axis=0)
    assert whole == pytest.approx(history.usd_per_unit.sum(axis=0))


def test_lows_and_highs_are_those_of_the_own_candles(tables: MarketTables) -> None:
    wicks = replace(
        tables,
        prices=tables.prices.with_columns(
            low=pl.when(pl.col("kind") == "trade").then(pl.col("close") * 0.9),
            high=pl.when(pl.col("kind") == "trade").then(pl.col("close") * 1.2),
        ),
    )
    history = _history(wicks)
    names = [leg.name for leg in history.panels.universe.legs]
    path = history.path
    hourly, slow = names.index("a ETH/USDT:USDT"), names.index("c ETH/USDT:USDT")
    assert path.low[:, hourly] == pytest.approx(path.price[:, hourly] * 0.9)
    assert path.high[:, hourly] == pytest.approx(path.price[:, hourly] * 1.2)
    covering = path.low[1:9, slow]  # 01:00 to 08:00 lie in one candle
    assert covering == pytest.approx(np.full(8, path.price[8, slow] * 0.9))
