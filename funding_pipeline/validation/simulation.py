"""Running one policy through recorded time: settle, mark, decide, trade, check, in that order.

A policy sees the inputs of a decision and its own positions, nothing later. Funding settled at a
decision time belongs to the position held before that decision.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import numpy as np
import polars as pl

from funding_pipeline.core.errors import InsufficientHistoryError
from funding_pipeline.core.tables import MarketTables
from funding_pipeline.core.venue_terms import VenueTerms
from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.portfolio.legs import Floats, Ints, LegInputs, Universe
from funding_pipeline.portfolio.panels import DecisionPanels, decision_panels, price_panels
from funding_pipeline.portfolio.reference import sane_prices
from funding_pipeline.portfolio.universe import quoted_universe
from funding_pipeline.validation.accounting import Fills, Ledger
from funding_pipeline.validation.funding_reference import settlements

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Decision:
    """Target quantities (signed, quoted units) and a reason per leg."""

    target: Floats
    reasons: tuple[str, ...]
    status: str = "optimal"


class Policy(Protocol):
    """A rule that turns what is known and what is held into targets. May keep state between calls."""

    def decide(self, index: int, inputs: LegInputs, quantities: Floats) -> Decision:
        """Targets at decision number `index`."""
        ...


@dataclass(frozen=True)
class MarketHistory:
    """What every policy of one back-test is run on.

    `steps` are decisions, midnights UTC and the end; `price` steps x legs (last known own close);
    `decision_of_step` is the decision's number, or -1; `usd_per_unit` steps x legs is the sum of
    reference price * rate of the settlements after the previous step up to and including this one;
    `events` are those settlements (funding_reference.settlements) with their `step`.
    """

    panels: DecisionPanels
    steps: tuple[datetime, ...]
    price: Floats
    decision_of_step: Ints
    usd_per_unit: Floats
    events: pl.DataFrame


@dataclass(frozen=True)
class Run:
    """What one policy did. `equity` steps x (equity, funding, basis, fees, slippage), cumulative USD.

    `held` steps x legs: quantity before the decision of the step; `after` decisions x legs.
    """

    equity: Floats
    held: Floats
    after: Floats
    fills: tuple[Fills, ...]
    reasons: tuple[tuple[str, ...], ...]
    statuses: tuple[str, ...]


def decision_times(*, start: datetime, end: datetime, every_hours: int) -> tuple[datetime, ...]:
    """Whole UTC times from `start` (inclusive) to `end` (exclusive), multiples of the period since epoch."""
    period = every_hours * 3600
    first = -int(-start.timestamp() // period) * period
    times = range(first, int(end.timestamp()), period)
    if not times:
        raise InsufficientHistoryError(f"no decision between {start} and {end}: need {every_hours} h or more")
    return tuple(datetime.fromtimestamp(t, tz=start.tzinfo) for t in times)


def market_history(
    *,
    tables: MarketTables,
    forecasts: pl.DataFrame,
    universe: Universe,
    start: datetime,
    end: datetime,
    terms: Mapping[str, VenueTerms],
    config: PortfolioConfig,
) -> MarketHistory:
    """Arrays of the whole period, built once."""
    decisions = decision_times(start=start, end=end, every_hours=config.rebalance_every_hours)
    panels = decision_panels(
        tables=tables, forecasts=forecasts, universe=universe, times=decisions, terms=terms, config=config
    )
    steps = _steps(decisions, end=end)
    sane = sane_prices(tables.prices, quoted=quoted_universe(tables.instruments))
    price, _, _ = price_panels(sane, universe=universe, times=steps)
    numbers = {time: i for i, time in enumerate(decisions)}
    events = settlements(tables, universe=universe, terms=terms, start=decisions[0], end=end)
    events = _with_step(events, steps=steps)
    return MarketHistory(
        panels=panels,
        steps=steps,
        price=price,
        decision_of_step=np.array([numbers.get(time, -1) for time in steps], dtype=np.int64),
        usd_per_unit=_usd_per_unit(events, shape=price.shape),
        events=events,
    )


def simulate(history: MarketHistory, *, policy: Policy, config: PortfolioConfig,
             progress: Progress | None = None) -> Run:  # fmt: skip
    """Run `policy` over all steps; AccountingError at the first step that does not add up."""
    panels = history.panels
    ledger = Ledger(capital_usd=config.capital_usd, costs=panels.costs, inverse=panels.universe.inverse)
    equity, held = np.empty((len(history.steps), 5)), np.empty_like(history.price)
    after, fills, reasons, statuses = [], [], [], []
    for step, number in enumerate(history.decision_of_step):
        ledger.settle(history.usd_per_unit[step])
        ledger.mark(history.price[step])
        held[step] = ledger.quantity
        if number >= 0:
            decision = policy.decide(int(number), panels.at(int(number)), ledger.quantity)
            fills.append(ledger.trade_to(decision.target))
            reasons.append(decision.reasons)
            statuses.append(decision.status)
            after.append(ledger.quantity)
            if progress is not None:
                progress(int(number) + 1, len(panels.times))
        ledger.check()
        equity[step] = ledger.equity, ledger.funding, ledger.basis, ledger.fees, ledger.slippage
    return Run(
        equity=equity,
        held=held,
        after=np.array(after),
        fills=tuple(fills),
        reasons=tuple(reasons),
        statuses=tuple(statuses),
    )


def _steps(decisions: tuple[datetime, ...], *, end: datetime) -> tuple[datetime, ...]:
    first = decisions[0].replace(hour=0, minute=0, second=0, microsecond=0)
    days = (end - first).days + 1
    midnights = {first + timedelta(days=k) for k in range(days + 1)}
    inside = {time for time in midnights if decisions[0] < time < end}
    return tuple(sorted(inside | set(decisions) | {end}))


def _with_step(events: pl.DataFrame, *, steps: tuple[datetime, ...]) -> pl.DataFrame:
    at = events["time"].to_numpy()
    grid = pl.Series(list(steps), dtype=events.schema["time"]).to_numpy()
    return events.with_columns(step=pl.Series(np.searchsorted(grid, at, side="left"), dtype=pl.Int64))


def _usd_per_unit(events: pl.DataFrame, *, shape: tuple[int, ...]) -> Floats:
    """Settlements of a leg without any known price are left out: nothing can be held there."""
    known = events.filter(pl.col("reference_price").is_not_null())
    out = np.zeros(shape)
    where = (known["step"].to_numpy(), known["leg"].to_numpy())
    np.add.at(out, where, (known["reference_price"] * known["rate"]).to_numpy())
    return out
