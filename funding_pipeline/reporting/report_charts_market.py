"""Interactive figures of market, forecasts and plan. Frames in, plotly figures out."""

from typing import TYPE_CHECKING

import polars as pl

from funding_pipeline.core.horizons import horizon_text
from funding_pipeline.reporting.palette import NEGATIVE, numbered_colour, venue_colour
from funding_pipeline.reporting.report_figures import figure, numbers
from funding_pipeline.reporting.series import (
    calibration,
    colour_limit,
    pair_differentials,
    trailing_annual_funding,
    widest_pairs,
)

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_WIDEST_PAIRS = 40


def differential_heatmap(settled: pl.DataFrame, *, suffix: str) -> "Figure | None":
    """Monthly mean funding differential of the widest (base, venue pair)s, percent per year, gross."""
    import plotly.graph_objects as go

    differentials = pair_differentials(trailing_annual_funding(settled))
    wide = widest_pairs(differentials, count=_WIDEST_PAIRS).reverse()
    if wide.is_empty():
        return None
    limit = 100 * colour_limit(wide)
    out = figure(
        "Funding differential per pair, monthly mean, percent per year, before costs",
        suffix=suffix,
        height=130 + 15 * wide.height,
    )
    out.add_trace(
        go.Heatmap(
            x=[name[:7] for name in wide.columns[1:]],
            y=wide["label"].to_list(),
            z=(wide.drop("label").to_numpy() * 100).round(1),
            zmin=-limit, zmax=limit, colorscale="RdBu", reversescale=True, xgap=1, ygap=1,
            colorbar={"ticksuffix": " %", "thickness": 12, "title": {"text": "per year"}},
            hovertemplate="%{y}<br>%{x}: %{z} % a year<extra></extra>",
        )
    )  # fmt: skip
    out.update_layout(hovermode="closest")
    out.update_xaxes(type="category", nticks=14, showgrid=False)
    out.update_yaxes(showgrid=False, tickfont={"size": 10}, dtick=1)
    return out


def calibration_chart(forecasts: pl.DataFrame, realised: pl.DataFrame, *, suffix: str) -> "Figure | None":
    """Share of realised funding at or below each forecast quantile, per horizon; the line is perfect."""
    import plotly.graph_objects as go

    shares = calibration(forecasts, realised)
    if shares.is_empty():
        return None
    out = figure("Calibration: share of outcomes at or below each quantile", suffix=suffix, height=320)
    for i, (horizon,) in enumerate(shares.select("horizon_hours").unique().sort("horizon_hours").iter_rows()):
        one = shares.filter(pl.col("horizon_hours") == horizon)
        out.add_trace(
            go.Bar(
                x=one["quantile"].to_list(), y=numbers(one["share"], scale=100), name=horizon_text(horizon),
                marker={"color": numbered_colour(i)},
                text=[f"{share:.0%}" for share in one["share"]], textposition="inside",
                insidetextanchor="start", textfont={"color": "white"},
            )
        )  # fmt: skip
    for i, nominal in enumerate((10, 50, 90)):
        ideal = {"color": NEGATIVE, "width": 2}
        out.add_shape(type="line", x0=i - 0.45, x1=i + 0.45, y0=nominal, y1=nominal, line=ideal)
    out.update_layout(barmode="group", hovermode="closest")
    out.update_xaxes(title="forecast quantile; red line: the share it should have")
    out.update_yaxes(title="% of outcomes", ticksuffix=" %", range=[0, 102])
    return out


def plan_chart(legs: pl.DataFrame, *, column: str, suffix: str) -> "Figure":
    """Signed target notional per base and venue, USD."""
    import plotly.graph_objects as go

    grouped = legs.group_by("venue", "base").agg(pl.col(column).sum()).sort("venue", "base")
    bases = legs["base"].n_unique()
    out = figure("Target notional per leg, USD", suffix=suffix, height=150 + 34 * bases)
    for (venue,), one in grouped.group_by("venue", maintain_order=True):
        out.add_trace(
            go.Bar(
                y=one["base"].to_list(), x=numbers(one[column]), name=str(venue), orientation="h",
                marker={"color": venue_colour(str(venue))},
            )
        )  # fmt: skip
    out.update_layout(barmode="group", hovermode="closest")
    out.update_xaxes(title="USD; left of zero: short, right: long", zeroline=True, zerolinecolor="#1c2733")
    out.update_yaxes(categoryorder="category descending")
    return out
