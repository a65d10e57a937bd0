"""The funding formula against worked examples, and how intervals shorten and go back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funding_pipeline.market.simulation.parameters import Shortening
from funding_pipeline.market.simulation.premium import twap, twap_weights
from funding_pipeline.market.simulation.settlement import RateFormula, Settlements, settlements

CENTRALISED = RateFormula(interest=1.0, dampener=5.0, cap=200.0)
DERIBIT = RateFormula(interest=0.0, dampener=2.5, cap=None)
STEPS = Shortening(steps_hours=(4, 2), calm_hours=24)


def rate(formula: RateFormula, premium: float, interval: float = 8.0) -> float:
    return float(formula.rate_bp(np.array([premium]), interval)[0])


def schedule(premium: np.ndarray, shortening: Shortening | None = STEPS) -> Settlements:
    clock = (np.arange(len(premium)) + 1) % 24
    return settlements(premium, clock, formula=CENTRALISED, interval_hours=8, shortening=shortening)


@pytest.mark.parametrize("premium", [-4.0, -1.7, 0.0, 1.0, 3.3, 6.0])
def test_premiums_on_the_plateau_pay_exactly_the_interest(premium: float) -> None:
    assert rate(CENTRALISED, premium) == 1.0
    assert rate(CENTRALISED, premium, 4.0) == 0.5


@pytest.mark.parametrize(("premium", "expected"), [(-4.1, 0.9), (6.1, 1.1), (-105.0, -100.0), (1e4, 200.0)])
def test_premiums_beyond_it_pay_themselves_less_the_dampener(premium: float, expected: float) -> None:
    assert rate(CENTRALISED, premium) == pytest.approx(expected)


def test_hyperliquid_worked_examples() -> None:
    assert rate(CENTRALISED, 100.0) == pytest.approx(95.0)  # premium 1 %: 0.95 % per 8 h
    assert rate(CENTRALISED, 100.0, 1.0) == pytest.approx(11.875)  # 0.11875 % an hour
    assert rate(CENTRALISED, -5.591732, 1.0) * 1e-4 == pytest.approx(-0.0000073966, abs=1e-10)


def test_deribit_worked_example() -> None:
    assert rate(DERIBIT, 10.0) == pytest.approx(7.5)  # premium 0.10 %: 0.075 % per 8 h
    assert rate(DERIBIT, -2.4) == 0.0


def test_twap_weighs_the_latest_hour_most() -> None:
    assert twap_weights(4) == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert twap(np.array([1.0, 1.0, 1.0, 11.0]), 4)[-1] == pytest.approx(5.0)


def test_ordinary_premiums_settle_every_eight_hours() -> None:
    drawn = schedule(np.zeros(96))
    assert list(drawn.hour) == list(range(7, 96, 8))
    assert set(drawn.interval_hours) == {8}


def test_a_capped_settlement_shortens_step_by_step_and_calm_brings_it_back() -> None:
    premium = np.zeros(200)
    premium[:14] = -2000.0  # caps the settlement at hour 8, the 4 h one at 12 and the 2 h one at 14
    drawn = schedule(premium)
    hours, intervals = drawn.hour + 1, drawn.interval_hours
    assert list(zip(hours[:5], intervals[:5], strict=True)) == [(8, 8), (12, 4), (14, 2), (16, 2), (18, 2)]
    last_capped = hours[np.abs(drawn.rate_bp) >= 200.0].max()
    back = hours[(hours > 14) & (intervals == 8)].min()
    assert back == -(-(last_capped + 24) // 8) * 8 + 8  # the first 8 h mark after 24 h of calm, and 8 h on
    assert np.array_equal(np.diff(hours), intervals[1:])


def test_a_venue_without_the_rule_stays_at_its_interval() -> None:
    assert set(schedule(np.full(100, -2000.0), shortening=None).interval_hours) == {8}


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10_000),
    cut=st.integers(20, 280),
    scale=st.sampled_from([100.0, 250.0, 600.0]),
)
def test_later_premiums_change_no_earlier_settlement(seed: int, cut: int, scale: float) -> None:
    """Look-ahead: intervals and rates up to an hour depend on premiums up to that hour alone."""
    random = np.random.default_rng(seed)
    premium = scale * random.standard_t(3, 300)
    other = np.concatenate([premium[:cut], 10.0 * scale * random.standard_normal(300 - cut)])
    before, after = schedule(premium), schedule(other)
    kept, also = before.hour < cut, after.hour < cut
    assert np.array_equal(before.hour[kept], after.hour[also])
    assert np.array_equal(before.rate_bp[kept], after.rate_bp[also])
    assert np.array_equal(before.interval_hours[kept], after.interval_hours[also])


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000), scale=st.sampled_from([50.0, 250.0, 1000.0]))
def test_every_hour_is_paid_once(seed: int, scale: float) -> None:
    """Intervals tile time: each settlement's interval reaches back to the settlement before."""
    drawn = schedule(scale * np.random.default_rng(seed).standard_t(2, 400))
    assert np.array_equal(np.diff(drawn.hour), drawn.interval_hours[1:])
    assert (np.abs(drawn.rate_bp) <= 200.0).all()
