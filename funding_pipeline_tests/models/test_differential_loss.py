"""The loss on differentials: legs, gradient against finite differences, and what a common error costs."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from funding_pipeline.models.differential_loss import DifferentialLoss, Legs, legs_of
from funding_pipeline.models.linear import robust_ridge
from funding_pipeline_tests.features.synthetic_market import START


def _rows(instruments: list[tuple[str, str]], times: int = 1) -> pl.DataFrame:
    return pl.DataFrame(
        [(START + timedelta(hours=8 * i), venue, base) for i in range(times) for venue, base in instruments],
        schema=["as_of", "venue", "base"],
        orient="row",
    )


def _loss(level_share: float = 0.25) -> DifferentialLoss:
    random = np.random.default_rng(3)
    legs = legs_of(_rows([("a", "BTC"), ("b", "BTC"), ("c", "BTC"), ("a", "ETH")], times=3))
    scale = random.uniform(1e-5, 1e-4, 12)
    target = random.normal(0, 5e-5, 12)
    return DifferentialLoss(target, scale, legs, width=0.5, level_share=level_share, power=0.5)


def test_legs_are_venue_pairs_of_one_base_and_moment() -> None:
    legs = legs_of(_rows([("a", "BTC"), ("a", "BTC"), ("b", "BTC"), ("b", "ETH")], times=2))
    assert list(zip(legs.first, legs.second, strict=True)) == [(0, 2), (1, 2), (4, 6), (5, 6)]


def test_the_gradient_is_that_of_the_loss() -> None:
    loss = _loss()
    predicted = np.random.default_rng(4).normal(0, 1, 12)
    gradient, curvature = loss.objective()(predicted, None)
    for row in range(12):
        step = np.zeros(12)
        step[row] = 1e-6
        slope = (_value(loss, predicted + step) - _value(loss, predicted - step)) / 2e-6
        assert gradient[row] == pytest.approx(slope, rel=1e-4, abs=1e-7)
    assert (curvature > 0).all()


def _value(loss: DifferentialLoss, predicted: np.ndarray) -> float:
    """The loss written out pair by pair."""
    mean, total = loss.scale.mean(), 0.0
    for a, b in zip(loss.legs.first, loss.legs.second, strict=True):
        unit = (loss.scale[a] + loss.scale[b]) / 2
        made = predicted[a] * loss.scale[a] - predicted[b] * loss.scale[b]
        error = (made - (loss.target[a] - loss.target[b])) / unit
        total += 0.5 * (unit / mean) ** loss.power * _huber(error, loss.width)
    for rate, made, scale in zip(loss.target, predicted, loss.scale, strict=True):
        total += loss.level_share * (scale / mean) ** loss.power * _huber(made - rate / scale, 1.0)
    return total


def _huber(error: float, width: float) -> float:
    return float(width**2 * (np.sqrt(1 + (error / width) ** 2) - 1))


def test_an_error_that_both_legs_share_costs_only_its_level() -> None:
    both = Legs(np.array([0]), np.array([1]))
    loss = DifferentialLoss(np.zeros(2), np.full(2, 1e-5), both, width=0.5, level_share=1e-9, power=0.5)
    shared, _ = loss.objective()(np.array([1.0, 1.0]), None)
    apart, _ = loss.objective()(np.array([1.0, -1.0]), None)
    assert np.abs(shared).max() < 1e-8
    assert apart[0] > 0.1
    assert apart[1] < -0.1


def test_a_ridge_on_differentials_finds_the_persistence_of_the_gap() -> None:
    """Levels jump together by what no input tells; the gap persists by 0.7."""
    random = np.random.default_rng(5)
    rows = _rows([("a", "BTC"), ("b", "BTC")], times=400)
    own = random.normal(0, 1e-5, 800)
    common = np.repeat(random.standard_t(2, 400) * 5e-5, 2)
    loss = DifferentialLoss(
        0.7 * own + common, np.full(800, 1e-5), legs_of(rows), width=0.5, level_share=0.01, power=1.0
    )
    found = robust_ridge(loss.equations(own[:, None] / 1e-5), l2=1e-6)
    assert found[0] == pytest.approx(0.7, abs=0.01)


def test_without_any_pair_levels_are_learnt() -> None:
    random = np.random.default_rng(6)
    own = random.normal(0, 1e-5, 100)
    legs = legs_of(_rows([("a", "BTC")], times=100))
    loss = DifferentialLoss(0.5 * own, np.full(100, 1e-5), legs, width=0.5, level_share=0.25, power=1.0)
    assert robust_ridge(loss.equations(own[:, None] / 1e-5), l2=0.0)[0] == pytest.approx(0.5)
    gradient, _ = loss.objective()(np.zeros(100), None)
    assert np.sign(gradient).tolist() == (-np.sign(own)).tolist()
