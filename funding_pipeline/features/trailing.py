"""Sums over trailing windows of an instrument's settlements, by differences of running sums.

What lives here: the one technique that every window feature and label uses. What does not: which
windows and columns there are.
"""

from collections.abc import Mapping
from datetime import timedelta

import polars as pl

from funding_pipeline.features.decision_grid import INSTRUMENT, as_of_join


def running_sums(
    rows: pl.DataFrame, sums: Mapping[str, pl.Expr], *, by: tuple[str, ...] = INSTRUMENT
) -> pl.DataFrame:
    """Running sum of each expression within its group; rows must be in time order already."""
    return rows.with_columns(expr.cum_sum().over(by).alias(name) for name, expr in sums.items())


def window_sums(
    grid: pl.DataFrame,
    running: pl.DataFrame,
    *,
    names: tuple[str, ...],
    start_hours: float,
    end_hours: float = 0.0,
    event_time: str,
    known_at: str,
    by: tuple[str, ...] = INSTRUMENT,
) -> pl.DataFrame:
    """Sums of `names` over the events in (as_of + start_hours, as_of + end_hours], row for row of `grid`.

    The end is taken by `known_at`, the start by `event_time`. A group without an event before the
    start has sums from its first event on. Where nothing was known at the end, the sum is null.
    """
    ends = _at(grid, running, names=names, hours=end_hours, clock=known_at, by=by)
    starts = _at(grid, running, names=names, hours=start_hours, clock=event_time, by=by)
    return pl.DataFrame([ends[name] - starts[name].fill_null(0.0) for name in names])


def _at(
    grid: pl.DataFrame,
    running: pl.DataFrame,
    *,
    names: tuple[str, ...],
    hours: float,
    clock: str,
    by: tuple[str, ...],
) -> pl.DataFrame:
    """Running sums as they stood at as_of + hours, in the row order of `grid`."""
    at = pl.col("as_of") + timedelta(hours=hours)
    left = grid.lazy().select(*by, at.alias("at")).with_row_index("row")
    right = running.lazy().select(*by, pl.col(clock).alias("clock"), *names)
    joined = as_of_join(left, right, left_on="at", right_on="clock", by=by)
    return joined.sort("row").select(names).collect()
