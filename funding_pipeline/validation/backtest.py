"""The back-test: the plan function that runs live, over recorded time, against simple rules.

Decisions are at whole UTC times; a decision at T knows rows with known_at <= T and trades at the own
venue's close at T, worse by half-spread and impact.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from funding_pipeline.core.tables import MarketTables
from funding_pipeline.core.venue_terms import VenueTerms, terms_of
from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.portfolio.costs import LegCosts
from funding_pipeline.portfolio.legs import Floats, Ints, LegInputs, Universe
from funding_pipeline.portfolio.panels import DecisionPanels
from funding_pipeline.portfolio.plan import plan_portfolio
from funding_pipeline.portfolio.problem import PortfolioProblem
from funding_pipeline.portfolio.universe import TradableUniverse, tradable_universe
from funding_pipeline.validation.baseline_runs import BaselineResults, run_baselines
from funding_pipeline.validation.documented_trials import documented_trials
from funding_pipeline.validation.result_frames import (
    equity_frame,
    funding_payments_frame,
    neutrality_frame,
    positions_frame,
    trades_frame,
)
from funding_pipeline.validation.simulation import (
    Decision,
    MarketHistory,
    Progress,
    Run,
    market_history,
    simulate,
)
from funding_pipeline.validation.summary import summary


class BacktestConfig(BaseModel):
    """Period (UTC, `end` exclusive for decisions and the moment of the last mark) and portfolio.

    `trials`: how many models were tried before this one, by which the Sharpe ratio is deflated; without
    it, those that are documented with the package.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: AwareDatetime
    end: AwareDatetime
    portfolio: PortfolioConfig = PortfolioConfig()
    with_baselines: bool = True
    trials: int = Field(default_factory=documented_trials, ge=1)

    @model_validator(mode="after")
    def _ordered(self) -> "BacktestConfig":
        if self.end <= self.start:
            raise ValueError("end must be after start")
        return self


@dataclass(frozen=True)
class BacktestResult:
    """Frames as described in `result_frames`; `summary` is plain data, ready for JSON.

    `baseline_equity` and `baseline_equity_venue_neutral`: name -> frame like `equity`; empty when the
    back-test was run without baselines.
    """

    equity: pl.DataFrame
    trades: pl.DataFrame
    positions: pl.DataFrame
    funding_payments: pl.DataFrame
    neutrality: pl.DataFrame
    summary: dict[str, Any]
    baseline_equity: Mapping[str, pl.DataFrame]
    baseline_equity_venue_neutral: Mapping[str, pl.DataFrame]


class OptimiserPolicy:
    """`plan_portfolio` at every decision, over the legs that had been seen by then.

    The problem is compiled again when a leg is first seen: one over all legs of the period would let
    later listings change the last digits, and so the trades, of earlier decisions.
    """

    def __init__(self, panels: DecisionPanels, *, config: PortfolioConfig) -> None:
        """`panels` of the whole period."""
        self._panels = panels
        self._config = config
        self._parts: dict[tuple[int, ...], _Part] = {}

    def decide(self, index: int, inputs: LegInputs, quantities: Floats) -> Decision:
        """The plan's targets; a leg not seen yet is neither held nor traded."""
        legs = np.flatnonzero(self._panels.seen[index] | (quantities != 0))
        target, reasons = quantities.copy(), [""] * len(quantities)
        if not len(legs):
            return Decision(target=target, reasons=tuple(reasons))
        part = self._part(tuple(legs.tolist()))
        plan = plan_portfolio(
            inputs=inputs.of(legs, venues=part.venues),
            quantities=quantities[legs],
            problem=part.problem,
            universe=part.universe,
            costs=part.costs,
            config=self._config,
        )
        target[legs] = plan.quantity_target
        for leg, reason in zip(legs, plan.reasons, strict=True):
            reasons[leg] = reason
        return Decision(target=target, reasons=tuple(reasons), status=plan.status)

    def _part(self, legs: tuple[int, ...]) -> "_Part":
        if legs not in self._parts:
            whole = self._panels.universe
            universe = Universe(tuple(whole.legs[i] for i in legs))
            venues = np.array([whole.venues.index(venue) for venue in universe.venues], dtype=np.int64)
            costs = self._panels.costs.of(np.array(legs, dtype=np.int64))
            self._parts[legs] = _Part(universe, PortfolioProblem(universe), costs, venues)
        return self._parts[legs]


