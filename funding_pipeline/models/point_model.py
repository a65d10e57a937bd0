"""The point forecast: a robust ridge on trailing means, blended with two sets of shallow boosted trees.

All are pooled over venues and coins and learn realised rate / scale by pseudo-Huber losses, so that
one model serves calm and wild instruments. The first trees learn levels; ridge and second trees learn
the differentials of all venue pairs (`differential_loss`). A row weighs its scale (ridge) or the
scale's root (trees): large rates matter more, as they do in money, without owning the fit.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from funding_pipeline.models.baseline import BASELINE_WINDOW_HOURS, baseline_rate
from funding_pipeline.models.config import ForecasterConfig
from funding_pipeline.models.design import (
    GAP_FEATURES,
    LINEAR_FEATURES,
    LOG_SCALE,
    linear_matrix,
    scales,
    seldom_gap_matrix,
    tree_matrix,
)
from funding_pipeline.models.differential_loss import DifferentialLoss, legs_of
from funding_pipeline.models.linear import robust_ridge, row_sums
from funding_pipeline.models.trees import binned, boost

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SHARES = (1.0, 0.75, 0.5, 0.25, 0.0)
_CLEARLY_BETTER = 0.01
BIAS = "bias"


@dataclass(frozen=True)
class PointModel:
    """Fitted blend. `coefficients` belong to design.LINEAR_FEATURES, the boosters to `features`.

    forecast = scale x (linear_weight x ridge + (1 - linear_weight) x trees), where the trees are `booster`,
    which learnt levels, with share level_trees_weight, and `pair_booster`, which learnt differentials.
    Of the gap to the base's median that the ridge forecasts, `gap_caution` is taken back for instruments
    that settle seldom: between such venues gaps lasted less in every later year than in the years before.
    `trust` is this blend's share against the baseline: 1 where it proved better on held-out rows.
    """

    config: ForecasterConfig
    features: tuple[str, ...]
    coefficients: "NDArray[np.float64]"
    booster: Any
    pair_booster: Any
    trust: float = 1.0

    def predict(self, panel: pl.DataFrame) -> "NDArray[np.float64]":
        """Mean rate over the horizon for each row of `panel`, fraction of notional per hour."""
        floor, share = self.config.scale_floor_per_hour, self.config.linear_weight
        linear = row_sums(linear_matrix(panel, floor) * self.coefficients)
        inputs = tree_matrix(panel, self.features, floor)
        trees = sum(part * booster.inplace_predict(inputs) for part, booster in self._boosters())
        blend: NDArray[np.float64] = (share * linear + (1 - share) * trees) * scales(panel, floor)
        blend = blend - row_sums(self._caution(panel))
        return self.trust * blend + (1 - self.trust) * baseline_rates(panel)

    def contributions(self, panel: pl.DataFrame) -> pl.DataFrame:
        """What each input adds: one column per feature and `bias`, row for row of `panel`, rate per hour.

        Columns sum to `predict(panel)`. Ridge: coefficient x input; trees: TreeSHAP (Lundberg et al.
        2020); a feature of several parts has their sum; the baseline's share belongs to its window.
        An unknown trailing mean adds what the newest rate adds in its place.
        """
        floor, share = self.config.scale_floor_per_hour, self.config.linear_weight
        scale = self.trust * scales(panel, floor)[:, None]
        linear = share * scale * linear_matrix(panel, floor) * self.coefficients
        trees = (1 - share) * scale * self._shapley(panel)
        parts = dict(zip((*self.features, LOG_SCALE, BIAS), trees.T, strict=True))
        caution = -self.trust * self._caution(panel)
        added = [*zip(LINEAR_FEATURES, linear.T, strict=True), *zip(GAP_FEATURES, caution.T, strict=True)]
        for name, column in added:
            parts[name] = parts.get(name, 0.0) + column
        window = f"rate_{BASELINE_WINDOW_HOURS}h_per_hour"
        parts[window] = parts[window] + (1 - self.trust) * baseline_rates(panel)
        return pl.DataFrame(parts)

    def _shapley(self, panel: pl.DataFrame) -> "NDArray[np.float64]":
        """Rows x (features, log scale, bias): contributions of both boosters, in scales."""
        import numpy as np
        import xgboost

        inputs = tree_matrix(panel, self.features, self.config.scale_floor_per_hour)
        rows = xgboost.DMatrix(inputs, nthread=self.config.threads)
        found = sum(
            part * booster.predict(rows, pred_contribs=True).astype(np.float64)
            for part, booster in self._boosters()
        )
        # xgboost forgets the columns of no row
        return np.asarray(found).reshape(panel.height, inputs.shape[1] + 1)

    def _caution(self, panel: pl.DataFrame) -> "NDArray[np.float64]":
        """Rows x GAP_FEATURES: what is taken back, rate per hour."""
        own = self.coefficients[: len(GAP_FEATURES)]
        taken: NDArray[np.float64] = self.config.gap_caution * seldom_gap_matrix(panel) * own
        return taken

    def _boosters(self) -> tuple[tuple[float, Any], tuple[float, Any]]:
        """Share of the trees and the booster: levels, then differentials."""
        levels = self.config.level_trees_weight
        return (levels, self.booster), (1 - levels, self.pair_booster)


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
    legs, width, levels = legs_of(panel), config.pair_width, config.level_share
    linear = DifferentialLoss(target, scale, legs, width=width, level_share=levels, power=1.0)
    coefficients = robust_ridge(linear.equations(linear_matrix(panel, floor)), l2=config.linear_l2)
    curved = DifferentialLoss(target, scale, legs, width=width, level_share=levels, power=0.5)
    data = binned(
        tree_matrix(panel, features, floor),
        target / scale,
        weight=np.sqrt(scale / scale.mean()),
        config=config,
    )
    boosters = [
        boost(data, objective=objective, trees=config.trees, config=config)
        for objective in ("reg:pseudohubererror", curved.objective())
    ]
    return PointModel(config, features, coefficients, boosters[0], boosters[1])
