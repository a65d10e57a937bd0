"""Interactive figures of how sure one can be: differences to rivals, and the studies' variants.

What lives here: drawing. What does not: intervals and variants (`validation.significance`, `studies`).
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from funding_pipeline.reporting.differences import Difference
from funding_pipeline.reporting.palette import INK, MUTED, NEGATIVE, POSITIVE, STRATEGY
from funding_pipeline.reporting.plot_style import short_dollars
from funding_pipeline.reporting.report_figures import figure, numbers

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_ROW = 0.16  # of a row's height, between the hedged and the plain variant


def forest_chart(
    differences: Sequence[Difference], *, title: str, axis_title: str, less_is_better: bool, suffix: str
) -> "Figure | None":
    """Strategy less each baseline with its 95 % interval, percent; None without any.

    Green: the whole interval says better; red: worse; grey: it includes zero.
    """
    import plotly.graph_objects as go

    if not differences:
        return None
    names = list(dict.fromkeys(one.name for one in differences))
    out = figure(title, suffix=suffix, height=160 + 38 * len(names))
    for one in differences:
        at = names.index(one.name) + (0.0 if one.alone else -_ROW if one.hedged else _ROW)
        colour = _colour(one, less_is_better=less_is_better)
        low, value, high = 100 * one.low, 100 * one.value, 100 * one.high
        told = f"{one.name}, {one.variant}: {value:+.2f} % ({low:+.2f} to {high:+.2f})"
        hover: dict[str, Any] = {"hovertemplate": f"{told}<extra></extra>", "showlegend": False}
        bar = {"color": colour, "width": 2.4}
        out.add_trace(go.Scatter(x=[low, high], y=[at, at], mode="lines", line=bar, **hover))
        symbol = "circle" if one.hedged else "circle-open"
        mark = {"symbol": symbol, "size": 10, "color": colour, "line": {"width": 2, "color": colour}}
        out.add_trace(go.Scatter(x=[value], y=[at], mode="markers", marker=mark, **hover))
    for symbol, name in (("circle", "rule hedged on each venue"), ("circle-open", "rule as it is")):
        mark = {"symbol": symbol, "size": 10, "color": MUTED, "line": {"width": 2, "color": MUTED}}
        out.add_trace(go.Scatter(x=[None], y=[None], mode="markers", marker=mark, name=name))
    out.add_vline(x=0, line={"color": INK, "width": 1})
    out.update_layout(hovermode="closest")
    out.update_xaxes(title=axis_title, ticksuffix=" %")
    out.update_yaxes(
        tickvals=list(range(len(names))), ticktext=names, range=[len(names) - 0.5, -0.5], showgrid=False
    )
    return out


def _colour(one: Difference, *, less_is_better: bool) -> str:
    sign = -1 if less_is_better else 1
    low, high = sorted((sign * one.low, sign * one.high))
    return POSITIVE if low > 0 else NEGATIVE if high < 0 else MUTED


def variants_chart(
    runs: pl.DataFrame, *, title: str, names: Mapping[str, str], own: str, suffix: str
) -> "Figure | None":
    """Net return on capital of each variant of one study, 95 % interval; `own` is the configured one."""
    import plotly.graph_objects as go

    if runs.is_empty():
        return None
    net = numbers(runs["net_return_annual"], scale=100)
    labels = [
        f"{names.get(variant, variant)}<br><b>{value:+.2f} %</b>"
        for variant, value in zip(runs["variant"].to_list(), net, strict=True)
    ]
    colours = [STRATEGY if variant == own else MUTED for variant in runs["variant"].to_list()]
    out = figure(title, suffix=suffix, height=300)
    out.add_trace(
        go.Bar(
            x=labels, y=net, marker={"color": colours}, width=0.45, error_y=_interval(runs), showlegend=False,
            hovertemplate="%{y:.2f} % a year<extra></extra>",
        )
    )  # fmt: skip
    out.update_layout(hovermode="closest")
    out.update_xaxes(type="category", showgrid=False)
    out.update_yaxes(title="% of capital a year", ticksuffix=" %", zeroline=True, zerolinecolor=INK)
    return out


def _interval(runs: pl.DataFrame) -> dict[str, Any]:
    above = (runs["net_high"] - runs["net_return_annual"]).clip(lower_bound=0)
    below = (runs["net_return_annual"] - runs["net_low"]).clip(lower_bound=0)
    return {
        "type": "data", "symmetric": False, "array": numbers(above, scale=100),
        "arrayminus": numbers(below, scale=100), "color": INK, "thickness": 1.2, "width": 5,
    }  # fmt: skip


def capacity_chart(
    runs: pl.DataFrame, *, capital_usd: float, holds_to_usd: float | None, suffix: str
) -> "Figure | None":
    """Net return on capital against capital, log scale, with its interval; None without runs.

    `capital_usd`: the back-test's own; `holds_to_usd`: the capital up to which half of its return is kept.
    """
    import plotly.graph_objects as go

    curve = runs.sort("capital_usd")
    if curve.is_empty():
        return None
    out = figure("Capacity: net return a year against capital", suffix=suffix, height=380)
    size = numbers(curve["capital_usd"])
    low, high = (numbers(curve[name], scale=100) for name in ("net_low", "net_high"))
    band = {"x": np.concatenate([size, size[::-1]]), "y": np.concatenate([high, low[::-1]])}
    out.add_trace(
        go.Scatter(**band, fill="toself", fillcolor="rgba(18,57,91,0.12)", line={"width": 0},
                   mode="lines", name="95 % interval", hoverinfo="skip")
    )  # fmt: skip
    out.add_trace(
        go.Scatter(
            x=size, y=numbers(curve["net_return_annual"], scale=100), name="net return",
            mode="lines+markers", line={"color": STRATEGY, "width": 2}, marker={"size": 8},
            customdata=curve["net_usd"].round().to_list(),
            hovertemplate="%{x:,.0f} USD: %{y:.2f} % a year, %{customdata:,.0f} USD in all<extra></extra>",
        )
    )  # fmt: skip
    _mark_capital(out, capital_usd, name="this back-test ", side="right", colour=MUTED)
    if holds_to_usd is not None and holds_to_usd != capital_usd:
        _mark_capital(out, holds_to_usd, name=" keeps half of the return", side="left", colour=POSITIVE)
    out.update_layout(hovermode="closest")
    named = [short_dollars(value) for value in curve["capital_usd"].to_list()]
    out.update_xaxes(type="log", title="capital, USD (log scale)", tickvals=size, ticktext=named)
    out.update_yaxes(title="% of capital a year", ticksuffix=" %", zeroline=True, zerolinecolor=INK)
    return out


def _mark_capital(out: "Figure", at: float, *, name: str, side: str, colour: str) -> None:
    """A line over the whole height; its place on a log axis is given as the logarithm in annotations only."""
    line = {"color": colour, "width": 1.2, "dash": "dash"}
    out.add_shape(type="line", x0=at, x1=at, y0=0, y1=1, yref="paper", line=line)
    out.add_annotation(
        x=float(np.log10(at)), y=1, yref="paper", xanchor=side, yanchor="bottom", text=name, showarrow=False,
        font={"size": 11, "color": colour},
    )  # fmt: skip
