"""Replays of crises: covered or not, by the same simulation, on made-up and on recorded days."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from funding_pipeline.core.tables import MarketTables
from funding_pipeline.core.venue_terms import load_venue_terms
from funding_pipeline.market.recorded import RecordedMarket
from funding_pipeline.market_data.normalization import market_tables
from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.validation.replays import (
    AS_PLANNED,
    EVENTS,
    FULLY_INVESTED,
    NOT_COVERED,
    REPLAYS_SCHEMA,
    Event,
    cost_blind,
    historical_replays,
    replay,
    replay_history,
)
from funding_pipeline_tests.portfolio import synthetic

CONFIG = PortfolioConfig(
    beta_window_days=10, expected_hold_hours=336, risk_aversion=50, rebalance_every_hours=24
)
FIRST = synthetic.START + timedelta(days=46)
FTX = next(event for event in EVENTS if "FTX" in event.name)
VENUES = ("binance", "bybit", "deribit", "gate")
EVENT = Event("made up", FIRST, FIRST + timedelta(days=1))


@pytest.fixture(scope="module")
def long_market() -> MarketTables:
    return synthetic.market(days=60)


@pytest.fixture(scope="module")
def table(long_market: MarketTables) -> pl.DataFrame:
    return historical_replays(long_market, terms=synthetic.terms(), config=CONFIG, events=(EVENT,))


def test_the_five_crises_are_the_ones_asked_for() -> None:
    assert [event.first.date().isoformat() for event in EVENTS] == [
        "2021-05-19", "2022-06-10", "2022-11-06", "2023-03-09", "2024-08-03",
    ]  # fmt: skip
    assert all(event.end - event.start == event.last - event.first + timedelta(days=38) for event in EVENTS)


def test_a_market_without_those_days_says_so(long_market: MarketTables) -> None:
    steps: list[tuple[int, int]] = []
    found = historical_replays(
        long_market,
        terms=synthetic.terms(),
        config=CONFIG,
        progress=lambda done, total: steps.append((done, total)),
    )
    assert found["event"].to_list() == [event.name for event in EVENTS]
    assert set(found["note"]) == {NOT_COVERED}
    assert found["net_usd"].null_count() == found["liquidations"].null_count() == 5
    assert steps == [(k, 5) for k in range(1, 6)]


def test_one_venue_alone_is_no_replay_and_says_why(long_market: MarketTables) -> None:
    only = pl.col("venue") == "a"
    lonely = replace(long_market, settled_funding=long_market.settled_funding.filter(only))
    found = historical_replays(lonely, terms=synthetic.terms(), config=CONFIG, events=(EVENT,))
    assert found["note"].item().startswith(f"{NOT_COVERED}: 1 venue(s) can be traded")


def test_a_covered_event_has_the_figures_of_both_books(table: pl.DataFrame) -> None:
    assert table.schema == pl.Schema(dict(REPLAYS_SCHEMA))
    assert table["book"].to_list() == [AS_PLANNED, FULLY_INVESTED]
    invested = table.row(1, named=True)
    assert invested["venues"] == 3
    assert invested["legs"] > 3
    assert invested["mean_gross_usd"] >= table["mean_gross_usd"][0]
    assert invested["mean_gross_usd"] > 100_000
    assert invested["net_fraction"] == pytest.approx(invested["net_usd"] / 1_000_000)
    assert invested["liquidations"] == 0
    assert 0 < invested["worst_margin_used_fraction"] < 0.5
    assert 0 < invested["max_venue_beta_fraction"] <= 0.1 + 1e-9
    assert "venues with data: a, b, c" in invested["note"]


def test_the_full_book_decides_as_if_trading_were_free_and_pays_for_it(long_market: MarketTables) -> None:
    history = replay_history(long_market, EVENT, terms=synthetic.terms(), config=CONFIG)
    free = cost_blind(history.panels)
    for panel in (free.cost_panel, free.stress_cost_panel):
        assert not panel.at(0).total_usd(np.full(len(free.universe), 1e6))
    assert (free.cost_panel.thin == history.panels.cost_panel.thin).all()
    run = replay(history, config=CONFIG, panels=free)
    assert np.abs(np.nan_to_num(run.after[0] * history.panels.price[0])).sum() > 300_000
    assert run.equity[-1, 3] < 0
    assert run.equity[-1, 4] < 0


def test_rows_outside_the_span_change_nothing(long_market: MarketTables, table: pl.DataFrame) -> None:
    inside = pl.col("known_at") <= EVENT.end
    cut = replace(
        long_market,
        prices=long_market.prices.filter(inside),
        settled_funding=long_market.settled_funding.filter(inside),
    )
    again = historical_replays(cut, terms=synthetic.terms(), config=CONFIG, events=(EVENT,))
    assert_frame_equal(again, table)


@pytest.fixture(scope="module")
def autumn_2022(recorded_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> MarketTables:
    """Four months of four venues around FTX: a slice is read in a fraction of the time of the whole."""
    out = tmp_path_factory.mktemp("autumn")
    span = FTX.start - timedelta(days=75), FTX.end
    files = {"funding_rates": "settled_at"}
    files |= dict.fromkeys([f"candles_{venue}" for venue in VENUES], "open_time")
    for name, time in files.items():
        rows = pl.scan_parquet(recorded_dir / f"{name}.parquet")
        rows.filter(pl.col("venue").is_in(VENUES), pl.col(time).is_between(*span)).sink_parquet(
            out / f"{name}.parquet"
        )
    return market_tables(RecordedMarket(out))


def test_no_book_is_liquidated_when_ftx_fails(autumn_2022: MarketTables) -> None:
    found = historical_replays(autumn_2022, terms=load_venue_terms(), config=PortfolioConfig(), events=(FTX,))
    assert found["liquidations"].to_list() == [0, 0]
    assert found["mean_gross_usd"][1] > 300_000
    assert found["max_drawdown"].max() < 0.02
    assert found["worst_margin_used_fraction"].max() < 0.30
    assert found["max_venue_beta_fraction"].max() <= 0.1 + 1e-6
