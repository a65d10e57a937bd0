"""Interactive figures of the report. Frames in, plotly figures out.

What lives here: drawing of results. What does not: market and forecast figures (`report_charts_market`),
or the page around them.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from funding_pipeline.reporting.palette import (
    GRID,
    INK,
    MUTED,
    NEGATIVE,
    SIMULATED,
    SOURCES,
    STRATEGY,
    numbered_colour,
    regime_colour,
    venue_colour,
)
from funding_pipeline.reporting.report_inputs import ReportInputs
from funding_pipeline.reporting.series import drawdown, regime_spans, thinned

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

PORTFOLIO = "portfolio"
_FEWER_POINTS = 800


def figure(title: str, *, suffix: str, height: int = 340, legend: str = "above") -> "Figure":
    """An empty figure in the report's style; a simulated market's title has its own colour."""
    import plotly.graph_objects as go

    axis = {"gridcolor": GRID, "linecolor": GRID, "zeroline": False, "automargin": True}
    place = {"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 1.0, "xanchor": "right"}
    beside = {"orientation": "v", "y": 1.0, "yanchor": "top", "x": 1.01, "xanchor": "left"}
    return go.Figure(
        layout=go.Layout(
            template=go.layout.Template(),
            title={
                "text": f"{title}{suffix}", "x": 0.0, "xanchor": "left", "xref": "container", "y": 0.98,
                "font": {"size": 14, "color": SIMULATED if suffix else INK},
            },
            height=height,
            margin={"l": 60, "r": 16, "t": 62, "b": 40},
            font={"family": "system-ui, -apple-system, Segoe UI, sans-serif", "size": 12, "color": MUTED},
            paper_bgcolor="white",
            plot_bgcolor="white",
            hovermode="x unified",
            xaxis=axis,
            yaxis=axis,
            legend=place if legend == "above" else beside,
        )
    )  # fmt: skip


def times(frame: pl.DataFrame, column: str = "time") -> list[str]:
    """Times as text that every browser reads as UTC wall time."""
    return frame[column].dt.strftime("%Y-%m-%dT%H:%M").to_list()


def numbers(values: pl.Series, *, scale: float = 1.0) -> Any:
    """Values as 32-bit floats, which are written as a quarter of the text; null becomes a gap."""
    return (values.cast(pl.Float64).to_numpy() * scale).astype(np.float32)


def line(frame: pl.DataFrame, column: str, *, name: str, colour: str, scale: float = 1.0, **more: Any) -> Any:
    """One line over `time`."""
    import plotly.graph_objects as go

    width, fill = more.pop("width", 1.4), more.pop("fill", None)
    return go.Scatter(
        x=times(frame), y=numbers(frame[column], scale=scale), name=name, mode="lines", fill=fill,
        line={"color": colour, "width": width}, **more,
    )  # fmt: skip


def equity_chart(inputs: ReportInputs) -> "Figure":
    """Profit in percent of capital for the strategy and the baselines, regimes shaded behind it."""
    out = figure("Net profit, percent of capital", suffix=inputs.suffix, height=430)
    capital = inputs.capital_usd
    for i, (name, curve) in enumerate(inputs.baseline_equity.items()):
        shown = _percent_of(thinned(curve, extremes_of="equity", limit=_FEWER_POINTS), capital)
        colour = MUTED if name == "cash" else numbered_colour(i + 1)
        out.add_trace(line(shown, "profit", name=name.replace("_", " "), colour=colour, width=1.1))
    own = _percent_of(thinned(inputs.equity, extremes_of="equity"), capital)
    out.add_trace(line(own, "profit", name="strategy", colour=STRATEGY, width=2.4))
    if inputs.regimes is not None and not inputs.regimes.is_empty():
        _shade(out, inputs.regimes, within=inputs.equity["time"])
    out.update_yaxes(title="% of capital", ticksuffix=" %")
    out.update_layout(legend={"orientation": "h", "y": -0.12, "yanchor": "top", "x": 0, "xanchor": "left"})
    return out


def _percent_of(curve: pl.DataFrame, capital_usd: float) -> pl.DataFrame:
    return curve.select("time", ((pl.col("equity") / capital_usd - 1) * 100).alias("profit"))


def _shade(out: "Figure", regimes: pl.DataFrame, *, within: pl.Series) -> None:
    """Regimes as coloured bands, with a legend entry each."""
    import plotly.graph_objects as go

    inside = regimes.filter(pl.col("as_of").is_between(within.min(), within.max()))
    spans = regime_spans(inside)
    bands = [
        {
            "type": "rect", "layer": "below", "line": {"width": 0}, "fillcolor": regime_colour(str(regime)),
            "xref": "x", "yref": "paper", "y0": 0, "y1": 1,
            "x0": f"{start:%Y-%m-%dT%H:%M}", "x1": f"{end:%Y-%m-%dT%H:%M}",
        }
        for start, end, regime in spans.iter_rows()
    ]  # fmt: skip
    out.update_layout(shapes=bands)
    for regime in inside["regime"].unique().drop_nulls().sort():
        marker = {"symbol": "square", "size": 12, "color": regime_colour(regime)}
        marker["line"] = {"color": MUTED, "width": 0.5}
        out.add_trace(go.Scatter(x=[None], y=[None], mode="markers", name=regime, marker=marker))


def drawdown_chart(inputs: ReportInputs) -> "Figure":
    """The strategy's fall from its highest equity, percent of capital."""
    fall = thinned(drawdown(inputs.equity, capital_usd=inputs.capital_usd), extremes_of="drawdown")
    out = figure("Drawdown, percent of capital", suffix=inputs.suffix, height=200)
    out.add_trace(
        line(fall, "drawdown", name="drawdown", colour=NEGATIVE, scale=100, width=1, fill="tozeroy")
    )
    out.update_yaxes(title="% of capital", ticksuffix=" %")
    out.update_layout(showlegend=False)
    return out


