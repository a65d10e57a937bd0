"""PNG plots of why: what a forecaster looks at, and its forecasts at one decision. Frames in, bytes out."""

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from funding_pipeline.core.horizons import horizon_text
from funding_pipeline.models.contribution_summary import ContributionSummary
from funding_pipeline.reporting.palette import INK, MUTED, STRATEGY, venue_colour
from funding_pipeline.reporting.plot_style import (
    caption,
    hide_unused,
    nothing_to_draw,
    panels,
    percent_axis,
    png,
)
from funding_pipeline.reporting.series import HOURS_PER_YEAR, with_base

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TOP_FEATURES = 20
_POINTS_PER_FEATURE = 500
_MOST_BASES = 24
_COLUMNS = 4
_KEY = "dot: forecast; line: 80 % interval; tick: half of the 336 h mean; each base on its own scale"
_RATES = ("rate_per_hour", "q10", "q90", "baseline_rate_per_hour")


def contribution_plot(summary: ContributionSummary, *, suffix: str = "") -> bytes:
    """Mean |contribution| by family (left), and contributions of the 20 strongest features (right).

    A dot is one of up to 500 training rows: right of zero the feature raised the forecast; red its value
    is high, blue low, grey unknown. Percent a year, cut at the 0.5 and 99.5 % quantiles.
    """
    title = f"What the forecast looks at, {horizon_text(summary.horizon_hours)}"
    if summary.table.is_empty():
        return nothing_to_draw(title, suffix=suffix)
    figure, (left, right) = panels(title, columns=2, size=(10.0, 5.6), suffix=suffix)
    shown = summary.families.reverse()
    left.barh(shown["family"], shown["mean_absolute_pct_yr"], color=STRATEGY, height=0.65)
    left.grid(visible=False, axis="y")
    left.set_xlabel("mean size of contribution, % a year")
    caption(left, f"by family, over {summary.rows:,} training rows")
    _swarm(right, summary)
    return png(figure)


def _swarm(axis: "Axes", summary: ContributionSummary) -> None:
    names = summary.table["feature"].head(_TOP_FEATURES).reverse().to_list()
    points = summary.points.filter(pl.col("feature").is_in(names))
    low, high = (float(points["contribution_pct_yr"].quantile(q) or 0.0) for q in (0.005, 0.995))
    every = max(1, -(-summary.rows // _POINTS_PER_FEATURE))
    for height, name in enumerate(names):
        own = points.filter(pl.col("feature") == name).gather_every(every)
        pulls = own["contribution_pct_yr"].to_numpy().clip(low, high)
        ranks = own["value_rank"].to_numpy()
        at = height + _spread(pulls, within=(low, high))
        known = np.isfinite(ranks)
        axis.scatter(pulls[~known], at[~known], s=4, color=MUTED, linewidths=0)
        axis.scatter(
            pulls[known], at[known], c=ranks[known], s=4, cmap="coolwarm", vmin=0, vmax=1, linewidths=0
        )
    axis.axvline(0, color=INK, linewidth=0.8)
    axis.set_yticks(range(len(names)), names, fontsize=7)
    axis.set_ylim(-0.8, len(names) - 0.2)
    axis.grid(visible=False, axis="y")
    axis.set_xlabel("contribution to the forecast, % a year")
    caption(axis, "by feature; red: high value, blue: low, grey: unknown")


def _spread(values: "np.ndarray", *, within: tuple[float, float]) -> "np.ndarray":
    """Vertical offsets that make a crowd of dots as thick as it is dense; no dot is drawn by chance."""
    width = (within[1] - within[0]) / 80 or 1.0
    bins = np.floor(values / width).astype(np.int64)
    order = np.lexsort((np.arange(len(bins)), bins))
    _, start, counts = np.unique(bins[order], return_index=True, return_counts=True)
    place = np.arange(len(bins)) - np.repeat(start, counts)
    side = np.where(place % 2 == 0, 1, -1) * ((place + 1) // 2)
    offsets = np.zeros(len(bins))
    offsets[order] = side / max(counts.max(), 12) * 0.8
    return offsets


def forecasts_at_decision(forecasts: pl.DataFrame, *, suffix: str = "") -> bytes:
    """Forecast with its 80 % interval per instrument, a panel per base; the tick is the baseline.

    `forecasts`: FORECASTS rows of one as_of and one horizon. Every base has a scale of its own, in
    percent a year. Of more than 24 bases those whose venues differ most are drawn.
    """
    title = "Forecast funding at the decision, per year"
    if forecasts.is_empty():
        return nothing_to_draw(title, suffix=suffix)
    rows = with_base(forecasts).with_columns(pl.col(_RATES) * HOURS_PER_YEAR)
    bases = _widest(rows)
    drawn = [_labelled(rows.filter(pl.col("base") == base)) for base in bases]
    columns = min(_COLUMNS, len(bases))
    lines = -(-len(bases) // columns)
    size = (max(6.0, 2.9 * columns), max(2.6, 1.0 + lines * (0.5 + 0.17 * max(r.height for r in drawn))))
    title = f"{title}, {horizon_text(rows['horizon_hours'][0])}"
    figure, axes = panels(title, rows=lines, columns=columns, size=size, suffix=suffix)
    for axis, base, own in zip(axes, bases, drawn, strict=False):
        _whiskers(axis, own)
        caption(axis, base)
    hide_unused(axes, len(bases))
    figure.supxlabel(_KEY, fontsize=8.5, color=MUTED)
    return png(figure)


def _widest(rows: pl.DataFrame) -> list[str]:
    """Bases in alphabetic order; of too many those whose forecasts differ most."""
    rate = pl.col("rate_per_hour")
    apart = rows.group_by("base").agg((rate.max() - rate.min()).alias("apart"))
    chosen = apart.sort("apart", "base", descending=[True, False]).head(_MOST_BASES)
    return sorted(chosen["base"].to_list())


def _labelled(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with `label`: the venue, and what settles the contract where it has several; the last first."""
    settle = pl.col("symbol").str.split(":").list.last()
    label = pl.when(pl.len().over("venue") > 1).then(pl.format("{} {}", "venue", settle)).otherwise("venue")
    return rows.with_columns(label.alias("label")).sort("venue", "symbol", descending=True)


def _whiskers(axis: "Axes", rows: pl.DataFrame) -> None:
    """Dot and whisker per instrument, from the bottom."""
    for at, row in enumerate(rows.iter_rows(named=True)):
        colour = venue_colour(row["venue"])
        axis.plot([row["q10"], row["q90"]], [at, at], color=colour, linewidth=1.6, alpha=0.55)
        axis.plot(row["rate_per_hour"], at, "o", color=colour, markersize=4.5)
        axis.plot(row["baseline_rate_per_hour"], at, "|", color=INK, markersize=7, markeredgewidth=1.2)
    axis.axvline(0, color=INK, linewidth=0.6)
    axis.set_yticks(range(rows.height), rows["label"].to_list(), fontsize=7)
    axis.set_ylim(-0.6, rows.height - 0.4)
    axis.grid(visible=False, axis="y")
    percent_axis(axis, which="x")
    axis.locator_params(axis="x", nbins=4)
