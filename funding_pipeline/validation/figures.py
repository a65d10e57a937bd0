"""The figures of one run as plain data: return, risk, costs, profit by source, neutrality.

What lives here: figures that need one run and nothing to compare it with. What does not: notes, comparisons
(`summary`, `significance`). Money in USD, fractions of starting capital.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.validation.result_frames import (
    PORTFOLIO,
    equity_frame,
    neutrality_frame,
    trades_frame,
)
from funding_pipeline.validation.simulation import MarketHistory, Run
from funding_pipeline.validation.statistics import (
    CONVENTIONS,
    daily_returns,
    drawdown,
    sharpe_interval,
    sharpe_ratio,
)

SOURCES = ("funding", "basis", "fees", "slippage", "liquidation")


def figures(history: MarketHistory, run: Run, *, config: PortfolioConfig) -> dict[str, Any]:
    """Return, risk, costs, profit by source and neutrality of one run, with `conventions`."""
    equity = equity_frame(history, run)
    years = (history.steps[-1] - history.steps[0]).total_seconds() / 86400 / 365
    pnl = {source: float(equity[f"pnl_{source}"][-1]) for source in SOURCES}
    returns = daily_returns(equity, capital_usd=config.capital_usd)["return"].to_numpy()
    traded = trades_frame(history, run).select((pl.col("quantity") * pl.col("mark_price")).abs().sum()).item()
    gross = np.abs(np.nan_to_num(run.after * history.panels.price)).sum(axis=1)
    net = sum(pnl.values())
    return {
        "net_return_annual": net / config.capital_usd / years,
        "net_return_on_gross_annual": _ratio(net / years, float(gross.mean())),
        "mean_gross_usd": float(gross.mean()),
        "volatility_annual": float(np.std(returns, ddof=1) * np.sqrt(365)) if len(returns) > 1 else None,
        "sharpe": sharpe_ratio(returns),
        "sharpe_interval": _interval(returns),
        **drawdown(equity, capital_usd=config.capital_usd),
        "turnover": float(traded) / config.capital_usd / years,
        "costs": _costs(pnl, years=years, capital_usd=config.capital_usd),
        "pnl": pnl,
        "by_year": _by_year(equity),
        "neutrality": _neutrality(history, run, config=config),
        "conventions": CONVENTIONS,
    }


def _ratio(value: float, of: float) -> float | None:
    return value / of if of > 0 else None


def _interval(returns: np.ndarray) -> dict[str, Any] | None:
    found = sharpe_interval(returns)
    if found is None:
        return None
    return {
        "low": found.low,
        "high": found.high,
        "level": 0.95,
        "newey_west": [found.newey_west_low, found.newey_west_high],
    }


def _costs(pnl: Mapping[str, float], *, years: float, capital_usd: float) -> dict[str, float]:
    """Positive USD in total, and as a fraction of capital per year."""
    return {
        "fees": -pnl["fees"],
        "slippage": -pnl["slippage"],
        "fees_per_year_fraction": -pnl["fees"] / capital_usd / years,
        "slippage_per_year_fraction": -pnl["slippage"] / capital_usd / years,
    }


def _neutrality(history: MarketHistory, run: Run, *, config: PortfolioConfig) -> dict[str, float | None]:
    """Largest exposures right after decisions, and right before them when prices had moved."""
    out: dict[str, float | None] = {}
    for suffix, before in (("", False), ("_before_decision", True)):
        frame = neutrality_frame(history, run, config=config, before=before)
        portfolio = pl.col("scope") == PORTFOLIO
        delta, beta = (frame.filter(rows)["fraction"].max() for rows in (portfolio, ~portfolio))
        out[f"max_portfolio_delta_fraction_of_gross{suffix}"] = _number(delta)
        out[f"max_venue_beta_fraction_of_budget{suffix}"] = _number(beta)
    return out | {"max_venue_beta_fraction": out["max_venue_beta_fraction_of_budget"]}


def _by_year(equity: pl.DataFrame) -> dict[str, dict[str, float]]:
    """Profit by source in USD per UTC calendar year; a part of a year is not annualised."""
    cumulative = [f"pnl_{source}" for source in SOURCES]
    ends = equity.sort("time").group_by(pl.col("time").dt.year().alias("year"), maintain_order=True).last()
    steps = ends.with_columns((pl.col(name) - pl.col(name).shift(1, fill_value=0.0)) for name in cumulative)
    return {
        str(row["year"]): {source: row[f"pnl_{source}"] for source in SOURCES}
        | {"net": sum(row[name] for name in cumulative)}
        for row in steps.iter_rows(named=True)
    }


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