def source_chart(inputs: ReportInputs) -> "Figure":
    """Cumulative profit by source, USD."""
    shown = thinned(inputs.equity, extremes_of="equity")
    out = figure("Cumulative profit and loss by source, USD", suffix=inputs.suffix)
    for source, colour in SOURCES.items():
        out.add_trace(line(shown, f"pnl_{source}", name=source, colour=colour))
    net = shown.with_columns(pl.sum_horizontal(f"pnl_{source}" for source in SOURCES).alias("net"))
    out.add_trace(line(net, "net", name="net", colour=STRATEGY, width=2.2))
    out.update_yaxes(title="USD since the start")
    return out


def neutrality_chart(inputs: ReportInputs, *, scopes: Sequence[str], title: str) -> "Figure":
    """How much of the permitted band each of `scopes` uses after each decision, with the band at 100 %."""
    out = figure(title, suffix=inputs.suffix, height=300)
    for scope in scopes:
        one = inputs.neutrality.filter(pl.col("scope") == scope).select("time", "fraction_of_band")
        shown = thinned(one.drop_nulls(), extremes_of="fraction_of_band", limit=_FEWER_POINTS)
        colour = STRATEGY if scope == PORTFOLIO else venue_colour(scope)
        out.add_trace(line(shown, "fraction_of_band", name=scope, colour=colour, scale=100, width=1.1))
    out.add_hline(y=100, line={"color": NEGATIVE, "width": 1.5, "dash": "dash"})
    out.update_yaxes(title="% of the band", ticksuffix=" %", rangemode="tozero")
    return out


def exposure_chart(inputs: ReportInputs) -> "Figure":
    """Gross notional per venue, stacked, USD."""
    out = figure("Gross exposure by venue, USD", suffix=inputs.suffix, height=300)
    for venue in venues_of(inputs.neutrality):
        one = inputs.neutrality.filter(pl.col("scope") == venue).select("time", "gross_usd")
        shown = thinned(one, limit=_FEWER_POINTS)
        colour = venue_colour(venue)
        trace = line(shown, "gross_usd", name=venue, colour=colour, width=0.4, stackgroup="gross")
        out.add_trace(trace.update(fillcolor=colour))
    out.update_yaxes(title="USD, sum of |notional|")
    return out


def venues_of(neutrality: pl.DataFrame) -> list[str]:
    """The scopes that are venues, in alphabetical order."""
    return [scope for scope in neutrality["scope"].unique().sort().to_list() if scope != PORTFOLIO]


def html_of(chart: "Figure", *, identity: str) -> str:
    """The figure as a fragment for a page that has plotly.js already; nothing is loaded."""
    options: Mapping[str, Any] = {
        "displaylogo": False,
        "responsive": True,
        "modeBarButtonsToRemove": ["lasso2d", "select2d", "autoScale2d"],
    }
    html: str = chart.to_html(full_html=False, include_plotlyjs=False, div_id=identity, config=dict(options))
    return html
