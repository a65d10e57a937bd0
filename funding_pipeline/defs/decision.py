"""What a decision is made from: how fresh each venue's rows are, and the features at the decision time.

In a rebalance the decision time is now, on the venues' clock, and everything is made of the landed rows of
the last months. Otherwise it is the newest time of the feature panel, and the stored tables are read.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Literal

import dagster as dg
import polars as pl
from pydantic import Field

from funding_pipeline.core.clock import first_and_last
from funding_pipeline.core.market import Market, MarketSpan
from funding_pipeline.core.tables import UTC as UTC_TYPE
from funding_pipeline.core.tables import MarketTables
from funding_pipeline.defs import metadata as md
from funding_pipeline.defs.features import FEATURES, read_features
from funding_pipeline.features.panel import FEATURES_SCHEMA, build_features
from funding_pipeline.market.continued import FetchedMarket
from funding_pipeline.market.ingestion import IngestReport
from funding_pipeline.market_data.normalization import normalized_market
from funding_pipeline.storage.lake import Lake
from funding_pipeline.storage.market_tables import read_market_tables

GROUP = "decision"
FRESHNESS = "market_freshness"
DECISION_FEATURES = "decision_features"
FRESHNESS_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "venue": pl.String,
    "fetched_at": UTC_TYPE,
    "newest_settlement": UTC_TYPE,
    "newest_price": UTC_TYPE,
    "problem": pl.String,
}
# Betas and basis risk look back this far, with room for gaps.
LOOK_BACK = timedelta(days=120)
_NEWEST_ROWS = timedelta(days=3)
# Of these only readings of the last day enter a decision, of open interest those of the week before too.
_READINGS: Mapping[str, timedelta] = {
    "order_books": timedelta(days=2),
    "trades": timedelta(days=2),
    "open_interest": timedelta(days=9),
}
_ESTIMATES_AHEAD = timedelta(days=1)
"""A venue's estimate is filed under the settlement that it is about, which is still to come."""


class DecisionTime(dg.Config):
    """When a decision is made."""

    at: Literal["newest", "now"] = Field(
        default="newest", description="newest: of the feature panel; now: the venues' clock, as a rebalance"
    )


def decision_assets() -> list[dg.AssetsDefinition]:
    """Freshness and features of a decision."""
    return [market_freshness, decision_features]


@dg.asset(
    name=FRESHNESS,
    group_name=GROUP,
    kinds={"polars", "deltalake"},
    metadata={"dagster/column_schema": md.columns_of(FRESHNESS_SCHEMA)},
)
def market_freshness(
    context: dg.AssetExecutionContext, market: dg.ResourceParam[Market], lake: dg.ResourceParam[Lake]
) -> dg.MaterializeResult[None]:
    """Fetches what is new at every venue, and says how new each venue's rows are by then.

    A venue that cannot be reached costs its own rows only; the reason is in its row.
    """
    now, report = market_now(market), IngestReport()
    if isinstance(market, FetchedMarket):
        report = market.fetch(start=now - LOOK_BACK)
        now = market_now(market)
    frame = _freshness(market, now=now, problems=report.unreachable)
    for problem in (*report.unreachable.values(), *report.problems):
        context.log.warning(problem)
    version = lake.replace(FRESHNESS, frame)
    return dg.MaterializeResult(
        metadata={
            **md.stored(FRESHNESS, version, rows=frame.height, market_label=market.label),
            "rows_fetched": report.rows,
            "venues": md.table_preview(frame),
        }
    )


def _freshness(market: Market, *, now: datetime, problems: dict[str, str]) -> pl.DataFrame:
    venues = market.span().venues
    rows = pl.DataFrame({"venue": venues}).with_columns(
        fetched_at=pl.lit(now).cast(UTC_TYPE),
        problem=pl.col("venue").replace_strict(problems, default="", return_dtype=pl.String),
    )
    landed = _landed_only(market)
    funding = landed.read("funding_rates", venues=venues, start=now - _NEWEST_ROWS, end=now)
    bars = landed.read("candles", venues=venues, start=now - _NEWEST_ROWS, end=now)
    settled = funding.filter(pl.col("kind") == "settled").group_by("venue")
    return (
        rows.join(settled.agg(pl.col("settled_at").max().alias("newest_settlement")), "venue", "left")
        .join(bars.group_by("venue").agg(pl.col("open_time").max().alias("newest_price")), "venue", "left")
        .select(pl.col(name).cast(dtype) for name, dtype in FRESHNESS_SCHEMA.items())
        .sort("venue")
    )


@dg.asset(
    name=DECISION_FEATURES,
    deps=[FRESHNESS, FEATURES],
    group_name=GROUP,
    kinds={"polars", "deltalake"},
    metadata={"dagster/column_schema": md.feature_columns()},
)
def decision_features(
    config: DecisionTime, market: dg.ResourceParam[Market], lake: dg.ResourceParam[Lake]
) -> dg.MaterializeResult[None]:
    """The features that the next forecast is made from, one row per instrument, all known at its time."""
    if config.at == "now":
        as_of = market_now(market)
        frame = build_features(decision_tables(market, as_of), as_of=pl.Series([as_of]))
    else:
        frame = read_features(lake).filter(pl.col("as_of") == pl.col("as_of").max())
        _, as_of = first_and_last(frame["as_of"])
    version = lake.replace(DECISION_FEATURES, frame.select(*FEATURES_SCHEMA))
    return dg.MaterializeResult(
        metadata={
            **md.stored(DECISION_FEATURES, version, rows=frame.height, market_label=market.label),
            **md.made_up(frame),
            "as_of": as_of.isoformat(),
        }
    )


def tables_of_decision(config: DecisionTime, *, market: Market, lake: Lake, as_of: datetime) -> MarketTables:
    """The normalized rows from which the decision at `as_of` is made, of the last four months."""
    if config.at == "now":
        return decision_tables(market, as_of)
    return read_market_tables(lake, start=as_of - LOOK_BACK, end=as_of)


@lru_cache(maxsize=1)  # features and plan of one decision are made from the same rows, in one process
def decision_tables(market: Market, as_of: datetime) -> MarketTables:
    """Landed rows that were known at `as_of`, normalized in memory; no venue is asked."""
    span = MarketSpan(as_of - LOOK_BACK, as_of + _ESTIMATES_AHEAD, market.span().venues)
    since = {table: as_of - look_back for table, look_back in _READINGS.items()}
    return normalized_market(_landed_only(market), span, since=since).tables.as_known_at(as_of)


def market_now(market: Market) -> datetime:
    """The venues' time where the market is fetched from them, else the end of its rows."""
    return (market.end() if isinstance(market, FetchedMarket) else market.span().end).astimezone(UTC)


def _landed_only(market: Market) -> Market:
    return market.landed_only() if isinstance(market, FetchedMarket) else market
