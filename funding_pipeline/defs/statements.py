"""After a settlement: what was paid, against the forecast, and profit by source since the last time."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta

import dagster as dg
import polars as pl

from funding_pipeline.core.market import Market
from funding_pipeline.core.tables import UTC
from funding_pipeline.defs import metadata as md
from funding_pipeline.defs.accounts import GROUP
from funding_pipeline.defs.decision import FRESHNESS
from funding_pipeline.defs.portfolio import PLAN
from funding_pipeline.defs.trading import POOL
from funding_pipeline.execution.book import VenueBook
from funding_pipeline.reporting import plots
from funding_pipeline.settings import Settings
from funding_pipeline.storage.lake import Lake
from funding_pipeline.trading.closing import SettlementStatement, close_settlement
from funding_pipeline.trading.kept_books import book_rows, kept_books
from funding_pipeline.trading.orders import Key
from funding_pipeline.trading.session import open_session, require_accounts

STATEMENT = "settlement_statement"
LAST_BOOKS = "settlement_books"
STATEMENT_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "at": UTC,
    "since": UTC,
    "equity_usd": pl.Float64,
    "source": pl.String,
    "usd": pl.Float64,
}
_KEPT = timedelta(days=400)


def statement_assets() -> list[dg.AssetsDefinition]:
    """The statement."""
    return [settlement_statement]


@dg.asset(
    name=STATEMENT,
    deps=[FRESHNESS, PLAN],
    group_name=GROUP,
    kinds={"ccxt", "deltalake"},
    pool=POOL,
    metadata={"dagster/column_schema": md.columns_of(STATEMENT_SCHEMA)},
)
def settlement_statement(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    market: dg.ResourceParam[Market],
    lake: dg.ResourceParam[Lake],
) -> dg.MaterializeResult[None]:
    """Profit by source since the last statement, one row per source, after each settlement.

    Fills, fees and funding payments are read from the venues into the journal; what was paid is set against
    what was forecast, per leg. The sources add up to the change in equity, or the difference is said.
    """
    previous = kept_books(lake.scan(LAST_BOOKS).collect()) if lake.exists(LAST_BOOKS) else {}
    rates, intervals = _forecast_rates(lake), _intervals(lake)

    async def closed() -> SettlementStatement:
        async with open_session(settings.trading_setup()) as session:
            require_accounts(session)
            return await close_settlement(
                session, previous=previous, hourly_rates=rates, interval_hours=intervals
            )

    statement = asyncio.run(closed())
    for problem in statement.problems:
        context.log.warning(problem)
    # Others keep their earlier book: their profit is counted when they answer again.
    kept: Mapping[str, VenueBook] = {**previous, **statement.counted}
    lake.replace(LAST_BOOKS, book_rows(kept, {}, at=statement.book.at))
    history = _history(lake, statement)
    version = lake.replace(STATEMENT, history)
    equity = statement.book.equity_usd
    return dg.MaterializeResult(
        metadata={
            **md.stored(STATEMENT, version, rows=history.height, market_label=market.label),
            "since": statement.since.isoformat(),
            "equity_usd": "unknown" if equity is None else float(equity),
            "profit_usd": md.table_of([] if statement.pnl is None else statement.pnl.rows()),
            "funding_by_leg": md.table_of(_funding_rows(statement)),
            "problems": list(statement.problems),
            "plot": md.plot(plots.live_profit(history, suffix=md.suffix(market))),
        }
    )


def _forecast_rates(lake: Lake) -> dict[Key, float]:
    """Forecast of the last plan per hour, by leg."""
    if not lake.exists(PLAN):
        return {}
    rows = lake.scan(PLAN).select("venue", "symbol", "expected_rate_per_hour").drop_nulls().collect()
    return {(venue, symbol): rate for venue, symbol, rate in rows.iter_rows()}


def _intervals(lake: Lake) -> dict[Key, float]:
    """Hours between settlements as they are now, by leg."""
    if not lake.exists("funding_intervals"):
        return {}
    latest = (
        lake.scan("funding_intervals")
        .sort("effective_from")
        .group_by("venue", "symbol")
        .agg(pl.col("interval_hours").last())
        .collect()
    )
    return {(venue, symbol): hours for venue, symbol, hours in latest.iter_rows()}


def _history(lake: Lake, statement: SettlementStatement) -> pl.DataFrame:
    equity = statement.book.equity_usd
    told = None if equity is None else float(equity)
    rows = [] if statement.pnl is None else statement.pnl.rows()
    new = pl.DataFrame(
        [(statement.book.at, statement.since, told, row["source"], row["usd"]) for row in rows],
        schema=STATEMENT_SCHEMA,
        orient="row",
    )
    if not lake.exists(STATEMENT):
        return new
    old = lake.scan(STATEMENT).filter(pl.col("at") > statement.book.at - _KEPT).collect()
    return pl.concat([old, new])


def _funding_rows(statement: SettlementStatement) -> list[dict[str, object]]:
    return [
        {
            "venue": leg.venue,
            "symbol": leg.symbol,
            "settlements": leg.settlements,
            "received": leg.received,
            "forecast": leg.forecast,
            "surprise": leg.surprise,
        }
        for leg in statement.funding
    ]
