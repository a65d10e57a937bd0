"""Running one policy through recorded time: settle, mark, decide, trade, check, in that order.

A policy sees the inputs of a decision, its own positions and collateral, nothing later. Funding settled
at a decision time belongs to the position held before that decision. Between two steps margin is
followed hour by hour, and a venue that falls short is liquidated there and then.
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
from funding_pipeline.validation.hourly_path import HourlyPath, hourly_path, usd_per_unit
from funding_pipeline.validation.levelling import Levelling, target_shares
from funding_pipeline.validation.liquidation import Liquidation, MarginWatch
from funding_pipeline.validation.maintenance import MaintenanceHistory, maintenance_history
from funding_pipeline.validation.margin_history import MarginHistory

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Decision:
    """Target quantities (signed, quoted units) and a reason per leg.

    `collateral_target_usd`: where collateral should be, per venue (null: even shares over the open ones);
    it is asked for once a day (`levelling`). `note`: what else there is to say about the decision.
    """

    target: Floats
    reasons: tuple[str, ...]
    status: str = "optimal"
    collateral_target_usd: Floats | None = None
    note: str = ""


class Policy(Protocol):
    """A rule that turns what is known and what is held into targets. May keep state between calls."""

    def decide(self, index: int, inputs: LegInputs, quantities: Floats, venue_equity_usd: Floats) -> Decision:
        """Targets at decision number `index`; `venue_equity_usd` per venue, positions at their marks."""
        ...


@dataclass(frozen=True)
class MarketHistory:
    """What every policy of one back-test is run on.

    `steps` are decisions, midnights UTC and the end; `price` steps x legs (last known own close);
    `decision_of_step` is the decision's number, or -1; `usd_per_unit` steps x legs is the sum of
    reference price * rate of the settlements after the previous step up to and including this one;
    `events` are those settlements (funding_reference.settlements) with their `step`; `path` has prices and
    funding hour by hour, `maintenance` the margins that positions need.
    """

    panels: DecisionPanels
    steps: tuple[datetime, ...]
    price: Floats
    decision_of_step: Ints
    usd_per_unit: Floats
    events: pl.DataFrame
    path: HourlyPath
    maintenance: MaintenanceHistory


@dataclass(frozen=True)
class Run:
    """What one policy did. `equity` steps x (equity, then the ledger's sources), cumulative USD.

    `held` steps x legs: quantity before the decision of the step, after any liquidation on the way there;
    `after` decisions x legs. `levelled_usd` decisions x venues: collateral that arrived (positive) or left
    just before the decision. `notes`: what decisions said, empty strings where nothing.
    """

    equity: Floats
    held: Floats
    after: Floats
    fills: tuple[Fills, ...]
    reasons: tuple[tuple[str, ...], ...]
    statuses: tuple[str, ...]
    notes: tuple[str, ...]
    liquidations: tuple[Liquidation, ...]
    levelled_usd: Floats
    margin: MarginHistory


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
    leverage_tiers: pl.LazyFrame | None = None,
) -> MarketHistory:
    """Arrays of the whole period, built once. `leverage_tiers`: LEVERAGE_TIERS rows, where there are any."""
    decisions = decision_times(start=start, end=end, every_hours=config.rebalance_every_hours)
    quoted = quoted_universe(tables.instruments)
    sane = sane_prices(tables.prices, quoted=quoted)
    panels = decision_panels(
        tables=tables,
        forecasts=forecasts,
        universe=universe,
        times=decisions,
        terms=terms,
        config=config,
        sane=sane,
    )
    steps = _steps(decisions, end=end)
    price, _, _ = price_panels(sane, universe=universe, times=steps)
    numbers = {time: i for i, time in enumerate(decisions)}
    events = settlements(tables, universe=universe, terms=terms, start=decisions[0], end=end, sane=sane)
    events = _with_step(events, steps=steps)
    path = hourly_path(
        tables, sane=sane, quoted=quoted, universe=universe, steps=steps, step_price=price, events=events
    )
    return MarketHistory(
        panels=panels,
        steps=steps,
        price=price,
        decision_of_step=np.array([numbers.get(time, -1) for time in steps], dtype=np.int64),
        usd_per_unit=usd_per_unit(events, times=steps, shape=price.shape),
        events=events,
        path=path,
        maintenance=maintenance_history(universe, terms=terms, tiers=leverage_tiers),
    )


def simulate(history: MarketHistory, *, policy: Policy, config: PortfolioConfig,
             progress: Progress | None = None) -> Run:  # fmt: skip
    """Run `policy` over all steps; AccountingError at the first step that does not add up."""
    running = _Running(history, policy=policy, capital_usd=config.capital_usd)
    total = len(history.panels.times)
    for step, number in enumerate(history.decision_of_step):
        running.advance(step)
        if number >= 0:
            running.decide(int(number))
            if progress is not None:
                progress(int(number) + 1, total)
        running.close(step)
    return running.result()


class _Running:
    """One run under way: the ledger, the watch over its margin, and what is kept of both."""

    def __init__(self, history: MarketHistory, *, policy: Policy, capital_usd: float) -> None:
        panels = history.panels
        self._history, self._policy = history, policy
        self._ledger = Ledger(
            capital_usd=capital_usd, universe=panels.universe, open_venues=panels.venue_open[0]
        )
        self._watch = MarginWatch(panels.universe, path=history.path)
        self._levelling = Levelling()
        shape = len(panels.times), len(panels.universe.venues)
        self._margin = MarginHistory.empty(decisions=shape[0], venues=shape[1])
        self._levelled = np.zeros(shape)
        self._equity = np.empty((len(history.steps), 6))
        self._held = np.empty_like(history.price)
        self._after: list[Floats] = []
        self._fills: list[Fills] = []
        self._decisions: list[Decision] = []

    def advance(self, step: int) -> None:
        """Margin on the way, funding and marks up to `step`."""
        history, ledger = self._history, self._ledger
        table = history.maintenance.at(history.steps[max(step - 1, 0)])
        use = self._watch.follow(ledger, step=step, maintenance=table)
        self._margin.seen(len(self._decisions) - 1, use)
        ledger.settle(self._watch.remaining(step))
        ledger.mark(history.price[step])
        self._held[step] = ledger.quantity

    def decide(self, number: int) -> None:
        """Collateral that was asked for arrives; the policy decides, the ledger trades."""
        panels, ledger = self._history.panels, self._ledger
        moved = self._levelling.due(
            equity_usd=ledger.venue_equity_usd, maintenance_usd=self._maintenance_usd(number)
        )
        ledger.move(moved)
        self._levelled[number] = moved
        inputs = panels.at(number)
        decision = self._policy.decide(number, inputs, ledger.quantity, ledger.venue_equity_usd)
        self._fills.append(ledger.trade_to(decision.target, panels.cost_panel.at(number)))
        self._decisions.append(decision)
        self._after.append(ledger.quantity)
        equity = ledger.venue_equity_usd
        self._margin.decided(number, equity_usd=equity, maintenance_usd=self._maintenance_usd(number))
        target = target_shares(
            decision.collateral_target_usd,
            equity_usd=equity,
            open_venues=inputs.venue_open,
            holding=panels.universe.venue_matrix @ (ledger.quantity != 0) > 0,
        )
        self._levelling.ask(panels.times[number], equity_usd=equity, target_usd=target)

    def close(self, step: int) -> None:
        """Prove that the step adds up, and keep its figures."""
        self._ledger.check()
        self._equity[step] = self._ledger.equity, *self._ledger.sources

    def result(self) -> Run:
        """Everything that was kept."""
        return Run(
            equity=self._equity,
            held=self._held,
            after=np.array(self._after),
            fills=tuple(self._fills),
            reasons=tuple(decision.reasons for decision in self._decisions),
            statuses=tuple(decision.status for decision in self._decisions),
            notes=tuple(decision.note for decision in self._decisions),
            liquidations=tuple(self._watch.liquidations),
            levelled_usd=self._levelled,
            margin=self._margin,
        )

    def _maintenance_usd(self, number: int) -> Floats:
        """Margin per venue of the positions held, at their marks."""
        panels, ledger = self._history.panels, self._ledger
        table = self._history.maintenance.at(panels.times[number])
        return np.asarray(
            panels.universe.venue_matrix @ table.margin_usd(ledger.quantity, ledger.mark_price),
            dtype=np.float64,
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
