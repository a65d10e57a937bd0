"""PNG plot of a promotion: every comparison with its interval, and what the model earned more."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import polars as pl

from funding_pipeline.models.promotion import Comparison
from funding_pipeline.reporting.palette import INK, MUTED, NEGATIVE, STRATEGY
from funding_pipeline.reporting.plot_style import (
    caption,
    nothing_to_draw,
    panels,
    percent_axis,
    png,
    time_axis,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TITLE = "Challenger against baseline and champion"


def promotion_plot(comparisons: Sequence[Comparison], days: pl.DataFrame, *, suffix: str = "") -> bytes:
    """Differences with 95 % intervals (left), and cumulative return above the baseline's (right).

    `days`: models.evidence.DAYS_SCHEMA.
    """
    known = [one for one in comparisons if one.low is not None]
    if not known:
        return nothing_to_draw(_TITLE, suffix=suffix)
    size = (10.0, 1.6 + 0.34 * len(known))
    figure, (left, right) = panels(_TITLE, columns=2, size=size, suffix=suffix)
    _intervals(left, known)
    caption(left, "better than zero is better; share of the error, or annual return")
    if days.height:
        more = days.select(pl.col("day"), (pl.col("model_return") - pl.col("baseline_return")).cum_sum())
        right.plot(more["day"], more["model_return"], color=STRATEGY, linewidth=1.6)
        time_axis(right)
    right.axhline(0, color=INK, linewidth=0.6)
    percent_axis(right)
    caption(right, "cumulative net profit above the optimiser with the baseline, of capital")
    return png(figure)


def _intervals(axis: "Axes", comparisons: Sequence[Comparison]) -> None:
    for row, one in enumerate(reversed(comparisons)):
        colour = STRATEGY if one.passed else NEGATIVE
        axis.plot([one.low or 0.0, one.high or 0.0], [row, row], color=colour, linewidth=2)
        axis.plot([one.difference or 0.0], [row], color=colour, marker="o", markersize=5)
    axis.axvline(0, color=MUTED, linewidth=0.8)
    names = [f"{one.what} against {one.against}" for one in reversed(comparisons)]
    axis.set_yticks(range(len(names)), names)
    percent_axis(axis, which="x")
