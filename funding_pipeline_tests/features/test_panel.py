"""The feature panel: no look-ahead, order of rows, hand-computed values, empty tables."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from funding_pipeline.core.tables import PRICES
from funding_pipeline.features.panel import (
    FEATURE_COLUMNS,
    FEATURE_DOCS,
    FEATURES_SCHEMA,
    LOOKBACK_HOURS,
    build_features,
)
from funding_pipeline_tests.features.synthetic_market import (
    START,
    every,
    market_of,
    settled_rows,
    shuffled,
    synthetic_market,
    until,
)

DAYS = 40
MARKET = synthetic_market(days=DAYS, prices=True)
PANEL = build_features(MARKET, as_of=every(8, days=DAYS))


def test_every_feature_is_documented_and_present() -> None:
    assert tuple(FEATURE_DOCS) == FEATURE_COLUMNS
    assert dict(PANEL.schema) == FEATURES_SCHEMA
    assert all(text for text in FEATURE_DOCS.values())
    assert not PANEL.select("as_of", "venue", "symbol").is_duplicated().any()


@settings(max_examples=8, deadline=None)
@given(hours=st.integers(min_value=30, max_value=DAYS * 24 - 1))
def test_rows_known_later_never_change_an_earlier_feature(hours: int) -> None:
    cut = START + timedelta(hours=hours)
    past = every(8, days=DAYS).filter(every(8, days=DAYS) <= cut)
    before = build_features(until(MARKET, cut), as_of=past)
    assert_frame_equal(before, PANEL.filter(pl.col("as_of") <= cut), check_exact=True)


def test_order_of_rows_does_not_matter() -> None:
    mixed = build_features(
        shuffled(MARKET), as_of=every(8, days=DAYS).sample(fraction=1.0, shuffle=True, seed=1)
    )
    assert_frame_equal(mixed, PANEL, check_exact=True)


def test_one_decision_time_alone_gives_the_same_row() -> None:
    moment = START + timedelta(days=20)
    alone = build_features(MARKET, as_of=pl.Series("as_of", [moment]))
    assert_frame_equal(alone, PANEL.filter(pl.col("as_of") == moment), check_exact=True)


def test_lookback_is_enough_history() -> None:
    assert LOOKBACK_HOURS >= 2160


def test_trailing_means_over_changing_intervals() -> None:
    """8 h, then 2 h, then 8 h again: the sum of what was paid over the hours it was paid for."""
    rates = [
        (8, 8e-4, 8.0),
        (16, 8e-4, 8.0),
        (18, 1e-3, 2.0),
        (20, 1e-3, 2.0),
        (22, 1e-3, 2.0),
        (24, 1e-3, 2.0),
    ]
    rates += [(32, -8e-4, 8.0)]
    rows = [(START + timedelta(hours=at), rate, interval) for at, rate, interval in rates]
    tables = market_of(settled_rows("alpha", "BTC/USDT:USDT", rows))
    at_24, at_32 = START + timedelta(hours=24), START + timedelta(hours=32)
    panel = build_features(tables, as_of=pl.Series([at_24, at_32]))
    assert panel["rate_24h_per_hour"].to_list() == pytest.approx([5.6e-3 / 24, 4.0e-3 / 24])
    assert panel["rate_8h_per_hour"].to_list() == pytest.approx([4e-3 / 8, -8e-4 / 8])
    assert panel["rate_720h_per_hour"].to_list() == pytest.approx([5.6e-3 / 24, 4.8e-3 / 32])
    assert panel["interval_hours"].to_list() == [2.0, 8.0]
    assert panel["history_hours"].to_list() == [24.0, 32.0]
    assert panel["same_sign_hours"].to_list() == [24.0, 8.0]


def test_a_late_settlement_enters_when_it_was_known() -> None:
    rows = [(START + timedelta(hours=8 * i), 1e-4 * i, 8.0) for i in range(1, 4)]
    settled = settled_rows("alpha", "BTC/USDT:USDT", rows).with_columns(
        pl.when(pl.col("rate") > 2.5e-4)
        .then(pl.col("settled_at") + timedelta(hours=1))
        .otherwise("settled_at")
        .alias("known_at")
    )
    times = pl.Series([START + timedelta(hours=24), START + timedelta(hours=25)])
    panel = build_features(market_of(settled), as_of=times)
    assert panel["rate_last_per_hour"].to_list() == pytest.approx([2e-4 / 8, 3e-4 / 8])


def test_plateau_share_and_positive_share() -> None:
    rows = [(START + timedelta(hours=8 * i), 1e-4 if i % 2 else -2e-4, 8.0) for i in range(1, 22)]
    panel = build_features(
        market_of(settled_rows("alpha", "BTC/USDT:USDT", rows)), as_of=pl.Series([START + timedelta(days=7)])
    )
    assert panel["plateau_share_168h"].item() == pytest.approx(11 / 21)
    assert panel["positive_share_168h"].item() == pytest.approx(11 / 21)
    assert panel["rate_absolute_168h_per_hour"].item() == pytest.approx((11e-4 + 20e-4) / 168)


def test_multiplied_symbols_are_one_base() -> None:
    rows = [(START + timedelta(hours=8 * i), 1e-4, 8.0) for i in range(1, 10)]
    settled = pl.concat(
        [settled_rows("alpha", "kPEPE/USDT:USDT", rows), settled_rows("beta", "PEPE/USDT:USDT", rows)]
    )
    price = pl.DataFrame({"close_time": [START + timedelta(hours=i) for i in range(1, 73)]}).with_columns(
        pl.lit("trade").alias("kind"),
        pl.lit(1.0).alias("timeframe_hours"),
        pl.col("close_time").alias("known_at"),
    )
    quoted = [
        price.with_columns(pl.lit(v).alias("venue"), pl.lit(s).alias("symbol"), pl.lit(p).alias("close"))
        for v, s, p in (("alpha", "kPEPE/USDT:USDT", 0.0101), ("beta", "PEPE/USDT:USDT", 0.0000100))
    ]
    empty = [pl.lit(None, dtype=pl.Float64).alias(c) for c in ("open", "high", "low", "volume")]
    prices = PRICES.conform(pl.concat(quoted).with_columns(empty))
    panel = build_features(market_of(settled, prices=prices), as_of=pl.Series([START + timedelta(hours=72)]))
    assert panel["base"].to_list() == ["PEPE", "PEPE"]
    assert panel["base_instruments"].to_list() == [2.0, 2.0]
    middle = (0.0000101 + 0.0000100) / 2
    assert panel["basis"].to_list() == pytest.approx([0.0000101 / middle - 1, 0.0000100 / middle - 1])


def test_funding_alone_is_enough() -> None:
    panel = build_features(synthetic_market(days=10), as_of=every(8, days=10))
    assert panel.height > 0
    assert panel["basis"].null_count() == panel.height
    assert panel["rate_168h_per_hour"].null_count() == 0


def test_silent_and_unknown_instruments_are_left_out() -> None:
    rows = [(START + timedelta(hours=8 * i), 1e-4, 8.0) for i in range(1, 4)]
    tables = market_of(settled_rows("alpha", "BTC/USDT:USDT", rows))
    last = START + timedelta(hours=24)
    panel = build_features(
        tables, as_of=pl.Series([last, last + timedelta(hours=24), last + timedelta(hours=25)])
    )
    assert panel["as_of"].to_list() == [last, last + timedelta(hours=24)]
    nobody = build_features(market_of(settled_rows("a", "BTC/USDT:USDT", [])), as_of=pl.Series([last]))
    assert nobody.is_empty()
    assert dict(nobody.schema) == FEATURES_SCHEMA


def test_gap_to_the_base_and_the_venues_other_contracts() -> None:
    moment = START + timedelta(days=20)
    row = PANEL.filter((pl.col("as_of") == moment) & (pl.col("venue") == "alpha"))
    gaps = dict(zip(row["symbol"], row["base_gap_168h_per_hour"], strict=True))
    others = [gap for symbol, gap in gaps.items() if not symbol.startswith("BTC")]
    found = row.filter(pl.col("symbol").str.starts_with("BTC"))["venue_gap_168h_per_hour"].item()
    assert found == pytest.approx(sum(others) / len(others))


def test_the_documentation_lists_every_feature() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "forecasting.md").read_text("utf-8")
    missing = [name for name in FEATURE_COLUMNS if f"`{name}`" not in text]
    assert missing == []


def test_features_that_rest_on_made_up_rows_say_so_from_when_those_are_known() -> None:
    at = START + timedelta(days=20, hours=3)
    one = (pl.col("venue") == "beta") & (pl.col("known_at") == at.replace(hour=8))
    marked = MARKET.settled_funding.with_columns(is_made_up=one)
    panel = build_features(replace(MARKET, settled_funding=marked), as_of=every(8, days=DAYS))
    rests = panel.filter(pl.col("is_made_up"))
    assert not PANEL["is_made_up"].any()
    assert rests["as_of"].min() == at.replace(hour=8)
    assert set(rests["venue"]) == set(panel["venue"])  # features of one compare it with the others
    assert panel.filter(pl.col("as_of") >= at.replace(hour=8))["is_made_up"].all()
