"""Whether the best of many trials is best by luck, told from the trials' own figures block by block.

What lives here: probability of back-test over-fitting, and a test of the best trial against a reference.
What does not: the trials, or the deflation of a Sharpe ratio (`deflated_sharpe`).

Performance is a matrix, one row per block of time (in order) and one column per trial; higher is better. A
score over blocks is their mean weighted by `weights`: with 1 - error / baseline error and the baseline errors
as weights it is the same ratio over the whole.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from funding_pipeline.portfolio.legs import Floats, Ints

_GROUPS = 16  # as in the paper: 12,870 ways to halve them
_RESAMPLES = 2000
_SEED = 7


@dataclass(frozen=True)
class Overfitting:
    """`probability`: how often the best trial of one half of the blocks is at or below the other's median.

    One of `logits` per way to halve the blocks: ln(w / (1 - w)), w the relative rank there of the trial
    that was best here; above zero is good. `slope` and `intercept`: its score there against that here, by
    least squares. What one half has more the other has less, so the slope is near -1 where one trial always
    wins, and only compares studies. `loss_share`: how often its score there is below zero.
    """

    probability: float
    logits: Floats
    slope: float
    intercept: float
    loss_share: float
    groups: int
    trials: int


def probability_of_overfitting(
    performance: Floats, *, weights: Floats | None = None, groups: int = _GROUPS, purge: int = 0
) -> Overfitting:
    """Combinatorially symmetric cross-validation of `performance` (blocks x trials, at least two trials).

    The blocks are cut into `groups` (an even number) of consecutive ones; each half of the groups chooses
    the best trial, and the other half ranks it among all. The last `purge` blocks of a group are left out,
    where what they measure reaches into the next. PBO = share of logits at or below zero; ties take the
    mean rank. Raises ValueError where the blocks do not suffice.

    Source: Bailey, Borwein, Lopez de Prado and Zhu 2017, The probability of backtest overfitting, Journal of
    Computational Finance 20(4).
    """
    from scipy.stats import rankdata

    blocks, trials = _checked(performance)
    if trials < 2 or groups < 2 or groups % 2 or blocks < groups * (purge + 1):
        raise ValueError(
            f"{trials} trials over {blocks} blocks: at least 2 trials and {purge + 1} blocks for each of an "
            f"even number of groups are needed, not {groups}"
        )
    weight = np.ones(blocks) if weights is None else weights
    parts = [part[: len(part) - purge] for part in np.array_split(np.arange(blocks), groups)]
    sums = np.stack([(weight[part, None] * performance[part]).sum(axis=0) for part in parts])
    mass = np.array([weight[part].sum() for part in parts])
    chosen = _halves(groups)
    inside = chosen @ sums / (chosen @ mass)[:, None]
    outside = (1 - chosen) @ sums / ((1 - chosen) @ mass)[:, None]
    best = inside.argmax(axis=1)
    every = np.arange(len(best))
    share = rankdata(outside, axis=1)[every, best] / (trials + 1)
    here, there = inside[every, best], outside[every, best]
    slope, intercept = _line(here, there)
    logits = np.log(share / (1 - share))
    return Overfitting(
        probability=float((logits <= 0).mean()),
        logits=logits,
        slope=slope,
        intercept=intercept,
        loss_share=float((there < 0).mean()),
        groups=groups,
        trials=trials,
    )


def reality_check(
    gains: Floats, *, weights: Floats | None = None, block_rows: int = 4, seed: int = _SEED
) -> float:
    """Probability of a best gain this large if no trial were better than the reference (p-value).

    `gains`: blocks x trials, performance less the reference's. Statistic: the largest weighted mean; under
    the null every mean is zero, and its distribution is that of the largest of (resampled mean - mean) over
    circular moving blocks of `block_rows` rows. That the best was chosen out of all is thereby allowed for.
    Source: White 2000, A reality check for data snooping, Econometrica 68(5).
    """
    blocks, _ = _checked(gains)
    weight = np.ones(blocks) if weights is None else weights
    score = (weight[:, None] * gains).sum(axis=0) / weight.sum()
    index = _resamples(blocks, block=min(block_rows, blocks), seed=seed)
    drawn = np.stack([(weight[rows, None] * gains[rows]).sum(axis=0) / weight[rows].sum() for rows in index])
    largest = (drawn - score).max(axis=1)
    return float((1 + (largest >= score.max()).sum()) / (1 + len(largest)))


def _checked(matrix: Floats) -> tuple[int, int]:
    if matrix.ndim != 2 or not np.isfinite(matrix).all():
        raise ValueError("performance must be a matrix of finite numbers, blocks x trials")
    return matrix.shape[0], matrix.shape[1]


def _halves(groups: int) -> Floats:
    """Ways to take half of the groups x groups: 1 where taken, else 0."""
    ways = np.array(list(combinations(range(groups), groups // 2)))
    chosen = np.zeros((len(ways), groups))
    chosen[np.arange(len(ways))[:, None], ways] = 1.0
    return chosen


def _line(x: Floats, y: Floats) -> tuple[float, float]:
    """Slope and intercept by least squares; a constant x has no slope."""
    spread = float(((x - x.mean()) ** 2).sum())
    slope = float(((x - x.mean()) * (y - y.mean())).sum()) / spread if spread > 1e-24 else 0.0
    return slope, float(y.mean() - slope * x.mean())


def _resamples(rows: int, *, block: int, seed: int) -> Ints:
    """Row numbers of each resample, circular moving blocks."""
    starts = np.random.default_rng(seed).integers(0, rows, size=(_RESAMPLES, -(-rows // block)))
    index = starts[:, :, None] + np.arange(block)[None, None, :]
    return np.asarray(index.reshape(_RESAMPLES, -1)[:, :rows] % rows, dtype=np.int64)
