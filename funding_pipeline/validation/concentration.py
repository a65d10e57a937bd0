"""On how few things a run's profit rests: one base, one venue, a few days.

What lives here: shares of the profit. What does not: the profit by source on every level (`attribution`).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from funding_pipeline.portfolio.legs import Floats
from funding_pipeline.validation.simulation import MarketHistory, Run


def concentration(history: MarketHistory, run: Run, *, profit: pl.DataFrame) -> dict[str, Any]:
    """The largest contributors with their share: `base` and `venue`. Plain data, USD.

    `profit`: frame of `attribution`. Bases by net profit: a book is flat in every base, so what a base earns
    is its own. Venues by their share of all funding received and paid, in absolute amounts; a venue's price
    profit is another's loss. Null where nothing was earned, paid or received.
    """
    universe = history.panels.universe
    rows = profit.filter(pl.col("level") == "base", pl.col("year").is_null())
    bases = dict(rows.select("name", "total_usd").sort("name").iter_rows())
    flows = universe.venue_matrix @ np.abs(run.held * history.usd_per_unit).sum(axis=0)
    venues = dict(zip(universe.venues, flows.tolist(), strict=True))
    paid = float(flows.sum())
    net, base, venue = sum(bases.values()), _largest(bases), _largest(venues) if paid > 0 else None
    return {
        "base": base,
        "base_share_of_net": bases[base] / net if base is not None and net > 0 else None,
        "venue": venue,
        "venue_share_of_funding_flows": None if venue is None else venues[venue] / paid,
        "net_by_base_usd": bases,
        "funding_flows_by_venue_usd": venues,
    }


def best_days_share(returns: Floats) -> float | None:
    """Share of the net profit that the best tenth of the days earned; null where there was none."""
    net = float(returns.sum())
    best = np.sort(returns)[::-1][: max(len(returns) // 10, 1)]
    return float(best.sum()) / net if net > 0 else None


def _largest(values: Mapping[str, float]) -> str | None:
    """Name of the largest value, the last by name of equals; null without any."""
    return max(values, key=lambda name: (values[name], name), default=None)
