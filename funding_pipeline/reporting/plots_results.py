"""PNG plots of a back-test: equity with drawdown, the equity in its regimes, and profit by source.

What lives here: drawing of results. What does not: risk (`plots_risk`), comparisons and studies
(`plots_evidence`).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import polars as pl

from funding_pipeline.reporting.palette import (
    ATTRIBUTED,
    CEILING,
    INK,
    MUTED,
    NEGATIVE,
    SOURCES,
    STRATEGY,
    numbered_colour,
    regime_colour,
)
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
from funding_pipeline.reporting.series import ROUNDING_USD, drawdown, regime_spans, thinned
from funding_pipeline.validation.baseline_runs import CEILINGS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NO_BASELINES: Mapping[str, pl.DataFrame] = {}
_POINTS = 1200


def equity_curve(
    equity: pl.DataFrame,
    *,
    capital_usd: float,
    baselines: Mapping[str, pl.DataFrame] = _NO_BASELINES,
    note: str = "",
    suffix: str = "",
) -> bytes:
    """Profit in percent of capital of the strategy and each baseline, their drawdowns, and its own alone.

    Frames: `time`, `equity` (USD), all started with `capital_usd`. What knows the future is dotted, and has
    no drawdown to compare with. `note` follows the title: how the baselines were run.
    """
    title = "Net profit on capital, and drawdown" + (f"; {note}" if note else "")
    if equity.is_empty():
        return nothing_to_draw(title, suffix=suffix)
    figure, axes = panels(title, rows=3, size=(9.5, 6.2), suffix=suffix, heights=(3, 1.2, 1))
    top, falls, low = axes
    for position, (name, curve) in enumerate(baselines.items(), start=1):  # 0 is the strategy's colour
        ceiling = name in CEILINGS
        colour = CEILING if ceiling else MUTED if name == "cash" else numbered_colour(position)
        named = name.replace("_", " ") + (" (knows the future)" if ceiling else "")
        _profit(top, curve, capital_usd=capital_usd, name=named, colour=colour, dotted=ceiling)
        if not ceiling:
            _fall(falls, curve, capital_usd=capital_usd, colour=colour, width=0.9)
    _profit(top, equity, capital_usd=capital_usd, name="strategy", colour=STRATEGY, width=1.8)
    _fall(falls, equity, capital_usd=capital_usd, colour=STRATEGY, width=1.6)
    own = thinned(drawdown(equity, capital_usd=capital_usd), extremes_of="drawdown", limit=_POINTS)
    low.fill_between(own["time"], own["drawdown"], color=NEGATIVE, alpha=0.35, linewidth=0)
    top.axhline(0, color=INK, linewidth=0.6)
    for axis, text in zip(axes, ("net profit, % of capital", "drawdowns", "strategy alone"), strict=True):
        axis.set_ylabel(text)
        percent_axis(axis)
        span(axis, equity["time"])
        time_axis(axis)
    legend(top)
    return png(figure)


def _profit(
    axis: "Axes",
    curve: pl.DataFrame,
    *,
    capital_usd: float,
    name: str,
    colour: str,
    width: float = 1.0,
    dotted: bool = False,
) -> None:
    line = thinned(curve, extremes_of="equity", limit=_POINTS)
    profit = line["equity"] / capital_usd - 1
    look = ":" if dotted else "-"
    axis.plot(line["time"], profit, color=colour, linewidth=width, linestyle=look, label=name)


def _fall(axis: "Axes", curve: pl.DataFrame, *, capital_usd: float, colour: str, width: float) -> None:
    fall = thinned(drawdown(curve, capital_usd=capital_usd), extremes_of="drawdown", limit=_POINTS // 2)
    axis.plot(fall["time"], fall["drawdown"], color=colour, linewidth=width)


def equity_in_regimes(
    equity: pl.DataFrame, regimes: pl.DataFrame, *, capital_usd: float, suffix: str = ""
) -> bytes:
    """Profit in percent of capital with the market's regimes shaded behind it. `regimes`: as_of, regime."""
    from matplotlib.patches import Patch

    title = "Net profit in the market's regimes"
    if equity.is_empty() or regimes.is_empty():
        return nothing_to_draw(title, suffix=suffix)
    figure, (axis,) = panels(title, size=(9.5, 3.6), suffix=suffix)
    inside = regimes.filter(pl.col("as_of").is_between(equity["time"].min(), equity["time"].max()))
    for start, end, regime in regime_spans(inside).iter_rows():
        axis.axvspan(start, end, color=regime_colour(str(regime)), linewidth=0)
    _profit(axis, equity, capital_usd=capital_usd, name="strategy", colour=STRATEGY, width=1.6)
    axis.set_ylabel("net profit, % of capital")
    percent_axis(axis)
    span(axis, equity["time"])
    time_axis(axis)
    names = inside["regime"].unique().drop_nulls().sort().to_list()
    axis.legend(
        handles=[Patch(facecolor=regime_colour(n), edgecolor=MUTED, linewidth=0.5, label=n) for n in names],
        loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=max(len(names), 1), frameon=False, fontsize=8,
    )  # fmt: skip
    return png(figure)


