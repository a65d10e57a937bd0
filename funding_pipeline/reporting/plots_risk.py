"""PNG plots of what was held and what could go wrong: neutrality, exposure, margin, stress, a plan's losses.

What lives here: drawing. What does not: any figure (`validation`, `portfolio.scenarios`).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import polars as pl

from funding_pipeline.reporting.palette import INK, MUTED, NEGATIVE, POSITIVE, STRATEGY, venue_colour
from funding_pipeline.reporting.plot_style import (
    caption,
    dollar_axis,
    legend,
    nothing_to_draw,
    panels,
    percent_axis,
    png,
    span,
    time_axis,
)
from funding_pipeline.reporting.series import thinned, worst_of_each_kind

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PORTFOLIO = "portfolio"
_POINTS = 600
_MOST_SCENARIOS = 16


def neutrality(frame: pl.DataFrame, *, suffix: str = "") -> bytes:
    """Net of the portfolio and beta-weighted net of each venue after each decision, share of the band.

    `frame`: time, scope (portfolio or venue), fraction_of_band.
    """
    title = "Neutrality after each decision, share of the permitted band"
    if frame.is_empty():
        return nothing_to_draw(title, suffix=suffix)
    figure, (top, low) = panels(title, rows=2, size=(9.5, 4.8), suffix=suffix, heights=(1, 2))
    scopes = frame["scope"].unique().sort().to_list()
    caption(top, "portfolio: net notional")
    caption(low, "venues: beta-weighted net")
    for scope in scopes:
        own = scope == _PORTFOLIO
        colour = STRATEGY if own else venue_colour(scope)
        _over_time(top if own else low, frame.filter(scope=scope), "fraction_of_band", colour, scope)
    for axis in (top, low):
        axis.axhline(1.0, color=NEGATIVE, linewidth=1.0, linestyle="--")
        axis.set_ylim(bottom=0)
        percent_axis(axis)
        span(axis, frame["time"])
        time_axis(axis)
    legend(low)
    return png(figure)


def exposure(frame: pl.DataFrame, margin: pl.DataFrame | None = None, *, suffix: str = "") -> bytes:
    """Gross notional by venue, stacked, USD; with `margin` the largest part of equity needed below it.

    `frame`: time, scope, gross_usd; `margin`: time, venue, worst_used_fraction.
    """
    title = "Gross exposure by venue, USD"
    if frame.is_empty():
        return nothing_to_draw(title, suffix=suffix)
    rows = 1 if margin is None or margin.is_empty() else 2
    figure, axes = panels(title, rows=rows, size=(9.5, 3.4 if rows == 1 else 5.2), suffix=suffix)
    venues = [scope for scope in frame["scope"].unique().sort().to_list() if scope != _PORTFOLIO]
    wide = frame.filter(pl.col("scope").is_in(venues)).pivot("scope", index="time", values="gross_usd")
    shown = thinned(wide.fill_null(0.0), limit=_POINTS)
    layers = [shown[venue].to_list() for venue in venues]
    colours = [venue_colour(venue) for venue in venues]
    axes[0].stackplot(shown["time"], *layers, colors=colours, labels=venues, linewidth=0)
    axes[0].set_ylabel("USD, sum of |notional|")
    dollar_axis(axes[0])
    if rows == 2 and margin is not None:
        caption(axes[1], "margin: part of a venue's equity needed, at each hour's worst price")
        for (venue,), one in margin.group_by("venue", maintain_order=True):
            _over_time(axes[1], one, "worst_used_fraction", venue_colour(str(venue)), None)
        axes[1].set_ylim(bottom=0)
        percent_axis(axes[1])
    for axis in axes:
        span(axis, frame["time"])
        time_axis(axis)
    legend(axes[0])
    return png(figure)


def _over_time(axis: "Axes", frame: pl.DataFrame, column: str, colour: str, name: str | None) -> None:
    line = thinned(frame.select("time", column).drop_nulls(), extremes_of=column, limit=_POINTS)
    axis.plot(line["time"], line[column], color=colour, linewidth=0.9, label=name)


def stress_losses(stress: pl.DataFrame, *, suffix: str = "") -> bytes:
    """The worst scenario of each kind on each book, as a table with bars. STRESS_SCHEMA."""
    title = "Stress: the worst scenario of each kind, percent of capital"
    worst = worst_of_each_kind(stress)
    if worst.is_empty():
        return nothing_to_draw(title, suffix=suffix)
    kinds = worst["kind"].unique(maintain_order=True).to_list()
    books = worst["book"].unique(maintain_order=True).to_list()
    figure, (axis,) = panels(title, size=(9.5, 1.2 + 0.5 * len(kinds)), suffix=suffix)
    height = 0.75 / len(books)
    for i, book in enumerate(books):
        one = worst.filter(book=book)
        at = [kinds.index(kind) - 0.375 + (i + 0.5) * height for kind in one["kind"]]
        colour = STRATEGY if i == 0 else MUTED
        axis.barh(at, one["loss_fraction_of_capital"], height=height * 0.9, color=colour, label=book)
        for place, scenario, usd, fraction in zip(
            at, one["scenario"], one["loss_usd"], one["loss_fraction_of_capital"], strict=True
        ):
            _, _, where = scenario.partition(":")
            told = f"{usd:,.0f} USD, {fraction:.2%}" + (f", {where}" if where else "")
            axis.annotate(
                told, (max(fraction, 0.0), place), (4, 0), textcoords="offset points", va="center",
                fontsize=7.5, color=INK,
            )  # fmt: skip
    axis.set_yticks(range(len(kinds)), kinds)
    axis.invert_yaxis()
    losses = worst["loss_fraction_of_capital"].to_numpy()
    low, high = min(float(losses.min()), 0.0), max(float(losses.max()), 1e-6)
    axis.set_xlim(low - 0.02 * (high - low), high + 0.35 * (high - low))
    axis.axvline(0, color=INK, linewidth=0.8)
    axis.grid(visible=False, axis="y")
    percent_axis(axis, which="x")
    axis.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=len(books), frameon=False, fontsize=8)
    return png(figure)


def scenario_losses(
    losses_usd: Mapping[str, float], *, cvar_usd: float | None, limit_usd: float | None, suffix: str = ""
) -> bytes:
    """A plan's loss in each stress scenario, the worst ones, USD, with the bounded CVaR in words.

    `losses_usd`: positions and collateral together; `cvar_usd` and `limit_usd`: of the positions alone.
    """
    title = "Loss of the plan in each stress scenario, USD"
    worst = sorted(losses_usd.items(), key=lambda item: (-item[1], item[0]))[:_MOST_SCENARIOS]
    if not worst:
        return nothing_to_draw(title, suffix=suffix)
    left_out = f", the {len(worst)} worst of {len(losses_usd)}" if len(losses_usd) > len(worst) else ""
    figure, (axis,) = panels(
        f"{title}{left_out}", size=(9.0, max(2.6, 1.3 + 0.24 * len(worst))), suffix=suffix
    )
    if cvar_usd is not None and limit_usd is not None:
        caption(
            axis, f"CVaR of the positions alone: {cvar_usd:,.0f} USD of the permitted {limit_usd:,.0f} USD"
        )
    names = [name.replace("_", " ").replace(":", ": ") for name, _ in worst]
    colours = [NEGATIVE if usd > 0 else POSITIVE for _, usd in worst]
    axis.barh(names, [usd for _, usd in worst], color=colours, height=0.65)
    for i, (_, usd) in enumerate(worst):
        axis.annotate(
            f"{usd:,.0f}", (max(usd, 0.0), i), (4, 0), textcoords="offset points", va="center", fontsize=7.5,
            color=INK,
        )  # fmt: skip
    axis.margins(x=0.12)
    axis.invert_yaxis()
    axis.axvline(0, color=INK, linewidth=0.8)
    axis.grid(visible=False, axis="y")
    dollar_axis(axis, which="x")
    return png(figure)
