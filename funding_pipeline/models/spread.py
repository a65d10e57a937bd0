"""How large a forecast's error will be: the 80 % quantile of |error|, from what is known at as_of.

What lives here: the size. What does not: tails and coverage (`calibration`).

Two models of log |error / scale| in equal parts: a linear quantile regression on a few trailing sizes,
which cannot learn the history by heart, and shallow trees on all features. The quantile, not the mean:
an instrument that mostly repeats its rate and sometimes jumps has a small mean logarithm and wide tails.
Source: Koenker and Bassett 1978, Regression quantiles (fitted here by reweighted least squares).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from funding_pipeline.models.config import ForecasterConfig
from funding_pipeline.models.design import scales, tree_matrix
from funding_pipeline.models.trees import binned, boost

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ERROR_QUANTILE = 0.8
_LEAST_RELATIVE = 0.02
"""Errors below a fiftieth of the scale are as good as none: their logarithms would own the fit."""
_SIZES = (
    "rate_absolute_168h_per_hour",
    "rate_absolute_720h_per_hour",
    "rate_std_168h_per_hour",
    "rate_std_720h_per_hour",
    "base_dispersion_168h_per_hour",
)
_SHARES = ("plateau_share_168h", "repeated_share_168h")
_LEARNING_RATE = 0.05
_L2 = 0.1
_ITERATIONS = 25
_TYPICAL_SCALE_PER_HOUR = 1e-5
_CORE = (0.005, 0.995)


@dataclass(frozen=True)
class LinearSize:
    """log(|error| / scale) as a linear function; inputs are kept inside what training saw."""

    least: "NDArray[np.float64]"
    most: "NDArray[np.float64]"
    centre: "NDArray[np.float64]"
    width: "NDArray[np.float64]"
    coefficients: "NDArray[np.float64]"

    def predict(self, inputs: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """Rows x inputs of `size_inputs` into the logarithm of the relative size."""
        standard = (inputs.clip(self.least, self.most) - self.centre) / self.width
        # Not a matrix product: BLAS adds in an order that depends on the number of rows.
        size: NDArray[np.float64] = (standard * self.coefficients).sum(axis=1)
        return size


@dataclass(frozen=True)
class SpreadModel:
    """80 % quantile of |error| of a row. Without a `booster` only the linear part speaks."""

    scale_floor_per_hour: float
    linear: LinearSize
    features: tuple[str, ...] = ()
    booster: Any = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Panel columns that are read."""
        return tuple(dict.fromkeys((*self.features, *_SIZES, *_SHARES)))

    def predict(self, panel: pl.DataFrame, point: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """Size of the error of each forecast `point` (per hour), fraction of notional per hour, above 0."""
        import numpy as np

        floor = self.scale_floor_per_hour
        size = self.linear.predict(size_inputs(panel, point, floor))
        if self.booster is not None:
            trees = self.booster.inplace_predict(tree_matrix(panel, self.features, floor))
            size = (size + trees.astype(np.float64)) / 2
        relative: NDArray[np.float64] = np.maximum(np.exp(size), _LEAST_RELATIVE)
        return relative * scales(panel, floor)


def fit_spread_model(
    panel: pl.DataFrame,
    *,
    point: "NDArray[np.float64]",
    error: "NDArray[np.float64]",
    features: tuple[str, ...],
    config: ForecasterConfig,
) -> SpreadModel:
    """Fit on forecasts `point` and their `error` (realised less forecast), row for row of `panel`.

    The errors must be of rows that the point model had not seen. Without `features`: no trees.
    """
    import numpy as np

    floor = config.scale_floor_per_hour
    target = np.log(np.maximum(np.abs(error) / scales(panel, floor), _LEAST_RELATIVE))
    linear = _fit_linear(size_inputs(panel, point, floor), target)
    if not features:
        return SpreadModel(floor, linear)
    data = binned(tree_matrix(panel, features, floor), target, weight=np.ones_like(target), config=config)
    booster = boost(
        data,
        objective="reg:quantileerror",
        trees=config.spread_trees,
        config=config.model_copy(update={"learning_rate": _LEARNING_RATE}),
        extra={"quantile_alpha": ERROR_QUANTILE},
    )
    return SpreadModel(floor, linear, features, booster)


def size_inputs(
    panel: pl.DataFrame, point: "NDArray[np.float64]", floor_per_hour: float
) -> "NDArray[np.float64]":
    """Rows x inputs: one, log scale, log |forecast| / scale, log trailing sizes / scale, shares."""
    import numpy as np

    scale = scales(panel, floor_per_hour)
    known = [pl.coalesce(name, _SIZES[1]).fill_null(0.0) for name in _SIZES]
    sizes = panel.select(known).to_numpy() / scale[:, None]
    return np.column_stack(
        [
            np.ones_like(scale),
            np.log(scale / _TYPICAL_SCALE_PER_HOUR),
            np.log(np.maximum(np.abs(point) / scale, 0.05)),
            np.log(np.clip(sizes, _LEAST_RELATIVE, 1 / _LEAST_RELATIVE)),
            panel.select(pl.col(_SHARES).fill_null(0.0)).to_numpy(),
        ]
    )


def _fit_linear(inputs: "NDArray[np.float64]", target: "NDArray[np.float64]") -> LinearSize:
    """Quantile regression by reweighting: each round weighs a miss by the pinball slope over its size."""
    import numpy as np

    least, most = np.quantile(inputs, _CORE, axis=0)
    kept = inputs.clip(least, most)
    centre, width = kept.mean(axis=0), kept.std(axis=0)
    centre[0], width[0] = 0.0, 1.0
    width[width == 0] = 1.0
    standard = (kept - centre) / width
    penalty = np.eye(standard.shape[1]) * _L2 * len(target)
    penalty[0, 0] = 0.0
    solution = np.zeros(standard.shape[1])
    for _ in range(_ITERATIONS):
        miss = target - standard @ solution
        slope = np.where(miss > 0, ERROR_QUANTILE, 1 - ERROR_QUANTILE)
        weight = slope / np.maximum(np.abs(miss), 0.1)
        weighted = standard * weight[:, None]
        solution = np.linalg.solve(standard.T @ weighted + penalty, weighted.T @ target)
    return LinearSize(least, most, centre, width, solution)
