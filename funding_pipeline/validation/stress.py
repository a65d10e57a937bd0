"""What a back-tested book would have lost in each break, at its largest and as it stood at the end.

What lives here: the table of losses, by the plan's own scenarios, and a crash in which every leg is revalued
and every venue's margin judged. What does not: the sizes of the breaks (`portfolio.scenario_assumptions`),
and what really happened (`replays`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from funding_pipeline.core.tables import UTC
from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.portfolio.legs import Floats, Universe
from funding_pipeline.portfolio.plan import notional_usd
from funding_pipeline.portfolio.scenario_assumptions import MAJORS, ScenarioAssumptions
from funding_pipeline.portfolio.scenarios import ScenarioSet, scenario_set
from funding_pipeline.validation.liquidation import CLEARANCE_FEE_FRACTION, used_fraction
from funding_pipeline.validation.maintenance import MaintenanceTable
from funding_pipeline.validation.simulation import MarketHistory, Run

LARGEST, END = "largest gross", "at the end"
STRESS_SCHEMA: Mapping[str, pl.DataType | type[pl.DataType]] = {
    "book": pl.String,
    "time": UTC,
    "scenario": pl.String,
    "description": pl.String,
    "loss_usd": pl.Float64,
    "loss_fraction_of_capital": pl.Float64,
    "worst_venue": pl.String,
    "note": pl.String,
}


@dataclass(frozen=True)
class StressedBook:
    """Positions at one moment. `quantity`, `price`, `beta`, `half_spread` per leg; `equity_usd` per venue."""

    time: datetime
    universe: Universe
    quantity: Floats
    price: Floats
    beta: Floats
    half_spread: Floats
    equity_usd: Floats
    maintenance: MaintenanceTable

    @property
    def notional(self) -> Floats:
        """Signed USD per leg at own prices."""
        return notional_usd(self.quantity, self.price)


@dataclass(frozen=True)
class Revaluation:
    """A book after a shock. Per venue: equity, margin used before and after, and whether it is liquidated."""

    loss_usd: float
    equity_usd: Floats
    used_before: Floats
    used_after: Floats
    liquidated: tuple[str, ...]


def stress_table(
    history: MarketHistory,
    run: Run,
    *,
    config: PortfolioConfig,
    assumptions: ScenarioAssumptions | None = None,
) -> pl.DataFrame:
    """One row per book and scenario; STRESS_SCHEMA, losses positive, in USD and of `config.capital_usd`.

    Books: right after the decision with the largest gross, and after the last one. `worst_venue`: where
    most of the loss arises (null: nowhere); in the revaluations, where most of the margin is used.
    """
    given = assumptions or ScenarioAssumptions()
    gross = np.abs(notional_usd(run.after, history.panels.price)).sum(axis=1)
    chosen = {LARGEST: int(gross.argmax()), END: len(gross) - 1}
    rows = []
    for name, index in chosen.items():
        book = _book(history, run, index)
        losses = _scenario_rows(book, given) + [_revalued_row(book, given, up=up) for up in (False, True)]
        rows += [{"book": name, "time": book.time, **row} for row in losses]
    frame = pl.DataFrame(rows, schema=dict(STRESS_SCHEMA))
    return frame.with_columns(loss_fraction_of_capital=pl.col("loss_usd") / config.capital_usd)


def _book(history: MarketHistory, run: Run, index: int) -> StressedBook:
    panels = history.panels
    return StressedBook(
        time=panels.times[index],
        universe=panels.universe,
        quantity=run.after[index],
        price=panels.price[index],
        beta=panels.beta[index],
        half_spread=panels.cost_panel.at(index).half_spread,
        equity_usd=run.margin.equity_usd[index],
        maintenance=history.maintenance.at(panels.times[index]),
    )


def _scenario_rows(book: StressedBook, given: ScenarioAssumptions) -> list[dict[str, Any]]:
    scenarios = scenario_set(
        book.universe,
        venue_currency=book.universe.venue_currency,
        beta=book.beta,
        half_spread=book.half_spread,
        assumptions=given,
    )
    losses = scenarios.losses_usd(book.notional, book.equity_usd)
    of_positions = scenarios.position_losses_usd(book.notional)
    by_venue = _by_venue(scenarios, book)
    return [
        {
            "scenario": name,
            "description": scenarios.descriptions[i],
            "loss_usd": float(losses[i]),
            "worst_venue": _largest(by_venue[i], book.universe.venues),
            "note": _note(name, book, given, positions_usd=of_positions[i], total_usd=losses[i]),
        }
        for i, name in enumerate(scenarios.names)
    ]


def _by_venue(scenarios: ScenarioSet, book: StressedBook) -> Floats:
    """Scenarios x venues, USD lost by the legs and the collateral there."""
    long, short = np.maximum(book.notional, 0.0), np.maximum(-book.notional, 0.0)
    by_leg = scenarios.long_loss * long + scenarios.short_loss * short
    lost = by_leg @ book.universe.venue_matrix.T + scenarios.collateral_loss * book.equity_usd
    return np.asarray(lost, dtype=np.float64)


def _largest(values: Floats, names: tuple[str, ...]) -> str | None:
    return names[int(values.argmax())] if values.max(initial=0.0) > 0 else None


def _note(
    name: str, book: StressedBook, given: ScenarioAssumptions, *, positions_usd: float, total_usd: float
) -> str:
    """Positions and collateral apart, and what the even share of a delisting hides."""
    note = f"positions {positions_usd:,.0f} USD, collateral {total_usd - positions_usd:,.0f} USD"
    kind, _, venue = name.partition(":")
    if kind != "delisting":
        return note
    legs = [(abs(n), leg) for n, leg in zip(book.notional, book.universe.legs, strict=True)
            if leg.venue == venue and leg.base not in MAJORS]  # fmt: skip
    size, leg = max(legs, key=lambda item: item[0], default=(0.0, None))
    if leg is None or not size:
        return note
    return f"{note}; the largest such leg alone, {leg.base}: {size * given.delisting_off_fraction:,.0f} USD"


def _revalued_row(book: StressedBook, given: ScenarioAssumptions, *, up: bool) -> dict[str, Any]:
    size = given.crash(book.universe, beta=book.beta)
    after = revalued(book, move=size if up else -size, given=given)
    word, way = ("squeeze", "rises") if up else ("crash", "falls")
    used = [
        f"{venue} {later:.1%} (before {now:.1%})"
        for venue, now, later in zip(book.universe.venues, after.used_before, after.used_after, strict=True)
        if now > 0
    ]
    short = f"liquidated: {', '.join(after.liquidated)}" if after.liquidated else "no venue is liquidated"
    return {
        "scenario": f"{word}_revalued",
        "description": (
            f"BTC {way} by {given.crash_btc_fraction:.0%}, others by their beta times that and at least "
            f"{given.crash_other_fraction:.0%}, on all venues alike and without auto-deleveraging; a venue "
            "below its maintenance margin is liquidated and its hedges are closed at stressed spreads"
        ),
        "loss_usd": after.loss_usd,
        "worst_venue": _largest(after.used_after, book.universe.venues),
        "note": f"{short}; maintenance of equity after it: {', '.join(used) or 'nothing held'}",
    }


def revalued(book: StressedBook, *, move: Floats, given: ScenarioAssumptions) -> Revaluation:
    """The book after every price has moved by `move` (fraction per leg), with each venue's margin.

    Quantities stay, so inverse contracts gain and lose as in the ledger. A venue whose equity is below the
    maintenance margin at the new prices closes its legs and keeps a clearance fee of the notional, at most
    the equity left; a loss beyond the equity is the venue's. Hedges of such legs are closed elsewhere at
    stressed spreads.
    """
    known = np.where(book.quantity != 0, book.price, 0.0)
    price = known * (1 + move)
    by_venue = book.universe.venue_matrix
    margin_before = by_venue @ book.maintenance.margin_usd(book.quantity, known)
    margin = by_venue @ book.maintenance.margin_usd(book.quantity, price)
    equity = book.equity_usd + by_venue @ (book.quantity * (price - known))
    short = (equity < margin) & (margin > 0)
    gross = by_venue @ np.abs(book.quantity * price)
    left = np.where(short, np.maximum(equity - CLEARANCE_FEE_FRACTION * gross, 0.0), equity)
    spread = given.stressed_spread_multiple * np.maximum(book.half_spread, given.least_half_spread_fraction)
    hedges = float((np.abs(book.quantity * price) * spread)[short[book.universe.venue_index]].sum())
    return Revaluation(
        loss_usd=float(book.equity_usd.sum() - left.sum()) + hedges,
        equity_usd=left,
        used_before=used_fraction(book.equity_usd, margin_before),
        used_after=used_fraction(equity, margin),
        liquidated=tuple(np.array(book.universe.venues)[short].tolist()),
    )
