"""PNG plots of a back-test: equity with drawdown, and profit and loss by source."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import polars as pl

from funding_pipeline.reporting.palette import INK, NEGATIVE, SOURCES, STRATEGY, numbered_colour
from funding_pipeline.reporting.plot_style import (
    dollar_axis,
    legend,
    nothing_to_draw,
    panels,
    percent_axis,
    png,
    span,
    time_axis,
)
from funding_pipeline.reporting.series import drawdown, thinned

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NO_BASELINES: Mapping[str, pl.DataFrame] = {}


def equity_curve(
    equity: pl.DataFrame,
    *,
    capital_usd: float,
    baselines: Mapping[str, pl.DataFrame] = _NO_BASELINES,
    suffix: str = "",
) -> bytes:
    """Profit in percent of capital for the strategy and each baseline, and the strategy's drawdown.

    Frames: `time`, `equity` (USD), all started with `capital_usd`.
    """
    title = "Net profit on capital, and drawdown"
    if equity.is_empty():
        return nothing_to_draw(title, suffix=suffix)
    figure, (top, low) = panels(title, rows=2, size=(9.5, 4.6), suffix=suffix, heights=(3, 1))
    for position, (name, curve) in enumerate(baselines.items(), start=1):  # 0 is the strategy's colour
        colour = numbered_colour(position)
        _profit(top, curve, capital_usd=capital_usd, name=name, colour=colour, width=1.0)
    _profit(top, equity, capital_usd=capital_usd, name="strategy", colour=STRATEGY, width=1.8)
    fall = thinned(drawdown(equity, capital_usd=capital_usd), extremes_of="drawdown", limit=1200)
    low.fill_between(fall["time"], fall["drawdown"], color=NEGATIVE, alpha=0.35, linewidth=0)
    top.set_ylabel("net profit, % of capital")
    low.set_ylabel("drawdown")
    percent_axis(top)
    percent_axis(low)
    top.axhline(0, color=INK, linewidth=0.6)
    for axis in (top, low):
        span(axis, equity["time"])
        time_axis(axis)
    legend(top)
    return png(figure)


def _profit(
    axis: "Axes", curve: pl.DataFrame, *, capital_usd: float, name: str, colour: str, width: float
) -> None:
    line = thinned(curve, extremes_of="equity", limit=1200)
    profit = line["equity"] / capital_usd - 1
    axis.plot(line["time"], profit, color=colour, linewidth=width, label=name.replace("_", " "))


def pnl_by_source(equity: pl.DataFrame, *, suffix: str = "") -> bytes:
    """Cumulative profit by source, USD. `equity`: time, pnl_funding, pnl_basis, pnl_fees, pnl_slippage."""
    title = "Cumulative profit and loss by source, USD"
    if equity.is_empty():
        return nothing_to_draw(title, suffix=suffix)
    figure, axes = panels(title, size=(9.5, 3.6), suffix=suffix)
    axis = axes[0]
    lines = thinned(equity, limit=1200)
    for source, colour in SOURCES.items():
        axis.plot(lines["time"], lines[f"pnl_{source}"], color=colour, linewidth=1.1, label=source)
    net = lines.select(pl.sum_horizontal(f"pnl_{source}" for source in SOURCES)).to_series()
    axis.plot(lines["time"], net, color=STRATEGY, linewidth=1.8, label="net")
    axis.axhline(0, color=INK, linewidth=0.6)
    axis.set_ylabel("USD since the start")
    span(axis, lines["time"])
    dollar_axis(axis)
    time_axis(axis)
    legend(axis)
    return png(figure)
