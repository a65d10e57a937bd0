"""The first screen of the report: headline numbers and what they mean, in plain words.

What lives here: sentences that follow from the summary by fixed rules. What does not: new numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from funding_pipeline.reporting.report_inputs import ReportInputs
from funding_pipeline.reporting.report_tables import MISSING, decimal, dollars, percent
from funding_pipeline.validation.statistics import PLAUSIBLE_SHARPE


@dataclass(frozen=True)
class Headline:
    """One number of the first row: its name, its value and a line below it."""

    name: str
    value: str
    detail: str
    sign: int = 0


def headlines(inputs: ReportInputs) -> tuple[Headline, ...]:
    """Net return, Sharpe, drawdown, turnover, costs and forecast skill."""
    summary = inputs.summary
    net = summary.get("net_return_annual")
    costs = summary.get("costs") or {}
    fees = costs.get("fees_per_year_fraction")
    slippage = costs.get("slippage_per_year_fraction")
    known = fees is not None and slippage is not None
    return (
        Headline(
            "Net return a year",
            percent(net, signed=True, decimals=2),
            f"on capital of {dollars(inputs.capital_usd)} USD; volatility "
            f"{percent(summary.get('volatility_annual'), decimals=2)}",
            sign=_sign(net),
        ),
        Headline("Sharpe ratio", decimal(summary.get("sharpe")), _interval_text(summary)),
        Headline(
            "Largest drawdown",
            percent(summary.get("max_drawdown"), decimals=2),
            f"of capital; {percent(summary.get('time_under_water'), decimals=0)} of the time below a peak",
        ),
        Headline(
            "Turnover a year",
            f"{decimal(summary.get('turnover'), decimals=1)}x",
            f"capital; {summary.get('decisions', 0):,} decisions",
        ),
        Headline(
            "Costs a year",
            percent((fees or 0) + (slippage or 0) if known else None, decimals=2),
            f"of capital: fees {percent(fees, decimals=2)}, slippage {percent(slippage, decimals=2)}",
        ),
        _skill_headline(inputs.forecast_skill),
    )


def verdict(inputs: ReportInputs) -> tuple[str, ...]:
    """Sentences: what it earned, whether that is more than luck, against the rules, and the limits."""
    sentences = [_earned(inputs.summary), _luck(inputs.summary), _against(inputs.summary)]
    sentences += [_unhedged(inputs.summary), _neutral(inputs.summary)]
    if inputs.is_simulated:
        sentences.append("The market is simulated: nothing here says what a real market would have paid.")
    return tuple(sentence for sentence in sentences if sentence)


def _sign(value: float | None) -> int:
    return 0 if value is None else int(value > 0) - int(value < 0)


def _interval(summary: Mapping[str, Any]) -> tuple[float, float] | None:
    found = summary.get("sharpe_interval")
    if isinstance(found, Mapping) and found.get("low") is not None and found.get("high") is not None:
        return float(found["low"]), float(found["high"])
    return None


def _interval_text(summary: Mapping[str, Any]) -> str:
    found = _interval(summary)
    if found is None:
        return "no interval: too few days"
    return f"95 % interval {decimal(found[0])} to {decimal(found[1])}, daily returns"


def _earned(summary: Mapping[str, Any]) -> str:
    pnl = summary.get("pnl")
    if not pnl:
        return ""
    net = sum(pnl.values())
    parts = ", ".join(f"{name} {dollars(value, signed=True)}" for name, value in pnl.items())
    word = "earned" if net >= 0 else "lost"
    return (
        f"From {str(summary.get('from'))[:10]} to {str(summary.get('to'))[:10]} the strategy {word} "
        f"{dollars(abs(net))} USD after costs ({parts})."
    )


def _luck(summary: Mapping[str, Any]) -> str:
    found, sharpe = _interval(summary), summary.get("sharpe")
    if found is None or sharpe is None:
        return "There are too few days to tell the result from luck."
    if found[0] <= 0 <= found[1]:
        return "The interval of the Sharpe ratio includes zero: the result cannot be told from luck."
    if found[1] < 0:
        return "The loss is larger than chance explains."
    if sharpe > PLAUSIBLE_SHARPE:
        return (
            f"The interval excludes zero, but a Sharpe ratio above {PLAUSIBLE_SHARPE:.0f} has to be "
            "explained before it is believed: see the limits at the end."
        )
    return "The interval of the Sharpe ratio excludes zero."


def _against(summary: Mapping[str, Any]) -> str:
    """Only rules that are as neutral on each venue: one that may carry beta is another product."""
    own, baselines = summary.get("net_return_annual"), summary.get("baselines") or {}
    rivals = {
        name: (figures.get("venue_neutral") or figures).get("net_return_annual")
        for name, figures in baselines.items()
    }
    known = {name: float(value) for name, value in rivals.items() if value is not None}
    if own is None or not known:
        return "No baseline was run."
    best = max(known, key=lambda name: (known[name], name))
    beaten = sum(own > value for value in known.values())
    better = "more" if own > known[best] else "no more"
    return (
        f"It earned more than {beaten} of {len(known)} baselines hedged on each venue as it is, and {better} "
        f"than the best of them ({best.replace('_', ' ')}, {percent(known[best], signed=True)} a year)."
    )


def _unhedged(summary: Mapping[str, Any]) -> str:
    """Rules that earned more by carrying what the strategy must not: said, because a reader will ask."""
    own, baselines = summary.get("net_return_annual"), summary.get("baselines") or {}
    more = {
        name: figures["net_return_annual"]
        for name, figures in baselines.items()
        if _is_more(figures.get("net_return_annual"), own)
        and (figures.get("venue_neutral") or figures).get("net_return_annual") != figures["net_return_annual"]
    }
    if not more:
        return ""
    best = max(more, key=lambda name: (more[name], name))
    return (
        f"Without that hedge, carrying a net position on each venue, {len(more)} earned more "
        f"({best.replace('_', ' ')} {percent(more[best], signed=True)} a year)."
    )


def _is_more(value: float | None, than: float | None) -> bool:
    return value is not None and than is not None and value > than


def _neutral(summary: Mapping[str, Any]) -> str:
    found = summary.get("neutrality") or {}
    delta = found.get("max_portfolio_delta_fraction_of_gross")
    beta = found.get("max_venue_beta_fraction_of_budget", found.get("max_venue_beta_fraction"))
    if delta is None or beta is None:
        return ""
    before = found.get("max_venue_beta_fraction_of_budget_before_decision")
    moved = "" if before is None else f" (up to {percent(before)} before one, when prices had moved it)"
    return (
        f"After each decision the net position never exceeded {percent(delta, decimals=2)} of gross, and the "
        f"beta-weighted net of a venue {percent(beta)} of its budget{moved}."
    )


def _skill_headline(skill: pl.DataFrame | None) -> Headline:
    """R2 of differentials over all rows against the baseline's, at the longest horizon."""
    needed = {"horizon_hours", "quantity", "plateau", "group", "r2", "baseline_r2", "mae_improvement"}
    if skill is None or not needed <= set(skill.columns):
        return Headline("Forecast skill", MISSING, "not evaluated here")
    overall = skill.filter(
        pl.col("quantity") == "differential", pl.col("plateau") == "all", pl.col("group") == "overall"
    ).sort("horizon_hours")
    if overall.is_empty():
        return Headline("Forecast skill", MISSING, "no forecast has an outcome yet")
    row = overall.row(-1, named=True)
    own, rival, improvement = row["r2"], row["baseline_r2"], row["mae_improvement"]
    error = "unknown" if improvement is None else percent(abs(improvement))
    word = "larger" if (improvement or 0) < 0 else "smaller"
    return Headline(
        "Forecast skill, R²",
        decimal(own),
        f"baseline {decimal(rival)}; differentials over {row['horizon_hours']} h; mean error {error} {word}",
        sign=_sign(None if None in (own, rival) else own - rival),
    )
