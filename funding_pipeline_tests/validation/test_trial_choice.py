"""Judging a study: the best trial is told from luck, in words."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from funding_pipeline.models.tuning import BLOCKS_SCHEMA, FoldScore, TrialScore
from funding_pipeline.validation.trial_choice import RANKING_SCHEMA, ScoredTrial, judged

START = datetime(2023, 1, 5, tzinfo=UTC)
BLOCKS = 60


def _score(model_error: np.ndarray) -> TrialScore:
    times = [START + timedelta(days=7 * i) for i in range(len(model_error))]
    columns = (times, [100] * len(times), model_error.tolist(), [1.0] * len(times))
    blocks = pl.DataFrame(dict(zip(BLOCKS_SCHEMA, columns, strict=True)), schema=BLOCKS_SCHEMA)
    halves = np.array_split(model_error, 2)
    folds = [
        FoldScore(number=i, of=2, test_start=times[0], test_end=times[-1], rows=100, gain=1 - half.mean())
        for i, half in enumerate(halves)
    ]
    return TrialScore(tuple(folds), blocks)


def _trials(gains: list[float], *, noise: float = 0.03) -> list[ScoredTrial]:
    """The first is the default; `gains` are the true gains over the baseline."""
    rng = np.random.default_rng(3)
    common = rng.normal(0, 0.1, size=BLOCKS)
    return [
        ScoredTrial(i, {"depth": i}, _score(1 - gain + common + rng.normal(0, noise, size=BLOCKS)), i == 0)
        for i, gain in enumerate(gains)
    ]


def test_settings_that_differ_by_noise_are_not_called_better() -> None:
    choice = judged(_trials([0.10] * 12))
    assert not choice.better_than_default
    assert "Keep the default settings" in choice.words or "keep them" in choice.words
    assert choice.p_value is not None
    assert choice.p_value > 0.05
    assert choice.overfitting is not None


def test_settings_that_are_better_are_called_so() -> None:
    choice = judged(_trials([0.10] * 8 + [0.16]))
    assert choice.better_than_default
    assert choice.ranking["trial"][0] == 8
    assert choice.words.startswith("Trial 8 was best")
    assert "beyond noise" in choice.words
    assert choice.overfitting is not None
    assert choice.overfitting.probability < 0.05
    assert choice.ranking["over_default_low"][0] > 0
    assert dict(choice.ranking.schema) == RANKING_SCHEMA
    assert choice.ranking["mean_gain"].is_sorted(descending=True)


def test_the_default_may_be_best() -> None:
    assert judged(_trials([0.2, 0.1, 0.1])).words == (
        "None of 2 other trials was better than the default settings: keep them."
    )


def test_alone_or_over_few_blocks_nothing_is_claimed() -> None:
    alone = judged(_trials([0.1]))
    assert alone.overfitting is None
    assert "nothing to compare" in alone.words
    few = [ScoredTrial(i, {}, _score(np.array([0.9, 0.8, 0.9]) - 0.1 * i), i == 0) for i in range(3)]
    choice = judged(few)
    assert choice.p_value is None
    assert not choice.better_than_default
    assert "too few blocks" in choice.words


def test_what_cannot_be_compared_is_refused() -> None:
    trials = _trials([0.1, 0.1])
    with pytest.raises(ValueError, match="default"):
        judged(trials[1:])
    with pytest.raises(ValueError, match="different blocks"):
        judged([trials[0], ScoredTrial(1, {}, _score(np.ones(5)))])
