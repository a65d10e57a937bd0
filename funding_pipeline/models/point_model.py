"""The point forecast: a robust ridge on trailing means, blended with shallow boosted trees.

Both are pooled over venues and coins and learn realised rate / scale by pseudo-Huber loss, so that
one model serves calm and wild instruments. A row weighs its scale (ridge) or the scale's root
(trees): large rates matter more, as they do in money, without owning the fit.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from funding_pipeline.models.baseline import baseline_rate
from funding_pipeline.models.config import ForecasterConfig
from funding_pipeline.models.design import linear_matrix, scales, tree_matrix
from funding_pipeline.models.linear import robust_ridge
from funding_pipeline.models.trees import boost

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SHARES = (1.0, 0.75, 0.5, 0.25, 0.0)
_CLEARLY_BETTER = 0.01


@dataclass(frozen=True)
class PointModel:
    """Fitted blend. `coefficients` belong to design.LINEAR_FEATURES, `booster` to `features`.

    `trust` is the blend's share against the baseline: 1 where it proved better on held-out rows.
    """

    config: ForecasterConfig
    features: tuple[str, ...]
    coefficients: "NDArray[np.float64]"
    booster: Any
    trust: float = 1.0

    def predict(self, panel: pl.DataFrame) -> "NDArray[np.float64]":
        """Mean rate over the horizon for each row of `panel`, fraction of notional per hour."""
        floor, share = self.config.scale_floor_per_hour, self.config.linear_weight
        linear = linear_matrix(panel, floor) @ self.coefficients
        trees = self.booster.inplace_predict(tree_matrix(panel, self.features, floor))
        blend: NDArray[np.float64] = (share * linear + (1 - share) * trees) * scales(panel, floor)
        return self.trust * blend + (1 - self.trust) * baseline_rates(panel)


def baseline_rates(panel: pl.DataFrame) -> "NDArray[np.float64]":
    """Shrunk trailing mean of each row, fraction of notional per hour."""
    return panel.select(baseline_rate()).to_series().to_numpy()


def chosen_trust(
    blend: "NDArray[np.float64]", baseline: "NDArray[np.float64]", target: "NDArray[np.float64]"
) -> float:
    """Share of the blend, out of 1, 3/4, ..., 0, with the least absolute error on held-out rows.

    The whole blend is kept unless less of it is better by more than 1 %: held out, it was fitted on
    a part of the history only, and the final one knows more.
    """
    import numpy as np

    errors = [float(np.abs(target - share * blend - (1 - share) * baseline).mean()) for share in _SHARES]
    best = int(np.argmin(errors))
    return _SHARES[best] if errors[best] < (1 - _CLEARLY_BETTER) * errors[0] else _SHARES[0]


def fit_point_model(
    panel: pl.DataFrame, target: "NDArray[np.float64]", *, features: tuple[str, ...], config: ForecasterConfig
) -> PointModel:
    """Fit on rows of `panel` with the realised mean rate `target` (per hour), in the same order."""
    import numpy as np

    floor = config.scale_floor_per_hour
    scale = scales(panel, floor)
    weight = scale / scale.mean()
    coefficients = robust_ridge(
        linear_matrix(panel, floor), target / scale, weight=weight, l2=config.linear_l2
    )
    booster = boost(
        tree_matrix(panel, features, floor),
        target / scale,
        weight=np.sqrt(weight),
        objective="reg:pseudohubererror",
        trees=config.trees,
        config=config,
    )
    return PointModel(config, features, coefficients, booster)
