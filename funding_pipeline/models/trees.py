"""Shallow boosted trees (xgboost, histogram method), the same for point forecasts and error sizes.

One thread by default: with two, a loaded machine spent ten times as long (threads spinning), and
the sums inside depend on the number of threads.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from funding_pipeline.models.config import ForecasterConfig

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_BINS = 64


def binned(
    matrix: "NDArray[np.float32]",
    target: "NDArray[np.float64]",
    *,
    weight: "NDArray[np.float64]",
    config: ForecasterConfig,
) -> Any:
    """Rows for `boost`, an `xgboost.QuantileDMatrix`: several fits may share one."""
    import xgboost

    return xgboost.QuantileDMatrix(matrix, label=target, weight=weight, max_bin=_BINS, nthread=config.threads)


def boost(
    data: Any,
    *,
    objective: str | Callable[[Any, Any], tuple[Any, Any]],
    trees: int,
    config: ForecasterConfig,
    extra: Mapping[str, float] | None = None,
) -> Any:
    """A booster fitted to `binned` data; the same rows in the same order give the same model.

    `objective`: a name that xgboost knows, or a function of (predictions, data) that returns gradient
    and curvature with its own target and weights; those of `data` then only place the bins. `extra`:
    settings of the objective.
    """
    import xgboost

    parameters = {
        "tree_method": "hist",
        "max_depth": config.depth,
        "eta": config.learning_rate,
        "subsample": config.row_share,
        "colsample_bytree": config.column_share,
        "min_child_weight": config.leaf_weight,
        "lambda": config.tree_l2,
        "max_bin": _BINS,
        "seed": config.seed,
        "nthread": config.threads,
        **(extra or {}),
    }
    if callable(objective):
        own = parameters | {"base_score": 0.0}
        return xgboost.train(own, data, num_boost_round=trees, obj=objective)
    return xgboost.train(parameters | {"objective": objective}, data, num_boost_round=trees)
