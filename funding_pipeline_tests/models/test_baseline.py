"""The baseline by hand, and its errors."""

from datetime import timedelta

import polars as pl
import pytest

from funding_pipeline.core.errors import MarketDataError
from funding_pipeline.features.panel import build_features
from funding_pipeline.models.baseline import baseline_forecast
from funding_pipeline_tests.features.synthetic_market import START, market_of, settled_rows


def test_half_of_the_trailing_fortnight_by_hand() -> None:
    """Forty-two settlements of 0.01 % in 336 h after a week of 0.05 %: half of 0.0125 bp per hour."""
    rows = [(START + timedelta(hours=8 * i), 5e-4 if i <= 21 else 1e-4, 8.0) for i in range(1, 64)]
    panel = build_features(
        market_of(settled_rows("alpha", "BTC/USDT:USDT", rows)), as_of=pl.Series([START + timedelta(days=21)])
    )
    assert baseline_forecast(panel)["rate_per_hour"].item() == pytest.approx(0.5 * 1e-4 / 8)
    other = baseline_forecast(panel, window_hours=720, shrinkage=1.0)
    assert other["rate_per_hour"].item() == pytest.approx((21 * 5e-4 + 42 * 1e-4) / 504)


def test_a_window_that_the_panel_does_not_have_is_refused(panel: pl.DataFrame) -> None:
    with pytest.raises(MarketDataError, match="100 h"):
        baseline_forecast(panel, window_hours=100)
