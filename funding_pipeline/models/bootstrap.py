"""Block bootstrap of a ratio of sums, for errors that overlap in time.

Weekly labels taken every 8 h overlap 21-fold, and errors of one moment are alike across coins: the
unit that is drawn is therefore a whole block of time with everything in it.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEAST_BLOCKS = 5
_DRAWS = 1000
_SEED = 7


def ratio_interval(
    numerator: "NDArray[np.float64]",
    denominator: "NDArray[np.float64]",
) -> tuple[float, float] | None:
    """95 % interval of 1 - sum(numerator) / sum(denominator) over blocks drawn with replacement.

    One element per block. None with fewer than five blocks: no interval is better than a false one.
    """
    import numpy as np

    return statistic_interval(
        np.column_stack([numerator, denominator]),
        lambda sums: np.asarray(1 - sums[:, 0] / sums[:, 1], dtype=np.float64),
    )


def statistic_interval(
    blocks: "NDArray[np.float64]",
    statistic: Callable[["NDArray[np.float64]"], "NDArray[np.float64]"],
) -> tuple[float, float] | None:
    """95 % interval of a statistic of column sums over blocks drawn with replacement.

    `blocks`: one row per block. `statistic` maps the sums of each draw (draws x columns) to one number per
    draw; draws for which it is not finite are left out. None with fewer than five blocks.
    """
    import numpy as np

    count = len(blocks)
    if count < LEAST_BLOCKS:
        return None
    drawn = np.random.default_rng(_SEED).integers(0, count, size=(_DRAWS, count))
    with np.errstate(divide="ignore", invalid="ignore"):
        values = statistic(blocks[drawn].sum(axis=1))
    usable = values[np.isfinite(values)]
    if not len(usable):
        return None
    low, high = np.quantile(usable, [0.025, 0.975])
    return float(low), float(high)
