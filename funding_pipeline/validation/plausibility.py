"""What makes a very good figure doubtful, told from the run itself.

What lives here: named doubts with their numbers. What does not: whether there is an edge (`verdict`).
"""

import math
from collections.abc import Mapping
from typing import Any

from funding_pipeline.validation.statistics import PLAUSIBLE_SHARPE

_LACKING = (
    "this history has no venue failure that took collateral, no auto-deleveraging of one leg and no "
    "withdrawal stop; a Sharpe ratio knows only what happened in it"
)


def plausibility(
    figures: Mapping[str, Any],
    *,
    decisions: int,
    decisions_at_old_prices: int,
    marks_per_day: float,
    largest_margin_use: float | None,
    concentration: Mapping[str, Any],
    best_days_share: float | None,
) -> dict[str, Any]:
    """`flagged` where the net Sharpe ratio is above 5, and `doubts`: sentences with the run's own numbers.

    The doubts are said in any case; the flag says that they must be answered before the figure is used.
    """
    sharpe = figures["sharpe"]
    doubts = [
        _funding_share(figures["pnl"]),
        f"Marked {marks_per_day:.1f} times a day: what happens between two marks is not in volatility or "
        "drawdown.",
        f"{decisions_at_old_prices} of {decisions} decisions filled some leg at a close older than the "
        "decision; every fill is assumed, none was one.",
        _margin(largest_margin_use),
        _concentrated(concentration, best_days_share),
        f"{_LACKING[0].upper()}{_LACKING[1:]}.",
    ]
    return {
        "flagged": sharpe is not None and sharpe > PLAUSIBLE_SHARPE,
        "sharpe": sharpe,
        "above": PLAUSIBLE_SHARPE,
        "doubts": [doubt for doubt in doubts if doubt],
    }


def _funding_share(pnl: Mapping[str, float]) -> str:
    """Funding is nearly certain once it is announced: its share says how smooth the profit must look."""
    gained, net = pnl["funding"] + pnl["basis"], sum(pnl.values())
    if gained <= 0 or net <= 0:
        return ""
    return (
        f"{pnl['funding'] / gained:.0%} of the profit before costs is funding, booked at settled rates: a "
        f"sum of small steady payments has a high Sharpe ratio until a leg fails. The basis gave "
        f"{pnl['basis']:+,.0f} USD."
    )


def _margin(largest: float | None) -> str:
    if largest is None or not math.isfinite(largest):
        return "How much of a venue's collateral its margin used at most is not known for this run."
    return f"A venue's maintenance margin used {largest:.0%} of its equity at most, at hourly closes."


def _concentrated(found: Mapping[str, Any], best_days: float | None) -> str:
    share, flows = found["base_share_of_net"], found["venue_share_of_funding_flows"]
    if share is None or flows is None:
        return ""
    days = "" if best_days is None else f"; the best tenth of the days earned {best_days:.0%} of it"
    return (
        f"{found['base']} gave {share:.0%} of the net profit and {found['venue']} carried {flows:.0%} of the "
        f"funding paid and received{days}."
    )
