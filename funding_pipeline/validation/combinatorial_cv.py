"""Whether choosing among settings by their past survives a future: combinatorial purged cross-validation.

What lives here: PBO and the paths, told from the settings' daily returns. What does not: the runs of the
settings (`studies`), or the symmetric kind for scores of models (`overfitting`).

Source: Lopez de Prado 2018, Advances in Financial Machine Learning, ch. 12; splits and paths are skfolio's.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from funding_pipeline.portfolio.legs import Floats, Ints
from funding_pipeline.validation.statistics import DAYS_PER_YEAR

PURGED_DAYS, EMBARGO_DAYS = 7, 7
_MOST_FOLDS, _LEAST_FOLDS = 10, 6
_LEAST_FOLD_DAYS = PURGED_DAYS + EMBARGO_DAYS + 7
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def combinatorial_cv(returns: Floats, *, names: Sequence[str], chosen: int) -> dict[str, Any] | None:
    """`returns`: days x settings (daily, in order); `chosen`: column of the settings in use. Plain data.

    Days are cut into up to 10 consecutive folds. Each way to take half of them for testing chooses the
    setting with the best Sharpe ratio on the others, less 7 days on both sides of a test fold (forecasts look
    a week ahead) and 7 more after it. `pbo`: share of the splits in which the setting so chosen is at or
    below the median of all on the test folds. `path_sharpe`: the test folds of all splits make paths, each of
    the whole period once; annual Sharpe ratios of following the choice along each. `chosen_test_sharpe`: of
    the settings in use over the test folds of each split. Null for less than two settings, or less than 6
    folds of 21 days.
    """
    days, trials = returns.shape
    folds = min(_MOST_FOLDS, days // _LEAST_FOLD_DAYS // 2 * 2)
    if trials < 2 or folds < _LEAST_FOLDS:
        return None
    from skfolio.model_selection import CombinatorialPurgedCV

    cv = CombinatorialPurgedCV(
        n_folds=folds, n_test_folds=folds // 2, purged_size=PURGED_DAYS, embargo_size=EMBARGO_DAYS
    )
    splits = list(cv.split(returns))
    best = np.array([int(np.argmax(_sharpe(returns[train]))) for train, _ in splits])
    tested = np.stack([_sharpe(returns[np.concatenate(parts)]) for _, parts in splits])
    path_sharpe = _path_sharpes(returns, splits=splits, best=best, paths=cv.get_path_ids())
    below = _rank(tested, best) <= 0.5
    counts = np.bincount(best, minlength=trials)
    return {
        "pbo": float(below.mean()),
        "splits": len(splits),
        "folds": folds,
        "paths": len(path_sharpe),
        "settings": list(names),
        "chosen": names[chosen],
        "chosen_sharpe": float(_sharpe(returns)[chosen]),
        "sharpe_by_setting": dict(zip(names, _sharpe(returns).tolist(), strict=True)),
        "best_on_training_folds": {name: int(n) for name, n in zip(names, counts, strict=True) if n},
        "path_sharpe": _spread(path_sharpe),
        "chosen_test_sharpe": _spread(tested[:, chosen]),
        "rule": f"{folds} folds, half of them for testing; {PURGED_DAYS} days purged, {EMBARGO_DAYS} embargo",
    }


def _sharpe(returns: Floats) -> Floats:
    """Annual Sharpe ratio per column; 0 without risk."""
    deviation = returns.std(axis=0, ddof=1)
    safe = np.where(deviation > 1e-15, deviation, np.inf)
    return np.asarray(returns.mean(axis=0) / safe * np.sqrt(DAYS_PER_YEAR), dtype=np.float64)


def _rank(tested: Floats, best: Ints) -> Floats:
    """Relative rank, over trials + 1, of each split's choice on its test folds; ties take the mean rank."""
    from scipy.stats import rankdata

    ranks = rankdata(tested, axis=1)[np.arange(len(best)), best]
    return np.asarray(ranks / (tested.shape[1] + 1), dtype=np.float64)


def _path_sharpes(
    returns: Floats, *, splits: Sequence[tuple[Ints, list[Ints]]], best: Ints, paths: Ints
) -> Floats:
    """Sharpe ratio of each path: on every fold, what was best on the training folds of its split."""
    stitched = np.full((int(paths.max()) + 1, len(returns)), np.nan)
    for number, (_, parts) in enumerate(splits):
        for part, path in zip(parts, paths[number], strict=True):
            stitched[path, part] = returns[part, best[number]]
    return _sharpe(stitched.T)


def _spread(values: Floats) -> dict[str, float]:
    found = {f"q{round(q * 100):02d}": float(np.quantile(values, q)) for q in _QUANTILES}
    return found | {"mean": float(values.mean()), "share_below_zero": float((values < 0).mean())}
