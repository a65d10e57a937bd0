"""The back-test: the plan function that runs live, over recorded time, against simple rules.

Decisions are at whole UTC times; a decision at T knows rows with known_at <= T and trades at the own
venue's close at T, worse by half-spread and impact.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import polars as pl
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from funding_pipeline.core.tables import MarketTables
from funding_pipeline.core.venue_terms import VenueTerms, terms_of
from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.portfolio.panels import decision_panels
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
from funding_pipeline.validation.made_up import made_up_note, made_up_rows
from funding_pipeline.validation.optimiser_policy import OptimiserPolicy
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
from funding_pipeline.validation.simulation import MarketHistory, Progress, Run, market_history, simulate
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


def run_backtest(
    *,
    tables: MarketTables,
    forecasts: pl.DataFrame,
    terms: Mapping[str, VenueTerms],
    config: BacktestConfig,
    progress: Progress | None = None,
) -> BacktestResult:
    """Run the optimiser and, if asked, the baselines over the period.

    `forecasts` has the FORECASTS schema; its longest horizon is the plan's, shorter ones shape the path.
    `progress(done, total)` is called after each decision of the main run. Raises
    InsufficientHistoryError when nothing can be traded, AccountingError when profit by source does not
    add up to equity.
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
    result.summary["notes"] += _training_note(forecasts, config=config)
    result.summary["made_up_rows"] = made_up_rows(tables, end=config.end)
    result.summary["notes"] += made_up_note(result.summary["made_up_rows"])
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
    if uses_a_model(forecasts):
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


def uses_a_model(forecasts: pl.DataFrame) -> bool:
    """False where every forecast is the baseline: decisions with and without a model are the same."""
    return not forecasts["rate_per_hour"].eq_missing(forecasts["baseline_rate_per_hour"]).all()


def without_model(forecasts: pl.DataFrame) -> pl.DataFrame:
    """The same forecasts about the baseline in place of the model's, as wide: doubt costs both alike."""
    moved = pl.col("baseline_rate_per_hour") - pl.col("rate_per_hour")
    return forecasts.with_columns(
        *(pl.col(name) + moved for name in ("q10", "q50", "q90")),
        rate_per_hour=pl.col("baseline_rate_per_hour"),
        model=pl.lit("baseline"),
    )


def _training_note(forecasts: pl.DataFrame, *, config: BacktestConfig) -> list[str]:
    """How many decisions had no trained model, so that nobody takes the baseline for one."""
    longest = pl.col("horizon_hours") == pl.col("horizon_hours").max()
    inside = forecasts.filter(longest).filter(pl.col("as_of").is_between(config.start, config.end))
    by_time = inside.group_by("as_of").agg(learnt=(pl.col("model") != "baseline").any())
    without, every = int((~by_time["learnt"]).sum()), by_time.height
    if not without:
        return []
    return [
        f"{without} of {every} decision times had too little history to train a model: the shrunk trailing "
        "mean stood for it"
    ]


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
