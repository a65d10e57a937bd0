"""Interactive figures of the result over time: equity, drawdown, sources of profit. Frames in, figures out.

What lives here: drawing of results. What does not: risk (`report_charts_risk`), comparisons and studies
(`report_charts_evidence`), market and forecasts (`report_charts_market`), or the page around them.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

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
from funding_pipeline.reporting.report_figures import FEWER_POINTS, add_choice, figure, line, numbers
from funding_pipeline.reporting.report_inputs import ReportInputs
from funding_pipeline.reporting.series import ROUNDING_USD, drawdown, regime_spans, thinned
from funding_pipeline.validation.baseline_runs import CEILINGS

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_HEDGED, _PLAIN = "rules hedged", "rules as they are"


def shown_name(name: str) -> str:
    """A baseline's name as a reader sees it; one that knows the future says so."""
    words = name.replace("_", " ")
    return f"{words} (knows the future)" if name in CEILINGS else words


def equity_chart(inputs: ReportInputs) -> "Figure":
    """Profit in percent of capital: strategy, rules hedged on each venue or as they are, ceiling dotted."""
    out = figure("Net profit, percent of capital", suffix=inputs.suffix, height=500)
    groups: list[str | None] = []
    for group, name, curve in _rivals(inputs):
        shown = _percent_of(thinned(curve, extremes_of="equity", limit=FEWER_POINTS), inputs.capital_usd)
        out.add_trace(line(shown, "profit", name=shown_name(name), **_drawn(inputs, name)))
        groups.append(group)
    own = _percent_of(thinned(inputs.equity, extremes_of="equity"), inputs.capital_usd)
    out.add_trace(line(own, "profit", name="strategy", colour=STRATEGY, width=2.4))
    if inputs.regimes is not None and not inputs.regimes.is_empty():
        _shade(out, inputs.regimes, within=inputs.equity["time"])
    _choose(out, groups)
    out.update_yaxes(title="% of capital", ticksuffix=" %")
    return out


def drawdown_chart(inputs: ReportInputs) -> "Figure":
    """Falls from the highest equity, percent of capital: the strategy's, and the rules' where asked for."""
    out = figure("Drawdown, percent of capital", suffix=inputs.suffix, height=300)
    groups: list[str | None] = []
    for group, name, curve in _rivals(inputs):
        if name not in CEILINGS:
            fall = drawdown(curve, capital_usd=inputs.capital_usd)
            shown = thinned(fall, extremes_of="drawdown", limit=FEWER_POINTS // 2)
            drawn = _drawn(inputs, name)
            out.add_trace(line(shown, "drawdown", name=shown_name(name), scale=100, **drawn))
            groups.append(group)
    fall = thinned(drawdown(inputs.equity, capital_usd=inputs.capital_usd), extremes_of="drawdown")
    own = line(fall, "drawdown", name="strategy", colour=NEGATIVE, scale=100, width=1, fill="tozeroy")
    out.add_trace(own)
    _choose(out, groups, alone=True)
    out.update_yaxes(title="% of capital", ticksuffix=" %")
    return out


def _rivals(inputs: ReportInputs) -> Iterator[tuple[str | None, str, pl.DataFrame]]:
    """Group of the buttons, name and curve of every baseline; one that is the same either way only once."""
    for name, curve in inputs.baseline_equity.items():
        hedged = inputs.baseline_equity_venue_neutral.get(name)
        if hedged is None or name in CEILINGS or hedged["equity"].equals(curve["equity"]):
            yield None, name, curve
        else:
            yield _PLAIN, name, curve
            yield _HEDGED, name, hedged


def _drawn(inputs: ReportInputs, name: str) -> dict[str, Any]:
    """Colour, width and dash of a baseline, the same in every chart."""
    if name in CEILINGS:
        return {"colour": CEILING, "width": 1.4, "dash": "dot"}
    place = list(inputs.baseline_equity).index(name)
    return {"colour": MUTED if name == "cash" else numbered_colour(place + 1), "width": 1.1}


def _choose(out: "Figure", groups: list[str | None], *, alone: bool = False) -> None:
    """Buttons for the rules' variants, where there are two; `alone`: first of all none of them."""
    every = [*groups, *[None] * (len(out.data) - len(groups))]
    if _HEDGED not in every:
        return
    if alone:
        every = ["alike" if group is None and i < len(groups) else group for i, group in enumerate(every)]
        choices = {"strategy": (), _HEDGED: ("alike", _HEDGED), _PLAIN: ("alike", _PLAIN)}
    else:
        choices = {_HEDGED: (_HEDGED,), _PLAIN: (_PLAIN,)}
    add_choice(out, every, choices)


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


def source_chart(inputs: ReportInputs) -> "Figure":
    """Cumulative profit by source, USD; a source that never moved is left out."""
    shown = thinned(inputs.equity, extremes_of="equity")
    out = figure("Cumulative profit and loss by source, USD", suffix=inputs.suffix, height=400)
    for source, colour in SOURCES.items():
        name = f"pnl_{source}"
        if (inputs.equity[name] != 0).any():
            out.add_trace(line(shown, name, name=source, colour=colour))
    net = shown.with_columns(pl.sum_horizontal(f"pnl_{source}" for source in SOURCES).alias("net"))
    out.add_trace(line(net, "net", name="net", colour=STRATEGY, width=2.2))
    out.update_yaxes(title="USD since the start")
    return out


def attribution_chart(
    split: pl.DataFrame, *, title: str, suffix: str, names: Mapping[str, str] | None = None
) -> "Figure":
    """Profit by source, stacked, one bar per `name`, USD, the total as a mark. SCHEMA of `attribution`."""
    import plotly.graph_objects as go

    labels = [(names or {}).get(name, name) for name in split["name"].to_list()]
    out = figure(title, suffix=suffix, height=150 + 30 * split.height)
    for source, colour in ATTRIBUTED.items():
        if (split[f"{source}_usd"].abs() > ROUNDING_USD).any():
            out.add_trace(
                go.Bar(
                    y=labels, x=numbers(split[f"{source}_usd"]), name=source.replace("_", " "),
                    orientation="h", marker={"color": colour},
                )
            )  # fmt: skip
    mark = {"symbol": "diamond", "size": 9, "color": INK, "line": {"color": "white", "width": 1}}
    total = numbers(split["total_usd"])
    out.add_trace(go.Scatter(y=labels, x=total, name="total", mode="markers", marker=mark))
    out.update_layout(barmode="relative", hovermode="y unified")
    out.update_xaxes(title="USD; costs are negative", zeroline=True, zerolinecolor=INK)
    out.update_yaxes(type="category", categoryorder="array", categoryarray=labels[::-1])
    return out
