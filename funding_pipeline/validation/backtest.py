"""The back-test: the plan function that runs live, over recorded time, against simple rules.

Decisions are at whole UTC times; a decision at T knows rows with known_at <= T and trades at the own
venue's close at T, worse by half-spread and impact.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from funding_pipeline.core.tables import MarketTables
from funding_pipeline.core.venue_terms import VenueTerms, terms_of
from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.portfolio.legs import Floats, Ints, LegInputs, Universe
from funding_pipeline.portfolio.panels import DecisionPanels, decision_panels
from funding_pipeline.portfolio.plan import PortfolioPlan, plan_portfolio
from funding_pipeline.portfolio.problem import PortfolioProblem
from funding_pipeline.portfolio.universe import TradableUniverse, tradable_universe
from funding_pipeline.validation.attribution import attribution
from funding_pipeline.validation.baseline_runs import (
    NO_MODEL,
    ORACLE,
    BaselineResults,
    Runs,
    baseline_results,
    run_rules,
)
from funding_pipeline.validation.documented_trials import documented_trials
from funding_pipeline.validation.oracle import oracle_forecasts
from funding_pipeline.validation.processes import started
from funding_pipeline.validation.profit_flows import backtest_flows
from funding_pipeline.validation.result_frames import (
    equity_frame,
    funding_payments_frame,
    margin_frame,
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
from funding_pipeline.validation.stress import stress_table
from funding_pipeline.validation.summary import summary

_WORTH_A_PROCESS = 300  # decisions; below, starting one takes longer than the run


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
    processes: int = Field(default=2, ge=1, description="for runs that need nothing of each other")

    @model_validator(mode="after")
    def _ordered(self) -> "BacktestConfig":
        if self.end <= self.start:
            raise ValueError("end must be after start")
        return self


@dataclass(frozen=True)
class BacktestResult:
    """Frames as described in `result_frames`; `summary` is plain data, ready for JSON.

    `attribution`: profit by source on every level (`attribution.SCHEMA`); `stress`: losses of the book in
    each break (`stress.STRESS_SCHEMA`).
    `baseline_equity` and `baseline_equity_venue_neutral`: name -> frame like `equity`; empty when the
    back-test was run without baselines.
    """

    equity: pl.DataFrame
    trades: pl.DataFrame
    positions: pl.DataFrame
    funding_payments: pl.DataFrame
    neutrality: pl.DataFrame
    margin: pl.DataFrame
    attribution: pl.DataFrame
    stress: pl.DataFrame
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
        self._proposed = config.collateral_rule == "proposed"
        self._parts: dict[tuple[int, ...], _Part] = {}

    def decide(
        self, index: int, inputs: LegInputs, quantities: Floats, venue_equity_usd: Floats
    ) -> Decision:
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
            costs=self._panels.cost_panel.at(index).of(legs),
            config=self._config,
            hurdle=self._panels.stress_cost_panel.at(index).of(legs),
            collateral_usd=venue_equity_usd[part.venues],
            allocation_usd=self._allocation(venue_equity_usd)[part.venues] if self._proposed else None,
        )
        target[legs] = plan.quantity_target
        for leg, reason in zip(legs, plan.reasons, strict=True):
            reasons[leg] = reason
        return Decision(
            target=target,
            reasons=tuple(reasons),
            status=plan.status,
            note=plan.status_reason,
            collateral_target_usd=self._wanted(plan, part, venue_equity_usd),
        )

    def _allocation(self, venue_equity_usd: Floats) -> Floats:
        """Capital per venue in proportion to the equity there."""
        total = float(venue_equity_usd.sum())
        share = venue_equity_usd / total if total > 0 else np.zeros_like(venue_equity_usd)
        return np.asarray(share * self._config.capital_usd)

    def _wanted(self, plan: PortfolioPlan, part: "_Part", venue_equity_usd: Floats) -> Floats | None:
        """Where the plan would have collateral; None: even shares are kept."""
        if not self._proposed or plan.solution.allocation_usd is None:
            return None
        out = np.zeros_like(venue_equity_usd)
        out[part.venues] = plan.solution.allocation_usd / self._config.gross_leverage
        return out

    def _part(self, legs: tuple[int, ...]) -> "_Part":
        if legs not in self._parts:
            whole = self._panels.universe
            universe = Universe(tuple(whole.legs[i] for i in legs))
            venues = np.array([whole.venues.index(venue) for venue in universe.venues], dtype=np.int64)
            self._parts[legs] = _Part(
                universe, PortfolioProblem(universe, stages=len(self._panels.stage_lengths)), venues
            )
        return self._parts[legs]


@dataclass(frozen=True)
class _Part:
    """Some legs of the period: their problem, and where their venues are in the whole."""

    universe: Universe
    problem: PortfolioProblem
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
    others: dict[str, MarketHistory] = {}
    if config.with_baselines:
        others = _other_forecasts(history, tables=tables, forecasts=forecasts, terms=terms, config=portfolio)
    tasks = [(other, portfolio) for other in others.values()]
    processes = config.processes if len(history.panels.times) >= _WORTH_A_PROCESS else 1
    with started(_optimised, tasks, processes=processes) as collect:
        policy = OptimiserPolicy(history.panels, config=portfolio)
        run = simulate(history, policy=policy, config=portfolio, progress=progress)
        rules: Runs = {}
        if config.with_baselines:
            rules = run_rules(history, funding=tables.settled_funding, config=portfolio)
            rules = {**rules, NO_MODEL: ((history, run),)}  # unless there is a model
        optimised = zip(others.values(), collect(), strict=True)
        runs = {**rules, **{name: (done,) for name, done in zip(others, optimised, strict=True)}}
    baselines = baseline_results(runs, config=portfolio)
    result = _result(history, run, config=config, untraded=found.untraded, baselines=baselines)
    result.summary["notes"] += [
        f"{venue}: nothing is known about its fees and spread, the [default] of venues.toml was taken"
        for venue in found.universe.venues
        if terms_of(venue, terms).assumed
    ]
    return result


def _other_forecasts(
    history: MarketHistory,
    *,
    tables: MarketTables,
    forecasts: pl.DataFrame,
    terms: Mapping[str, VenueTerms],
    config: PortfolioConfig,
) -> dict[str, MarketHistory]:
    """The same history with other forecasts: what the optimiser is compared with, by baseline."""
    other = {ORACLE: oracle_forecasts(forecasts, settled_funding=tables.settled_funding)}
    if uses_a_model(forecasts, config=config):
        other[NO_MODEL] = without_model(forecasts)
    return {
        name: replace(
            history,
            panels=decision_panels(
                tables=tables,
                forecasts=frame,
                universe=history.panels.universe,
                times=history.panels.times,
                terms=terms,
                config=config,
            ),
        )
        for name, frame in other.items()
    }


def _optimised(task: tuple[MarketHistory, PortfolioConfig]) -> Run:
    """One run of the optimiser, here or in another process."""
    history, config = task
    return simulate(history, policy=OptimiserPolicy(history.panels, config=config), config=config)


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
    flows = backtest_flows(history, run, max_price_age_hours=portfolio.max_price_age_hours)
    profit, stress = attribution(flows), stress_table(history, run, config=portfolio)
    result = BacktestResult(
        equity=equity_frame(history, run),
        trades=trades_frame(history, run),
        positions=positions_frame(history, run),
        funding_payments=funding_payments_frame(history, run),
        neutrality=neutrality_frame(history, run, config=portfolio),
        margin=margin_frame(history, run),
        attribution=profit,
        stress=stress,
        summary=summary(
            history,
            run,
            config=portfolio,
            untraded=untraded,
            baselines=baselines,
            trials=config.trials,
            profit=profit,
            stress=stress,
        ),
        baseline_equity=baselines.equity,
        baseline_equity_venue_neutral=baselines.equity_venue_neutral,
    )
    result.summary["notes"] += flows.notes
    return result
