"""Stress losses and revaluation on small books by hand, and the table of a whole run."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from funding_pipeline.core.venue_terms import VenueTerms
from funding_pipeline.portfolio.legs import Floats, Leg, Universe
from funding_pipeline.portfolio.scenario_assumptions import ScenarioAssumptions
from funding_pipeline.validation.backtest import BacktestConfig
from funding_pipeline.validation.maintenance import maintenance_history
from funding_pipeline.validation.simulation import MarketHistory, Run
from funding_pipeline.validation.stress import (
    END,
    LARGEST,
    STRESS_SCHEMA,
    StressedBook,
    revalued,
    stress_table,
)

TIME = datetime(2024, 1, 1, tzinfo=UTC)
GIVEN = ScenarioAssumptions()
UNIVERSE = Universe.of([Leg(venue, "SOL/USDT:USDT", "SOL") for venue in ("a", "b")])


def book(quantity: list[float], *, equity: list[float], maintenance: float = 0.05) -> StressedBook:
    """SOL at 100 USD on two venues; maintenance margin as a fraction of notional."""
    terms = VenueTerms(
        maker_fee_bp=1, taker_fee_bp=4, half_spread_bp=1, thin_half_spread_bp=1, reference_price="mark",
        settlement_window_seconds=15, assumed_maintenance_fraction=maintenance,
    )  # fmt: skip
    return StressedBook(
        time=TIME,
        universe=UNIVERSE,
        quantity=np.array(quantity),
        price=np.array([100.0, 100.0]),
        beta=np.ones(2),
        half_spread=np.full(2, 2e-4),
        equity_usd=np.array(equity),
        maintenance=maintenance_history(UNIVERSE, terms={"default": terms}).at(TIME),
    )


def falls(fraction: float) -> Floats:
    return np.full(2, -fraction)


def test_a_hedged_book_loses_nothing_in_a_fall_that_every_venue_survives() -> None:
    found = revalued(book([10, -10], equity=[1000, 1000]), move=falls(0.4), given=GIVEN)
    assert found.loss_usd == pytest.approx(0)
    assert found.equity_usd == pytest.approx([600, 1400])
    assert found.used_before == pytest.approx([0.05, 0.05])
    assert found.used_after == pytest.approx([30 / 600, 30 / 1400])
    assert found.liquidated == ()


def test_a_venue_below_its_maintenance_margin_is_liquidated_and_its_hedge_closed_dearly() -> None:
    # long 10 at 100, down 40 %: 420 - 400 = 20 of equity left, 30 of margin needed
    found = revalued(book([10, -10], equity=[420, 1000]), move=falls(0.4), given=GIVEN)
    assert found.liquidated == ("a",)
    assert found.equity_usd == pytest.approx([20 - 0.01 * 600, 1400])
    assert found.loss_usd == pytest.approx(0.01 * 600 + 600 * 10 * 2e-4)
    assert found.used_after[0] == pytest.approx(1.5)


def test_a_loss_beyond_the_equity_is_the_venues() -> None:
    found = revalued(book([10, -10], equity=[300, 1000]), move=falls(0.4), given=GIVEN)
    assert found.equity_usd == pytest.approx([0, 1400])
    assert found.loss_usd == pytest.approx(300 - 400 + 600 * 10 * 2e-4)


def test_nothing_held_is_nothing_lost_and_no_margin() -> None:
    flat = book([0, 0], equity=[500, 500])
    found = revalued(replace(flat, price=np.array([np.nan, 100.0])), move=falls(0.4), given=GIVEN)
    assert found.loss_usd == 0
    assert found.used_after.tolist() == [0, 0]


def test_the_table_has_every_scenario_for_both_books(
    invested: tuple[MarketHistory, Run], backtest_config: BacktestConfig
) -> None:
    history, run = invested
    table = stress_table(history, run, config=backtest_config.portfolio)
    assert table.schema == pl.Schema(dict(STRESS_SCHEMA))
    per_book = table.group_by("book").len()
    assert set(per_book["book"]) == {LARGEST, END}
    venues = len(history.panels.universe.venues)
    assert set(per_book["len"]) == {5 * venues + 1 + 2}  # USDT may break, USD not; two revaluations
    losses, fractions = table["loss_usd"], table["loss_fraction_of_capital"]
    assert (losses / 1_000_000 - fractions).abs().max() == pytest.approx(0)
    assert table["description"].str.len_chars().min() > 20


def test_losses_follow_from_the_books_own_positions(
    invested: tuple[MarketHistory, Run], backtest_config: BacktestConfig
) -> None:
    history, run = invested
    table = stress_table(history, run, config=backtest_config.portfolio).filter(pl.col("book") == LARGEST)
    loss = dict(table.select("scenario", "loss_usd").iter_rows())
    notional = run.after * history.panels.price
    index = int(np.abs(notional).sum(axis=1).argmax())
    assert np.abs(notional[index]).sum() > 0, "the run should hold something"
    assert table["time"].unique().item() == history.panels.times[index]
    universe = history.panels.universe
    on_c = universe.venue_matrix[universe.venues.index("c")] > 0
    major = np.array([leg.base in ("BTC", "ETH") for leg in universe.legs])
    rate = np.where(major, 0.024, 0.16)
    shorts = (np.maximum(-notional[index], 0) * rate)[on_c].sum()
    assert loss["funding_shorts_pay:c"] == pytest.approx(shorts)
    equity = run.margin.equity_usd[index][universe.venues.index("c")]
    assert loss["venue_failure:c"] >= equity
    assert abs(loss["crash_revalued"]) < 0.01 * np.abs(notional[index]).sum()  # flat in every base


def test_a_run_that_never_traded_loses_only_collateral(
    invested: tuple[MarketHistory, Run], backtest_config: BacktestConfig
) -> None:
    history, run = invested
    margin = replace(run.margin, maintenance_usd=np.zeros_like(run.margin.maintenance_usd))
    idle = replace(run, after=np.zeros_like(run.after), margin=margin)
    table = stress_table(history, idle, config=backtest_config.portfolio)
    lossy = table.filter(pl.col("loss_usd") != 0)["scenario"].unique()
    assert all(name.startswith(("venue_failure", "currency_break")) for name in lossy)
