"""Quantiles of a forecast: the size of its error, then split-conformal calibration.

`spread` is a small boosted model of |error| in units of the scale, kept coarse because a model's
errors on its own training rows are too small, unevenly. On a later part of the training span, which
neither has seen, z = error / (scale x spread) gives the 10, 50 and 90 %
quantiles. They hold on new data as far as its errors, so standardised, are like those held out.
Source: Lei et al. 2018, Distribution-free predictive inference for regression (split conformal).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from funding_pipeline.models.config import ForecasterConfig
from funding_pipeline.models.design import scales, tree_matrix
from funding_pipeline.models.trees import boost

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEVELS = (0.1, 0.5, 0.9)
_LEAST_SPREAD = 0.02


@dataclass(frozen=True)
class SpreadModel:
    """Expected |error| of a row in units of its scale."""

    config: ForecasterConfig
    features: tuple[str, ...]
    booster: Any

    def predict(self, panel: pl.DataFrame) -> "NDArray[np.float64]":
        """Expected absolute error, fraction of notional per hour."""
        import numpy as np

        floor = self.config.scale_floor_per_hour
        raw = self.booster.inplace_predict(tree_matrix(panel, self.features, floor))
        size: NDArray[np.float64] = np.maximum(np.exp(raw.astype(np.float64)), _LEAST_SPREAD)
        return size * scales(panel, floor)


def fit_spread_model(
    panel: pl.DataFrame, error: "NDArray[np.float64]", *, features: tuple[str, ...], config: ForecasterConfig
) -> SpreadModel:
    """Fit log |error / scale| on the features; `error` is realised less forecast, row for row."""
    import numpy as np

    relative = np.abs(error) / scales(panel, config.scale_floor_per_hour)
    booster = boost(
        tree_matrix(panel, features, config.scale_floor_per_hour),
        np.log(np.maximum(relative, _LEAST_SPREAD)),
        weight=np.ones_like(relative),
        objective="reg:squarederror",
        trees=config.spread_trees,
        config=config,
    )
    return SpreadModel(config, features, booster)


def conformal_quantiles(z: "NDArray[np.float64]") -> tuple[float, float, float]:
    """10, 50 and 90 % quantiles of standardised errors, the outer two widened for the sample's size.

    The interval always holds the point forecast: q10 <= 0 <= q90.
    """
    import numpy as np

    n = max(len(z), 1)
    low = float(np.quantile(z, max(0.0, LEVELS[0] - 0.5 / n), method="lower"))
    high = float(np.quantile(z, min(1.0, LEVELS[2] + 0.5 / n), method="higher"))
    low, high = min(low, 0.0), max(high, 0.0)
    return low, float(np.clip(np.median(z), low, high)), high
