"""Which of the trials of a study is best, and whether that is more than luck.

What lives here: the ranking with intervals, the tests against the default settings, and the words. What
does not: the scores (`models.tuning`), or running a study (`tracking.study`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from funding_pipeline.models.bootstrap import ratio_interval
from funding_pipeline.models.tuning import TrialScore
from funding_pipeline.portfolio.legs import Floats
from funding_pipeline.validation.overfitting import Overfitting, probability_of_overfitting, reality_check

SIGNIFICANT = 0.05
_MOST_GROUPS = 16
_LEAST_GROUPS = 4
_BLOCKS_PER_GROUP = 3  # one of them is purged
RANKING_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "trial": pl.Int64,
    "mean_gain": pl.Float64,
    "worst_gain": pl.Float64,
    "gain": pl.Float64,
    "gain_low": pl.Float64,
    "gain_high": pl.Float64,
    "over_default": pl.Float64,
    "over_default_low": pl.Float64,
    "over_default_high": pl.Float64,
}


@dataclass(frozen=True)
class ScoredTrial:
    """A trial that was scored on every fold; `values` are its settings that were varied."""

    number: int
    values: Mapping[str, float]
    score: TrialScore
    is_default: bool = False


@dataclass(frozen=True)
class TrialChoice:
    """`ranking` (RANKING_SCHEMA), best first; `p_value` of the best against the default; and `words`.

    `gain` is over all blocks at once (`mean_gain`: mean of folds), `over_default` 1 - error / that of the
    default settings, each with the 95 % interval of a bootstrap over blocks, which knows nothing of the
    choice; the p-value does. Null where there are too few blocks or trials.
    """

    ranking: pl.DataFrame
    overfitting: Overfitting | None
    p_value: float | None
    better_than_default: bool
    words: str


def judged(trials: Sequence[ScoredTrial]) -> TrialChoice:
    """Rank `trials`, one of them the default settings, all over the same blocks.

    Raises ValueError without the default settings, or where blocks differ.
    """
    default = next((trial for trial in trials if trial.is_default), None)
    if default is None:
        raise ValueError("the default settings are not among the trials")
    if any(
        not trial.score.blocks["block_start"].equals(default.score.blocks["block_start"]) for trial in trials
    ):
        raise ValueError("trials were scored over different blocks")
    ranked = sorted(trials, key=lambda trial: (-trial.score.mean_gain, trial.number))
    ranking = pl.DataFrame([_row(trial, default) for trial in ranked], schema=RANKING_SCHEMA, orient="row")
    overfitting, p_value = _overfitting(ranked), _p_value(ranked, default)
    better = ranked[0] is not default and p_value is not None and p_value < SIGNIFICANT
    return TrialChoice(
        ranking=ranking,
        overfitting=overfitting,
        p_value=p_value,
        better_than_default=better,
        words=_words(ranked, default, p_value=p_value, better=better),
    )


def _row(trial: ScoredTrial, default: ScoredTrial) -> tuple[int | float | None, ...]:
    model, baseline, rival = _model(trial), _baseline(trial), _model(default)
    gain = ratio_interval(model, baseline) or (None, None)
    over = ratio_interval(model, rival) or (None, None)
    return (
        trial.number,
        trial.score.mean_gain,
        trial.score.worst_gain,
        float(1 - model.sum() / baseline.sum()),
        *gain,
        float(1 - model.sum() / rival.sum()),
        *over,
    )


def _model(trial: ScoredTrial) -> Floats:
    return trial.score.blocks["model_error"].to_numpy()


def _baseline(trial: ScoredTrial) -> Floats:
    return trial.score.blocks["baseline_error"].to_numpy()


def _overfitting(trials: Sequence[ScoredTrial]) -> Overfitting | None:
    """PBO of choosing by the gain over the baseline; one block is purged, as no label reaches further."""
    baseline = _baseline(trials[0])
    groups = min(_MOST_GROUPS, len(baseline) // _BLOCKS_PER_GROUP // 2 * 2)
    if len(trials) < 2 or groups < _LEAST_GROUPS:
        return None
    performance = np.stack([1 - _model(trial) / baseline for trial in trials], axis=1)
    return probability_of_overfitting(performance, weights=baseline, groups=groups, purge=1)


def _p_value(trials: Sequence[ScoredTrial], default: ScoredTrial) -> float | None:
    others = [trial for trial in trials if trial is not default]
    rival = _model(default)
    if not others or len(rival) < _LEAST_GROUPS * _BLOCKS_PER_GROUP:
        return None
    gains = np.stack([1 - _model(trial) / rival for trial in others], axis=1)
    return reality_check(gains, weights=rival)


def _words(
    ranked: Sequence[ScoredTrial], default: ScoredTrial, *, p_value: float | None, better: bool
) -> str:
    best = ranked[0]
    if len(ranked) == 1:
        return "Only the default settings were scored: there is nothing to compare them with."
    if best is default:
        return f"None of {len(ranked) - 1} other trials was better than the default settings: keep them."
    over = 1 - _model(best).sum() / _model(default).sum()
    found = f"Trial {best.number} was best; its error is {over:.2%} below that of the default settings"
    if p_value is None:
        return f"{found}, over too few blocks of time to tell that from noise: keep the default settings."
    chance = f"p = {p_value:.3f}, the choice out of {len(ranked) - 1} allowed for"
    if better:
        return f"{found}, beyond noise ({chance})."
    return f"{found}: not better beyond noise ({chance}). Keep the default settings."
