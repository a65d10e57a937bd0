"""After a settlement: what was paid, against the forecast, and profit by source since the last time.

A close is one commit: the profit since the last books and the books that it ends with are one row of
`settlement_closes`, and `settlement_statement` is made of those rows. A run that dies in between has either
closed the settlement or not; run again, it counts everything once.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta

import dagster as dg
import polars as pl

from funding_pipeline.core.market import Market
from funding_pipeline.core.tables import UTC
from funding_pipeline.core.trading import FundingPayment
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
from funding_pipeline.trading.kept_books import BOOK_SCHEMA, book_rows, kept_books
from funding_pipeline.trading.orders import Key
from funding_pipeline.trading.session import open_session, require_accounts

STATEMENT = "settlement_statement"
CLOSES = "settlement_closes"
STATEMENT_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "at": UTC,
    "since": UTC,
    "equity_usd": pl.Float64,
    "source": pl.String,
    "usd": pl.Float64,
    "known_at": UTC,  # later than `at` in the correction of an earlier statement
}
_CORRECTION: dict[str, pl.DataType | type[pl.DataType]] = {
    "at": UTC,
    "settled_at": UTC,
    "venue": pl.String,
    "symbol": pl.String,
    "usd": pl.Float64,
}
CLOSES_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "at": UTC,
    "since": UTC,
    "equity_usd": pl.Float64,
    "profit": pl.List(pl.Struct({"source": pl.String, "usd": pl.Float64})),
    "books": pl.List(pl.Struct(dict(BOOK_SCHEMA))),  # of the newest close; null in earlier ones
    "corrections": pl.List(pl.Struct(_CORRECTION)),  # of earlier closes, by their `at`
    "payments_through": pl.Int64,
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
    what was forecast, per leg. The sources add up to the change in equity, or the difference is said. Funding
    that a venue lists late corrects the statement of its settlement: rows of then, `known_at` now.
    """
    closes = _closes(lake)
    previous = _books(closes)
    through = max(closes["payments_through"].drop_nulls().to_list(), default=None)
    rates, intervals = _forecast_rates(lake), _intervals(lake)

    async def closed() -> SettlementStatement:
        async with open_session(settings.trading_setup()) as session:
            require_accounts(session)
            return await close_settlement(
                session,
                previous=previous,
                hourly_rates=rates,
                interval_hours=intervals,
                payments_through=through,
            )

    statement = asyncio.run(closed())
    for problem in statement.problems:
        context.log.warning(problem)
    # Others keep their earlier book: their profit is counted when they answer again.
    kept: Mapping[str, VenueBook] = {**previous, **statement.counted}
    closes = _with_close(closes, statement, kept)
    lake.replace(CLOSES, closes)
    history = _history(lake, closes)
    version = lake.replace(STATEMENT, history)
    equity = statement.book.equity_usd
    return dg.MaterializeResult(
        metadata={
            **md.stored(STATEMENT, version, rows=history.height, market_label=market.label),
            "since": statement.since.isoformat(),
            "equity_usd": "unknown" if equity is None else float(equity),
            "profit_usd": md.table_of([] if statement.pnl is None else statement.pnl.rows()),
            "funding_by_leg": md.table_of(_funding_rows(statement)),
            "listed_late": md.table_of([asdict(payment) for payment in statement.late]),
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


def _books(closes: pl.DataFrame) -> dict[str, VenueBook]:
    """The books up to which everything is in the closes; none before the first."""
    return (
        kept_books(closes.select("books").drop_nulls().explode("books").unnest("books"))
        if closes.height
        else {}
    )


def _with_close(
    closes: pl.DataFrame, statement: SettlementStatement, kept: Mapping[str, VenueBook]
) -> pl.DataFrame:
    """The closes of the last `_KEPT` and this one, which alone has books."""
    at, equity = statement.book.at, statement.book.equity_usd
    new = {
        "at": at,
        "since": statement.since,
        "equity_usd": None if equity is None else float(equity),
        "profit": [] if statement.pnl is None else list(statement.pnl.rows()),
        "books": book_rows(kept, {}, at=at).to_dicts(),
        "corrections": [_correction(payment, closes, at) for payment in statement.late],
        "payments_through": statement.payments_through,
    }
    no_books = pl.lit(None, dtype=CLOSES_SCHEMA["books"]).alias("books")
    earlier = closes.filter(pl.col("at") > at - _KEPT).with_columns(no_books)
    return pl.concat([earlier, pl.DataFrame([new], schema=CLOSES_SCHEMA)])


def _closes(lake: Lake) -> pl.DataFrame:
    """Closes so far; those of before there were corrections have none."""
    if not lake.exists(CLOSES):
        return pl.DataFrame(schema=CLOSES_SCHEMA)
    kept = lake.scan(CLOSES).collect()
    missing = (
        pl.lit(None, dtype=kind).alias(name) for name, kind in CLOSES_SCHEMA.items() if name not in kept
    )
    return kept.with_columns(*missing).select(CLOSES_SCHEMA.keys())


def _correction(payment: FundingPayment, closes: pl.DataFrame, at: datetime) -> dict[str, object]:
    """Of the close that stated the payment's settlement; this one, where that is no longer kept."""
    stated = closes.filter(pl.col("at") >= payment.settled_at)["at"].min()
    return {
        "at": stated or at,
        "settled_at": payment.settled_at,
        "venue": payment.venue,
        "symbol": payment.symbol,
        "usd": float(payment.amount),
    }


def _corrections(closes: pl.DataFrame) -> pl.DataFrame:
    """Rows of STATEMENT: what was listed late is funding of then, and no difference any more."""
    late = (
        closes.select(pl.col("at").alias("known_at"), "corrections")
        .explode("corrections")
        .unnest("corrections")
    )
    late = late.filter(pl.col("usd").is_not_null()).group_by("at", "known_at").agg(pl.col("usd").sum())
    sources = pl.DataFrame({"source": ["funding", "total", "difference"], "sign": [1.0, 1.0, -1.0]})
    rows = late.join(sources, how="cross").with_columns(usd=pl.col("usd") * pl.col("sign"))
    stated = closes.select("at", "since", "equity_usd")
    return rows.join(stated, on="at", how="left").select(STATEMENT_SCHEMA.keys())


def _history(lake: Lake, closes: pl.DataFrame) -> pl.DataFrame:
    """Rows of STATEMENT: one per close and source, after what was stated before closes were kept."""
    rows = closes.explode("profit").unnest("profit").filter(pl.col("source").is_not_null())
    own = rows.with_columns(known_at=pl.col("at")).select(STATEMENT_SCHEMA.keys())
    own = pl.concat([own, _corrections(closes)]).sort("at", "known_at", maintain_order=True)
    if not lake.exists(STATEMENT):
        return own
    old = lake.scan(STATEMENT).filter(pl.col("at") < closes["at"].min()).collect()
    return pl.concat([old if "known_at" in old.columns else old.with_columns(known_at=pl.col("at")), own])


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
