"""The figures of one run as plain dictionaries, ready for JSON. Money in USD, fractions of capital."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.validation.baseline_runs import BaselineResults
from funding_pipeline.validation.deflated_sharpe import RULE, deflated_sharpe
from funding_pipeline.validation.figures import figures
from funding_pipeline.validation.funding_reference import LAST_KNOWN
from funding_pipeline.validation.levelling import moves_and_cost
from funding_pipeline.validation.result_frames import (
    equity_frame,
    funding_payments_frame,
)
from funding_pipeline.validation.run_evidence import fills_at_old_prices, run_evidence
from funding_pipeline.validation.simulation import MarketHistory, Run
from funding_pipeline.validation.statistics import (
    PLAUSIBLE_SHARPE,
    daily_returns,
)
from funding_pipeline.validation.verdict import verdict

_LONGEST_INTERVAL_HOURS = 8.0  # no venue settles less often


def summary(
    history: MarketHistory,
    run: Run,
    *,
    config: PortfolioConfig,
    untraded: Mapping[str, str],
    baselines: BaselineResults,
    trials: int,
    profit: pl.DataFrame,
    stress: pl.DataFrame,
) -> dict[str, Any]:
    """The whole summary of a back-test after `trials` trials; the caller adds the market's label.

    `profit` and `stress`: the run's `attribution` and stress table.
    """
    own = figures(history, run, config=config)
    found = {
        "from": _iso(history.steps[0]),
        "to": _iso(history.steps[-1]),
        "capital_usd": config.capital_usd,
        "decisions": len(history.panels.times),
        **own,
        "deflated_sharpe": _deflated(history, run, config=config, trials=trials),
        "collateral": moves_and_cost(run.levelled_usd, config=config),
        "liquidations": len(run.liquidations),
        "baselines": {name: dict(values) for name, values in baselines.figures.items()},
        **run_evidence(
            history,
            run,
            own=own,
            baselines=baselines,
            profit=profit,
            config=config,
            largest_margin_use=float(run.margin.used.max()),
        ),
        "notes": _notes(history, run, untraded=untraded, own=own, config=config),
    }
    return found | {"verdict": verdict(found, stress=stress)}  # told anew where studies are run


def _iso(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")


def _deflated(
    history: MarketHistory, run: Run, *, config: PortfolioConfig, trials: int
) -> dict[str, Any] | None:
    """What is left of the Sharpe ratio after `trials` trials, and by which rule; null for too few days."""
    returns = daily_returns(equity_frame(history, run), capital_usd=config.capital_usd)["return"].to_numpy()
    found = deflated_sharpe(returns, trials=trials)
    return None if found is None else {**asdict(found), "rule": RULE}


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
    notes.append(_transfer_note(run, venues=history.panels.universe.venues, config=config))
    notes += _liquidation_notes(history, run) + _assumed_volume_note(history)
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
    old = fills_at_old_prices(history, run)
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
    cost = history.panels.cost_panel.at(-1).total_usd(last)
    gross = float(np.abs(last).sum())
    return f"positions open at the end: {gross:,.0f} USD gross; closing would cost about {cost:,.0f} USD"


def _transfer_note(run: Run, *, venues: Sequence[str], config: PortfolioConfig) -> str:
    """A neutral book gains on one venue what it loses on another, and margin is per venue."""
    moved = moves_and_cost(run.levelled_usd, config=config)
    worst = run.margin.worst.max(axis=0)
    venue = int(worst.argmax())
    return (
        f"{moved['moves']:.0f} transfer(s) between venues, {moved['moved_usd']:,.0f} USD, are free in the "
        f"curve and in force one decision after a person was asked; about "
        f"{moved['estimated_cost_usd']:,.0f} USD to be taken off. Largest part of a venue's equity needed as "
        f"margin, inside an hour: {worst[venue]:.1%} ({venues[venue]})"
    )


def _liquidation_notes(history: MarketHistory, run: Run) -> list[str]:
    out = []
    for item in run.liquidations:
        time, venue = history.path.times[item.point], history.panels.universe.venues[item.venue]
        closed = float(np.abs(item.fills.quantity * np.nan_to_num(item.fills.mark)).sum())
        out.append(
            f"{venue} liquidated at {_iso(time)}: {closed:,.0f} USD closed, "
            f"{float(item.fills.slippage_usd.sum()):,.0f} USD lost by it"
        )
    return out


def _assumed_volume_note(history: MarketHistory) -> list[str]:
    """Legs whose impact rests on an assumed volume at half of the decisions or more."""
    legs, share = history.panels.universe.legs, history.panels.liquidity.volume_assumed.mean(axis=0)
    names = [leg.name for leg, part in zip(legs, share, strict=True) if part >= 0.5]
    if not names:
        return []
    return [f"impact on an assumed daily volume, none is known: {', '.join(names)}"]
