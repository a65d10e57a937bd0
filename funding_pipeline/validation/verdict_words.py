"""The sentences of a verdict.

What lives here: words around numbers that others computed. What does not: the rules (`verdict`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from funding_pipeline.validation.statistics import LEAST_DAYS


def sentences(
    summary: Mapping[str, Any],
    *,
    word: str,
    failed: Sequence[str],
    unknown: Sequence[str],
    runs: pl.DataFrame | None,
) -> list[str]:
    """Result, what speaks against it, costs, capacity, sources, the model, and whether it is plausible."""
    found = [
        _result(summary, word=word),
        *(f"Against it: {text}" for text in failed),
        f"Not known: {', '.join(unknown)}." if unknown else "",
        _costs(summary),
        _neutrality(runs),
        _capacity(summary),
        _sources(summary),
        _model(summary),
        _plausible(summary),
    ]
    return [text for text in found if text]


def kills(summary: Mapping[str, Any], *, stress: pl.DataFrame | None) -> list[str]:
    """What would end it: higher costs, decay, one stress loss, one base or venue, liquidation, cash."""
    found = [
        _break_even(summary),
        _decay(summary),
        _stress(summary, stress),
        _concentration(summary),
        _liquidation(summary),
        _cash(summary),
    ]
    return [text for text in found if text]


def _result(summary: Mapping[str, Any], *, word: str) -> str:
    sharpe, interval = summary.get("sharpe"), summary.get("net_return_interval")
    period = f"{str(summary['from'])[:10]} to {str(summary['to'])[:10]}"
    if interval is None:
        return f"{word.capitalize()}: fewer than {LEAST_DAYS} days of returns, {period}."
    within = f" (95 % interval {interval['low']:+.2%} to {interval['high']:+.2%})"
    ratio = "" if sharpe is None else f", Sharpe ratio {sharpe:.1f}"
    return (
        f"{word.capitalize()}: {summary['net_return_annual']:+.2%} a year on capital after costs{within}"
        f"{ratio}, {period}."
    )


def _costs(summary: Mapping[str, Any]) -> str:
    costs, pnl = summary["costs"], summary["pnl"]
    taken = costs["fees"] + costs["slippage"]
    before = sum(pnl.values()) + taken
    share = f", {taken / before:.0%} of the profit before them" if before > 0 else ""
    fraction = costs["fees_per_year_fraction"] + costs["slippage_per_year_fraction"]
    return f"Trading costs took {fraction:.2%} of capital a year{share}."


def _neutrality(runs: pl.DataFrame | None) -> str:
    """Price of the band against none, both decided as the studies are."""
    if runs is None:
        return ""
    bands = runs.filter(study="band")
    band = dict(bands.select("variant", "net_return_annual").iter_rows())
    free, own = band.get("open"), band.get("10%")
    if free is None or own is None:
        return ""
    return (
        f"Keeping every venue neutral within 10 % of its budget costs {free - own:.2%} a year: without that "
        f"band the same optimiser earned {free:+.2%}, with it {own:+.2%} (a decision every "
        f"{bands['decisions_every_hours'][0]} h)."
    )


def _capacity(summary: Mapping[str, Any]) -> str:
    found = summary.get("capacity")
    if not found or found["capital_usd"] is None:
        return ""
    least = "at least " if found["is_largest_studied"] else ""
    return f"It keeps half of its return up to {least}{found['capital_usd']:,.0f} USD of capital."


def _sources(summary: Mapping[str, Any]) -> str:
    parts = ", ".join(f"{name} {value:+,.0f}" for name, value in summary["pnl"].items())
    found = summary.get("concentration") or {}
    share = found.get("base_share_of_net")
    where = "" if share is None else f" {found['base']} gave the largest part, {share:.0%}."
    return f"It came from: {parts} USD.{where}"


def _model(summary: Mapping[str, Any]) -> str:
    added, ceiling = summary.get("value_added_by_ai"), summary.get("ceiling")
    if added is None:
        return ""
    most = ""
    if ceiling is not None and ceiling["share_reached"] is not None:
        most = f" Knowing the funding in advance would have earned {ceiling['net_return_annual']:+.2%}."
    return (
        f"The model adds {added['net_annual']:+.2%} a year to the same optimiser on the trailing mean "
        f"({added['low']:+.2%} to {added['high']:+.2%}).{most}"
    )


def _plausible(summary: Mapping[str, Any]) -> str:
    found = summary.get("plausibility") or {}
    if not found.get("flagged"):
        return ""
    return (
        f"A net Sharpe ratio of {found['sharpe']:.1f} is above {found['above']:.0f}: the word stands only if "
        "the doubts listed under plausibility can be answered."
    )


def _break_even(summary: Mapping[str, Any]) -> str:
    found = summary.get("break_even_cost") or {}
    times = found.get("multiplier")
    if times is None:
        return ""
    if times <= 1:
        return f"It already loses at these costs; {max(times, 0):.1f} times them would have left nothing."
    return (
        f"Costs of {times:.1f} times what was assumed leave nothing of the same trades: a round trip of "
        f"{found['round_trip_bp']:.0f} bp instead of {found['round_trip_bp_paid']:.0f} bp."
    )


def _decay(summary: Mapping[str, Any]) -> str:
    """Profit by calendar year, and the last year against all."""
    years, last = summary.get("by_year") or {}, summary.get("last_year")
    if not years or last is None:
        return ""
    parts = ", ".join(f"{year} {values['net']:+,.0f}" for year, values in sorted(years.items()))
    if last["days"] < 365:  # the whole span: nothing to compare it with
        return f"Decay: net by year {parts} USD; less than a year, so no trend can be told."
    pace = last["net_usd"] / summary["capital_usd"] / last["days"] * 365
    whole = summary["net_return_annual"]
    word = "less than" if pace < whole else "no less than"
    return (
        f"Decay: net by year {parts} USD; the last {last['days']:.0f} days earned {pace:+.2%} a year, {word} "
        f"the {whole:+.2%} of the whole span."
    )


def _stress(summary: Mapping[str, Any], stress: pl.DataFrame | None) -> str:
    if stress is None or stress.is_empty():
        return ""
    worst = stress.sort("loss_usd", descending=True).row(0, named=True)
    yearly = summary["net_return_annual"] * summary["capital_usd"]
    years = f", {worst['loss_usd'] / yearly:.1f} years of profit" if yearly > 0 else ""
    return f"One bad event: {worst['scenario']} would cost {worst['loss_usd']:,.0f} USD{years}."


def _concentration(summary: Mapping[str, Any]) -> str:
    found = summary.get("concentration") or {}
    base, venue = found.get("base_share_of_net"), found.get("venue_share_of_funding_flows")
    if base is None or venue is None:
        return ""
    return (
        f"Concentration: {base:.0%} of the profit is from {found['base']}, and {venue:.0%} of all funding "
        f"paid and received runs over {found['venue']}."
    )


def _liquidation(summary: Mapping[str, Any]) -> str:
    count, lost = summary.get("liquidations"), -summary["pnl"].get("liquidation", 0.0)
    return f"{count} liquidation(s) happened in the run and cost {lost:,.0f} USD." if count else ""


def _cash(summary: Mapping[str, Any]) -> str:
    """No interest on collateral and no risk-free rate: a reader may take this for more than it is."""
    net = summary["net_return_annual"]
    if net <= 0:
        return ""
    return (
        "Cash: no interest on collateral is counted and no risk-free rate is subtracted. Where the same "
        f"capital earns more than {net:.2%} a year at rest, and collateral earns nothing, this is not worth "
        "doing."
    )
