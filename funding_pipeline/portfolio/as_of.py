"""The last row known at each time, as arrays of times x legs.

What lives here: the one look-up that everything known at a decision goes through. What does not: which
rows are worth looking up (`panels`, `liquidity`).
"""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import polars as pl

from funding_pipeline.core.tables import UTC
from funding_pipeline.portfolio.legs import Floats, Universe

_LEG = ["venue", "symbol"]


def as_of_panels(
    frame: pl.DataFrame, *, on: str, values: Sequence[str], universe: Universe, times: Sequence[datetime]
) -> list[Floats]:
    """For each of `values`, times x legs: the last row of `frame` with `on` <= time, NaN where none.

    Datetime values come back as hours before the time. `frame` has venue, symbol and `on`; ties on
    `on` are taken in the frame's order, last wins.
    """
    grid = pl.DataFrame({"time": pl.Series(list(times), dtype=UTC)}).with_row_index("row")
    right = frame.select(*_LEG, on, *values).sort(on, maintain_order=True).set_sorted(on)
    joined = (
        grid.join(leg_frame(universe), how="cross")
        .sort("time")
        .join_asof(right, left_on="time", right_on=on, by=_LEG, check_sortedness=False, coalesce=False)
        .sort("row", "leg")
    )
    shape = (len(times), len(universe))
    return [_column(joined, value).reshape(shape) for value in values]


def leg_frame(universe: Universe) -> pl.DataFrame:
    """One row per leg: venue, symbol and `leg`, its position in the universe."""
    return pl.DataFrame(
        {
            "venue": [leg.venue for leg in universe.legs],
            "symbol": [leg.symbol for leg in universe.legs],
            "leg": np.arange(len(universe)),
        },
        schema_overrides={"venue": pl.String, "symbol": pl.String},
    )


def _column(frame: pl.DataFrame, name: str) -> Floats:
    if isinstance(frame.schema[name], pl.Datetime):
        hours = (pl.col("time") - pl.col(name)).dt.total_seconds(fractional=True) / 3600
        return frame.select(hours).to_series().to_numpy().astype(np.float64)
    return frame[name].cast(pl.Float64).to_numpy().astype(np.float64)
