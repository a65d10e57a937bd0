"""Edge, weak edge, no edge or too short to say: stated from the evidence by fixed rules.

What lives here: the rules. What does not: sentences (`verdict_words`), or any new figure: every number is the
summary's or the studies'. docs/validation.md says the same for a reader.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import polars as pl

from funding_pipeline.validation.baseline_runs import CEILINGS, NO_MODEL
from funding_pipeline.validation.statistics import LEAST_DAYS
from funding_pipeline.validation.verdict_words import kills, sentences

Word = Literal["edge", "weak edge", "no edge", "too short to say"]
LEAST_DEFLATED_SHARPE = 0.95
MOST_OVERFITTING = 0.30
RULES = (
    "edge: every check passes. weak edge: the first does (net return at base costs above zero with its whole "
    "95 % interval) and some other does not, or is not known. no edge: anything else. too short to say: fewer"
    f" than {LEAST_DAYS} days of returns, which have no interval."
)


@dataclass(frozen=True)
class Check:
    """One condition of an edge: `passed` is null where its evidence is missing."""

    name: str
    passed: bool | None
    text: str


def verdict(
    summary: Mapping[str, Any], *, runs: pl.DataFrame | None = None, stress: pl.DataFrame | None = None
) -> dict[str, Any]:
    """The verdict as plain data: word, checks, sentences, kills, cost and capital.

    `summary`: of the back-test, with the entries of `Studies.summary` where studies were run; `runs`: of the
    studies; `stress`: table with scenario, loss_usd. What is not given is not known, and no check passes on
    it. `provisional`: the Sharpe ratio is implausible, so the word stands only if the doubts are answered.
    """
    found = tuple(checks(summary, runs=runs))
    word = _word(found)
    flagged = bool((summary.get("plausibility") or {}).get("flagged"))
    costs = summary["costs"]
    return {
        "word": word,
        "provisional": flagged,
        "rules": RULES,
        "checks": [asdict(check) for check in found],
        "sentences": sentences(
            summary,
            word=word,
            failed=[check.text for check in found if check.passed is False],
            unknown=[check.name for check in found if check.passed is None],
            runs=runs,
        ),
        "kills": kills(summary, stress=stress),
        "cost": costs["fees_per_year_fraction"] + costs["slippage_per_year_fraction"],
        "capital_usd": (summary.get("capacity") or {}).get("capital_usd"),
    }


def _word(found: Sequence[Check]) -> Word:
    if found[0].passed is None:
        return "too short to say"
    if all(check.passed is True for check in found):
        return "edge"
    return "weak edge" if found[0].passed is True else "no edge"


def checks(summary: Mapping[str, Any], *, runs: pl.DataFrame | None = None) -> Iterator[Check]:
    """Every condition of an edge, the one that a weak edge needs first."""
    yield _base(summary)
    yield _stressed(runs)
    yield _rules_beaten(summary)
    yield _model_helps(summary)
    yield _deflated(summary)
    yield _overfitting(summary)
    yield _liquidations(summary)
    yield _last_year(summary)


def _base(summary: Mapping[str, Any]) -> Check:
    name, interval = "net return at base costs", summary.get("net_return_interval")
    if interval is None:
        return Check(name, None, "There are too few days to tell the net return from zero.")
    passed = summary["net_return_annual"] > 0 and interval["low"] > 0
    where = f"The 95 % interval of the net return is {interval['low']:+.2%} to {interval['high']:+.2%} a year"
    return Check(name, passed, f"{where}.")


def _stressed(runs: pl.DataFrame | None) -> Check:
    name = "net return at stress costs"
    row = None if runs is None else runs.filter(study="costs", variant="stress")
    if row is None or row.is_empty() or row["net_low"][0] is None:
        return Check(name, None, "No run at stress costs.")
    low, high = row["net_low"][0], row["net_high"][0]
    return Check(
        name, low > 0, f"At stress costs the interval of the net return is {low:+.2%} to {high:+.2%}."
    )


def _rules_beaten(summary: Mapping[str, Any]) -> Check:
    """Against rules that are as neutral on every venue: one that may carry beta is another product."""
    name, found = "venue-neutral rules", summary.get("comparisons") or {}
    lows = {rule: variants["venue_neutral"]["low"] for rule, variants in found.items()
            if rule not in (NO_MODEL, *CEILINGS) and "venue_neutral" in variants}  # fmt: skip
    if not lows:
        return Check(name, None, "No rule was run to compare with.")
    behind = sorted(rule for rule, low in lows.items() if not low > 0)
    if behind:
        names = ", ".join(rule.replace("_", " ") for rule in behind)
        return Check(name, False, f"Not better beyond luck than {names}, hedged on every venue.")
    return Check(name, True, f"Better beyond luck than all {len(lows)} rules hedged on every venue.")


def _model_helps(summary: Mapping[str, Any]) -> Check:
    name, added = "the part of the model", summary.get("value_added_by_ai")
    if added is None:
        return Check(name, None, "The optimiser was not run without the model.")
    text = f"The model adds {added['net_annual']:+.2%} a year ({added['low']:+.2%} to {added['high']:+.2%})."
    return Check(name, added["low"] > 0, text)


def _deflated(summary: Mapping[str, Any]) -> Check:
    name, found = "deflated Sharpe ratio", summary.get("deflated_sharpe")
    if found is None:
        return Check(name, None, "The Sharpe ratio could not be deflated.")
    text = f"The Sharpe ratio deflated for {found['trials']} trials is {found['value']:.2f}."
    return Check(name, found["value"] > LEAST_DEFLATED_SHARPE, text)


def _overfitting(summary: Mapping[str, Any]) -> Check:
    name, found = "probability of over-fitting", summary.get("overfitting")
    if found is None:
        return Check(name, None, "The probability of over-fitting is not known.")
    text = f"Choosing among {len(found['settings'])} settings over-fits with probability {found['pbo']:.2f}."
    return Check(name, found["pbo"] < MOST_OVERFITTING, text)


def _liquidations(summary: Mapping[str, Any]) -> Check:
    name, count = "liquidations", summary.get("liquidations")
    if count is None:
        return Check(name, None, "Liquidations were not simulated.")
    lost = -summary["pnl"].get("liquidation", 0.0)
    return Check(name, count == 0, f"{count} liquidation(s) cost {lost:,.0f} USD." if count else "None.")


def _last_year(summary: Mapping[str, Any]) -> Check:
    name, found = "last year", summary.get("last_year")
    if found is None:
        return Check(name, None, "The last year is not known.")
    text = f"The last {found['days']:.0f} days earned {found['net_usd']:+,.0f} USD."
    return Check(name, found["net_usd"] > 0, text)
