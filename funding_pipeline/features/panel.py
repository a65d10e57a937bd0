"""The feature panel: everything a forecast may know, one row per decision time and instrument.

What lives here: the assembly. What does not: formulas (`funding`, `cross_section`, `prices`,
`liquidity`) or their meaning (`catalog`).
"""

import polars as pl

from funding_pipeline.core.tables import MADE_UP, UTC, MarketTables
from funding_pipeline.features.catalog import FEATURE_COLUMNS, FEATURE_DOCS, KEYS, LOOKBACK_HOURS
from funding_pipeline.features.cross_section import cross_section_features
from funding_pipeline.features.decision_grid import (
    bases,
    decision_grid,
    decision_times,
    settlements_in_order,
    with_base,
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
    MADE_UP: pl.Boolean,
}


def build_features(tables: MarketTables, *, as_of: pl.Series) -> pl.DataFrame:
    """One row per (as_of, venue, symbol) of every instrument with funding settled in the last 24 h.

    Columns: as_of (UTC), venue, symbol, base, then FEATURE_COLUMNS (meaning and unit: FEATURE_DOCS) and
    `is_made_up`, sorted by key. A feature that cannot be known is null; only settled funding is needed. Rows
    enter by known_at <= as_of, so later rows never change an earlier feature. An instrument that
    `tables.instruments` does not resolve into a base is left out.
    """
    settlements = settlements_in_order(tables.settled_funding)
    known = bases(tables)
    grid = decision_grid(settlements, decision_times(as_of))
    grid = with_base(grid.lazy(), known, at="as_of").drop("multiplier").drop_nulls("base").collect()
    own = estimate_features(funding_features(grid, settlements), tables.estimated_funding)
    priced = price_features(cross_section_features(own), tables.prices, known)
    panel = liquidity_features(
        priced, depth=tables.order_book_depth, flow=tables.trade_flow, open_interest=tables.open_interest
    )
    panel = _with_made_up(panel, tables)
    return panel.select(pl.col(name).cast(dtype) for name, dtype in FEATURES_SCHEMA.items()).sort(KEYS[:3])


def _with_made_up(panel: pl.DataFrame, tables: MarketTables) -> pl.DataFrame:
    """`panel` with `is_made_up`: whether any row known within the longest window was made up.

    Of any instrument: the features of one compare it with the others.
    """
    facts = (
        tables.settled_funding,
        tables.estimated_funding,
        tables.prices,
        tables.order_book_depth,
        tables.trade_flow,
        tables.open_interest,
    )
    invented = pl.concat([fact.filter(pl.col(MADE_UP)).select("known_at") for fact in facts]).unique()
    times = panel.lazy().select("as_of").unique().sort("as_of")
    since = pl.duration(hours=LOOKBACK_HOURS)
    newest = times.join_asof(invented.sort("known_at"), left_on="as_of", right_on="known_at")
    found = (pl.col("known_at") >= pl.col("as_of") - since).fill_null(value=False)
    flags = newest.select("as_of", found.alias(MADE_UP)).collect()
    return panel.join(flags, on="as_of", how="left", maintain_order="left")
