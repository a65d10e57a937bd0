"""A loss on differentials: what a pair trade is about, learnt by a model of single instruments.

Two legs whose levels are each forecast well by themselves can still differ by the wrong amount,
because their errors do not cancel. Here the error of a row is that of every differential it is a leg
of, plus a share of the error of its level, so that a base with one venue is learnt too.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from funding_pipeline.models.linear import Equations

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Every differential counts for both its legs; halved, a row of two venues weighs what its level does.
_PER_LEG = 0.5
_LEAST_CURVATURE = 1e-9


@dataclass(frozen=True)
class Legs:
    """Row numbers of the two legs of every pair: one base and moment, two venues."""

    first: "NDArray[np.int64]"
    second: "NDArray[np.int64]"


def legs_of(rows: pl.DataFrame) -> Legs:
    """All venue pairs among `rows` (as_of, venue, base), first venue before second, in row order."""
    at = rows.select("as_of", "base", "venue").with_row_index("leg")
    pairs = (
        at.join(at, on=["as_of", "base"], suffix="_b")
        .filter(pl.col("venue") < pl.col("venue_b"))
        .select(pl.col("leg", "leg_b").cast(pl.Int64))
        .sort("leg", "leg_b")
    )
    return Legs(pairs["leg"].to_numpy(), pairs["leg_b"].to_numpy())


@dataclass(frozen=True)
class DifferentialLoss:
    """Pseudo-Huber loss of differentials in units of the legs' mean scale, and a share of the levels'.

    `target` and `scale`: rate per hour, one per row. `width`: error, in that unit, where the loss turns
    from quadratic to linear; 1 for levels. A pair weighs the mean scale of its legs to the `power`.
    """

    target: "NDArray[np.float64]"
    scale: "NDArray[np.float64]"
    legs: Legs
    width: float
    level_share: float
    power: float

    def equations(self, matrix: "NDArray[np.float64]") -> list[Equations]:
        """Linear systems of levels and differentials; `matrix`: rows x inputs in units of the scale."""
        a, b, unit = self.legs.first, self.legs.second, self._unit()
        raw = matrix * self.scale[:, None]
        levels = Equations(matrix, self.target / self.scale, self.level_share * self._weight(self.scale))
        if not len(a):
            return [levels]
        weight = _PER_LEG * self._weight(unit)
        steps = (raw[a] - raw[b]) / unit[:, None]
        return [levels, Equations(steps, (self.target[a] - self.target[b]) / unit, weight, self.width)]

    def objective(self) -> Callable[[Any, Any], tuple[Any, Any]]:
        """Gradient and curvature for xgboost; predictions are rates in units of each row's own scale."""
        import numpy as np

        a, b, unit, rows = self.legs.first, self.legs.second, self._unit(), len(self.target)
        part_a, part_b = self.scale[a] / unit, self.scale[b] / unit
        level, step = self.target / self.scale, (self.target[a] - self.target[b]) / unit
        pair_weight = _PER_LEG * self._weight(unit)
        level_weight = self.level_share * self._weight(self.scale)

        def loss(predicted: Any, _: Any) -> tuple[Any, Any]:
            error = part_a * predicted[a] - part_b * predicted[b] - step
            robust = pair_weight / np.sqrt(1 + (error / self.width) ** 2)
            pull = robust * error
            gradient = np.bincount(a, pull * part_a, rows) - np.bincount(b, pull * part_b, rows)
            curvature = np.bincount(a, robust * part_a**2, rows) + np.bincount(b, robust * part_b**2, rows)
            off = predicted - level
            steady = level_weight / np.sqrt(1 + off**2)
            return gradient + steady * off, curvature + steady + _LEAST_CURVATURE

        return loss

    def _unit(self) -> "NDArray[np.float64]":
        unit: NDArray[np.float64] = (self.scale[self.legs.first] + self.scale[self.legs.second]) / 2
        return unit

    def _weight(self, scale: "NDArray[np.float64]") -> "NDArray[np.float64]":
        weight: NDArray[np.float64] = (scale / self.scale.mean()) ** self.power
        return weight
