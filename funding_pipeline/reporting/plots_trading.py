"""PNG plots of what was traded: profit by source as the venues' statements tell it."""

import polars as pl

from funding_pipeline.reporting.palette import INK, SOURCES, STRATEGY, numbered_colour
from funding_pipeline.reporting.plot_style import (
    dollar_axis,
    legend,
    nothing_to_draw,
    panels,
    png,
    time_axis,
)

_SOURCES = ("funding", "basis", "fees", "slippage", "liquidation")


def live_profit(statements: pl.DataFrame, *, suffix: str = "") -> bytes:
    """Profit since the first statement, in all and by source, cumulated; USD.

    `statements`: at (UTC), source, usd; sources `funding`, `basis`, `fees`, `slippage`, `liquidation`.
    """
    title = "Profit by source, from the venues' statements"
    rows = statements.filter(pl.col("source").is_in(_SOURCES)).sort("at")
    if rows.is_empty():
        return nothing_to_draw(title, suffix=suffix)
    figure, (axis,) = panels(title, size=(9.5, 3.6), suffix=suffix)
    total = rows.group_by("at").agg(pl.col("usd").sum()).sort("at")
    axis.step(total["at"], total["usd"].cum_sum(), where="post", color=STRATEGY, linewidth=1.8, label="all")
    for position, source in enumerate(_SOURCES, start=1):
        own = rows.filter(pl.col("source") == source)
        colour = SOURCES.get(source, numbered_colour(position))
        axis.step(own["at"], own["usd"].cum_sum(), where="post", color=colour, linewidth=1.0, label=source)
    axis.axhline(0, color=INK, linewidth=0.6)
    axis.set_ylabel("USD")
    dollar_axis(axis)
    time_axis(axis)
    legend(axis)
    return png(figure)
