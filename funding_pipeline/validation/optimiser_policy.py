"""The optimiser as a policy of the back-test: the live plan function, at every decision.

What lives here: which legs a decision knows of, and the problem compiled for them. What does not: running it
through time (`simulation`, `backtest`), or the decision itself (`portfolio.planning`).
"""

from dataclasses import dataclass

import numpy as np

from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.portfolio.legs import Floats, Ints, LegInputs, Universe
from funding_pipeline.portfolio.panels import DecisionPanels
from funding_pipeline.portfolio.planning import plan_portfolio
from funding_pipeline.portfolio.problem import PortfolioProblem
from funding_pipeline.validation.simulation import Decision


class OptimiserPolicy:
    """`plan_portfolio` at every decision, over the legs that had been seen by then.

    The problem is compiled again when a leg is first seen: one over all legs of the period would let
    later listings change the last digits, and so the trades, of earlier decisions.
    """

    def __init__(self, panels: DecisionPanels, *, config: PortfolioConfig) -> None:
        """`panels` of the whole period."""
        self._panels = panels
        self._config = config
        self._problems: dict[tuple[int, ...], PortfolioProblem] = {}
        self._parts: dict[tuple[tuple[int, ...], bytes], _Part] = {}

    def decide(self, index: int, inputs: LegInputs, quantities: Floats, venue_equity_usd: Floats) -> Decision:
        """The plan's targets; a leg not seen yet is neither held nor traded."""
        legs = np.flatnonzero(self._panels.seen[index] | (quantities != 0))
        target, reasons = quantities.copy(), [""] * len(quantities)
        if not len(legs):
            return Decision(target=target, reasons=tuple(reasons))
        part = self._part(tuple(legs.tolist()), index)
        plan = plan_portfolio(
            inputs=inputs.of(legs, venues=part.venues),
            quantities=quantities[legs],
            problem=part.problem,
            universe=part.universe,
            costs=self._panels.cost_panel.at(index).of(legs),
            config=self._config,
            hurdle=self._panels.stress_cost_panel.at(index).of(legs),
            collateral_usd=venue_equity_usd[part.venues],
        )
        target[legs] = plan.quantity_target
        for leg, reason in zip(legs, plan.reasons, strict=True):
            reasons[leg] = reason
        return Decision(target=target, reasons=tuple(reasons), status=plan.status, note=plan.status_reason)

    def _part(self, legs: tuple[int, ...], index: int) -> "_Part":
        key = (legs, self._panels.lots.key(index))
        if key not in self._parts:
            whole = self._panels.universe_at(index)
            universe = Universe(tuple(whole.legs[i] for i in legs))
            venues = np.array([whole.venues.index(venue) for venue in universe.venues], dtype=np.int64)
            self._parts[key] = _Part(universe, self._problem(legs, universe), venues)
        return self._parts[key]

    def _problem(self, legs: tuple[int, ...], universe: Universe) -> PortfolioProblem:
        """Which legs there are is compiled; their lots are not."""
        if legs not in self._problems:
            stages = len(self._panels.stage_lengths)
            self._problems[legs] = PortfolioProblem(universe, stages=stages)
        return self._problems[legs]


@dataclass(frozen=True)
class _Part:
    """Some legs of the period: their problem, and where their venues are in the whole."""

    universe: Universe
    problem: PortfolioProblem
    venues: Ints
