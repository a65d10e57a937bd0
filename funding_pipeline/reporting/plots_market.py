"""PNG plots of market data: funding, basis, spreads, depth.

One function each: a frame and a title suffix in, PNG bytes out. Rates are drawn per year (x 8,760 h).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import polars as pl

from funding_pipeline.reporting.palette import INK, MUTED, numbered_colour, venue_colour
from funding_pipeline.reporting.plot_style import (
    caption,
    dollar_axis,
    hide_unused,
    legend,
    nothing_to_draw,
    panels,
    percent_axis,
    png,
    span,
    time_axis,
)
from funding_pipeline.reporting.series import (
    colour_limit,
    pair_differentials,
    thinned,
    trailing_annual_funding,
    widest_pairs,
    with_base_and_multiplier,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PLATEAU_BP_PER_8H = 1.0
_MAX_PANELS = 12
_MAX_BOOKS = 6
_LINE_POINTS = 500


def _grid(count: int) -> tuple[int, int]:
    columns = min(3, count)
    return -(-count // columns), columns


def _small_multiples(
    frame: pl.DataFrame, title: str, *, by: str, suffix: str
) -> tuple["Figure", Mapping[str, "Axes"]]:
    """A figure with one titled panel over time per value of `by`, at most twelve."""
    names = frame[by].unique().sort().to_list()[:_MAX_PANELS]
    rows, columns = _grid(len(names))
    figure, axes = panels(title, rows=rows, columns=columns, size=(9.5, 0.7 + 1.9 * rows), suffix=suffix)
    hide_unused(axes, len(names))
    for axis, name in zip(axes, names, strict=False):
        caption(axis, name)
        time_axis(axis)
    return figure, dict(zip(names, axes, strict=False))


def _lines(axis: "Axes", frame: pl.DataFrame, column: str, *, by: str, colours: Mapping[str, str]) -> None:
    for name, colour in colours.items():
        line = thinned(frame.filter(pl.col(by) == name), limit=_LINE_POINTS)
        axis.plot(line["time"], line[column], linewidth=0.8, color=colour)


def _shared_legend(figure: "Figure", colours: Mapping[str, str]) -> None:
    from matplotlib.lines import Line2D

    marks = [Line2D([], [], color=colour, label=name) for name, colour in colours.items()]
    figure.legend(handles=marks, loc="outside lower left", ncols=9, frameon=False, fontsize=8)


def _cut(values: pl.Series, tail: float) -> tuple[float, float]:
    """Quantiles `tail` and 1 - `tail`: the scale of a plot that a few extremes would flatten."""
    return float(values.quantile(tail) or 0.0), float(values.quantile(1 - tail) or 0.0)


def settled_funding_by_venue(settled: pl.DataFrame, *, suffix: str = "") -> bytes:
    """Trailing 7-day settled funding per year, one panel per venue, one line per base.

    `settled`: SETTLED_FUNDING rows; contracts of one base are averaged. The scale is shared and cut at
    the 0.5 % and 99.5 % quantiles.
    """
    title = "Settled funding, trailing 7 days, per year"
    if settled.is_empty():
        return nothing_to_draw(title, suffix=suffix)
    annual = trailing_annual_funding(settled).filter(pl.col("annual").is_not_null())
    annual = (
        annual.group_by("venue", "base", "time").agg(pl.col("annual").mean()).sort("venue", "base", "time")
    )
    bases = annual["base"].unique().sort().to_list()
    colours = {base: numbered_colour(i) for i, base in enumerate(bases)}
    low, high = _cut(annual["annual"], 0.005)
    pad = 0.05 * (high - low) + 1e-4
    figure, panel_of = _small_multiples(annual, title, by="venue", suffix=suffix)
    for venue, axis in panel_of.items():
        _lines(axis, annual.filter(pl.col("venue") == venue), "annual", by="base", colours=colours)
        axis.set_ylim(low - pad, high + pad)
        span(axis, annual["time"])
        percent_axis(axis)
    next(iter(panel_of.values())).set_ylabel("percent per year")
    _shared_legend(figure, colours)
    return png(figure)


def price_basis(prices: pl.DataFrame, *, suffix: str = "") -> bytes:
    """Trade close against the cross-venue median of its base, weekly mean, one panel per base, in bp.

    `prices`: PRICES rows. Moments with fewer than two venues are left out; the scale is cut at the
    1 % and 99 % quantiles.
    """
    title = "Basis against the cross-venue median, weekly mean"
    weekly = _weekly_basis(prices)
    if weekly.is_empty():
        return nothing_to_draw(title, suffix=suffix)
    colours = {venue: venue_colour(venue) for venue in weekly["venue"].unique().sort()}
    figure, panel_of = _small_multiples(weekly, title, by="base", suffix=suffix)
    for base, axis in panel_of.items():
        one = weekly.filter(pl.col("base") == base)
        _lines(axis, one, "basis_bp", by="venue", colours=colours)
        low, high = _cut(one["basis_bp"], 0.01)
        axis.set_ylim(low - 1.0, high + 1.0)
    next(iter(panel_of.values())).set_ylabel("basis points")
    _shared_legend(figure, colours)
    return png(figure)


def _weekly_basis(prices: pl.DataFrame) -> pl.DataFrame:
    """Mean of close / cross-venue median - 1 per base unit, basis points: venue, base, time, basis_bp."""
    perpetual = (pl.col("kind") == "trade") & pl.col("symbol").str.contains(":", literal=True)
    moment = ["base", "close_time"]
    close = pl.col("close") / pl.col("multiplier")
    basis = (close / close.median().over(moment) - 1) * 1e4
    return (
        with_base_and_multiplier(prices.filter(perpetual))
        .filter(pl.col("venue").n_unique().over(moment) >= 2)
        .with_columns(basis.alias("basis_bp"))
        .group_by("venue", "base", pl.col("close_time").dt.truncate("1w").alias("time"))
        .agg(pl.col("basis_bp").mean())
        .sort("time")
    )


def funding_distribution(settled: pl.DataFrame, *, suffix: str = "") -> bytes:
    """Histogram of settled rates per 8 h by venue, with the share on the plateau of 0.01 % per 8 h."""
    title = "Settled rates per 8 h, and the plateau at 1 bp"
    if settled.is_empty():
        return nothing_to_draw(title, suffix=suffix)
    rates = settled.select(
        "venue", (pl.col("rate") / pl.col("interval_hours") * 8e4).alias("bp")
    ).drop_nulls()
    venues = rates["venue"].unique().sort().to_list()[:_MAX_PANELS]
    rows, columns = _grid(len(venues))
    figure, axes = panels(title, rows=rows, columns=columns, size=(9.5, 0.6 + 1.9 * rows), suffix=suffix)
    for axis, venue in zip(axes, venues, strict=False):
        bp = rates.filter(pl.col("venue") == venue)["bp"]
        on_plateau = int(((bp - _PLATEAU_BP_PER_8H).abs() < 1e-6).sum()) / bp.len()
        shown = bp.clip(-5, 5)
        axis.hist(shown, bins=80, range=(-5, 5), color=venue_colour(venue), weights=[1 / bp.len()] * bp.len())
        axis.axvspan(0.94, 1.06, color=INK, alpha=0.12, linewidth=0)
        caption(axis, f"{venue}: {on_plateau:.0%} of {bp.len():,} on the plateau")
        percent_axis(axis)
    hide_unused(axes, len(venues))
    axes[0].set_ylabel("share of settlements")
    for axis in axes[: len(venues)]:
        axis.set_xlabel("bp per 8 h (ends: beyond ±5)")
    return png(figure)


def spread_heatmap(settled: pl.DataFrame, *, suffix: str = "", pairs: int = 30) -> bytes:
    """Monthly mean funding differential per (base, venue pair), per year: the widest `pairs` of them."""
    title = "Funding differential per pair, monthly mean, per year (gross)"
    if settled.is_empty():
        return nothing_to_draw(title, suffix=suffix)
    wide = widest_pairs(pair_differentials(trailing_annual_funding(settled)), count=pairs)
    if wide.is_empty():
        return nothing_to_draw(title, suffix=suffix)
    months = [name[:7] for name in wide.columns[1:]]
    values = wide.drop("label").to_numpy()
    figure, axes = panels(title, size=(9.5, max(2.6, 1.2 + 0.17 * wide.height)), suffix=suffix)
    axis = axes[0]
    limit = colour_limit(wide)
    image = axis.imshow(
        values, aspect="auto", cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest"
    )
    axis.grid(visible=False)
    axis.set_yticks(range(wide.height), wide["label"].to_list(), fontsize=7)
    step = max(1, len(months) // 12)
    axis.set_xticks(range(0, len(months), step), months[::step], fontsize=7)
    bar = figure.colorbar(image, ax=axis, pad=0.01, format=lambda value, _: f"{value:.0%}")
    bar.ax.tick_params(labelsize=8, colors=MUTED)
    bar.outline.set_visible(False)
    return png(figure)


def book_depth(depth: pl.DataFrame, *, suffix: str = "") -> bytes:
    """Resting USD within 10 bp of mid on both sides, and the bid-ask spread. ORDER_BOOK_DEPTH rows."""
    title = "Order book: depth within 10 bp and spread"
    if depth.is_empty():
        return nothing_to_draw(title, suffix=suffix)
    figure, (top, low) = panels(title, rows=2, size=(9.0, 4.6), suffix=suffix)
    keys = depth.select("venue", "symbol").unique().sort("venue", "symbol").head(_MAX_BOOKS)
    for i, (venue, symbol) in enumerate(keys.iter_rows()):
        one = depth.filter(pl.col("venue") == venue, pl.col("symbol") == symbol)
        one = thinned(one.rename({"observed_at": "time"}), limit=_LINE_POINTS)
        name, colour = f"{venue} {symbol}", numbered_colour(i)
        for side, style in (("bid", "-"), ("ask", ":")):
            usd = one[f"{side}_depth_10bp_usd"]
            top.plot(one["time"], usd, style, color=colour, linewidth=1, label=f"{name} {side}s")
        low.plot(one["time"], one["spread_bp"], color=colour, linewidth=1)
    top.set_ylabel("USD within 10 bp")
    low.set_ylabel("spread, bp of mid")
    dollar_axis(top)
    for axis in (top, low):
        axis.set_ylim(bottom=0)
        time_axis(axis)
    legend(top)
    return png(figure)
