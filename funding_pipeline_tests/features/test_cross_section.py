"""Comparisons between venues, with values computed by hand."""

from datetime import timedelta

import polars as pl
import pytest

from funding_pipeline.features.panel import build_features
from funding_pipeline_tests.features.synthetic_market import START, market_of, settled_rows

_RATES = {"alpha": 1e-4, "beta": 2e-4, "gamma": 3e-4, "omega": 90e-4}


def test_one_wild_venue_moves_the_mean_gap_and_not_the_median_gap() -> None:
    rows = [
        settled_rows(
            venue, "BTC/USDT:USDT", [(START + timedelta(hours=8 * i), rate, 8.0) for i in range(1, 4)]
        )
        for venue, rate in _RATES.items()
    ]
    panel = build_features(market_of(pl.concat(rows)), as_of=pl.Series([START + timedelta(hours=24)])).sort(
        "venue"
    )
    rates = [rate / 8 for rate in _RATES.values()]
    median = (rates[1] + rates[2]) / 2
    for window in (8, 24, 2160):
        assert panel[f"base_median_gap_{window}h_per_hour"].to_list() == pytest.approx(
            [rate - median for rate in rates]
        )
    mean = sum(rates) / 4
    assert panel["base_gap_24h_per_hour"].to_list() == pytest.approx([rate - mean for rate in rates])


def test_alone_there_is_no_gap() -> None:
    rows = settled_rows("alpha", "BTC/USDT:USDT", [(START + timedelta(hours=8), 1e-4, 8.0)])
    panel = build_features(market_of(rows), as_of=pl.Series([START + timedelta(hours=8)]))
    assert panel["base_median_gap_24h_per_hour"].to_list() == [0.0]
