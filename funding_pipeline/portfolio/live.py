"""One plan from the normalized tables, by the same panels and the same decision as the back-test."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from funding_pipeline.core.errors import MarketDataError
from funding_pipeline.core.tables import MarketTables
from funding_pipeline.core.venue_terms import VenueTerms
from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.portfolio.legs import Floats, Universe
from funding_pipeline.portfolio.panels import decision_panels
from funding_pipeline.portfolio.plan import PortfolioPlan, plan_portfolio
from funding_pipeline.portfolio.problem import PortfolioProblem
from funding_pipeline.portfolio.told_fees import with_told_fees
from funding_pipeline.portfolio.universe import tradable_universe

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
    Raises MarketDataError for a position whose instrument or price is not in the tables.
    """
    known = forecasts.filter(pl.col("as_of") <= as_of)
    found = tradable_universe(tables, forecasts=known, start=as_of - _LOOK_BACK, end=as_of)
    quantities = _quantities(positions, universe=found.universe, untraded=found.untraded)
    panels = decision_panels(
        tables=tables,
        forecasts=known,
        universe=found.universe,
        times=[as_of],
        terms=with_told_fees(terms, tables.instruments, as_of=as_of),
        config=config,
    )
    return plan_portfolio(
        inputs=panels.at(0),
        quantities=quantities,
        problem=PortfolioProblem(found.universe),
        universe=found.universe,
        costs=panels.costs,
        config=config,
    )


def _quantities(
    positions: Mapping[tuple[str, str], float], *, universe: Universe, untraded: Mapping[str, str]
) -> Floats:
    names = {(leg.venue, leg.symbol): i for i, leg in enumerate(universe.legs)}
    out = np.zeros(len(universe))
    for key, quantity in positions.items():
        if quantity == 0:
            continue
        if key not in names:
            why = untraded.get(" ".join(key), "it is not in the instruments table")
            raise MarketDataError(f"position in {' '.join(key)} cannot be planned: {why}; close it by hand")
        out[names[key]] = quantity
    return out
