"""Frames made ready to draw: nothing that matters is thinned away, formulas against closed form."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funding_pipeline.reporting.series import (
    HOURS_PER_YEAR,
    calibration,
    drawdown,
    pair_differentials,
    profit_by_level,
    regime_spans,
    thinned,
    trailing_annual_funding,
    with_base,
    worst_of_each_kind,
)
from funding_pipeline_tests.reporting import report_frames

T = datetime(2024, 1, 1, tzinfo=UTC)


def curve(values: list[float]) -> pl.DataFrame:
    at = [T + timedelta(hours=i) for i in range(len(values))]
    return pl.DataFrame({"time": at, "equity": values}, schema_overrides={"equity": pl.Float64})


@settings(max_examples=50, deadline=None)
@given(
    values=st.lists(st.floats(-1e6, 1e6, allow_nan=False), min_size=1, max_size=400),
    limit=st.integers(10, 60),
)
def test_thinning_keeps_ends_and_extremes_and_the_limit(values: list[float], limit: int) -> None:
    frame = curve(values)
    kept = thinned(frame.reverse(), extremes_of="equity", limit=limit)
    assert kept.height <= max(limit + 2, 1)
    assert kept["time"].is_sorted()
    assert kept["equity"].min() == frame["equity"].min()
    assert kept["equity"].max() == frame["equity"].max()
    assert kept.row(0) == frame.row(0)
    assert kept.row(-1) == frame.row(-1)
    assert kept.join(frame, on=["time", "equity"], nulls_equal=True).height == kept.height
    plain = thinned(frame, limit=limit)
    assert plain.height <= limit + 1
    assert plain.row(-1) == frame.row(-1)


def test_drawdown_counts_from_the_capital_and_from_the_peak() -> None:
    fall = drawdown(curve([90.0, 110.0, 99.0, 121.0]), capital_usd=100.0)["drawdown"]
    assert fall.to_list() == pytest.approx([-0.1, 0.0, -0.11, 0.0])


def test_constant_funding_gives_its_own_annual_rate_whatever_the_interval() -> None:
    hourly = [T + timedelta(hours=i + 1) for i in range(240)]
    frame = pl.DataFrame({"settled_at": hourly}).with_columns(
        venue=pl.lit("okx"), symbol=pl.lit("1000PEPE/USDT:USDT"), rate=1e-5, interval_hours=1.0
    )
    eight = frame.filter(pl.col("settled_at").dt.hour() % 8 == 0).with_columns(
        venue=pl.lit("gate"), rate=8e-5, interval_hours=8.0
    )
    annual = trailing_annual_funding(pl.concat([frame, eight]))
    assert annual["annual"].to_list() == pytest.approx([1e-5 * HOURS_PER_YEAR] * annual.height)
    assert annual["base"].unique().to_list() == ["PEPE"]
    pairs = pair_differentials(annual)
    assert pairs["pair"].unique().to_list() == ["gate - okx"]
    assert pairs["differential"].to_list() == pytest.approx([0.0] * pairs.height)


def test_spans_of_regimes_touch_and_cover() -> None:
    spans = regime_spans(report_frames.regimes().reverse())
    assert spans["regime"].to_list() == ["calm carry", "stress", "calm carry"]
    for (_, end, _), (start, _, _) in pairwise(spans.iter_rows()):
        assert end == start


def test_calibration_of_right_quantiles_is_near_their_level() -> None:
    made, outcome = report_frames.forecasts_and_outcomes(4000)
    shares = calibration(made, outcome)
    assert shares["share"].to_list() == pytest.approx([0.1, 0.5, 0.9], abs=0.02)
    unknown = outcome.with_columns(rate_per_hour=pl.lit(None, pl.Float64))
    assert calibration(made, unknown).is_empty()


def test_bases_are_read_off_symbols() -> None:
    frame = pl.DataFrame({"symbol": ["1000PEPE/USDT:USDT", "BTC/USD:BTC", "ETH/USDT"]})
    assert with_base(frame)["base"].to_list() == ["PEPE", "BTC", "ETH"]


def test_the_worst_scenario_of_each_kind_stands_for_it_on_every_book() -> None:
    worst = worst_of_each_kind(report_frames.stress())
    assert worst.select("kind", "book", "scenario").rows() == [
        ("venue failure", "largest gross", "venue_failure:okx"),
        ("venue failure", "at the end", "venue_failure:okx"),
        ("delisting", "largest gross", "delisting:okx"),
        ("delisting", "at the end", "delisting:okx"),
        ("crash revalued", "largest gross", "crash_revalued"),
        ("crash revalued", "at the end", "crash_revalued"),
    ]
    assert worst_of_each_kind(report_frames.stress().clear()).is_empty()


def test_profit_by_level_has_a_column_per_year_and_no_source_that_is_nothing() -> None:
    row = {"level": "venue", "name": "okx", "funding_usd": 5.0, "fees_usd": 1e-12, "total_usd": 5.0}
    split = pl.DataFrame(
        [
            {**row, "year": None},
            {**row, "year": 2023, "total_usd": 2.0},
            {**row, "year": 2024, "total_usd": 3.0},
            {**row, "name": "gate", "year": None, "total_usd": 1.0},
            {**row, "name": "gate", "year": 2024, "total_usd": 1.0},
            {**row, "level": "base", "name": "BTC", "year": None},
        ]
    )
    assert profit_by_level(split, "venue").to_dicts() == [
        {"name": "okx", "funding_usd": 5.0, "total_usd": 5.0, "2023_usd": 2.0, "2024_usd": 3.0},
        {"name": "gate", "funding_usd": 5.0, "total_usd": 1.0, "2023_usd": 0.0, "2024_usd": 1.0},
    ]
    assert profit_by_level(split, "leg").is_empty()
