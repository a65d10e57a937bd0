"""The first screen of the report: the verdict with its evidence, and headline numbers.

What lives here: what the summary says, in the order of a reader. What does not: the rules of the verdict
(`validation.verdict`), or new numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from funding_pipeline.reporting.palette import INK, VERDICTS
from funding_pipeline.reporting.report_inputs import ReportInputs
from funding_pipeline.reporting.report_tables import MISSING, decimal, dollars, percent
from funding_pipeline.validation.baseline_runs import CEILINGS


@dataclass(frozen=True)
class Headline:
    """One number of the first row: its name, its value and a line below it."""

    name: str
    value: str
    detail: str
    sign: int = 0


@dataclass(frozen=True)
class Evidence:
    """One check of the verdict; `mark` is one character, `sign` 1 passed, -1 failed, 0 not known."""

    name: str
    text: str
    sign: int

    @property
    def mark(self) -> str:
        """Passed, failed or not known."""
        return {1: "\u2713", -1: "\u2717", 0: "?"}[self.sign]


@dataclass(frozen=True)
class Verdict:
    """`word` (empty where none was told), its `result`, `evidence` and `kills`, and other `sentences`."""

    word: str
    colour: str
    provisional: bool
    result: str
    evidence: tuple[Evidence, ...]
    kills: tuple[str, ...]
    sentences: tuple[str, ...]


def headlines(inputs: ReportInputs) -> tuple[Headline, ...]:
    """Net return, Sharpe, drawdown, costs, what the model adds, and forecast skill."""
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
            f"on capital of {dollars(inputs.capital_usd)} USD; "
            f"{percent(summary.get('net_return_on_gross_annual'), decimals=2)} of the mean gross; volatility "
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
            "Costs a year",
            percent((fees or 0) + (slippage or 0) if known else None, decimals=2),
            f"of capital: fees {percent(fees, decimals=2)}, slippage {percent(slippage, decimals=2)}; "
            f"turnover {decimal(summary.get('turnover'), decimals=1)}x, {summary.get('decisions', 0):,} "
            "decisions",
        ),
        _model_headline(summary),
        _skill_headline(inputs.forecast_skill),
    )


def verdict(inputs: ReportInputs) -> Verdict:
    """The summary's verdict, with what a reader asks next: rivals, rules that carry more, neutrality."""
    told = inputs.summary.get("verdict") or {}
    first, *others = told.get("sentences") or [""]
    repeated = ("Against it:", "Not known:")  # the evidence says so
    sentences = [text for text in others if not text.startswith(repeated)]
    sentences += [_against(inputs.summary), _unhedged(inputs.summary), _neutral(inputs.summary)]
    if inputs.is_simulated:
        sentences.append("The market is simulated: nothing here says what a real market would have paid.")
    if inputs.studies_missing:
        sentences.append(f"The verdict knows no studies: {inputs.studies_missing}.")
    word = str(told.get("word") or "")
    return Verdict(
        word=word,
        colour=VERDICTS.get(word, INK),
        provisional=bool(told.get("provisional")),
        result=first,
        evidence=tuple(_evidence(check) for check in told.get("checks") or ()),
        kills=tuple(told.get("kills") or ()),
        sentences=tuple(sentence for sentence in sentences if sentence),
    )


def _evidence(check: Mapping[str, Any]) -> Evidence:
    passed = check["passed"]
    return Evidence(name=check["name"], text=check["text"], sign=0 if passed is None else 1 if passed else -1)


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


def _against(summary: Mapping[str, Any]) -> str:
    """Only rules that are as neutral on each venue: one that may carry beta is another product."""
    own, baselines = summary.get("net_return_annual"), summary.get("baselines") or {}
    rivals = {
        name: (figures.get("venue_neutral") or figures).get("net_return_annual")
        for name, figures in baselines.items()
        if name not in CEILINGS
    }
    known = {name: float(value) for name, value in rivals.items() if value is not None}
    if own is None or not known:
        return "No baseline was run."
    best = max(known, key=lambda name: (known[name], name))
    beaten = sum(own > value for value in known.values())
    better = "more" if own > known[best] else "no more"
    rival, earned = best.replace("_", " "), percent(known[best], decimals=2, signed=True)
    return (
        f"It earned more than {beaten} of {len(known)} baselines hedged on each venue as it is, and {better} "
        f"than the best of them ({rival}, {earned} a year)."
    )


def _unhedged(summary: Mapping[str, Any]) -> str:
    """Rules that earned more by carrying what the strategy must not: said, because a reader will ask."""
    own, baselines = summary.get("net_return_annual"), summary.get("baselines") or {}
    more = {
        name: figures["net_return_annual"]
        for name, figures in baselines.items()
        if name not in CEILINGS
        and _is_more(figures.get("net_return_annual"), own)
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


def _model_headline(summary: Mapping[str, Any]) -> Headline:
    """What the model adds to the same optimiser on the trailing mean; coloured where the interval tells."""
    found = summary.get("value_added_by_ai")
    if found is None:
        return Headline("Added by the model", MISSING, "not run without it, or too few days")
    low, high = (percent(found[key], decimals=2, signed=True) for key in ("low", "high"))
    return Headline(
        "Added by the model",
        percent(found["net_annual"], decimals=2, signed=True),
        f"a year, over the same optimiser on the trailing mean; 95 % interval {low} to {high}",
        sign=1 if found["low"] > 0 else -1 if found["high"] < 0 else 0,
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
