"""What one run's result rests on: rivals, the model's part, costs, single bases and venues, doubts.

What lives here: the evidence of a summary, gathered from the modules that compute each. What does not: runs
with other settings (`studies`), or the words of the verdict (`verdict`).
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl

from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.validation.baseline_runs import CEILINGS, NO_MODEL, BaselineResults
from funding_pipeline.validation.break_even import break_even_cost
from funding_pipeline.validation.concentration import best_days_share, concentration
from funding_pipeline.validation.plausibility import plausibility
from funding_pipeline.validation.result_frames import equity_frame
from funding_pipeline.validation.significance import comparisons, mean_interval, value_added
from funding_pipeline.validation.simulation import MarketHistory, Run
from funding_pipeline.validation.statistics import DAYS_PER_YEAR, daily_returns

_LAST_YEAR = timedelta(days=DAYS_PER_YEAR)


def run_evidence(
    history: MarketHistory,
    run: Run,
    *,
    own: Mapping[str, Any],
    baselines: BaselineResults,
    profit: pl.DataFrame,
    config: PortfolioConfig,
    largest_margin_use: float | None = None,
) -> dict[str, Any]:
    """Entries of a summary, plain data. `own`: the figures of `run`; `profit`: its `attribution`.

    `net_return_interval` and `comparisons` are null or empty below 28 days; `last_year` is the last 365 days,
    or all of a shorter run (`days` says which).
    """
    equity, capital = equity_frame(history, run), config.capital_usd
    years = (history.steps[-1] - history.steps[0]) / timedelta(days=1) / DAYS_PER_YEAR
    concentrated = concentration(history, run, profit=profit)
    returns = daily_returns(equity, capital_usd=capital)["return"].to_numpy()
    best_days = best_days_share(returns)
    rivals = baselines.rivals
    return {
        "net_return_interval": mean_interval(equity, capital_usd=capital),
        "last_year": _last_year(equity, capital_usd=capital),
        "comparisons": comparisons(equity, rivals, capital_usd=capital),
        "value_added_by_ai": value_added(equity, rivals[NO_MODEL]["plain"], capital_usd=capital, years=years)
        if NO_MODEL in rivals
        else None,
        "ceiling": _ceiling(baselines, own=own),
        "break_even_cost": break_even_cost(own["pnl"], traded_usd=own["turnover"] * capital * years),
        "concentration": concentrated | {"best_tenth_of_days_share_of_net": best_days},
        "plausibility": plausibility(
            own,
            decisions=len(history.panels.times),
            decisions_at_old_prices=int(fills_at_old_prices(history, run).any(axis=1).sum()),
            marks_per_day=len(history.steps) / (years * DAYS_PER_YEAR),
            largest_margin_use=largest_margin_use,
            concentration=concentrated,
            best_days_share=best_days,
        ),
    }


def fills_at_old_prices(history: MarketHistory, run: Run) -> np.ndarray:
    """Decisions x legs: traded at a last known close that was older than the decision."""
    held = run.held[history.decision_of_step >= 0]
    return np.asarray((held != run.after) & (history.panels.price_age_hours > 0))


def _last_year(equity: pl.DataFrame, *, capital_usd: float) -> dict[str, float]:
    """Net profit of the last 365 days, USD."""
    ordered = equity.sort("time")
    end = ordered["time"][-1]
    before = ordered.filter(pl.col("time") <= end - _LAST_YEAR)
    start = (before["time"][-1], before["equity"][-1]) if before.height else (ordered["time"][0], capital_usd)
    net = float(ordered["equity"][-1] - start[1])
    return {"net_usd": net, "days": (end - start[0]) / timedelta(days=1)}


def _ceiling(baselines: BaselineResults, *, own: Mapping[str, Any]) -> dict[str, Any] | None:
    """What knowing the funding of the coming days would earn, and how much of it was reached."""
    name = next((name for name in CEILINGS if name in baselines.figures), None)
    if name is None:
        return None
    most = baselines.figures[name]["net_return_annual"]
    return {
        "name": name,
        "net_return_annual": most,
        "share_reached": own["net_return_annual"] / most if most > 0 else None,
        "text": "the same optimiser told the funding that came: a ceiling, no rival",
    }
