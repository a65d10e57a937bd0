"""The strategy through the days that broke others: the back-test's own simulation over recorded crises.

What lives here: which days, and one row about each. What does not: made-up shocks (`stress`), or the decision
and the ledger, which are the back-test's. Forecasts are the baseline, the shrunk trailing mean: no model had
enough history before most of these days.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC as UTC_ZONE
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from funding_pipeline.core.clock import decision_schedule
from funding_pipeline.core.errors import InsufficientHistoryError
from funding_pipeline.core.tables import UTC, MarketTables
from funding_pipeline.core.venue_terms import VenueTerms
from funding_pipeline.features.panel import build_features
from funding_pipeline.models.baseline_forecaster import BaselineForecaster
from funding_pipeline.models.config import ForecasterConfig
from funding_pipeline.models.forecaster_set import BaselineSet
from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.portfolio.legs import Floats
from funding_pipeline.portfolio.panels import DecisionPanels
from funding_pipeline.portfolio.universe import tradable_universe
from funding_pipeline.validation.optimiser_policy import OptimiserPolicy
from funding_pipeline.validation.result_frames import PORTFOLIO, equity_frame, neutrality_frame
from funding_pipeline.validation.simulation import MarketHistory, Run, market_history, simulate
from funding_pipeline.validation.statistics import drawdown

Progress = Callable[[int, int], None]
BEFORE, AFTER = timedelta(days=30), timedelta(days=7)
_LOOK_BACK = timedelta(days=100)  # of prices and settlements before the first decision: betas take 61 days
_HORIZON_HOURS = 168
NOT_COVERED = "not in this history"
AS_PLANNED, FULLY_INVESTED = "as planned", "fully invested"
REPLAYS_SCHEMA: Mapping[str, pl.DataType | type[pl.DataType]] = {
    "event": pl.String,
    "book": pl.String,
    "from": UTC,
    "to": UTC,
    "venues": pl.Int64,
    "legs": pl.Int64,
    "mean_gross_usd": pl.Float64,
    "net_usd": pl.Float64,
    "net_fraction": pl.Float64,
    "event_net_usd": pl.Float64,
    "max_drawdown": pl.Float64,
    "liquidations": pl.Int64,
    "worst_margin_used_fraction": pl.Float64,
    "max_venue_beta_fraction": pl.Float64,
    "note": pl.String,
}


@dataclass(frozen=True)
class Event:
    """A crisis from `first` to `last` (UTC midnights, both included as whole days)."""

    name: str
    first: datetime
    last: datetime

    @property
    def start(self) -> datetime:
        """First decision of the replay."""
        return self.first - BEFORE

    @property
    def end(self) -> datetime:
        """Last mark of the replay."""
        return self.last + timedelta(days=1) + AFTER


def _day(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, tzinfo=UTC_ZONE)


EVENTS = (
    Event("2021-05-19 crash", _day(2021, 5, 19), _day(2021, 5, 19)),
    Event("2022-06 Luna's aftermath, 3AC", _day(2022, 6, 10), _day(2022, 6, 20)),
    Event("2022-11 FTX", _day(2022, 11, 6), _day(2022, 11, 14)),
    Event("2023-03 USDC", _day(2023, 3, 9), _day(2023, 3, 15)),
    Event("2024-08-05 carry unwind", _day(2024, 8, 3), _day(2024, 8, 8)),
)


def historical_replays(
    tables: MarketTables,
    *,
    terms: Mapping[str, VenueTerms],
    config: PortfolioConfig,
    leverage_tiers: pl.LazyFrame | None = None,
    events: tuple[Event, ...] = EVENTS,
    progress: Progress | None = None,
) -> pl.DataFrame:
    """Two rows per event, REPLAYS_SCHEMA; one with null figures where the history does not cover it.

    `book` "as planned": the strategy as configured, which may hold little when differentials are small;
    "fully invested": decisions that count no trading cost, so that the limits alone bound the book: it
    pays for every trade and shows what a crisis does to the largest positions that may be held. Each
    is a run of its own with `config.capital_usd` from 30 days before the event to 7 days after, on the venues
    and instruments that had data then. `net_usd` is of the whole span, `event_net_usd` of the days of
    the event; `max_drawdown` of the whole span as a fraction of capital, at decisions and midnights;
    `worst_margin_used_fraction`: highest maintenance margin over equity of any venue, with each hour's worst
    prices; `liquidations`: venues closed by force. `note` says what else there is to know, or why not.
    """
    rows = []
    for number, event in enumerate(events, start=1):
        rows += _rows(tables, event, terms=terms, config=config, tiers=leverage_tiers)
        if progress is not None:
            progress(number, len(events))
    return pl.DataFrame(rows, schema=dict(REPLAYS_SCHEMA))


def _rows(
    tables: MarketTables,
    event: Event,
    *,
    terms: Mapping[str, VenueTerms],
    config: PortfolioConfig,
    tiers: pl.LazyFrame | None,
) -> list[dict[str, Any]]:
    span = {"event": event.name, "from": event.start, "to": event.end}
    if not _covers(tables, event):
        return [{**span, "note": NOT_COVERED}]
    try:
        history = replay_history(tables, event, terms=terms, config=config, leverage_tiers=tiers)
    except InsufficientHistoryError as error:
        return [{**span, "note": f"{NOT_COVERED}: {error}"}]
    books = {AS_PLANNED: history.panels, FULLY_INVESTED: cost_blind(history.panels)}
    runs = {name: replay(history, config=config, panels=panels) for name, panels in books.items()}
    return [
        {**span, "book": name, **_figures(history, run, event=event, config=config)}
        for name, run in runs.items()
    ]


def _covers(tables: MarketTables, event: Event) -> bool:
    """Whether settlements are known both before the first decision and after the event."""
    span = tables.settled_funding.select(
        first=pl.col("settled_at").min(), last=pl.col("settled_at").max()
    ).collect()
    first, last = span.row(0)
    return first is not None and first < event.start and last >= event.last


def replay_history(
    tables: MarketTables,
    event: Event,
    *,
    terms: Mapping[str, VenueTerms],
    config: PortfolioConfig,
    leverage_tiers: pl.LazyFrame | None = None,
) -> MarketHistory:
    """The market from `event.start` to `event.end` with baseline forecasts.

    Raises InsufficientHistoryError where fewer than two venues could be traded then.
    """
    known = _around(tables, event)
    times = decision_schedule(start=event.start, end=event.end, every_hours=config.rebalance_every_hours)
    forecasts = baseline_forecasts(known, as_of=times)
    found = tradable_universe(known, forecasts=forecasts, start=event.start, end=event.end)
    return market_history(
        tables=known,
        forecasts=forecasts,
        universe=found.universe,
        start=event.start,
        end=event.end,
        terms=terms,
        config=config,
        leverage_tiers=leverage_tiers,
    )


def replay(history: MarketHistory, *, config: PortfolioConfig, panels: DecisionPanels) -> Run:
    """The back-test's ledger over `history`, its policy deciding from `panels`."""
    return simulate(history, policy=OptimiserPolicy(panels, config=config), config=config)