def pnl_by_source(
    equity: pl.DataFrame, *, attribution: pl.DataFrame | None = None, suffix: str = ""
) -> bytes:
    """Cumulative profit by source, USD. `equity`: time, and pnl_funding, pnl_basis, ... of every source.

    With `attribution` (of `validation.attribution`) the whole period's profit by finer source below it.
    """
    title = "Profit and loss by source, USD"
    if equity.is_empty():
        return nothing_to_draw(title, suffix=suffix)
    rows = 1 if attribution is None or attribution.is_empty() else 2
    figure, axes = panels(
        title, rows=rows, size=(9.5, 3.6 if rows == 1 else 5.4), suffix=suffix, heights=(2, 1)[:rows]
    )
    _cumulative(axes[0], equity)
    if rows == 2 and attribution is not None:
        _sources_of_book(axes[1], attribution)
    return png(figure)


def _cumulative(axis: "Axes", equity: pl.DataFrame) -> None:
    lines = thinned(equity, limit=_POINTS)
    for source, colour in SOURCES.items():
        if (equity[f"pnl_{source}"] != 0).any():
            axis.plot(lines["time"], lines[f"pnl_{source}"], color=colour, linewidth=1.1, label=source)
    net = lines.select(pl.sum_horizontal(f"pnl_{source}" for source in SOURCES)).to_series()
    axis.plot(lines["time"], net, color=STRATEGY, linewidth=1.8, label="net")
    axis.axhline(0, color=INK, linewidth=0.6)
    axis.set_ylabel("USD since the start")
    span(axis, lines["time"])
    dollar_axis(axis)
    time_axis(axis)
    legend(axis)


def _sources_of_book(axis: "Axes", attribution: pl.DataFrame) -> None:
    """One bar per source of the whole book, with its number."""
    book = attribution.filter(pl.col("level") == "book", pl.col("year").is_null())
    found = {source: float(book[f"{source}_usd"].sum()) for source in ATTRIBUTED}
    shown = {source: usd for source, usd in found.items() if abs(usd) > ROUNDING_USD}
    names = [source.replace("_", " ") for source in shown]
    caption(axis, "the whole period")
    axis.barh(names, list(shown.values()), color=[ATTRIBUTED[source] for source in shown], height=0.65)
    for i, usd in enumerate(shown.values()):
        axis.annotate(
            f"{usd:+,.0f}", (max(usd, 0.0), i), (4, 0), textcoords="offset points", va="center", fontsize=8,
            color=INK,
        )  # fmt: skip
    axis.axvline(0, color=INK, linewidth=0.6)
    axis.margins(x=0.12)
    axis.invert_yaxis()
    axis.grid(visible=False, axis="y")
    dollar_axis(axis, which="x")
