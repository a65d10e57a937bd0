"""Anomalies: one by hand with its reason, none before there is history, no look-ahead."""

import random
from datetime import timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from funding_pipeline.features.panel import build_features
from funding_pipeline.models.anomalies import ANOMALIES_SCHEMA, Levels, anomalies
from funding_pipeline_tests.features.synthetic_market import START, every, market_of, settled_rows

LOW = Levels(notice=2.0, warning=3.0, alarm=5.0)


def spiked(rate: float, *, at: int = 100) -> pl.DataFrame:
    """Panel of one instrument: bare interest, then `rate` at the settlement number `at`."""
    rows = [(START + timedelta(hours=8 * i), rate if i == at else 1e-4, 8.0) for i in range(1, 121)]
    return build_features(market_of(settled_rows("alpha", "BTC/USDT:USDT", rows)), as_of=every(8, days=40))


def test_a_spike_is_reported_with_a_reason_for_people() -> None:
    found = anomalies(spiked(3e-3)).filter(pl.col("feature") == "rate_24h_per_hour")
    first = found.row(0, named=True)
    assert first["as_of"] == START + timedelta(hours=800)
    assert (first["venue"], first["symbol"]) == ("alpha", "BTC/USDT:USDT")
    assert first["typical"] == pytest.approx(1e-4 / 8)
    assert first["reason"].startswith(
        "alpha BTC/USDT:USDT: funding over 24 h is 116.8 %/yr, typically 10.95 %/yr (last 90 days)"
    )
    assert found.height == 3
    assert set(found["severity"]) == {"alarm"}, "24 robust deviations and more"
    assert set(anomalies(spiked(2e-3)).filter(pl.col("venue") == "alpha")["severity"]) == {"warning"}


def test_the_whole_market_is_watched_too() -> None:
    market = anomalies(spiked(3e-3)).filter(pl.col("venue") == "market")
    assert market["reason"].str.starts_with("whole market: ").all()
    assert market.height > 0


def test_nothing_is_unusual_without_history_or_change() -> None:
    assert anomalies(spiked(1e-4)).is_empty()
    assert anomalies(spiked(3e-3, at=10)).is_empty()
    assert dict(anomalies(spiked(1e-4).clear()).schema) == ANOMALIES_SCHEMA


def test_a_silent_change_of_interval_is_reported() -> None:
    rows = [(START + timedelta(hours=8 * i), 1e-4, 8.0) for i in range(1, 91)]
    rows += [(START + timedelta(hours=720 + i), 1e-3, 1.0) for i in range(1, 9)]
    panel = build_features(market_of(settled_rows("alpha", "BTC/USDT:USDT", rows)), as_of=every(8, days=31))
    reasons = anomalies(panel).filter(pl.col("feature") == "interval_hours")["reason"].to_list()
    assert reasons
    assert "funding interval is 1.0 h, typically 8.0 h" in reasons[0]
    assert len(reasons) <= 4, "for a day; then it is no news"


def test_later_rows_and_order_never_change_an_anomaly(panel: pl.DataFrame) -> None:
    full = anomalies(panel, instrument=LOW, market=LOW)
    cut = START + timedelta(days=80)
    past = panel.filter(pl.col("as_of") <= cut).sample(fraction=1.0, shuffle=True, seed=4)
    assert full.height > 0
    assert_frame_equal(
        anomalies(past, instrument=LOW, market=LOW), full.filter(pl.col("as_of") <= cut), check_exact=True
    )


def test_noise_is_no_anomaly_in_its_first_weeks() -> None:
    rng = random.Random(3)
    rows = [(START + timedelta(hours=8 * i), rng.gauss(0, 1e-3), 8.0) for i in range(1, 121)]
    panel = build_features(market_of(settled_rows("alpha", "BTC/USDT:USDT", rows)), as_of=every(8, days=40))
    assert anomalies(panel).is_empty()
