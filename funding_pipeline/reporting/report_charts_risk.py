"""Interactive figures of what was held and what could go wrong: neutrality, exposure, margin, stress.

What lives here: drawing. What does not: any figure that is not in the back-test's frames.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import polars as pl

from funding_pipeline.reporting.palette import NEGATIVE, STRATEGY, numbered_colour, venue_colour
from funding_pipeline.reporting.report_figures import FEWER_POINTS, figure, line, numbers
from funding_pipeline.reporting.report_inputs import ReportInputs
from funding_pipeline.reporting.series import thinned, worst_of_each_kind

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

PORTFOLIO = "portfolio"


def neutrality_chart(inputs: ReportInputs, *, scopes: Sequence[str], title: str) -> "Figure":
    """How much of the permitted band each of `scopes` uses after each decision, with the band at 100 %."""
    out = figure(title, suffix=inputs.suffix, height=330)
    for scope in scopes:
        one = inputs.neutrality.filter(pl.col("scope") == scope).select("time", "fraction_of_band")
        shown = thinned(one.drop_nulls(), extremes_of="fraction_of_band", limit=FEWER_POINTS)
        colour = STRATEGY if scope == PORTFOLIO else venue_colour(scope)
        out.add_trace(line(shown, "fraction_of_band", name=scope, colour=colour, scale=100, width=1.1))
    out.add_hline(y=100, line={"color": NEGATIVE, "width": 1.5, "dash": "dash"})
    out.update_yaxes(title="% of the band", ticksuffix=" %", rangemode="tozero")
    return out


def exposure_chart(inputs: ReportInputs) -> "Figure":
    """Gross notional per venue, stacked, USD."""
    out = figure("Gross exposure by venue, USD", suffix=inputs.suffix, height=340)
    for venue in venues_of(inputs.neutrality):
        one = inputs.neutrality.filter(pl.col("scope") == venue).select("time", "gross_usd")
        shown = thinned(one, limit=FEWER_POINTS)
        colour = venue_colour(venue)
        trace = line(shown, "gross_usd", name=venue, colour=colour, width=0.4, stackgroup="gross")
        out.add_trace(trace.update(fillcolor=colour))
    out.update_yaxes(title="USD, sum of |notional|")
    return out


def venues_of(neutrality: pl.DataFrame) -> list[str]:
    """The scopes that are venues, in alphabetical order."""
    return [scope for scope in neutrality["scope"].unique().sort().to_list() if scope != PORTFOLIO]


def margin_chart(margin: pl.DataFrame, *, suffix: str) -> "Figure | None":
    """Largest part of each venue's equity needed as margin, at each hour's worst; None: nothing was held."""
    column = "worst_used_fraction"
    held = margin.filter(pl.col("maintenance_usd") > 0)
    if held.is_empty():
        return None
    out = figure(
        "Margin: part of a venue's equity needed, at each hour's worst price (100 % is liquidation)",
        suffix=suffix,
        height=340,
    )
    for venue in held["venue"].unique().sort():
        shown = thinned(margin.filter(venue=venue), extremes_of=column, limit=FEWER_POINTS)
        out.add_trace(line(shown, column, name=venue, colour=venue_colour(venue), scale=100, width=1.1))
    out.update_yaxes(title="% of equity", ticksuffix=" %", rangemode="tozero")
    return out


def stress_chart(stress: pl.DataFrame, *, suffix: str) -> "Figure | None":
    """The worst scenario of each kind, percent of capital, by book; None without rows."""
    import plotly.graph_objects as go

    worst = worst_of_each_kind(stress)
    if worst.is_empty():
        return None
    kinds = worst["kind"].unique(maintain_order=True).to_list()
    out = figure(
        "Loss in the worst scenario of each kind, percent of capital", suffix=suffix,
        height=150 + 40 * len(kinds),
    )  # fmt: skip
    for i, (book,) in enumerate(worst.select("book").unique(maintain_order=True).iter_rows()):
        one = worst.filter(book=book)
        out.add_trace(
            go.Bar(
                y=one["kind"].to_list(), x=numbers(one["loss_fraction_of_capital"], scale=100), name=book,
                orientation="h", marker={"color": numbered_colour(2 * i)},
                customdata=one["scenario"].to_list(),
                hovertemplate="%{customdata}: %{x:.2f} % of capital<extra>%{fullData.name}</extra>",
            )
        )  # fmt: skip
    out.update_layout(barmode="group", hovermode="closest")
    out.update_xaxes(title="% of capital; negative: a gain", ticksuffix=" %", zeroline=True)
    out.update_yaxes(categoryorder="array", categoryarray=kinds[::-1])
    return out
