"""The figures of one run as plain dictionaries, ready for JSON. Money in USD, fractions of capital."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.validation.deflated_sharpe import RULE, deflated_sharpe
from funding_pipeline.validation.funding_reference import LAST_KNOWN
from funding_pipeline.validation.result_frames import (
    PORTFOLIO,
    equity_frame,
    funding_payments_frame,
    neutrality_frame,
    trades_frame,
)
from funding_pipeline.validation.simulation import MarketHistory, Run
from funding_pipeline.validation.statistics import (
    CONVENTIONS,
    PLAUSIBLE_SHARPE,
    daily_returns,
    drawdown,
    sharpe_interval,
    sharpe_ratio,
)

_LONGEST_INTERVAL_HOURS = 8.0  # no venue settles less often
_SOURCES = ("funding", "basis", "fees", "slippage")


def figures(history: MarketHistory, run: Run, *, config: PortfolioConfig) -> dict[str, Any]:
    """Return, risk, costs, profit by source and neutrality of one run, with `conventions`."""
    equity = equity_frame(history, run)
    years = (history.steps[-1] - history.steps[0]).total_seconds() / 86400 / 365
    pnl = {source: float(equity[f"pnl_{source}"][-1]) for source in _SOURCES}
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


def summary(
    history: MarketHistory,
    run: Run,
    *,
    config: PortfolioConfig,
    untraded: Mapping[str, str],
    baselines: Mapping[str, Mapping[str, Any]],
    trials: int,
) -> dict[str, Any]:
    """The whole summary of a back-test after `trials` trials; the caller adds the market's label."""
    own = figures(history, run, config=config)
    return {
        "from": _iso(history.steps[0]),
        "to": _iso(history.steps[-1]),
        "capital_usd": config.capital_usd,
        "decisions": len(history.panels.times),
        **own,
        "deflated_sharpe": _deflated(history, run, config=config, trials=trials),
        "baselines": {name: dict(values) for name, values in baselines.items()},
        "notes": _notes(history, run, untraded=untraded, own=own, config=config),
    }


def _iso(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")


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


def _deflated(
    history: MarketHistory, run: Run, *, config: PortfolioConfig, trials: int
) -> dict[str, Any] | None:
    """What is left of the Sharpe ratio after `trials` trials, and by which rule; null for too few days."""
    returns = daily_returns(equity_frame(history, run), capital_usd=config.capital_usd)["return"].to_numpy()
    found = deflated_sharpe(returns, trials=trials)
    return None if found is None else {**asdict(found), "rule": RULE}


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
    cumulative = [f"pnl_{source}" for source in _SOURCES]
    ends = equity.sort("time").group_by(pl.col("time").dt.year().alias("year"), maintain_order=True).last()
    steps = ends.with_columns((pl.col(name) - pl.col(name).shift(1, fill_value=0.0)) for name in cumulative)
    return {
        str(row["year"]): {source: row[f"pnl_{source}"] for source in _SOURCES}
        | {"net": sum(row[name] for name in cumulative)}
        for row in steps.iter_rows(named=True)
    }


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _notes(
    history: MarketHistory,
    run: Run,
    *,
    untraded: Mapping[str, str],
    own: Mapping[str, Any],
    config: PortfolioConfig,
) -> list[str]:
    sharpe = own["sharpe"]
    notes = [f"not traded: {name}: {why}" for name, why in sorted(untraded.items())]
    paid = funding_payments_frame(history, run)
    missing = paid.filter(pl.col("reference_source") == LAST_KNOWN).height
    notes.append(f"{missing} of {paid.height} funding payments had no reference price at the settlement: "
                 "charged on the last known own price")  # fmt: skip
    notes += _forced(history, run)
    failed = [status for status in run.statuses if status != "optimal"]
    if failed:
        notes.append(f"{len(failed)} of {len(run.statuses)} decisions without an optimum: held or reduced")
    notes.append(_closing_note(history, run))
    notes.append(_transfer_note(history, run, capital_usd=config.capital_usd))
    if sharpe is not None and sharpe > PLAUSIBLE_SHARPE:
        notes.append(
            f"net Sharpe {sharpe:.1f} is above {PLAUSIBLE_SHARPE:.0f}: explain it before believing it. Daily "
            "closes hide what happens inside a day, fills are assumed at the close, and no venue failure, "
            "auto-deleveraging or stablecoin break is in this history"
        )
    return notes


def _forced(history: MarketHistory, run: Run) -> list[str]:
    """Positions closed because price or funding had stopped, and fills at a price that was not new."""
    panels = history.panels
    held = run.held[history.decision_of_step >= 0]
    forced = (held != 0) & panels.restrictions.must_close & (run.after == 0)
    unpaid = (held != 0) & ~(panels.funding_age_hours <= _LONGEST_INTERVAL_HOURS)
    old = (held != run.after) & (panels.price_age_hours > 0)
    out = []
    for leg in np.flatnonzero(forced.any(axis=0)):
        times = [panels.times[i] for i in np.flatnonzero(forced[:, leg])]
        why = panels.restrictions.notes(panels.times.index(times[0]))[leg]
        out.append(f"{panels.universe.legs[leg].name}: {why} ({len(times)} time(s), first {_iso(times[0])})")
    for leg in np.flatnonzero(unpaid.any(axis=0)):
        out.append(
            f"{panels.universe.legs[leg].name}: held at {int(unpaid[:, leg].sum())} decision(s) more than "
            f"{_LONGEST_INTERVAL_HOURS:.0f} h after its last settlement: funding unknown, none booked"
        )
    if old.any():
        out.append(f"{int(old.sum())} fill(s) at a last known close older than the decision")
    return out


def _closing_note(history: MarketHistory, run: Run) -> str:
    last = np.nan_to_num(run.after[-1] * history.panels.price[-1])
    cost = history.panels.costs.total_usd(last)
    gross = float(np.abs(last).sum())
    return f"positions open at the end: {gross:,.0f} USD gross; closing would cost about {cost:,.0f} USD"


def _transfer_note(history: MarketHistory, run: Run, *, capital_usd: float) -> str:
    """A neutral book gains on one venue what it loses on another, and margin is per venue."""
    universe = history.panels.universe
    moved = np.diff(np.nan_to_num(history.price), axis=0, prepend=np.nan_to_num(history.price[:1]))
    by_venue = np.cumsum(run.held * (moved - history.usd_per_unit) @ universe.venue_matrix.T, axis=0)
    venue = int(by_venue.min(axis=0).argmin())
    loss = -float(by_venue[:, venue].min())
    share = loss / (capital_usd / len(universe.venues))
    return (
        f"largest running loss on one venue before costs: {universe.venues[venue]}, {loss:,.0f} USD, "
        f"{share:.0%} of an even share of capital; transfers between venues are assumed free and at once"
    )
