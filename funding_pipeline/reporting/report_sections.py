"""Sections about the strategy's own result: equity, the plan, limits.

What lives here: which charts, tables and sentences, in which order. What does not: profit by source
(`report_sections_sources`), evidence and studies (`report_sections_evidence`), risk (`report_sections_risk`),
market and data (`report_sections_market`).
"""

from collections.abc import Mapping
from typing import Any

import polars as pl

from funding_pipeline.reporting.report_blocks import Section, chart, items, rows, text
from funding_pipeline.reporting.report_charts import drawdown_chart, equity_chart, shown_name
from funding_pipeline.reporting.report_charts_market import plan_chart
from funding_pipeline.reporting.report_inputs import ReportInputs
from funding_pipeline.reporting.report_tables import decimal, dollars, percent, table

_FIGURES = {
    "net_return_annual": "net per year",
    "volatility_annual": "volatility",
    "sharpe": "Sharpe",
    "max_drawdown": "largest drawdown",
    "turnover": "turnover, x capital",
}


def result_section(inputs: ReportInputs) -> Section:
    """Equity and drawdown against every baseline."""
    figures = _comparison(inputs.summary)
    named = {
        "name": "",
        "neutral_annual": "hedged per venue: net per year",
        "neutral_sharpe": "its Sharpe",
    } | _FIGURES
    return Section(
        "result",
        "Result against simple rules",
        "Every curve pays its own fees and slippage and is marked on each venue's own closes. Hedged: the "
        "same rule with its beta hedged in BTC on every venue. The dotted line knows the funding to come: a "
        "ceiling, no rival.",
        (
            *chart(equity_chart(inputs), identity="equity"),
            *chart(drawdown_chart(inputs), identity="drawdown"),
            *rows(table(figures, names=named, signed=("net_return_annual", "neutral_annual"))),
            *text(*_deflated(inputs.summary)),
        ),
    )


def _deflated(summary: Mapping[str, Any]) -> list[str]:
    """The Sharpe ratio after the number of models that were tried, and the rule; nothing where unknown."""
    found = summary.get("deflated_sharpe")
    if not found:
        return []
    return [
        f"Deflated Sharpe ratio: {percent(found['value'])} is the probability that the true Sharpe ratio "
        f"exceeds {decimal(found['expected_max_sharpe'])}, the best to expect of {found['trials']:,} trials "
        f"worth nothing over {found['days']:,} days ({found['effective_days']:,.0f} with autocorrelation); "
        f"against zero, as if one model had been tried, {percent(found['probabilistic'])}.",
        str(found["rule"]),
    ]


def _comparison(summary: Mapping[str, Any]) -> pl.DataFrame:
    """One row per strategy or baseline; figures as in the summary, and those of its hedged variant."""
    every = {"strategy": summary, **(summary.get("baselines") or {})}
    out = []
    for name, figures in every.items():
        neutral = figures if name == "strategy" else figures.get("venue_neutral") or {}
        row = {"name": shown_name(name)} | {key: _float(figures.get(key)) for key in _FIGURES}
        row |= {"neutral_annual": _float(neutral.get("net_return_annual"))}
        out.append(row | {"neutral_sharpe": _float(neutral.get("sharpe"))})
    numeric = dict.fromkeys([*_FIGURES, "neutral_annual", "neutral_sharpe"], pl.Float64)
    return pl.DataFrame(out, schema={"name": pl.String, **numeric})


def _float(value: Any) -> float | None:
    return None if value is None else float(value)


def plan_section(inputs: ReportInputs) -> Section:
    """The current plan's legs with their reasons."""
    legs = inputs.plan_legs
    if legs is None or legs.is_empty():
        return Section("plan", "Current plan", "No plan was given: nothing to trade now.", ())
    column = "notional_target_usd" if "notional_target_usd" in legs.columns else "notional_usd"
    shown = [
        c
        for c in ("venue", "symbol", "base", column, "expected_rate_per_hour", "reason")
        if c in legs.columns
    ]
    gross, net = float(legs[column].abs().sum()), float(legs[column].sum())
    names = {column: "target, USD", "expected_rate_per_hour": "expected funding, per year"}
    return Section(
        "plan",
        "Current plan",
        f"{legs.height} legs, gross {dollars(gross)} USD, net {dollars(net, signed=True)} USD "
        f"({percent(abs(net) / gross if gross else None, decimals=2)} of gross).",
        (
            *chart(plan_chart(legs, column=column, suffix=inputs.suffix), identity="plan-legs"),
            *rows(table(legs.select(shown).sort("base", "venue", "symbol"), names=names, signed=(column,))),
        ),
    )


def limits_section(inputs: ReportInputs) -> Section:
    """Conventions, what the numbers leave out, notes of the run, and provenance."""
    conventions = inputs.summary.get("conventions") or ""
    stated = [conventions] if isinstance(conventions, str) else [str(item) for item in conventions]
    left_out = (
        "Auto-deleveraging, a venue's failure or halt, a stablecoin's break and forced settlements are not "
        "in the curve unless the history contains them.",
        "Fills are assumed at the venue's last close, worse by half a spread and impact; queues, partial "
        "fills, rejected orders and latency are not simulated.",
        "Drawdown and volatility know the marks at decisions and midnights; margin is followed hour by hour, "
        "and what happens inside an hour only at each candle's worst price.",
        "Taxes, withdrawal fees, the cost of moving collateral and interest on it are left out.",
        "The past of a few liquid coins says little about others; the differential shrinks over the years.",
    )
    provenance = [f"{name}: {value}" for name, value in inputs.provenance.items()]
    doubts = (inputs.summary.get("plausibility") or {}).get("doubts") or ()
    notes = [str(note) for note in inputs.summary.get("notes") or ()]
    return Section(
        "limits",
        "Conventions and limits",
        "How the numbers are made, and what they do not include.",
        (
            *text(*[line for line in stated if line]),
            *items([str(doubt) for doubt in doubts], caption="What makes the figures doubtful"),
            *items(left_out, caption="Not included"),
            *items(notes, caption="Notes of this run"),
            *items(provenance, caption="Made from"),
        ),
    )
