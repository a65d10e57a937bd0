"""PNG plots of the state of the market: regimes behind price and funding, and how unusual it was when.

What lives here: drawing. What does not: judging the market (`models`).
"""

from datetime import datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from funding_pipeline.reporting.palette import INK, MUTED, NEGATIVE, regime_colour
from funding_pipeline.reporting.plot_style import (
    dollar_axis,
    nothing_to_draw,
    panels,
    percent_axis,
    png,
    span,
    time_axis,
)
from funding_pipeline.reporting.series import regime_spans, thinned

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LINE_POINTS = 1200
_LABELS_ABREAST = 70
_SEVERITIES = {"notice": "#e2a03a", "warning": "#e2703a", "alarm": NEGATIVE}


def regimes_over(
    market: pl.DataFrame, regimes: pl.DataFrame, *, price_of: str = "BTC", suffix: str = ""
) -> bytes:
    """Price and funding of a market, one above the other, with the regimes shaded behind both.

    `market`: `time`, `price` (of `price_of`, USD; null or all null: that panel is left out) and `funding`
    (fraction a year). `regimes`: `as_of`, `regime`.
    """
    title = "Regimes behind price and funding"
    if market.is_empty() or regimes.is_empty():
        return nothing_to_draw(title, suffix=suffix)
    has_price = "price" in market.columns and market["price"].null_count() < market.height
    names = ["price", "funding"] if has_price else ["funding"]
    figure, axes = panels(title, rows=len(names), size=(9.5, 1.0 + 2.3 * len(names)), suffix=suffix)
    spans = regime_spans(regimes)
    for name, axis in zip(names, axes, strict=True):
        known = market.select("time", name).drop_nulls()
        line = thinned(known.rename({name: "value"}), extremes_of="value", limit=_LINE_POINTS)
        for start, end, regime in spans.iter_rows():
            axis.axvspan(start, end, color=regime_colour(regime), linewidth=0)
        axis.plot(line["time"], line["value"], color=INK, linewidth=1)
        span(axis, regimes["as_of"])
        time_axis(axis)
    if has_price:
        axes[0].set_ylabel(f"{price_of}, USD (log scale)")
        _price_axis(axes[0])
    axes[-1].set_ylabel("market funding, 168 h mean, per year")
    percent_axis(axes[-1])
    _regime_legend(axes[0], regimes)
    return png(figure)


def _price_axis(axis: "Axes") -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    axis.set_yscale("log")
    axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.yaxis.set_minor_formatter(NullFormatter())
    dollar_axis(axis)


def _regime_legend(axis: "Axes", regimes: pl.DataFrame) -> None:
    from matplotlib.patches import Patch

    names = regimes["regime"].unique().drop_nulls().sort().to_list()
    axis.legend(
        handles=[Patch(facecolor=regime_colour(n), edgecolor=MUTED, linewidth=0.5, label=n) for n in names],
        loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=len(names), frameon=False, fontsize=8,
    )  # fmt: skip


def unusual_market(severities: pl.DataFrame, alarms: pl.DataFrame, *, suffix: str = "") -> bytes:
    """How far the market's strangest reading was from typical, over time; alarms marked and named.

    `severities`: `as_of`, `severity`, `strongest` (robust deviations). `alarms`: `as_of` of the first alarm
    of each episode, named by date where there is room.
    """
    title = "Strangest reading of the market, robust deviations from the last 90 days"
    known = severities.drop_nulls("strongest")
    if known.is_empty():
        return nothing_to_draw(title, suffix=suffix)
    figure, axes = panels(title, size=(9.5, 4.2), suffix=suffix)
    axis = axes[0]
    line = thinned(known.select(pl.col("as_of").alias("time"), pl.col("strongest").alias("value")),
                   extremes_of="value", limit=_LINE_POINTS)  # fmt: skip
    axis.plot(line["time"], line["value"], color=MUTED, linewidth=0.6)
    for severity, colour in _SEVERITIES.items():
        rows = known.filter(pl.col("severity") == severity)
        count = f"{severity}: {rows.height} of {known.height}"
        axis.scatter(rows["as_of"], rows["strongest"], s=9, color=colour, label=count, zorder=3)
    axis.set_yscale("log")
    axis.set_ylim(bottom=0.3)
    _name_alarms(axis, known, alarms)
    axis.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, frameon=False, fontsize=8)
    span(axis, known["as_of"])
    time_axis(axis)
    return png(figure)


def _name_alarms(axis: "Axes", known: pl.DataFrame, alarms: pl.DataFrame) -> None:
    """The date of each episode's first alarm, above what is drawn; of close ones only the first."""
    times: list[datetime] = known["as_of"].to_list()
    apart = (times[-1] - times[0]) / _LABELS_ABREAST
    named: list[Any] = []
    for at in alarms["as_of"].sort():
        if not named or at - named[-1] >= apart:
            named.append(at)
    top = axis.get_ylim()[1]
    axis.set_ylim(top=top * 12)
    for at in named:
        axis.axvline(at, color=NEGATIVE, linewidth=0.5, alpha=0.5, zorder=0)
        axis.annotate(
            f"{at:%Y-%m-%d}", (at, top * 11), rotation=90, fontsize=7, color=INK, ha="right", va="top"
        )
