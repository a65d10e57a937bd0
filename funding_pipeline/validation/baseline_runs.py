"""Runs the baselines on the same history and turns them into figures.

Every rule is run twice: as it is, and hedged on each venue (`venue_neutral`). The optimiser without
a model, and the one that knows the future, keep the venue bands anyway: both entries are the same run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from funding_pipeline.portfolio.as_of import as_of_panels
from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.portfolio.legs import Floats, LegInputs, Universe
from funding_pipeline.validation.baselines import (
    FixedVenues,
    PairPolicy,
    PairRule,
    ThresholdRule,
    WidestPair,
)
from funding_pipeline.validation.figures import figures
from funding_pipeline.validation.result_frames import equity_frame
from funding_pipeline.validation.simulation import Decision, MarketHistory, Policy, Run, simulate

_MEASURED_HOURS = (24, 72, 168)
_MIN_COVERAGE = 0.5
NO_MODEL = "optimiser_no_model"
ORACLE = "oracle_168h"
CEILINGS = (ORACLE,)
"""Runs that know the future: what could be reached, never something to beat or be beaten by."""


Runs = Mapping[str, tuple[tuple[MarketHistory, Run], ...]]
"""By name one run, or a plain one and a hedged one, each with the history that it was run on."""


class Cash:
    """Never trades."""

    def decide(self, index: int, inputs: LegInputs, quantities: Floats, venue_equity_usd: Floats) -> Decision:
        """Zero everywhere."""
        return Decision(target=np.zeros_like(quantities), reasons=("",) * len(quantities))


@dataclass(frozen=True)
class BaselineResults:
    """By name: `figures` (with `venue_neutral` inside), and `equity` frames as result_frames has them."""

    figures: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    equity: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    equity_venue_neutral: Mapping[str, pl.DataFrame] = field(default_factory=dict)

    @property
    def rivals(self) -> Mapping[str, Mapping[str, pl.DataFrame]]:
        """Name -> variant (`plain`, `venue_neutral`) -> equity, of those that can be beaten: no ceilings."""
        return {
            name: {"plain": frame, "venue_neutral": self.equity_venue_neutral[name]}
            for name, frame in self.equity.items()
            if name not in CEILINGS
        }


def run_rules(history: MarketHistory, *, funding: pl.LazyFrame, config: PortfolioConfig) -> Runs:
    """Every rule twice on `history`, plain and hedged on each venue; `funding` has the settled rates."""
    pairs = {"cash": (Cash(), Cash())} | _policies(history, funding=funding, config=config)
    return {
        name: tuple((history, simulate(history, policy=policy, config=config)) for policy in policies)
        for name, policies in pairs.items()
    }


def baseline_results(runs: Runs, *, config: PortfolioConfig) -> BaselineResults:
    """Figures and curves of `runs`, by name the plain run and the one hedged on each venue.

    The optimiser without a model and the one that knows the future are neutral anyway: a single run each.
    Ceilings are marked `knows_the_future` in their figures.
    """
    described = {
        name: [figures(*run, config=config) | _marks(name) for run in both] for name, both in runs.items()
    }
    curves = {name: [equity_frame(*run) for run in both] for name, both in runs.items()}
    return BaselineResults(
        figures={name: both[0] | {"venue_neutral": both[-1]} for name, both in described.items()},
        equity={name: both[0] for name, both in curves.items()},
        equity_venue_neutral={name: both[-1] for name, both in curves.items()},
    )


def _marks(name: str) -> dict[str, bool]:
    return {"knows_the_future": True} if name in CEILINGS else {}


def trailing_rate_per_hour(
    funding: pl.LazyFrame, *, universe: Universe, times: Sequence[datetime], window_hours: int
) -> Floats:
    """Times x legs: funding paid in the last `window_hours`, known by then, per hour covered.

    NaN where settlements cover less than half of the window.
    """
    key = ["venue", "symbol"]
    summed = (
        funding.filter(pl.col("interval_hours").is_not_null())
        .select(*key, "settled_at", "known_at", "rate", "interval_hours")
        .sort("known_at", "settled_at")
        .select(
            *key,
            "known_at",
            paid=pl.col("rate").cum_sum().over(key),
            hours=pl.col("interval_hours").cum_sum().over(key),
        )
        .collect()
    )
    before = [time - timedelta(hours=window_hours) for time in times]
    now, then = (
        as_of_panels(summed, on="known_at", values=["paid", "hours"], universe=universe, times=moments)
        for moments in (times, before)
    )
    paid, hours = (a - np.nan_to_num(b) for a, b in zip(now, then, strict=True))
    enough = hours >= _MIN_COVERAGE * window_hours
    return np.divide(paid, hours, out=np.full_like(paid, np.nan), where=enough)


def _rules(history: MarketHistory, *, funding: pl.LazyFrame) -> Mapping[str, PairRule]:
    universe = history.panels.universe
    trailing = {
        hours: trailing_rate_per_hour(
            funding, universe=universe, times=history.panels.times, window_hours=hours
        )
        for hours in _MEASURED_HOURS
    }
    rules: dict[str, PairRule] = {
        "always_widest_pair_168h": WidestPair(universe=universe, trailing=trailing[168])
    }
    for hours, rate in trailing.items():
        rules[f"threshold_{hours}h"] = ThresholdRule(universe=universe, trailing=rate)
    if {"hyperliquid", "binance"} <= set(universe.venues):
        rules["short_hyperliquid_long_binance"] = FixedVenues(
            universe=universe, long_venue="binance", short_venue="hyperliquid"
        )
    return rules


def _policies(
    history: MarketHistory, *, funding: pl.LazyFrame, config: PortfolioConfig
) -> dict[str, tuple[Policy, Policy]]:
    """Each rule as it is, and hedged on every venue."""
    panels = history.panels
    return {
        name: (
            PairPolicy(rule=rule, universe=panels.universe, thin=panels.cost_panel.thin, config=config),
            PairPolicy(
                rule=rule,
                universe=panels.universe,
                thin=panels.cost_panel.thin,
                config=config,
                venue_neutral=True,
            ),
        )
        for name, rule in _rules(history, funding=funding).items()
    }
