"""How every interactive figure of the report looks: layout, legend, buttons, and its text in the page.

What lives here: style and conversion. What does not: any data (`report_charts*`).
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from funding_pipeline.reporting.palette import GRID, INK, MUTED, SIMULATED

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

FEWER_POINTS = 500
_FONT = "system-ui, -apple-system, Segoe UI, sans-serif"


def figure(title: str, *, suffix: str, height: int = 340) -> "Figure":
    """An empty figure in the report's style, legend below; a simulated market's title has its own colour.

    The page's script breaks the title where the window is narrower than it.
    """
    import plotly.graph_objects as go

    axis = {"gridcolor": GRID, "linecolor": GRID, "zeroline": False, "automargin": True}
    return go.Figure(
        layout=go.Layout(
            template=go.layout.Template(),
            title={
                "text": f"{title}{suffix}", "x": 0.0, "xanchor": "left", "xref": "container", "y": 1.0,
                "yanchor": "top", "pad": {"t": 8},
                "font": {"size": 14, "color": SIMULATED if suffix else INK},
            },
            height=height,
            margin={"l": 60, "r": 16, "t": 40, "b": 40},
            font={"family": _FONT, "size": 12, "color": MUTED},
            paper_bgcolor="white",
            plot_bgcolor="white",
            hovermode="x unified",
            xaxis=axis,
            yaxis=axis,
            legend={
                "orientation": "h", "yref": "container", "y": 0.0, "yanchor": "bottom", "x": 0,
                "xanchor": "left",
            },
        )
    )  # fmt: skip


def times(frame: pl.DataFrame, column: str = "time") -> list[str]:
    """Times as text that every browser reads as UTC wall time."""
    return frame[column].dt.strftime("%Y-%m-%dT%H:%M").to_list()


def numbers(values: pl.Series, *, scale: float = 1.0) -> Any:
    """Values as 32-bit floats, which are written as a quarter of the text; null becomes a gap."""
    return (values.cast(pl.Float64).to_numpy() * scale).astype(np.float32)


def line(frame: pl.DataFrame, column: str, *, name: str, colour: str, scale: float = 1.0, **more: Any) -> Any:
    """One line over `time`; `width`, `dash` and `fill` as plotly knows them."""
    import plotly.graph_objects as go

    width, fill, dash = more.pop("width", 1.4), more.pop("fill", None), more.pop("dash", None)
    return go.Scatter(
        x=times(frame), y=numbers(frame[column], scale=scale), name=name, mode="lines", fill=fill,
        line={"color": colour, "width": width, "dash": dash}, **more,
    )  # fmt: skip


def add_choice(out: "Figure", groups: Sequence[str | None], choices: Mapping[str, Sequence[str]]) -> None:
    """Buttons that show some groups of traces: `groups` names each trace's (None: always shown).

    `choices`: label -> groups shown. The first is the one that the page opens with.
    """
    seen = {label: [group is None or group in shown for group in groups] for label, shown in choices.items()}
    for trace, visible in zip(out.data, next(iter(seen.values())), strict=True):
        trace.visible = visible
    buttons = [{"label": label, "method": "restyle", "args": [{"visible": v}]} for label, v in seen.items()]
    out.update_layout(
        updatemenus=[
            {
                "type": "buttons", "direction": "right", "buttons": buttons, "x": 0, "xanchor": "left",
                "y": 1, "yanchor": "bottom", "pad": {"b": 4, "t": 0}, "font": {"size": 11},
                "bgcolor": "white", "bordercolor": GRID,
            }
        ],
        margin_t=74,
    )  # fmt: skip


def html_of(chart: "Figure", *, identity: str) -> str:
    """The figure as a fragment for a page that has plotly.js already; nothing is loaded."""
    options: Mapping[str, Any] = {
        "displaylogo": False,
        "responsive": True,
        "modeBarButtonsToRemove": ["lasso2d", "select2d", "autoScale2d"],
    }
    html: str = chart.to_html(full_html=False, include_plotlyjs=False, div_id=identity, config=dict(options))
    return html
