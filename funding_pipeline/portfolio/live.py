"""One plan from the normalized tables, by the same panels and the same decision as the back-test."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from funding_pipeline.core.tables import MarketTables
from funding_pipeline.core.venue_terms import VenueTerms
from funding_pipeline.portfolio.collateral import proposal
from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.portfolio.formulation import problem_numbers
from funding_pipeline.portfolio.legs import Floats
from funding_pipeline.portfolio.panels import decision_panels
from funding_pipeline.portfolio.plan import PortfolioPlan, notional_usd
from funding_pipeline.portfolio.planning import plan_portfolio
from funding_pipeline.portfolio.problem import PortfolioProblem
from funding_pipeline.portfolio.tier_margins import tier_fractions
from funding_pipeline.portfolio.told_fees import with_told_fees
from funding_pipeline.portfolio.universe import TradableUniverse, tradable_universe

_LOOK_BACK = timedelta(days=30)


def plan_at(
    *,
    tables: MarketTables,
    forecasts: pl.DataFrame,
    positions: Mapping[tuple[str, str], float],
    as_of: datetime,
    terms: Mapping[str, VenueTerms],
    config: PortfolioConfig,
    collateral_usd: Mapping[str, float] | None = None,
    leverage_tiers: pl.LazyFrame | None = None,
) -> PortfolioPlan:
    """The plan at `as_of` (UTC). `positions`: (venue, symbol) -> signed quantity in quoted units.

    `collateral_usd`: equity by venue; without it even shares of the capital. `forecasts` has the FORECASTS
    schema; its longest horizon is the plan's, shorter ones shape the path. Rows known after `as_of` are not
    used. Fees and leverage tiers (LEVERAGE_TIERS) that a venue has stated by then go before those of `terms`.
    A position that cannot be planned (delisted, without prices, somebody's own) is named in `left_alone`;
    whoever judges the plan leaves its base as it is.
    """
    known = forecasts.filter(pl.col("as_of") <= as_of)
    found = tradable_universe(tables, forecasts=known, start=as_of - _LOOK_BACK, end=as_of)
    quantities, left_alone = _quantities(positions, found)
    panels = decision_panels(
        tables=tables,
        forecasts=known,
        universe=found.universe,
        times=[as_of],
        terms=with_told_fees(terms, tables.instruments, as_of=as_of),
        config=config,
    )
    inputs, costs, hurdle = panels.at(0), panels.cost_panel.at(0), panels.stress_cost_panel.at(0)
    if leverage_tiers is not None:
        largest = config.governance.max_instrument_notional_usd
        told = tier_fractions(leverage_tiers, universe=found.universe, as_of=as_of, largest_usd=largest)
        fraction = np.where(np.isfinite(told), told, inputs.maintenance_fraction)
        inputs = replace(inputs, maintenance_fraction=fraction)
    problem = PortfolioProblem(found.universe, stages=len(panels.stage_lengths))
    collateral = _collateral(collateral_usd, found, config=config)
    plan = plan_portfolio(
        inputs=inputs,
        quantities=quantities,
        problem=problem,
        universe=found.universe,
        costs=costs,
        config=config,
        hurdle=hurdle,
        collateral_usd=collateral,
    )
    # a proposal starts from where collateral is; the plan itself from the even shares that a person keeps
    there = plan.limits.allocation
    if collateral is not None:
        there = np.maximum(collateral, 0.0) * config.gross_leverage
    numbers, scale = problem_numbers(
        inputs=inputs,
        current_usd=notional_usd(quantities, inputs.price),
        costs=costs,
        limits=replace(plan.limits, allocation=there),
        config=config,
        hurdle=hurdle,
    )
    moves = proposal(problem, numbers, scale=scale, venues=found.universe.venues, config=config)
    return replace(plan, left_alone=left_alone, collateral=moves)


def _collateral(
    given: Mapping[str, float] | None, found: TradableUniverse, *, config: PortfolioConfig
) -> Floats | None:
    """Equity per venue; one not known counts as an even share: the verdict lets nothing grow there."""
    if given is None:
        return None
    venues = found.universe.venues
    return np.array([given.get(venue, config.capital_usd / len(venues)) for venue in venues])


def _quantities(
    positions: Mapping[tuple[str, str], float], found: TradableUniverse
) -> tuple[Floats, tuple[str, ...]]:
    """Quantities held per leg of the universe, and positions that are no leg of it, with the reason."""
    names = {(leg.venue, leg.symbol): i for i, leg in enumerate(found.universe.legs)}
    out, left_alone = np.zeros(len(found.universe)), []
    for key, quantity in sorted(positions.items()):
        if key in names:
            out[names[key]] = quantity
        elif quantity:
            why = found.untraded.get(" ".join(key), "it is not in the instruments table")
            left_alone.append(f"{' '.join(key)}: {why}")
    return out, tuple(left_alone)
