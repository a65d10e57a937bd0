"""Settlements of the universe with the price that each is charged on.

By the venue's terms: `mark` is its own mark close at the settlement, else its own trade close;
`index` its own index value, else the cross-venue median; `oracle` the cross-venue median of spot and
index closes at that moment. Where none is known, the leg's last known own price, and it is counted.
"""

from collections.abc import Mapping
from datetime import datetime

import numpy as np
import polars as pl

from funding_pipeline.core.tables import MarketTables
from funding_pipeline.core.venue_terms import VenueTerms, terms_of
from funding_pipeline.market_data.instruments import quoted_in_dollars
from funding_pipeline.portfolio.legs import Universe
from funding_pipeline.portfolio.reference import sane_prices
from funding_pipeline.portfolio.universe import quoted_universe

_LEG = ["venue", "symbol"]
LAST_KNOWN = "last known own price"


def settlements(
    tables: MarketTables,
    *,
    universe: Universe,
    terms: Mapping[str, VenueTerms],
    start: datetime,
    end: datetime,
    sane: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """One row per settlement of a leg with `start` < settled_at <= `end`, sorted by time and leg.

    `sane`: the closes that `sane_prices` finds in `tables`, where the caller has them already.

    Columns: time, leg (position in the universe), venue, symbol, rate, reference_price (quote units;
    null where no price was ever known), reference_source.
    """
    legs = _leg_frame(universe, terms=terms)
    rows = (
        tables.settled_funding.filter((pl.col("settled_at") > start) & (pl.col("settled_at") <= end))
        .select(*_LEG, pl.col("settled_at").alias("time"), "rate")
        .join(legs.lazy(), on=_LEG)
        .sort("time", "leg")
        .collect()
    )
    prices = tables.prices.filter(pl.col("close_time").is_between(start, end, closed="right"))
    rows = rows.join(_closes_at(prices, kind="mark"), on=[*_LEG, "time"], how="left")
    rows = rows.join(_closes_at(prices, kind="trade"), on=[*_LEG, "time"], how="left")
    rows = rows.join(_closes_at(prices, kind="index"), on=[*_LEG, "time"], how="left")
    rows = rows.join(_cross_venue(prices, legs=legs), on=["base", "time"], how="left")
    rows = rows.with_columns(pl.col("median") * pl.col("multiplier"))
    if sane is None:
        sane = sane_prices(tables.prices, quoted=quoted_universe(tables.instruments))
    return _chosen(_with_last_own(rows, sane=sane))


def _leg_frame(universe: Universe, *, terms: Mapping[str, VenueTerms]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "venue": [leg.venue for leg in universe.legs],
            "symbol": [leg.symbol for leg in universe.legs],
            "base": [leg.base for leg in universe.legs],
            "multiplier": [leg.multiplier for leg in universe.legs],
            "charged_on": [terms_of(leg.venue, terms).reference_price for leg in universe.legs],
            "leg": np.arange(len(universe)),
        },
        schema_overrides={"charged_on": pl.String},
    )


def _closes_at(prices: pl.LazyFrame, *, kind: str) -> pl.DataFrame:
    """Close of one kind at each moment; the shortest bar where several end together."""
    return (
        prices.filter(pl.col("kind") == kind)
        .sort("timeframe_hours")
        .group_by(*_LEG, "close_time")
        .agg(pl.col("close").first().alias(kind))
        .rename({"close_time": "time"})
        .collect()
    )


def _cross_venue(prices: pl.LazyFrame, *, legs: pl.DataFrame) -> pl.DataFrame:
    """Median per base and moment over spot and index closes, quote units per base unit."""
    columns = ["base", pl.col("close_time").alias("time"), "close"]
    prices = prices.filter(quoted_in_dollars())
    spot = prices.filter(pl.col("kind") == "spot").with_columns(
        base=pl.col("symbol").str.split("/").list.first()
    )
    index = (
        prices.filter(pl.col("kind") == "index")
        .join(legs.lazy(), on=_LEG)
        .with_columns(close=pl.col("close") / pl.col("multiplier"))
    )
    both = pl.concat([spot.select(columns), index.select(columns)])
    return both.group_by("base", "time").agg(pl.col("close").median().alias("median")).collect()


def _with_last_own(rows: pl.DataFrame, *, sane: pl.DataFrame) -> pl.DataFrame:
    own = sane.select(*_LEG, "known_at", last_own="close")
    return rows.sort("time").join_asof(
        own, left_on="time", right_on="known_at", by=_LEG, check_sortedness=False
    )


def _chosen(rows: pl.DataFrame) -> pl.DataFrame:
    candidates = {"mark": ["mark", "trade"], "index": ["index", "median"], "oracle": ["median"]}
    price: pl.Expr = pl.lit(None, dtype=pl.Float64)
    source: pl.Expr = pl.lit(None, dtype=pl.String)
    for charged_on, kinds in candidates.items():
        mine = pl.col("charged_on") == charged_on
        price = pl.when(mine).then(pl.coalesce(kinds)).otherwise(price)
        names = [pl.when(pl.col(kind).is_not_null()).then(pl.lit(kind)) for kind in kinds]
        source = pl.when(mine).then(pl.coalesce(names)).otherwise(source)
    return rows.select(
        "time",
        "leg",
        *_LEG,
        "rate",
        pl.coalesce(price, "last_own").alias("reference_price"),
        pl.coalesce(source, pl.lit(LAST_KNOWN)).alias("reference_source"),
    ).sort("time", "leg")
