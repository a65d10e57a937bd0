"""Quantiles of a forecast: standardised errors of held-out blocks of time, in proportion to their size.

What lives here: which rows are held out, and the split from errors to quantiles. What does not: the
size of an error (`spread`), the point forecast.

The training span is cut into blocks; a model fitted on the other blocks, purged by the horizon on both
sides, forecasts each. So every phase of the market that was recorded has a part in the quantiles, and a
single late block does not decide them. z = error / size, with the size fitted on the other blocks too,
gives the 10, 50 and 90 % quantiles. They hold on new data as far as its errors, so standardised, are
like those held out.
Sources: Vovk 2015, Cross-conformal predictive distributions; Vovk et al. 2003, Mondrian confidence machine.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import polars as pl

from funding_pipeline.models.config import ForecasterConfig
from funding_pipeline.models.spread import SpreadModel, fit_spread_model

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEVELS = (0.1, 0.5, 0.9)
Quantiles = tuple["NDArray[np.float64]", "NDArray[np.float64]", "NDArray[np.float64]"]
# The next settlement (horizon 0) and a day: settlements of all instruments must lie between.
_LEAST_PURGE = timedelta(hours=24)
# Instruments that settle more often than this behave alike (Deribit, Hyperliquid): no plateau to rest on.
_OFTEN_HOURS = 4.0
_SHRINKAGE_ROWS = 500.0


@dataclass(frozen=True)
class HeldOut:
    """Forecasts of rows unseen by their model: `rows` with `target`, `point` per hour, their `block`."""

    rows: pl.DataFrame
    point: "NDArray[np.float64]"
    block: "NDArray[np.int64]"

    @property
    def error(self) -> "NDArray[np.float64]":
        """Realised less forecast, fraction of notional per hour."""
        target: NDArray[np.float64] = self.rows["target"].to_numpy()
        return target - self.point


@dataclass(frozen=True)
class IntervalModel:
    """Quantiles of the forecasts of one model.

    `standardised`: 10, 50 and 90 % quantiles of error / size; `often` and `seldom`: by what the size is
    multiplied for instruments that settle every few hours, and for the others.
    """

    spread: SpreadModel
    standardised: tuple[float, float, float]
    often: float = 1.0
    seldom: float = 1.0

    @property
    def columns(self) -> tuple[str, ...]:
        """Panel columns that are read."""
        return (*self.spread.columns, "interval_hours")

    def predict(self, panel: pl.DataFrame, point: "NDArray[np.float64]") -> Quantiles:
        """10, 50 and 90 % quantile of what will be realised, per hour; q10 <= point <= q90."""
        import numpy as np

        size = self.spread.predict(panel, point) * np.where(settles_often(panel), self.often, self.seldom)
        low, middle, high = self.standardised
        return point + low * size, point + middle * size, point + high * size


def held_out_blocks(
    rows: pl.DataFrame, *, horizon_hours: int, blocks: int
) -> list[tuple[pl.DataFrame, pl.DataFrame]]:
    """(other rows, rows in the block) of each of `blocks` equal spans of time, in order.

    Where one of them would be empty, because the history has a hole, the spans have equal numbers of
    decision times instead. Other rows whose horizon overlaps that of a row in the block are left out.
    Empty without rows.
    """
    if rows.is_empty():
        return []
    cuts = _cuts(rows["as_of"].unique().sort().to_list(), blocks)
    purge = max(timedelta(hours=horizon_hours), _LEAST_PURGE)
    at = pl.col("as_of")
    pairs = []
    for number, (start, end) in enumerate(pairwise(cuts)):
        inside = at.is_between(start, end, closed="both" if number == blocks - 1 else "left")
        apart = (at <= start - purge) | (at >= end + purge)
        pairs.append((rows.filter(apart), rows.filter(inside)))
    return pairs


def _cuts(times: list[datetime], blocks: int) -> list[datetime]:
    """Bounds of the blocks, first and last time included."""
    first, last = times[0], times[-1]
    even = [first + (last - first) * i / blocks for i in range(blocks + 1)]
    if all(any(start <= at < end for at in times) for start, end in pairwise(even)):
        return even
    return [times[len(times) * i // blocks] for i in range(blocks)] + [last]


def forecast_held_out(
    blocks: list[tuple[pl.DataFrame, pl.DataFrame]],
    forecast: Callable[[pl.DataFrame, pl.DataFrame], "NDArray[np.float64]"],
) -> HeldOut:
    """Each block as `forecast(other rows, block)` sees it: a point per row of the block, per hour."""
    import numpy as np

    points = [forecast(others, block) for others, block in blocks]
    number = np.repeat(np.arange(len(blocks)), [block.height for _, block in blocks])
    return HeldOut(pl.concat([block for _, block in blocks]), np.concatenate(points), number)


def fit_intervals(held: HeldOut, *, features: tuple[str, ...], config: ForecasterConfig) -> IntervalModel:
    """Quantiles from the errors of `held`; the size by `features` (none: the linear size alone)."""
    import numpy as np

    z = np.concatenate(
        [_standardised(held, block, features=features, config=config) for block in np.unique(held.block)]
    )
    often = settles_often(held.rows)
    factors = {group: _group_factor(z, z[often == group]) for group in (True, False)}
    calibrated = conformal_quantiles(z / np.where(often, factors[True], factors[False]))
    spread = _spread(held, np.full(len(z), fill_value=True), features=features, config=config)
    return IntervalModel(spread, calibrated, often=factors[True], seldom=factors[False])


def settles_often(panel: pl.DataFrame) -> "NDArray[np.bool_]":
    """True for instruments whose newest interval is under 4 h."""
    return (
        panel.select((pl.col("interval_hours") < _OFTEN_HOURS).fill_null(value=False)).to_series().to_numpy()
    )


def conformal_quantiles(z: "NDArray[np.float64]") -> tuple[float, float, float]:
    """10, 50 and 90 % quantiles of standardised errors, the outer two widened for the sample's size.

    Each outer one is halfway between its own tail and the symmetric interval: which tail is the longer
    depends on whether funding rose or fell in the blocks, and that turns. q10 <= 0 <= q90.
    """
    import numpy as np

    inside = LEVELS[2] - LEVELS[0]
    n = max(len(z), 1)
    low = float(np.quantile(z, max(0.0, LEVELS[0] - 0.5 / n), method="lower"))
    high = float(np.quantile(z, min(1.0, LEVELS[2] + 0.5 / n), method="higher"))
    both = float(np.quantile(np.abs(z), min(1.0, inside + 1.0 / n), method="higher"))
    low, high = (min(low, 0.0) - both) / 2, (max(high, 0.0) + both) / 2
    return low, float(np.clip(np.median(z), low, high)), high


def _standardised(
    held: HeldOut, block: int, *, features: tuple[str, ...], config: ForecasterConfig
) -> "NDArray[np.float64]":
    """Errors of one block over their size as the other blocks tell it (as its own do, if it is alone)."""
    mine = held.block == block
    others = ~mine if (~mine).any() else mine
    size = _spread(held, others, features=features, config=config)
    z: NDArray[np.float64] = held.error[mine] / size.predict(held.rows.filter(mine), held.point[mine])
    return z


def _spread(
    held: HeldOut, chosen: "NDArray[np.bool_]", *, features: tuple[str, ...], config: ForecasterConfig
) -> SpreadModel:
    return fit_spread_model(
        held.rows.filter(chosen),
        point=held.point[chosen],
        error=held.error[chosen],
        features=features,
        config=config,
    )


def _group_factor(z: "NDArray[np.float64]", own: "NDArray[np.float64]") -> float:
    """Size of a group's errors over that of all, drawn towards one where the group has few rows."""
    import numpy as np

    if len(own) == 0:
        return 1.0
    inside = LEVELS[2] - LEVELS[0]
    pooled = float(np.quantile(np.abs(z), inside))
    ratio = float(np.quantile(np.abs(own), inside)) / pooled if pooled > 0 else 1.0
    return float(max(ratio, 0.5) ** (len(own) / (len(own) + _SHRINKAGE_ROWS)))
