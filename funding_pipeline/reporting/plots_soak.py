"""A soak as a picture: memory and open handles of each process, and bytes on disk, over market days."""

from typing import TYPE_CHECKING

import polars as pl

from funding_pipeline.reporting.palette import numbered_colour
from funding_pipeline.reporting.plot_style import caption, legend, panels, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MIB = 1024 * 1024
_PANELS = (
    ("memory", "resident memory by process, MiB", _MIB),
    ("handles", "open handles by process", 1),
    ("size", "size on disk, MiB", _MIB),
)


def soak_plot(samples: pl.DataFrame) -> bytes:
    """A PNG. `samples`: hour (market hours since the start), group (memory, handles, size), name, value
    (bytes or a count)."""
    title = "Long-lived processes and the state folder over a soak"
    figure, axes = panels(title, rows=len(_PANELS), size=(10.0, 9.0), suffix="  SIMULATED market")
    for axis, (group, words, scale) in zip(axes, _PANELS, strict=True):
        _draw(axis, samples.filter(pl.col("group") == group), scale)
        caption(axis, words)
        axis.set_ylim(bottom=0)
    axes[-1].set_xlabel("market days")
    return png(figure)


def _draw(axis: "Axes", rows: pl.DataFrame, scale: int) -> None:
    names = rows["name"].unique(maintain_order=True).to_list()
    for position, name in enumerate(names):
        own = rows.filter(pl.col("name") == name)
        colour = numbered_colour(position)
        axis.plot(own["hour"] / 24, own["value"] / scale, color=colour, linewidth=1.2, label=name)
    if names:
        legend(axis, columns=3)
