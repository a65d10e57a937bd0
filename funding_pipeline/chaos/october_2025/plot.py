"""The day as a picture: prices, what was unhedged, equity; with what happened marked.

What lives here: drawing. What does not: figures (`outcome`), or how every picture looks
(`reporting.plot_style`).
"""

from typing import TYPE_CHECKING, Any

import polars as pl

from funding_pipeline.chaos.october_2025.outcome import OctoberOutcome
from funding_pipeline.reporting import plot_style
from funding_pipeline.reporting.palette import INK, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARKS = {"event": (MUTED, ":"), "state": (INK, "-")}


def october_plot(outcome: OctoberOutcome) -> bytes:
    """A PNG of three panels over one axis of time. Lines: events (dotted) and changes of state (solid)."""
    figure, axes = plot_style.panels(
        "10 October 2025 on the testnet",
        rows=3,
        size=(10.0, 8.0),
        suffix="  SIMULATED market",
        heights=(3, 2, 2),
    )
    prices, unhedged, equity = axes
    samples = outcome.samples
    times: Any = [sample.at for sample in samples]
    for base in samples[0].prices:
        prices.plot(times, [float(s.prices[base]) - 1 for s in samples], linewidth=1.2, label=base)
        unhedged.plot(times, [float(s.unhedged_usd.get(base, 0)) for s in samples], linewidth=1.2, label=base)
    equity.plot(times, [float(sample.equity_usd) for sample in samples], linewidth=1.2, color=INK)
    plot_style.caption(prices, "price of each base since the beginning (median of the venues' marks)")
    plot_style.caption(unhedged, "unhedged notional by base, USD; crosses: alerts that are critical")
    plot_style.caption(equity, "equity of all accounts, USD")
    plot_style.percent_axis(prices)
    plot_style.dollar_axis(unhedged)
    plot_style.dollar_axis(equity)
    plot_style.legend(prices)
    critical: Any = [alert.raised_at for alert in outcome.alerts if alert.severity == "critical"]
    unhedged.plot(critical, [0.0] * len(critical), "x", color=INK, markersize=5)
    for axis in axes:
        _mark(axis, outcome)
        plot_style.time_axis(axis)
        plot_style.span(axis, pl.Series(times))
    return plot_style.png(figure)


def _mark(axis: "Axes", outcome: OctoberOutcome) -> None:
    for row in outcome.rows:
        if row.kind in _MARKS:
            colour, line = _MARKS[row.kind]
            axis.axvline(row.at, color=colour, linestyle=line, linewidth=0.8)  # type: ignore[arg-type]
