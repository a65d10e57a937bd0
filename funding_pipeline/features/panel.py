"""The feature panel: everything a forecast may know, one row per decision time and instrument.

What lives here: the assembly. What does not: formulas (`funding`, `cross_section`, `prices`,
`liquidity`) or their meaning (`catalog`).
"""

import polars as pl

from funding_pipeline.core.tables import UTC, MarketTables
from funding_pipeline.features.catalog import FEATURE_COLUMNS, FEATURE_DOCS, KEYS, LOOKBACK_HOURS
from funding_pipeline.features.cross_section import cross_section_features
from funding_pipeline.features.decision_grid import (
    INSTRUMENT,
    bases,
    decision_grid,
    decision_times,
    settlements_in_order,
)
from funding_pipeline.features.funding import estimate_features, funding_features
from funding_pipeline.features.liquidity import liquidity_features
from funding_pipeline.features.prices import price_features

__all__ = ["FEATURES_SCHEMA", "FEATURE_COLUMNS", "FEATURE_DOCS", "LOOKBACK_HOURS", "build_features"]

FEATURES_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "as_of": UTC,
    "venue": pl.String,
    "symbol": pl.String,
    "base": pl.String,
    **dict.fromkeys(FEATURE_COLUMNS, pl.Float64),
}


def build_features(tables: MarketTables, *, as_of: pl.Series) -> pl.DataFrame:
    """One row per (as_of, venue, symbol) of every instrument with funding settled in the last 24 h.

    Columns: as_of (UTC), venue, symbol, base, then FEATURE_COLUMNS (meaning and unit: FEATURE_DOCS),
    sorted by key. A feature that cannot be known is null; only settled funding is needed. Rows
    enter by known_at <= as_of, so later rows never change an earlier feature. An instrument that
    `tables.instruments` does not resolve into a base is left out.
    """
    settlements = settlements_in_order(tables.settled_funding)
    known = bases(tables)
    grid = decision_grid(settlements, decision_times(as_of)).join(
        known.drop("multiplier"), on=list(INSTRUMENT), how="inner", maintain_order="left"
    )
    own = estimate_features(funding_features(grid, settlements), tables.estimated_funding)
    priced = price_features(cross_section_features(own), tables.prices, known)
    panel = liquidity_features(
        priced, depth=tables.order_book_depth, flow=tables.trade_flow, open_interest=tables.open_interest
    )
    return panel.select(pl.col(name).cast(dtype) for name, dtype in FEATURES_SCHEMA.items()).sort(KEYS[:3])
