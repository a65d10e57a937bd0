"""Shallow boosted trees (xgboost, histogram method), the same for point forecasts and error sizes.

One thread by default: with two, a loaded machine spent ten times as long (threads spinning), and
the sums inside depend on the number of threads.
"""

from typing import TYPE_CHECKING, Any

from funding_pipeline.models.config import ForecasterConfig

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_BINS = 64


def boost(
    matrix: "NDArray[np.float32]",
    target: "NDArray[np.float64]",
    *,
    weight: "NDArray[np.float64]",
    objective: str,
    trees: int,
    config: ForecasterConfig,
) -> Any:
    """A fitted `xgboost.Booster`; the same rows in the same order give the same model."""
    import xgboost

    data = xgboost.QuantileDMatrix(matrix, label=target, weight=weight, max_bin=_BINS, nthread=config.threads)
    parameters = {
        "objective": objective,
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
    }
    return xgboost.train(parameters, data, num_boost_round=trees)
