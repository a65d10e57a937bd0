"""Sections about the strategy: result, sources of profit, neutrality, plan, limits."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from funding_pipeline.reporting.attribution import pnl_attribution, unattributed_usd
from funding_pipeline.reporting.report_blocks import Section, chart, items, rows, text
from funding_pipeline.reporting.report_charts import (
    PORTFOLIO,
    drawdown_chart,
    equity_chart,
    exposure_chart,
    neutrality_chart,
    source_chart,
    venues_of,
)
from funding_pipeline.reporting.report_charts_market import attribution_chart, plan_chart
from funding_pipeline.reporting.report_inputs import ReportInputs
from funding_pipeline.reporting.report_tables import Table, decimal, dollars, percent, table

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
        "Every curve pays its own fees and slippage and is marked on each venue's own closes.",
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
        row = {"name": name.replace("_", " ")} | {key: _float(figures.get(key)) for key in _FIGURES}
        row |= {"neutral_annual": _float(neutral.get("net_return_annual"))}
        out.append(row | {"neutral_sharpe": _float(neutral.get("sharpe"))})
    numeric = dict.fromkeys([*_FIGURES, "neutral_annual", "neutral_sharpe"], pl.Float64)
    return pl.DataFrame(out, schema={"name": pl.String, **numeric})


def _float(value: Any) -> float | None:
    return None if value is None else float(value)


def sources_section(inputs: ReportInputs) -> Section:
    """Profit by source over time, and by venue and by base; raises AccountingError if they disagree."""
    frames = {"trades": inputs.trades, "positions": inputs.positions}
    splits = {
        by: pnl_attribution(**frames, funding_payments=inputs.funding_payments, by=(by,))
        for by in ("venue", "base")
    }
    later = unattributed_usd(splits["venue"], equity=inputs.equity, **frames)
    blocks = chart(source_chart(inputs), identity="sources") + rows(_by_year(inputs.summary))
    for by, split in splits.items():
        if split.height:
            blocks += chart(attribution_chart(split, by=by, suffix=inputs.suffix), identity=f"by-{by}")
        names = {"basis_usd": "basis and price, USD"}
        shown = table(_with_total(split, by), names=names, signed=("total_usd",), bars=("total_usd",))
        blocks += rows(shown)
    note = (
        "Basis is what marks moved while positions were held. On one venue alone it is mostly the price of a "
        "position that other venues hedge: a profit here and a loss there, and collateral on the wrong side."
    )
    if abs(later) >= 1:
        added = dollars(later, signed=True)
        note += f" Marks after the last decision added {added} USD, in none of the rows by venue or base."
    return Section("sources", "Where the money came from", note, tuple(blocks))


def _by_year(summary: Mapping[str, Any]) -> Table:
    """Profit by source per calendar year, USD; an old edge that has faded shows here."""
    years = [{"year": year, **values} for year, values in (summary.get("by_year") or {}).items()]
    frame = pl.DataFrame([{k if k == "year" else f"{k}_usd": v for k, v in row.items()} for row in years])
    return table(frame, signed=("net_usd",), bars=("net_usd",) if frame.height else ())


def _with_total(split: pl.DataFrame, by: str) -> pl.DataFrame:
    total = split.sum().with_columns(pl.lit("all").alias(by))
    return pl.concat([split, total]) if split.height else split


def neutrality_section(inputs: ReportInputs) -> Section:
    """Use of the permitted bands, and gross exposure."""
    venues = venues_of(inputs.neutrality)
    worst = inputs.neutrality.group_by("scope").agg(
        pl.col("fraction").max().alias("largest_net_fraction"),
        pl.col("fraction").mean().alias("mean_net_fraction"),
        pl.col("fraction_of_band").max().alias("largest_use_of_band_fraction"),
        pl.col("gross_usd").mean().alias("mean_gross_usd"),
    )
    return Section(
        "neutrality",
        "Neutrality",
        "Right after each decision: the portfolio's net over its gross, and each venue's beta-weighted net "
        "over its budget, both as a share of the permitted band. Between decisions prices move them.",
        (
            *chart(
                neutrality_chart(
                    inputs, scopes=[PORTFOLIO], title="Portfolio: net notional, share of the band"
                ),
                identity="neutral-portfolio",
            ),
            *chart(
                neutrality_chart(inputs, scopes=venues, title="Venues: beta-weighted net, share of the band"),
                identity="neutral-venues",
            ),
            *chart(exposure_chart(inputs), identity="exposure"),
            *rows(table(worst.sort(pl.col("scope") != PORTFOLIO, "scope"))),
        ),
    )


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
        "Daily marks hide what happens inside a day: margin calls between marks are not seen.",
        "Taxes, withdrawal fees, the cost of moving collateral and interest on it are left out.",
        "The past of a few liquid coins says little about others; the differential shrinks over the years.",
    )
    provenance = [f"{name}: {value}" for name, value in inputs.provenance.items()]
    notes = [str(note) for note in inputs.summary.get("notes") or ()]
    return Section(
        "limits",
        "Conventions and limits",
        "How the numbers are made, and what they do not include.",
        (
            *text(*[line for line in stated if line]),
            *items(left_out, caption="Not included"),
            *items(notes, caption="Notes of this run"),
            *items(provenance, caption="Made from"),
        ),
    )
