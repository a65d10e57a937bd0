"""PNG plots of how sure one can be: differences to rivals, and the studies' variants.

What lives here: drawing. What does not: intervals and variants (`validation.significance`, `studies`).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from funding_pipeline.reporting.differences import Difference, differences
from funding_pipeline.reporting.palette import INK, MUTED, NEGATIVE, POSITIVE, STRATEGY
from funding_pipeline.reporting.plot_style import (
    caption,
    dollar_axis,
    nothing_to_draw,
    panels,
    percent_axis,
    png,
    short_dollars,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SHIFT = 0.16
_NET = ("net_return_annual", "net_low", "net_high")


def forest(summary: Mapping[str, Any], *, suffix: str = "") -> bytes:
    """The strategy less each baseline, in net return and in drawdown, with 95 % intervals.

    `summary`: `comparisons` of a back-test. Green: the whole interval says better; red: worse; grey: neither.
    """
    title = "Strategy less each rule, with 95 % intervals"
    net, falls = (differences(summary, quantity) for quantity in ("net", "drawdown"))
    if not net:
        return nothing_to_draw(title, suffix=suffix)
    count = len({one.name for one in net})
    figure, (left, right) = panels(title, columns=2, size=(9.5, max(2.6, 1.3 + 0.42 * count)), suffix=suffix)
    _forest(left, net, better=1)
    _forest(right, sorted(falls, key=_place(net)), better=-1)
    caption(left, "net return a year, % of capital (right is better)")
    caption(right, "largest drawdown, % of capital (left is better)")
    right.set_yticklabels([])
    left.plot([], [], "o", color=MUTED, label="rule hedged on each venue")
    left.plot([], [], "o", color=MUTED, markerfacecolor="white", label="rule as it is")
    left.legend(loc="upper left", bbox_to_anchor=(0.0, -0.12), ncols=2, frameon=False, fontsize=8)
    return png(figure)


def _place(order: Sequence[Difference]) -> Callable[[Difference], int]:
    """Sorts differences of one quantity in the order of another's rules."""
    names = list(dict.fromkeys(one.name for one in order))
    return lambda one: names.index(one.name)


def _forest(axis: "Axes", found: Sequence[Difference], *, better: int) -> None:
    from matplotlib.ticker import MaxNLocator

    names = list(dict.fromkeys(one.name for one in found))
    for one in found:
        at = names.index(one.name) + (0.0 if one.alone else -_SHIFT if one.hedged else _SHIFT)
        low, high = sorted((better * one.low, better * one.high))
        colour = POSITIVE if low > 0 else NEGATIVE if high < 0 else MUTED
        axis.plot([one.low, one.high], [at, at], color=colour, linewidth=1.8)
        fill = colour if one.hedged else "white"
        axis.plot([one.value], [at], "o", color=colour, markerfacecolor=fill, markersize=5.5)
    axis.axvline(0, color=INK, linewidth=0.8)
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.grid(visible=False, axis="y")
    axis.xaxis.set_major_locator(MaxNLocator(5))
    percent_axis(axis, which="x")


def studies(runs: pl.DataFrame, *, suffix: str = "") -> bytes:
    """Net return a year by band of the venues' beta, by cost scenario, and against capital (log scale).

    `runs`: study (band, costs, capacity), variant, capital_usd, net_return_annual, net_low, net_high.
    """
    title = "The same back-test under other terms: net return a year, 95 % intervals"
    if runs.is_empty():
        return nothing_to_draw(title, suffix=suffix)
    figure, (band, costs, capital) = panels(title, columns=3, size=(11.0, 3.6), suffix=suffix)
    caption(band, "band of each venue's beta")
    caption(costs, "cost scenario")
    caption(capital, "capital, USD (log scale)")
    _bars(band, runs.filter(study="band"))
    _bars(costs, runs.filter(study="costs"))
    _curve(capital, runs.filter(study="capacity").sort("capital_usd"))
    for axis in (band, costs, capital):
        axis.axhline(0, color=INK, linewidth=0.8)
        percent_axis(axis)
    return png(figure)


def _bars(axis: "Axes", runs: pl.DataFrame) -> None:
    net, low, high = (runs[name].cast(pl.Float64).to_numpy() for name in _NET)
    labels = [f"{v}\n{value:+.2%}" for v, value in zip(runs["variant"].to_list(), net, strict=True)]
    axis.bar(labels, net, color=STRATEGY, width=0.55)
    axis.vlines(labels, low, high, color=INK, linewidth=1.2)
    axis.grid(visible=False, axis="x")


def _curve(axis: "Axes", runs: pl.DataFrame) -> None:
    from matplotlib.ticker import NullLocator

    size = runs["capital_usd"].to_numpy()
    net, low, high = (runs[name].cast(pl.Float64).to_numpy() for name in _NET)
    axis.fill_between(size, low, high, color=STRATEGY, alpha=0.12, linewidth=0)
    axis.plot(size, net, "o-", color=STRATEGY, linewidth=1.6, markersize=4)
    axis.set_xscale("log")
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_xticks(size, [short_dollars(value) for value in size])


def regime_profit(regimes: pl.DataFrame, *, suffix: str = "") -> bytes:
    """Net profit by regime of the market when each day began, USD, with the return a year and the days.

    `regimes`: kind, regime, days, net_usd, net_return_annual.
    """
    title = "Net profit by what was known of the market when each day began, USD"
    shown = regimes.filter(pl.col("days") > 0)
    if shown.is_empty():
        return nothing_to_draw(title, suffix=suffix)
    figure, (axis,) = panels(title, size=(9.5, max(2.6, 1.0 + 0.34 * shown.height)), suffix=suffix)
    names = [f"{kind}: {regime}" for kind, regime in shown.select("kind", "regime").iter_rows()]
    net = shown["net_usd"].to_list()
    axis.barh(names, net, color=[POSITIVE if usd >= 0 else NEGATIVE for usd in net], height=0.6)
    for i, (days, annual) in enumerate(shown.select("days", "net_return_annual").iter_rows()):
        axis.annotate(
            f"{net[i]:+,.0f} USD in {days} days, {annual:+.2%} a year", (max(net[i], 0.0), i), (4, 0),
            textcoords="offset points", va="center", fontsize=7.5, color=INK,
        )  # fmt: skip
    axis.margins(x=0.35)
    axis.invert_yaxis()
    axis.axvline(0, color=INK, linewidth=0.8)
    axis.grid(visible=False, axis="y")
    dollar_axis(axis, which="x")
    return png(figure)