def cost_blind(panels: DecisionPanels) -> DecisionPanels:
    """The same with trades that cost nothing, for decisions alone: the ledger keeps the real costs."""
    free = panels.cost_panel
    free = replace(
        free,
        fee=np.zeros_like(free.fee),
        half_spread=np.zeros_like(free.half_spread),
        impact_per_root_usd=np.zeros_like(free.impact_per_root_usd),
    )
    return replace(panels, cost_panel=free, stress_cost_panel=free)


def baseline_forecasts(tables: MarketTables, *, as_of: pl.Series) -> pl.DataFrame:
    """Forecasts (FORECASTS) by the shrunk trailing mean at each of `as_of`, without any training."""
    features = build_features(tables, as_of=as_of)
    if features.is_empty():
        raise InsufficientHistoryError("no instrument had settled funding then")
    floor = ForecasterConfig().scale_floor_per_hour
    return BaselineSet({_HORIZON_HOURS: BaselineForecaster(_HORIZON_HOURS, None, floor)}).predict(features)


def _around(tables: MarketTables, event: Event) -> MarketTables:
    """The rows that decisions and marks of the event may need: a year of history costs ten times the time."""
    near = pl.col("known_at").is_between(event.start - _LOOK_BACK, event.end)
    return replace(
        tables,
        settled_funding=tables.settled_funding.filter(near),
        estimated_funding=tables.estimated_funding.filter(near),
        prices=tables.prices.filter(near),
        order_book_depth=tables.order_book_depth.filter(near),
        trade_flow=tables.trade_flow.filter(near),
        open_interest=tables.open_interest.filter(near),
    )


def _figures(history: MarketHistory, run: Run, *, event: Event, config: PortfolioConfig) -> dict[str, Any]:
    equity = equity_frame(history, run)
    universe = history.panels.universe
    gross = np.abs(np.nan_to_num(run.after * history.panels.price)).sum(axis=1)
    held = (run.after != 0).any(axis=0)
    net = float(equity["equity"][-1]) - config.capital_usd
    worst = run.margin.worst.max(axis=0, initial=0.0)
    exposures = neutrality_frame(history, run, config=config).filter(pl.col("scope") != PORTFOLIO)
    return {
        "venues": len({leg.venue for leg, used in zip(universe.legs, held, strict=True) if used}),
        "legs": int(held.sum()),
        "mean_gross_usd": float(gross.mean()),
        "net_usd": net,
        "net_fraction": net / config.capital_usd,
        "event_net_usd": _event_net(equity, event),
        "max_drawdown": drawdown(equity, capital_usd=config.capital_usd)["max_drawdown"],
        "liquidations": len(run.liquidations),
        "worst_margin_used_fraction": float(worst.max()) if held.any() else None,
        "max_venue_beta_fraction": exposures["fraction"].max(),
        "note": _note(history, run, worst=worst),
    }


def _event_net(equity: pl.DataFrame, event: Event) -> float:
    """Change in equity from the first midnight of the event to the one after its last day."""
    until = [equity.filter(pl.col("time") <= time)["equity"][-1]
             for time in (event.first, event.last + timedelta(days=1))]  # fmt: skip
    return float(until[1] - until[0])


def _note(history: MarketHistory, run: Run, *, worst: Floats) -> str:
    """What was closed by force, where margin was used, and decisions that had no plan of their own."""
    venues = history.panels.universe.venues
    forced = [
        f"{venues[item.venue]} {history.path.times[item.point]:%Y-%m-%d %H:%M}" for item in run.liquidations
    ]
    parts = [f"liquidated: {', '.join(forced)}"] if forced else []
    if (run.after != 0).any():
        parts.append(f"most margin used on {venues[int(worst.argmax())]}")
    else:
        parts.append("nothing was held: no trade was worth its cost")
    parts.append(f"venues with data: {', '.join(venues)}")
    other = sum(status != "optimal" for status in run.statuses)
    if other:
        parts.append(f"{other} of {len(run.statuses)} decisions without an optimum: held or reduced")
    return "; ".join(parts)
