"""The same back-test under other terms: neutrality, costs, capital; decided anew, not one run re-priced.

What lives here: running the variants side by side, and their figures. What does not: which variants there are
(`study_variants`), the optimiser and the ledger (the back-test's own), words about the results (`verdict`).

Every study decides every three days, beside a reference run that does so too: like is compared with like, and
the headline of the back-test (every 8 hours) is another run. A position is expected to be held for weeks.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np
import polars as pl

from funding_pipeline.core.tables import MarketTables
from funding_pipeline.core.venue_terms import VenueTerms
from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.portfolio.cost_scenarios import CostScenario
from funding_pipeline.portfolio.legs import Floats
from funding_pipeline.portfolio.panels import decision_panels
from funding_pipeline.portfolio.universe import tradable_universe
from funding_pipeline.validation.backtest import BacktestConfig
from funding_pipeline.validation.capacity import capacity
from funding_pipeline.validation.combinatorial_cv import combinatorial_cv
from funding_pipeline.validation.figures import figures
from funding_pipeline.validation.optimiser_policy import OptimiserPolicy
from funding_pipeline.validation.processes import in_processes
from funding_pipeline.validation.regime_results import known_regimes, regime_results
from funding_pipeline.validation.result_frames import equity_frame
from funding_pipeline.validation.significance import mean_interval
from funding_pipeline.validation.simulation import MarketHistory, market_history, simulate
from funding_pipeline.validation.statistics import daily_returns
from funding_pipeline.validation.study_variants import (
    BAND,
    BANDS,
    CAPACITY,
    CAPITALS,
    COSTS,
    REFERENCE,
    SETTINGS,
    STUDY_HOURS,
    Variant,
    own_band,
    variants,
)

RUNS_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "study": pl.String,
    "variant": pl.String,
    "value": pl.Float64,
    "capital_usd": pl.Float64,
    "net_usd": pl.Float64,
    "net_return_annual": pl.Float64,
    "net_low": pl.Float64,
    "net_high": pl.Float64,
    "net_return_on_gross_annual": pl.Float64,
    "mean_gross_usd": pl.Float64,
    "sharpe": pl.Float64,
    "max_drawdown": pl.Float64,
    "turnover": pl.Float64,
    "fees_usd": pl.Float64,
    "slippage_usd": pl.Float64,
    "funding_usd": pl.Float64,
    "basis_usd": pl.Float64,
    "max_venue_beta_fraction_of_budget": pl.Float64,
    "decisions_every_hours": pl.Int64,
}


@dataclass(frozen=True)
class Studies:
    """`runs`: RUNS_SCHEMA, one row per study and variant; `regimes` as in `regime_results`.

    `value` is the band, the multiple of capital, or null; `net_low` and `net_high` the 95 % interval of
    `net_return_annual`. `overfitting` and `capacity`: plain data for the summary.
    """

    runs: pl.DataFrame
    regimes: pl.DataFrame
    overfitting: dict[str, Any] | None
    capacity: dict[str, Any]

    @property
    def summary(self) -> dict[str, Any]:
        """Entries of the summary that need studies; the verdict is told from both (`verdict`)."""
        return {"overfitting": self.overfitting, "capacity": self.capacity}


@dataclass(frozen=True)
class _Outcome:
    row: dict[str, Any]
    equity: pl.DataFrame


def run_studies(
    *,
    tables: MarketTables,
    forecasts: pl.DataFrame,
    terms: Mapping[str, VenueTerms],
    config: BacktestConfig,
    equity: pl.DataFrame | None = None,
    regimes: pl.DataFrame | None = None,
    every_hours: int = STUDY_HOURS,
    progress: Callable[[int, int], None] | None = None,
) -> Studies:
    """Run every variant of `variants` over the period of `config`, in `config.processes` processes.

    `equity`: of the back-test, for the results by regime (without: the reference run's). `regimes`: frame of
    `models.regimes`, whose stress is taken; without, it is made from the tables. `progress(done, total)`
    after each run. Raises InsufficientHistoryError where nothing can be traded.
    """
    portfolio = config.portfolio.model_copy(update={"rebalance_every_hours": every_hours})
    history = _histories(tables, forecasts=forecasts, terms=terms, config=config, portfolio=portfolio)
    planned = list(variants(portfolio))
    tasks = [(history(variant.portfolio.cost_scenario), variant) for variant in planned]
    outcomes = in_processes(_studied, tasks, processes=config.processes, progress=progress)
    done = {(v.study, v.name): outcome for v, outcome in zip(planned, outcomes, strict=True)}
    reference = done[REFERENCE, REFERENCE]
    rows = [outcome.row for (study, _), outcome in done.items() if study not in (REFERENCE, SETTINGS)]
    own_names = (
        (BAND, own_band(portfolio), portfolio.venue_beta_band_fraction),
        (COSTS, portfolio.cost_scenario, None),
        (CAPACITY, "1", 1.0),
    )
    rows += [reference.row | {"study": s, "variant": name, "value": value} for s, name, value in own_names]
    runs = _ordered(pl.DataFrame(rows, schema=RUNS_SCHEMA))
    capital = config.portfolio.capital_usd
    own = reference.equity if equity is None else equity
    known = known_regimes(tables, times=_midnights(own), regimes=regimes)
    return Studies(
        runs=runs,
        regimes=regime_results(own, known=known, capital_usd=capital),
        overfitting=_overfitting(done, capital_usd=capital),
        capacity=capacity(runs.filter(study=CAPACITY)),
    )


def _histories(
    tables: MarketTables,
    *,
    forecasts: pl.DataFrame,
    terms: Mapping[str, VenueTerms],
    config: BacktestConfig,
    portfolio: PortfolioConfig,
) -> Callable[[CostScenario], MarketHistory]:
    """The period's arrays by cost scenario, each built once; costs are all that differs."""
    found = tradable_universe(tables, forecasts=forecasts, start=config.start, end=config.end)
    given: dict[str, Any] = {
        "tables": tables,
        "forecasts": forecasts,
        "universe": found.universe,
        "terms": terms,
    }
    base = market_history(**given, start=config.start, end=config.end, config=portfolio)
    stressed = replace(base.panels, cost_panel=base.panels.stress_cost_panel)
    built: dict[CostScenario, MarketHistory] = {
        "stress": replace(base, panels=stressed),
        portfolio.cost_scenario: base,
    }

    def history(scenario: CostScenario) -> MarketHistory:
        if scenario not in built:
            other = portfolio.model_copy(update={"cost_scenario": scenario})
            panels = decision_panels(**given, times=base.panels.times, config=other)
            built[scenario] = replace(base, panels=panels)
        return built[scenario]

    return history


def _studied(task: tuple[MarketHistory, Variant]) -> _Outcome:
    """One run, here or in another process."""
    history, variant = task
    config = variant.portfolio
    run = simulate(history, policy=OptimiserPolicy(history.panels, config=config), config=config)
    equity = equity_frame(history, run)
    found = figures(history, run, config=config)
    interval = mean_interval(equity, capital_usd=config.capital_usd) or {}
    pnl = found["pnl"]
    row = {
        "study": variant.study,
        "variant": variant.name,
        "value": variant.value,
        "capital_usd": config.capital_usd,
        "net_usd": sum(pnl.values()),
        "net_low": interval.get("low"),
        "net_high": interval.get("high"),
        "fees_usd": pnl["fees"],
        "slippage_usd": pnl["slippage"],
        "funding_usd": pnl["funding"],
        "basis_usd": pnl["basis"],
        "max_venue_beta_fraction_of_budget": found["neutrality"]["max_venue_beta_fraction_of_budget"],
        "decisions_every_hours": config.rebalance_every_hours,
    }
    same = ("net_return_annual", "net_return_on_gross_annual", "mean_gross_usd", "sharpe", "max_drawdown",
            "turnover")  # fmt: skip
    return _Outcome(row=row | {name: found[name] for name in same}, equity=equity)


def _ordered(runs: pl.DataFrame) -> pl.DataFrame:
    """Studies in the order of this module, and variants from the freest, cheapest, smallest on."""
    names = [*BANDS, *get_args(CostScenario), *(f"{times:g}" for times in CAPITALS)]
    place = {name: number for number, name in enumerate(names)}
    return (
        runs.with_columns(
            pl.col("study").replace_strict({BAND: 0, COSTS: 1, CAPACITY: 2}).alias("first"),
            pl.col("variant").replace_strict(place, default=len(place)).alias("then"),
        )
        .sort("first", "then")
        .drop("first", "then")
    )


def _overfitting(done: Mapping[tuple[str, str], _Outcome], *, capital_usd: float) -> dict[str, Any] | None:
    """Of choosing among the settings by their Sharpe ratio; the reference's are the chosen ones."""
    trials = {name: outcome for (study, name), outcome in done.items() if study in (REFERENCE, SETTINGS)}
    returns: list[Floats] = [
        daily_returns(outcome.equity, capital_usd=capital_usd)["return"].to_numpy()
        for outcome in trials.values()
    ]
    return combinatorial_cv(
        np.stack(returns, axis=1), names=tuple(trials), chosen=list(trials).index(REFERENCE)
    )


def _midnights(equity: pl.DataFrame) -> pl.Series:
    return equity.filter(pl.col("time") == pl.col("time").dt.truncate("1d"))["time"].sort()
