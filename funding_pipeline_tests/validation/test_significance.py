"""Paired differences against known answers, and their honesty where nothing differs."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from funding_pipeline.validation.significance import (
    compared,
    comparisons,
    max_drawdown,
    mean_interval,
    paired_difference,
    value_added,
)

RNG = np.random.default_rng(3)
MARKET = RNG.normal(0, 0.01, 400)


def _equity(returns: np.ndarray, *, capital: float = 1000.0) -> pl.DataFrame:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    times = [start + timedelta(days=i) for i in range(len(returns) + 1)]
    return pl.DataFrame({"time": times, "equity": capital * (1 + np.r_[0.0, np.cumsum(returns)])})


def test_what_moves_both_alike_cancels() -> None:
    better = MARKET + 0.0002 + RNG.normal(0, 1e-4, 400)
    found = paired_difference(better, MARKET)
    assert found is not None
    assert found.net_annual_difference == pytest.approx(float((better - MARKET).mean() * 365))
    assert 0 < found.low < found.net_annual_difference < found.high
    assert found.probability_better == 1
    alone = mean_interval(_equity(better), capital_usd=1000)
    assert alone is not None
    assert alone["low"] < 0 < alone["high"]  # the same run, not told from zero by itself


def test_noise_is_not_significant_in_most_samples() -> None:
    """95 % intervals of a difference whose true mean is zero cover zero in about 95 % of samples."""
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        found = paired_difference(rng.normal(0, 1, 120), rng.normal(0, 1, 120), resamples=400)
        assert found is not None
        covered += found.low <= 0 <= found.high
    assert 0.88 <= covered / 200 <= 0.99


def test_a_run_against_itself_is_an_even_bet() -> None:
    found = paired_difference(MARKET, MARKET)
    assert found is not None
    assert (found.net_annual_difference, found.low, found.high) == (0, 0, 0)
    assert found.drawdown_difference == found.drawdown_low == found.drawdown_high == 0
    assert found.probability_better == 0.5


def test_drawdowns_are_of_the_same_drawn_days() -> None:
    found = paired_difference(MARKET / 2, MARKET)
    assert found is not None
    assert found.drawdown_difference == pytest.approx(-float(max_drawdown(MARKET)) / 2)
    assert found.drawdown_low < found.drawdown_high < 0  # half of every path's own fall, never more


def test_drawdown_counts_from_the_capital() -> None:
    assert max_drawdown(np.array([-0.1, 0.05, 0.2, -0.05])) == pytest.approx(0.1)
    assert max_drawdown(np.array([0.1, 0.1])) == 0


def test_order_of_days_and_seed_are_fixed() -> None:
    own = MARKET + 1e-4
    assert paired_difference(own, MARKET) == paired_difference(own.copy(), MARKET.copy())
    shuffled = _equity(own).sample(fraction=1, shuffle=True, seed=1)
    rival = _equity(MARKET)
    assert compared(shuffled, rival, capital_usd=1000) == compared(_equity(own), rival, capital_usd=1000)


def test_too_few_or_unlike_days() -> None:
    assert paired_difference(MARKET[:27], MARKET[:27]) is None
    assert mean_interval(_equity(MARKET[:27]), capital_usd=1000) is None
    with pytest.raises(ValueError, match="same days"):
        paired_difference(MARKET, MARKET[:-1])
    with pytest.raises(ValueError, match="finite"):
        paired_difference(MARKET, np.where(MARKET > 0.02, np.nan, MARKET))


def test_comparisons_are_plain_data_by_rule_and_variant() -> None:
    own = _equity(MARKET + 2e-4)
    found = comparisons(own, {"rule": {"plain": _equity(MARKET), "venue_neutral": own}}, capital_usd=1000)
    assert found["rule"]["plain"]["net_annual_difference"] == pytest.approx(2e-4 * 365)
    assert found["rule"]["venue_neutral"]["probability_better"] == 0.5
    assert comparisons(_equity(MARKET[:9]), {"rule": {"plain": own}}, capital_usd=1000) == {}


def test_value_added_is_the_difference_and_the_ratio() -> None:
    calm = np.full(365, 1e-4)
    found = value_added(_equity(1.5 * calm), _equity(calm), capital_usd=1000, years=1)
    assert found is not None
    assert found["ratio"] == pytest.approx(1.5)
    assert found["net_annual"] == pytest.approx(0.5 * 365e-4)
    assert found["low"] == pytest.approx(found["high"])
    lost = value_added(_equity(calm), _equity(-calm), capital_usd=1000, years=1)
    assert lost is not None
    assert lost["ratio"] is None
