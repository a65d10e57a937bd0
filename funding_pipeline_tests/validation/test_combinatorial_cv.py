"""PBO and paths: noise over-fits, a setting that is always better does not; purging and paths are whole."""

import numpy as np
import pytest

from funding_pipeline.validation.combinatorial_cv import combinatorial_cv
from funding_pipeline.validation.statistics import sharpe_ratio

DAYS, SETTINGS = 400, 8
NAMES = tuple(f"s{i}" for i in range(SETTINGS))


def test_a_setting_that_is_always_better_is_found_everywhere() -> None:
    returns = np.random.default_rng(1).normal(0, 0.01, (DAYS, SETTINGS))
    returns[:, 3] += 0.01
    found = combinatorial_cv(returns, names=NAMES, chosen=3)
    assert found is not None
    assert found["pbo"] == 0
    assert found["best_on_training_folds"] == {"s3": 252}
    assert found["splits"] == 252
    assert found["paths"] == 126
    assert found["chosen_sharpe"] == pytest.approx(sharpe_ratio(returns[:, 3]))
    for value in found["path_sharpe"].values():  # the same choice everywhere: every path is the whole run
        assert value in (0, pytest.approx(found["chosen_sharpe"]))


def test_noise_over_fits_on_average() -> None:
    rng = np.random.default_rng(5)
    found = [combinatorial_cv(rng.normal(0, 0.01, (DAYS, SETTINGS)), names=NAMES, chosen=0) for _ in range(6)]
    assert 0.35 < np.mean([one["pbo"] for one in found if one]) < 0.9


def test_too_short_or_a_single_setting() -> None:
    assert combinatorial_cv(np.zeros((125, 3)), names=NAMES[:3], chosen=0) is None
    assert combinatorial_cv(np.zeros((DAYS, 1)), names=NAMES[:1], chosen=0) is None


def test_shorter_histories_have_fewer_folds_and_no_risk_is_no_skill() -> None:
    found = combinatorial_cv(np.zeros((130, 2)), names=NAMES[:2], chosen=1)
    assert found is not None
    assert found["folds"] == 6
    assert found["pbo"] == 1  # ties are no better than the median
    assert found["chosen_test_sharpe"]["mean"] == 0
