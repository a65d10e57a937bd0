"""Probability of back-test over-fitting and reality check: noise is found out, skill is recognised."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funding_pipeline.validation.overfitting import probability_of_overfitting, reality_check


def _noise(seed: int, *, blocks: int = 80, trials: int = 12) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(blocks, trials))


def test_among_worthless_trials_the_best_is_no_better_than_the_median_half_of_the_time() -> None:
    found = [probability_of_overfitting(_noise(seed), groups=10).probability for seed in range(60)]
    assert np.mean(found) == pytest.approx(0.5, abs=0.1)


def test_one_truly_better_trial_is_chosen_for_good_reason() -> None:
    performance = _noise(4)
    performance[:, 3] += 1.0
    found = probability_of_overfitting(performance, purge=1)
    assert found.probability < 0.01
    assert found.loss_share < 0.05
    assert found.logits.shape == (12_870,)


def test_a_trial_fitted_to_one_half_is_found_out() -> None:
    """Four trials, each brilliant in one quarter of the time and poor in the rest."""
    performance = np.full((64, 4), -1.0)
    for trial in range(4):
        performance[trial * 16 : (trial + 1) * 16, trial] = 2.0
    found = probability_of_overfitting(performance + _noise(1, blocks=64, trials=4) * 1e-3, groups=4)
    assert found.probability == 1.0
    assert found.loss_share == 1.0


def test_a_small_case_by_hand() -> None:
    """Two groups: the first half chooses trial 0, which is last in the second; and the other way round."""
    found = probability_of_overfitting(np.array([[3.0, 1.0, 2.0], [1.0, 3.0, 2.0]]), groups=2)
    assert found.logits == pytest.approx([np.log(0.25 / 0.75)] * 2)
    assert found.probability == 1.0


def test_weights_make_it_a_ratio_over_the_whole() -> None:
    """A block of weight 0 decides nothing, whatever happened in it."""
    performance, weights = _noise(2, blocks=40, trials=5), np.ones(40)
    weights[::7] = 0.0
    wild = performance.copy()
    wild[::7, 1] = 1e6
    plain = probability_of_overfitting(performance, weights=weights, groups=8)
    assert probability_of_overfitting(wild, weights=weights, groups=8).probability == plain.probability


def test_purged_blocks_decide_nothing() -> None:
    performance = _noise(6, blocks=40, trials=4)
    changed = performance.copy()
    changed[4::5] = 1e3 * _noise(7, blocks=8, trials=4)  # last of each of 8 groups of 5
    first, second = (probability_of_overfitting(p, groups=8, purge=1) for p in (performance, changed))
    assert np.array_equal(first.logits, second.logits)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), shift=st.floats(-5, 5), scale=st.floats(0.1, 10))
def test_only_the_order_of_trials_counts(seed: int, shift: float, scale: float) -> None:
    performance = _noise(seed, blocks=24, trials=5)
    plain = probability_of_overfitting(performance, groups=6)
    moved = probability_of_overfitting(performance * scale + shift, groups=6)
    permuted = probability_of_overfitting(performance[:, ::-1], groups=6)
    assert 0 <= plain.probability <= 1
    assert moved.probability == plain.probability == permuted.probability


@pytest.mark.parametrize("shape", [(20, 1), (3, 5)])
def test_what_cannot_be_halved_is_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="even number of groups"):
        probability_of_overfitting(np.zeros(shape), groups=4)
    with pytest.raises(ValueError, match="finite"):
        probability_of_overfitting(np.full((20, 3), np.nan), groups=4)


def test_the_best_of_many_worthless_trials_is_not_believed() -> None:
    """Believed about as often as the level says; testing the best as if it were the only one, far more."""
    sets = [_noise(seed, blocks=60, trials=20) for seed in range(60)]
    believed = np.mean([reality_check(gains) < 0.05 for gains in sets])
    naive = np.mean([reality_check(gains[:, [int(gains.mean(axis=0).argmax())]]) < 0.05 for gains in sets])
    assert believed <= 0.15
    assert naive > 0.4


def test_a_real_gain_among_many_is_believed() -> None:
    gains = _noise(8, blocks=60, trials=20)
    gains[:, 11] += 1.0
    assert reality_check(gains) < 0.01
    assert reality_check(gains) == reality_check(gains)
    assert reality_check(-np.abs(gains)) > 0.5
