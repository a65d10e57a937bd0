"""Sections on how sure one can be: rivals with intervals, neutrality's price, costs, capital, regimes.

What lives here: which charts, tables and sentences. What does not: any figure (`validation.significance`,
`validation.studies`).
"""

from collections.abc import Mapping
from typing import Any

import polars as pl

from funding_pipeline.reporting.differences import differences
from funding_pipeline.reporting.report_blocks import Block, Section, chart, rows, text
from funding_pipeline.reporting.report_charts_evidence import capacity_chart, forest_chart, variants_chart
from funding_pipeline.reporting.report_inputs import ReportInputs
from funding_pipeline.reporting.report_tables import decimal, dollars, percent, table

_COSTS = (
    "Costs: low is post-only orders, seven of ten filled at maker fees and the rest taken; base takes every "
    "trade; stress has three times the spread and the impact. Decisions and ledger both use them."
)
BANDS = {"open": "no band", "30%": "30 %", "10%": "10 %", "closed": "closed (0.1 %)"}
_RUN_COLUMNS = {
    "variant": "",
    "capital_usd": "capital, USD",
    "net_return_annual": "net per year",
    "net_low": "95 % from",
    "net_high": "to",
    "net_return_on_gross_annual": "of gross",
    "net_usd": "net, USD",
    "mean_gross_usd": "mean gross, USD",
    "sharpe": "Sharpe",
    "max_drawdown": "largest drawdown",
    "turnover": "turnover, x capital",
    "fees_usd": "fees, USD",
    "slippage_usd": "slippage, USD",
    "funding_usd": "funding, USD",
    "basis_usd": "basis, USD",
    "max_venue_beta_fraction_of_budget": "largest venue beta, of budget",
}
# Formats of a table follow from the unit in a column's name: these are fractions too.
_FRACTIONS = {
    "net_low": "net_low_fraction",
    "net_high": "net_high_fraction",
    "max_venue_beta_fraction_of_budget": "max_venue_beta_fraction",
}


def rivals_section(inputs: ReportInputs) -> Section:
    """The strategy less each baseline with its interval, and what the model adds."""
    net, falls = (differences(inputs.summary, quantity) for quantity in ("net", "drawdown"))
    by_net = forest_chart(
        net,
        title="Strategy less each rule: net return a year, with its 95 % interval",
        axis_title="% of capital a year; right of zero: the strategy earned more",
        less_is_better=False,
        suffix=inputs.suffix,
    )
    by_fall = forest_chart(
        falls,
        title="Strategy less each rule: largest drawdown, with its 95 % interval",
        axis_title="% of capital; left of zero: the strategy fell less",
        less_is_better=True,
        suffix=inputs.suffix,
    )
    lead = (
        "The same days are drawn for both (block bootstrap), so what moves both alike cancels. Green: the "
        "whole interval says better; red: worse; grey: not told from luck."
        if net
        else "Too few days, or no rule was run: nothing can be told from luck."
    )
    return Section(
        "rivals",
        "Better by more than luck?",
        lead,
        (
            *text(*_value_added(inputs.summary)),
            *chart(by_net, identity="forest-net"),
            *chart(by_fall, identity="forest-drawdown"),
            *rows(table(_probabilities(inputs.summary)), caption="The same as numbers", folded=True),
        ),
    )


def _value_added(summary: Mapping[str, Any]) -> list[str]:
    """What forecasts are worth: the model against the trailing mean, and against knowing the future."""
    added, ceiling = summary.get("value_added_by_ai"), summary.get("ceiling")
    if added is None:
        return []
    ratio = "" if added["ratio"] is None else f": {decimal(added['ratio'])} times as much"
    more, low, high = (percent(added[key], decimals=2, signed=True) for key in ("net_annual", "low", "high"))
    own, other = (percent(added[f"{key}_model_net_annual"], decimals=2) for key in ("with", "without"))
    told = (
        f"Value added by AI: {more} of capital a year (95 % interval {low} to {high}). The optimiser with "
        f"the model earned {own}, the same optimiser on the trailing mean {other}{ratio}."
    )
    if ceiling is None or ceiling["share_reached"] is None:
        return [told]
    most = percent(ceiling["net_return_annual"], decimals=2)
    reached = percent(ceiling["share_reached"], decimals=0)
    return [f"{told} Told the funding that came, it would have earned {most}: {reached} of that was reached."]


def _probabilities(summary: Mapping[str, Any]) -> pl.DataFrame:
    """One row per baseline and variant with both differences, their intervals and the probability."""
    found = [
        {
            "rule": name.replace("_", " "),
            "variant": "hedged" if variant == "venue_neutral" else "as it is",
            "net difference_annual": row["net_annual_difference"],
            "from_annual": row["low"],
            "to_annual": row["high"],
            "probability of more_share": row["probability_better"],
            "difference of drawdown": row["drawdown_difference"],
            "from drawdown": row["drawdown_low"],
            "to drawdown": row["drawdown_high"],
        }
        for name, variants in (summary.get("comparisons") or {}).items()
        for variant, row in variants.items()
    ]
    return pl.DataFrame(found)