@dataclass(frozen=True)
class _Part:
    """Some legs of the period: their problem and costs, and where their venues are in the whole."""

    universe: Universe
    problem: PortfolioProblem
    costs: LegCosts
    venues: Ints


def run_backtest(
    *,
    tables: MarketTables,
    forecasts: pl.DataFrame,
    terms: Mapping[str, VenueTerms],
    config: BacktestConfig,
    progress: Progress | None = None,
) -> BacktestResult:
    """Run the optimiser and, if asked, the baselines over the period.

    `forecasts` has the FORECASTS schema and one horizon. `progress(done, total)` is called after each
    decision of the main run. Raises InsufficientHistoryError when nothing can be traded,
    AccountingError when profit by source does not add up to equity.
    """
    found = tradable_universe(tables, forecasts=forecasts, start=config.start, end=config.end)
    portfolio = config.portfolio
    history = _history(tables, forecasts=forecasts, found=found, terms=terms, config=config)
    policy = OptimiserPolicy(history.panels, config=portfolio)
    run = simulate(history, policy=policy, config=portfolio, progress=progress)
    baselines = BaselineResults()
    if config.with_baselines:
        unaided = (history, run)
        if uses_a_model(forecasts, config=portfolio):
            plain = without_model(forecasts)
            other = _history(tables, forecasts=plain, found=found, terms=terms, config=config)
            rule = OptimiserPolicy(other.panels, config=portfolio)
            unaided = (other, simulate(other, policy=rule, config=portfolio))
        funding = tables.settled_funding
        baselines = run_baselines(history, no_model=unaided, funding=funding, config=portfolio)
    result = _result(history, run, config=config, untraded=found.untraded, baselines=baselines)
    result.summary["notes"] += [
        f"{venue}: nothing is known about its fees and spread, the [default] of venues.toml was taken"
        for venue in found.universe.venues
        if terms_of(venue, terms).assumed
    ]
    return result


def _history(
    tables: MarketTables,
    *,
    forecasts: pl.DataFrame,
    found: TradableUniverse,
    terms: Mapping[str, VenueTerms],
    config: BacktestConfig,
) -> MarketHistory:
    return market_history(
        tables=tables,
        forecasts=forecasts,
        universe=found.universe,
        start=config.start,
        end=config.end,
        terms=terms,
        config=config.portfolio,
    )


def uses_a_model(forecasts: pl.DataFrame, *, config: PortfolioConfig) -> bool:
    """False where decisions on these forecasts are the same as on the baseline."""
    rate, baseline = forecasts["rate_per_hour"], forecasts["baseline_rate_per_hour"]
    return config.uncertainty_aversion > 0 or not rate.eq_missing(baseline).all()


def without_model(forecasts: pl.DataFrame) -> pl.DataFrame:
    """The same forecasts with the baseline in place of the model, and no quantiles."""
    baseline = pl.col("baseline_rate_per_hour")
    return forecasts.with_columns(
        rate_per_hour=baseline, q10=baseline, q50=baseline, q90=baseline, model=pl.lit("baseline")
    )


def _result(
    history: MarketHistory,
    run: Run,
    *,
    config: BacktestConfig,
    untraded: Mapping[str, str],
    baselines: BaselineResults,
) -> BacktestResult:
    portfolio = config.portfolio
    return BacktestResult(
        equity=equity_frame(history, run),
        trades=trades_frame(history, run),
        positions=positions_frame(history, run),
        funding_payments=funding_payments_frame(history, run),
        neutrality=neutrality_frame(history, run, config=portfolio),
        summary=summary(
            history,
            run,
            config=portfolio,
            untraded=untraded,
            baselines=baselines.figures,
            trials=config.trials,
        ),
        baseline_equity=baselines.equity,
        baseline_equity_venue_neutral=baselines.equity_venue_neutral,
    )
