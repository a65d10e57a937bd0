"""Deflated Sharpe ratio: the paper's own example, and what must hold whatever the returns."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funding_pipeline.validation.deflated_sharpe import (
    deflated_sharpe,
    effective_days,
    expected_max_sharpe,
    probabilistic_sharpe,
)
from funding_pipeline.validation.statistics import sharpe_ratio

# Bailey and Lopez de Prado 2014, "A numerical example": annual Sharpe 2.5 over five years of 250 days.
DAYS, DAILY = 1250, 2.5 / np.sqrt(250)
FAT = {"skewness": -3.0, "kurtosis": 10.0}
NORMAL = {"skewness": 0.0, "kurtosis": 3.0}


def _paper(trials: int, shape: dict[str, float]) -> float:
    bar = expected_max_sharpe(trials, variance=0.5) / np.sqrt(250)
    return probabilistic_sharpe(DAILY, benchmark=bar, observations=DAYS, **shape)


def test_the_example_of_the_paper() -> None:
    assert expected_max_sharpe(100, variance=0.5) / np.sqrt(250) == pytest.approx(0.1132, abs=5e-5)
    assert _paper(100, FAT) == pytest.approx(0.9004, abs=5e-5)
    assert _paper(46, FAT) == pytest.approx(0.9505, abs=5e-5)
    assert _paper(88, NORMAL) == pytest.approx(0.9505, abs=5e-5)


def test_the_largest_of_many_normal_draws_is_as_expected() -> None:
    drawn = np.random.default_rng(5).normal(size=(4000, 60)).max(axis=1).mean()
    assert expected_max_sharpe(60, variance=1.0) == pytest.approx(drawn, abs=0.05)
    assert expected_max_sharpe(1, variance=1.0) == 0.0
    with pytest.raises(ValueError, match="at least 1"):
        expected_max_sharpe(0, variance=1.0)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), mean=st.floats(-0.2, 0.3), trials=st.integers(2, 5000))
def test_more_trials_never_raise_it_and_one_trial_is_the_probabilistic_ratio(
    seed: int, mean: float, trials: int
) -> None:
    returns = np.random.default_rng(seed).normal(mean, 1.0, size=400) * 1e-3
    one, few, many = (deflated_sharpe(returns, trials=n) for n in (1, trials, trials + 50))
    assert one is not None
    assert few is not None
    assert many is not None
    assert one.value == one.probabilistic
    assert one.value >= few.value >= many.value
    assert many.expected_max_sharpe > few.expected_max_sharpe > 0
    assert 0 <= many.value <= 1
    assert 2 <= one.effective_days <= one.days == 400


def test_scale_and_order_of_the_moments_do_not_matter() -> None:
    returns = np.random.default_rng(1).standard_t(4, size=500) * 1e-3 + 2e-4
    small, large = deflated_sharpe(returns, trials=20), deflated_sharpe(returns * 50, trials=20)
    assert small is not None
    assert large is not None
    assert small.value == pytest.approx(large.value, rel=1e-9)


def test_autocorrelated_days_count_as_fewer() -> None:
    noise = np.random.default_rng(2).normal(size=2000)
    slow = np.convolve(noise, np.ones(5) / 5, mode="valid")
    assert effective_days(noise) > 0.8 * len(noise)
    assert effective_days(slow) < 0.4 * len(slow)


def test_trials_of_which_the_sharpe_ratios_are_known() -> None:
    returns = np.random.default_rng(3).normal(0.1, 1.0, size=700) * 1e-3
    assumed, alike = (
        deflated_sharpe(returns, trials=100),
        deflated_sharpe(returns, trials=100, trial_sharpe_variance=0.04),
    )
    assert assumed is not None
    assert alike is not None
    assert alike.trial_sharpe_deviation == pytest.approx(0.2)
    assert alike.value > assumed.value  # the rule without them deflates more


def test_too_few_days_and_no_risk_have_none() -> None:
    assert deflated_sharpe(np.ones(27), trials=3) is None
    assert deflated_sharpe(np.ones(90), trials=3) is None
    assert sharpe_ratio(np.ones(90)) is None