def studies_section(inputs: ReportInputs) -> Section:
    """The same back-test with other bands, costs and capital; what over-fitting is likely."""
    runs = inputs.studies_runs
    if runs is None or runs.is_empty():
        why = f"Studies: {inputs.studies_missing or 'not run'}."
        return Section("studies", "Other terms", why, tuple(text(*_break_even(inputs.summary))))
    band, costs, capital = (runs.filter(pl.col("study") == name) for name in ("band", "costs", "capacity"))
    holds_to = (inputs.summary.get("capacity") or {}).get("capital_usd")
    return Section(
        "studies",
        "Other terms: neutrality, costs, capital",
        f"The whole back-test again under other terms, decided every {runs['decisions_every_hours'][0]} h: "
        "compare them with each other, not with the headline. Whiskers, shades: 95 % intervals.",
        (
            *text(*_price_of_neutrality(band, own=_own(runs, "band"))),
            *chart(
                variants_chart(
                    band, title="Price of neutrality: net return a year by band of each venue's beta",
                    names=BANDS, own=_own(runs, "band"), suffix=inputs.suffix,
                ),
                identity="band",
            ),
            *text(_COSTS, *_break_even(inputs.summary)),
            *chart(
                variants_chart(
                    costs, title="Cost scenarios: net return a year", names={},
                    own=_own(runs, "costs"), suffix=inputs.suffix,
                ),
                identity="costs",
            ),
            *text(*_capacity(inputs.summary)),
            *chart(
                capacity_chart(
                    capital, capital_usd=inputs.capital_usd, holds_to_usd=holds_to, suffix=inputs.suffix
                ),
                identity="capacity",
            ),
            *_run_tables({"Bands": band, "Cost scenarios": costs, "Capital": capital}),
            *text(*_overfitting(inputs.summary)),
        ),
    )  # fmt: skip


def _run_tables(studies: Mapping[str, pl.DataFrame]) -> list[Block]:
    names = {_FRACTIONS.get(column, column): words for column, words in _RUN_COLUMNS.items()}
    out: list[Block] = []
    for caption, runs in studies.items():
        content = table(
            runs.select(*_RUN_COLUMNS).rename(_FRACTIONS), names=names, signed=("net_return_annual",)
        )
        out += rows(content, caption=f"{caption}, as numbers", folded=True)
    return out


def _own(runs: pl.DataFrame, study: str) -> str:
    """The variant of a study that is the back-test's own setting: the run at its own capital is the same."""
    reference = runs.filter(pl.col("study") == "capacity", pl.col("value") == 1.0)["net_usd"]
    mine = runs.filter(pl.col("study") == study, pl.col("net_usd").is_in(reference.implode()))["variant"]
    return str(mine[0]) if mine.len() else ""


def _price_of_neutrality(band: pl.DataFrame, *, own: str) -> list[str]:
    net = dict(band.select("variant", "net_return_annual").iter_rows())
    free, kept = net.get("open"), net.get(own)
    if free is None or kept is None or own == "open":
        return []
    price, without, with_it = (percent(value, decimals=2) for value in (free - kept, free, kept))
    return [
        f"Price of neutrality: {price} of capital a year is given up by keeping each venue's beta within "
        f"{BANDS.get(own, own)} of its budget ({with_it} instead of {without})."
    ]


def _break_even(summary: Mapping[str, Any]) -> list[str]:
    found = summary.get("break_even_cost") or {}
    times = found.get("multiplier")
    if times is None:
        return []
    return [
        f"Break-even cost: {decimal(times, decimals=1)} times the assumed costs, a round trip of "
        f"{decimal(found['round_trip_bp'], decimals=0)} bp instead of "
        f"{decimal(found['round_trip_bp_paid'], decimals=0)} bp, would have left nothing of the same trades."
    ]


def _capacity(summary: Mapping[str, Any]) -> list[str]:
    found = summary.get("capacity") or {}
    if found.get("capital_usd") is None:
        return []
    least = "at least " if found["is_largest_studied"] else ""
    most = found.get("most_profit_capital_usd")
    best = "" if most is None else f" The most profit in USD was made with {dollars(most)} USD."
    return [f"Capacity: half of the return is kept up to {least}{dollars(found['capital_usd'])} USD.{best}"]


def _overfitting(summary: Mapping[str, Any]) -> list[str]:
    """Probability of over-fitting by combinatorial purged cross-validation; nothing where unknown."""
    found = summary.get("overfitting")
    if not found:
        return ["The probability of over-fitting is not known: too few days."]
    return [
        f"Probability of over-fitting: {percent(found['pbo'])}. So often, the best of "
        f"{len(found['settings'])} settings on one half of the days was at or below the median of all on the "
        f"other half ({found['splits']:,} splits, purged)."
    ]


def regimes_section(inputs: ReportInputs) -> Section:
    """Profit by what was known of the market when each day began."""
    found = inputs.studies_regimes
    if found is None or found.is_empty():
        return Section("regimes", "In which markets", f"Studies: {inputs.studies_missing or 'not run'}.", ())
    shown = found.rename({"share_of_net": "part of all profit, share"})
    signed = ("net_return_annual", "net_usd")
    return Section(
        "regimes",
        "In which markets",
        "Whole days by what was known when they began. Trend: BTC moved more than 10 % over 30 days, or not "
        "(chop). Volatility: the market's filtered state is stress, or not (calm). Funding: median of all "
        "perpetuals over 7 days above 10 % a year (high), below zero (negative), else low.",
        tuple(rows(table(shown, signed=signed, bars=("net_usd",)))),
    )
