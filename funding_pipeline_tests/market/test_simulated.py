"""The simulated market as a `Market`: deterministic, readable in pieces, stable when it grows."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from funding_pipeline.core.errors import MarketDataError, SettingsError
from funding_pipeline.core.market import RAW_EVENT_TIME, RAW_TABLES, raw_columns
from funding_pipeline.market.simulated import SimulatedMarket
from funding_pipeline.market.simulation.calibration import CALIBRATED
from funding_pipeline.market.simulation.parameters import SimulationParameters
from funding_pipeline.market_data.normalization import normalized_market

START = datetime(2024, 2, 1, tzinfo=UTC)
SIMULATED = [table for table in RAW_TABLES if table not in ("instrument_terms", "leverage_tiers")]
VENUES = ("binance", "bybit", "deribit", "gate", "hyperliquid", "okx")
# Crises in every week, so that short markets too meet caps, shortened intervals and the way back.
WILD = replace(
    CALIBRATED,
    stress=replace(CALIBRATED.stress, crises_per_coin_year=20.0, crisis_least_bp=300.0),
    venues={
        name: replace(terms, shortening=terms.shortening and replace(terms.shortening, calm_hours=30))
        for name, terms in CALIBRATED.venues.items()
    },
)


def market(
    hours: int = 24 * 20,
    *,
    seed: int = 7,
    parameters: SimulationParameters = CALIBRATED,
    start: datetime = START,
) -> SimulatedMarket:
    return SimulatedMarket(seed=seed, start=start, end=start + timedelta(hours=hours), parameters=parameters)


def whole(simulated: SimulatedMarket, table: str) -> pl.DataFrame:
    span = simulated.span()
    return simulated.read(table, venues=span.venues, start=span.start, end=span.end)


@pytest.fixture(scope="module")
def month() -> SimulatedMarket:
    return market(24 * 30)


@pytest.fixture(scope="module")
def wild() -> SimulatedMarket:
    return market(24 * 60, parameters=WILD)


def test_says_that_it_is_simulated(month: SimulatedMarket) -> None:
    assert month.is_simulated
    assert month.label == "SIMULATED market, seed 7"
    assert month.span().venues == VENUES


@pytest.mark.parametrize("table", SIMULATED)
def test_every_table_has_its_raw_schema_and_lies_within_the_period(
    month: SimulatedMarket, table: str
) -> None:
    frame = whole(month, table)
    assert frame.schema == pl.Schema(raw_columns(table))
    assert frame["is_made_up"].all()
    event_time = frame[RAW_EVENT_TIME[table]]
    assert event_time.min() >= month.start
    assert event_time.max() < month.end
    key = {"funding_rates": ["kind"], "candles": ["kind"], "trades": ["id"]}.get(table, [])
    assert not frame.select("venue", "symbol", *key, RAW_EVENT_TIME[table]).is_duplicated().any()


@pytest.mark.parametrize("table", SIMULATED)
def test_same_seed_gives_same_rows_and_another_seed_others(table: str) -> None:
    assert_frame_equal(whole(market(), table), whole(market(), table))
    assert not whole(market(), table).equals(whole(market(seed=8), table))


@pytest.mark.parametrize("table", SIMULATED)
def test_pieces_are_the_whole(month: SimulatedMarket, table: str) -> None:
    cuts = [month.start + timedelta(hours=h) for h in (0, 5, 24, 300, 301, 720)]
    fresh = market(24 * 30)
    pieces = [
        fresh.read(table, venues=(venue,), start=a, end=b) for venue in VENUES for a, b in pairwise(cuts)
    ]
    order = ["venue", "symbol", RAW_EVENT_TIME[table], *[c for c in ("kind", "id") if c in RAW_TABLES[table]]]
    assert_frame_equal(pl.concat(pieces).sort(order), whole(month, table).sort(order))


@settings(max_examples=8, deadline=None, derandomize=True)
@given(
    hours=st.integers(1, 400),
    more=st.integers(1, 500),
    seed=st.integers(0, 2**31),
    wild=st.booleans(),
    first_hour=st.integers(0, 23),
)
def test_a_later_end_changes_no_earlier_row(
    hours: int, more: int, seed: int, wild: bool, first_hour: int
) -> None:
    parameters, start = WILD if wild else CALIBRATED, START + timedelta(hours=first_hour)
    short = market(hours, seed=seed, parameters=parameters, start=start)
    longer = market(hours + more, seed=seed, parameters=parameters, start=start)
    for table in RAW_TABLES:
        cut = longer.read(table, venues=VENUES, start=short.start, end=short.end)
        assert_frame_equal(whole(short, table), cut, check_exact=True)


@pytest.mark.parametrize(
    ("start", "end", "seed", "message"),
    [
        (START, START, 7, "must be after start"),
        (START, START - timedelta(hours=1), 7, "must be after start"),
        (START.replace(minute=30), START + timedelta(days=1), 7, "start .* must be a whole hour"),
        (START, START + timedelta(seconds=1), 7, "end .* must be a whole hour"),
        (START.replace(tzinfo=None), START + timedelta(days=1), 7, "start .* must be in UTC"),
        (
            START,
            START.astimezone(timezone(timedelta(hours=2))) + timedelta(days=1),
            7,
            "end .* must be in UTC",
        ),
        (START, START + timedelta(days=1), -1, "seed -1"),
    ],
)
def test_bad_arguments_are_refused_by_name(start: datetime, end: datetime, seed: int, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        SimulatedMarket(seed=seed, start=start, end=end)


def test_unknown_table_is_refused(month: SimulatedMarket) -> None:
    with pytest.raises(MarketDataError, match="order_book"):
        month.read("order_book", venues=VENUES, start=month.start, end=month.end)


def test_unknown_venue_or_empty_period_gives_no_row(month: SimulatedMarket) -> None:
    assert month.read("candles", venues=("kraken",), start=month.start, end=month.end).is_empty()
    assert month.read("candles", venues=VENUES, start=month.start, end=month.start).is_empty()


def test_settlements_follow_one_another_at_their_interval(wild: SimulatedMarket) -> None:
    settled = whole(wild, "funding_rates").filter(pl.col("kind") == "settled")
    gaps = settled.sort("venue", "symbol", "settled_at").with_columns(
        gap=pl.col("settled_at").diff().over("venue", "symbol").dt.total_hours()
    )
    assert gaps.filter(pl.col("gap") != pl.col("interval_hours")).is_empty()
    shortened = settled.filter(pl.col("venue").is_in(["binance", "bybit", "gate"]))["interval_hours"].unique()
    assert set(shortened) == {2.0, 4.0, 8.0}
    back = gaps.filter((pl.col("interval_hours") == 8) & (pl.col("interval_hours").shift(1) == 2))
    assert back.height > 0


def test_a_market_begins_with_the_settlement_at_its_start(month: SimulatedMarket) -> None:
    settled = whole(month, "funding_rates").filter(pl.col("kind") == "settled")
    firsts = settled.group_by("venue", "symbol").agg(pl.col("settled_at").min())
    assert firsts.height == 42
    assert (firsts["settled_at"] == month.start).all()


def test_estimates_are_known_before_and_differ_from_what_is_paid(wild: SimulatedMarket) -> None:
    rates = whole(wild, "funding_rates")
    predicted, settled = (rates.filter(pl.col("kind") == kind) for kind in ("predicted", "settled"))
    assert set(predicted["venue"].unique()) == {"binance", "bybit", "gate", "okx"}
    assert (predicted["venue_time"] == predicted["settled_at"] - timedelta(hours=1)).all()
    both = predicted.join(settled, on=["venue", "symbol", "settled_at"], suffix="_paid")
    assert both.height == predicted.height
    assert 0.2 < (both["rate"] != both["rate_paid"]).mean() < 1.0
    assert (settled["venue_time"] >= settled["settled_at"]).all()
    assert (settled["venue_time"] - settled["settled_at"] < timedelta(milliseconds=48)).all()


def test_bars_are_whole_and_contain_their_ends(wild: SimulatedMarket) -> None:
    bars = whole(wild, "candles").sort("venue", "symbol", "kind", "open_time")
    counts = bars.group_by("venue", "symbol", "kind").len()["len"]
    assert (counts == 24 * 60).all()
    traded = bars.filter(pl.col("kind").is_in(["trade", "spot"]))
    assert traded.null_count().sum_horizontal().item() == 0
    assert (traded["high"] >= traded.select(pl.max_horizontal("open", "close")).to_series()).all()
    assert (traded["low"] <= traded.select(pl.min_horizontal("open", "close")).to_series()).all()
    assert (traded["low"] > 0).all()
    follows = traded.filter(pl.col("open") != pl.col("close").shift(1).over("venue", "symbol", "kind"))
    assert follows.is_empty()


def test_books_are_ordered_uncrossed_and_near_the_market(wild: SimulatedMarket) -> None:
    books = whole(wild, "order_books")
    bid, ask = (np.array(books[f"{side}_px"].to_list()) for side in ("bid", "ask"))
    assert bid.shape == ask.shape == (books.height, 20)
    assert (np.diff(bid, axis=1) < 0).all()
    assert (np.diff(ask, axis=1) > 0).all()
    assert (bid[:, 0] < ask[:, 0]).all()
    assert all((np.array(books[f"{side}_qty"].to_list()) > 0).all() for side in ("bid", "ask"))
    marks = pl.col("observed_at") + pl.duration(seconds=60)
    assert set(books.select(marks.dt.hour()).to_series().unique()) == {0, 8, 16}
    closes = whole(wild, "candles").filter(pl.col("kind") == "trade")
    beside = books.with_columns(
        mid=(pl.col("bid_px").list.first() + pl.col("ask_px").list.first()) / 2,
        open_time=marks - pl.duration(hours=1),
    ).join(closes, on=["venue", "symbol", "open_time"])
    assert beside.height == books.height
    assert (beside["mid"] / beside["close"] - 1).abs().quantile(0.99) < 0.03
    # The mid a minute before the mark is not the close at the mark in disguise.
    liquid = beside.filter((pl.col("venue") == "binance") & (pl.col("symbol") == "BTC/USDT:USDT"))
    assert (liquid["mid"] / liquid["close"] - 1).abs().median() > 1e-4


def test_trades_fall_between_their_book_and_the_mark(month: SimulatedMarket) -> None:
    fills = whole(month, "trades").with_columns(observed_at=pl.col("traded_at").dt.truncate("1m"))
    books = whole(month, "order_books")
    beside = fills.join(books, on=["venue", "symbol", "observed_at"])
    assert beside.height == fills.height == 4 * books.height
    best = (
        pl.when(pl.col("side") == "buy")
        .then(pl.col("ask_px").list.first())
        .otherwise(pl.col("bid_px").list.first())
    )
    assert beside.filter(pl.col("price") != best).is_empty()
    assert (fills["traded_at"] - fills["observed_at"] <= timedelta(seconds=45)).all()


def test_normalization_takes_every_row(month: SimulatedMarket) -> None:
    normalized = normalized_market(month)
    assert normalized.quarantine.is_empty()
    assert not normalized.refused_symbols
    assert normalized.tables.instruments.select("venue", "symbol").unique().collect().height == 42
    estimates = normalized.tables.estimated_funding.collect()
    assert (estimates["known_at"] < estimates["settles_at"]).all()
    assert normalized.tables.funding_intervals.collect()["interval_hours"].n_unique() == 2
