"""How every PNG looks: figure, axes, titles, and the bytes.

What lives here: matplotlib without pyplot, so no global state and no display. What does not: data.
"""

from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

import polars as pl

from funding_pipeline.reporting.palette import GRID, INK, MUTED, SIMULATED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DPI = 100
_COLOURS = 256


def panels(
    title: str,
    *,
    rows: int = 1,
    columns: int = 1,
    size: tuple[float, float] = (9.0, 4.2),
    suffix: str = "",
    heights: Sequence[float] | None = None,
) -> tuple["Figure", list["Axes"]]:
    """A figure with `rows` x `columns` styled axes, in reading order. `size` in inches, `heights`
    relative per row.

    `suffix` follows the title and stands out: a simulated market must be seen as one.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=_DPI, layout="constrained")
    text = figure.suptitle(f"{title}{suffix}", x=0.01, ha="left", fontsize=12, fontweight="bold", color=INK)
    if suffix:
        text.set_color(SIMULATED)
    grid = figure.subplots(rows, columns, squeeze=False, height_ratios=heights)
    axes = [axis for row in grid for axis in row]
    for axis in axes:
        style(axis)
    return figure, axes


def style(axis: "Axes") -> None:
    """Light grid, no box, small muted labels."""
    axis.grid(visible=True, color=GRID, linewidth=0.8)
    axis.set_axisbelow(True)
    axis.tick_params(labelsize=8, colors=MUTED, length=0)
    axis.xaxis.label.set(color=MUTED, fontsize=8.5)
    axis.yaxis.label.set(color=MUTED, fontsize=8.5)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)
    axis.spines["bottom"].set_color(GRID)


def caption(axis: "Axes", text: str) -> None:
    """Small left-aligned title of one panel."""
    axis.set_title(text, loc="left", fontsize=9, color=INK)


def percent_axis(axis: "Axes", *, which: str = "y") -> None:
    """Ticks of fractions as percent, with as many decimals as the range needs."""
    from matplotlib.ticker import PercentFormatter

    side = axis.yaxis if which == "y" else axis.xaxis
    side.set_major_formatter(PercentFormatter(xmax=1.0, decimals=None))


def dollar_axis(axis: "Axes", *, which: str = "y") -> None:
    """Ticks as 250, 10k, 1.2M."""
    from matplotlib.ticker import FuncFormatter

    side = axis.yaxis if which == "y" else axis.xaxis
    side.set_major_formatter(FuncFormatter(lambda value, _: short_dollars(value)))


def short_dollars(value: float) -> str:
    """250, 10k, 1.2M; for axes."""
    for unit, name in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= unit:
            return f"{value / unit:.3g}{name}"
    return f"{value:.3g}"


def time_axis(axis: "Axes") -> None:
    """Dates that say no more than they need to."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=3, maxticks=8)
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))


def legend(axis: "Axes", *, columns: int = 1) -> None:
    """A legend without a box, only where there is something to name."""
    if axis.get_legend_handles_labels()[0]:
        axis.legend(
            loc="upper left",
            bbox_to_anchor=(1.0, 1.02),
            ncols=columns,
            frameon=False,
            fontsize=8,
            labelcolor=INK,
        )


def hide_unused(axes: Sequence["Axes"], used: int) -> None:
    """Blank the panels after the first `used`."""
    for axis in axes[used:]:
        axis.set_axis_off()


def nothing_to_draw(title: str, *, suffix: str = "") -> bytes:
    """A small image that says there is no data, instead of an empty frame."""
    figure, axes = panels(title, size=(9.0, 1.4), suffix=suffix)
    axes[0].set_axis_off()
    axes[0].text(0.0, 0.5, "no rows", color=MUTED, fontsize=10, transform=axes[0].transAxes)
    return png(figure)


def span(axis: "Axes", times: pl.Series) -> None:
    """Limit a time axis to `times`, without the margin that looks like missing data."""
    bounds: Any = (times.min(), times.max())
    axis.set_xlim(*bounds)


def png(figure: "Figure") -> bytes:
    """The figure as PNG bytes in few colours, a third of the size; the same for the same data."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    FigureCanvasAgg(figure)
    full, small = BytesIO(), BytesIO()
    figure.savefig(full, format="png", dpi=_DPI, facecolor="white")
    picture = (
        Image.open(full)
        .convert("RGB")
        .quantize(_COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    )
    picture.save(small, format="png", optimize=True)
    return small.getvalue()
