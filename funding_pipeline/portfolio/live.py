"""One plan from the normalized tables, by the same panels and the same decision as the back-test."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from funding_pipeline.core.tables import MarketTables
from funding_pipeline.core.venue_terms import VenueTerms
from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.portfolio.legs import Floats
from funding_pipeline.portfolio.panels import decision_panels
from funding_pipeline.portfolio.plan import PortfolioPlan, plan_portfolio
from funding_pipeline.portfolio.problem import PortfolioProblem
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
) -> PortfolioPlan:
    """The plan at `as_of` (UTC). `positions`: (venue, symbol) -> signed quantity in quoted units.

    `forecasts` has the FORECASTS schema and one horizon. Rows known after `as_of` are not used. Fees that a
    venue has stated by then go before those of `terms`.
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
    plan = plan_portfolio(
        inputs=panels.at(0),
        quantities=quantities,
        problem=PortfolioProblem(found.universe),
        universe=found.universe,
        costs=panels.costs,
        config=config,
    )
    return replace(plan, left_alone=left_alone)


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
