"""The contract that every market keeps, and the schemas of the raw frames that it gives.

What lives here: the protocol and the raw column names (those of a recording's files). What does
not: reading or generating anything, or turning raw rows into normalized tables.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import polars as pl

from funding_pipeline.core.tables import MADE_UP, UTC

RawSchema = Mapping[str, pl.DataType | type[pl.DataType]]

RAW_FUNDING_RATES: RawSchema = {
    "venue": pl.String,
    "symbol": pl.String,
    "kind": pl.String,  # settled | predicted
    "settled_at": UTC,
    "venue_time": UTC,
    "rate": pl.Float64,  # fraction of notional per settlement, positive: longs pay
    "interval_hours": pl.Float64,
}
RAW_CANDLES: RawSchema = {
    "venue": pl.String,
    "symbol": pl.String,
    "kind": pl.String,  # trade | mark | index | spot
    "timeframe": pl.String,  # 1h, 8h, ...; `instant` = the value AT open_time
    "open_time": UTC,
    "open": pl.Float64,
    "high": pl.Float64,
    "low": pl.Float64,
    "close": pl.Float64,
    "volume": pl.Float64,
}
RAW_ORDER_BOOKS: RawSchema = {
    "venue": pl.String,
    "symbol": pl.String,
    "observed_at": UTC,
    "bid_px": pl.List(pl.Float64),
    "bid_qty": pl.List(pl.Float64),
    "ask_px": pl.List(pl.Float64),
    "ask_qty": pl.List(pl.Float64),
    "contract_size": pl.Float64,  # what one of `qty` is: quoted base units, inverse: quote; null: not told
}
RAW_TRADES: RawSchema = {
    "venue": pl.String,
    "symbol": pl.String,
    "traded_at": UTC,
    "side": pl.String,  # the taker's
    "price": pl.Float64,
    "qty": pl.Float64,
    "id": pl.String,
    "contract_size": pl.Float64,  # as in order books
}
RAW_OPEN_INTEREST: RawSchema = {
    "venue": pl.String,
    "symbol": pl.String,
    "observed_at": UTC,
    "open_interest_base": pl.Float64,
}

RAW_INSTRUMENT_TERMS: RawSchema = {
    "venue": pl.String,
    "symbol": pl.String,
    "observed_at": UTC,
    "native_id": pl.String,
    "quote": pl.String,
    "settle": pl.String,
    "contract_type": pl.String,  # linear | inverse
    "contract_size": pl.Float64,  # quoted base units per contract; inverse: quote units
    "price_tick": pl.Float64,
    "quantity_step": pl.Float64,  # quoted base units, as min_quantity
    "min_quantity": pl.Float64,
    "min_notional": pl.Float64,
    "maker_fee": pl.Float64,  # fraction of notional
    "taker_fee": pl.Float64,
    "interval_hours": pl.Float64,
    "is_active": pl.Boolean,
    "listed_at": UTC,
    "underlying": pl.String,  # crypto | stock | ... (core.trading.Underlying); null: not stated
    "delists_at": UTC,  # announced end of trading
    "funding_cap": pl.Float64,  # highest rate of one settlement, fraction of notional
    "funding_floor": pl.Float64,  # lowest
}
RAW_LEVERAGE_TIERS: RawSchema = {
    "venue": pl.String,
    "symbol": pl.String,
    "observed_at": UTC,
    "floor_notional": pl.Float64,  # settle units, exclusive
    "cap_notional": pl.Float64,  # inclusive; null: no end
    "maintenance_rate": pl.Float64,
    "deduction": pl.Float64,  # maintenance margin = notional x rate - deduction
    "max_leverage": pl.Float64,
}

RAW_TABLES: Mapping[str, RawSchema] = {
    "funding_rates": RAW_FUNDING_RATES,
    "candles": RAW_CANDLES,
    "order_books": RAW_ORDER_BOOKS,
    "trades": RAW_TRADES,
    "open_interest": RAW_OPEN_INTEREST,
    "instrument_terms": RAW_INSTRUMENT_TERMS,
    "leverage_tiers": RAW_LEVERAGE_TIERS,
}
RAW_EVENT_TIME: Mapping[str, str] = {
    "funding_rates": "settled_at",
    "candles": "open_time",
    "order_books": "observed_at",
    "trades": "traded_at",
    "open_interest": "observed_at",
    "instrument_terms": "observed_at",
    "leverage_tiers": "observed_at",
}


@dataclass(frozen=True)
class MarketSpan:
    """First event and end (exclusive) of a market's data, UTC, and the venues that are in it."""

    start: datetime
    end: datetime
    venues: tuple[str, ...]


class Market(Protocol):
    """A source of raw frames. Deterministic: the same call gives the same rows."""

    def __hash__(self) -> int:
        """A market is a value: what was made of it may be kept by it."""
        ...

    @property
    def label(self) -> str:
        """What a report calls this market, e.g. `recorded (market_data)` or `SIMULATED, seed 7`."""
        ...

    @property
    def is_simulated(self) -> bool:
        """True where the rows are made up; every summary, report and plot must say so."""
        ...

    def span(self) -> MarketSpan:
        """Period and venues; cheap enough for a definitions load."""
        ...

    def read(self, table: str, *, venues: tuple[str, ...], start: datetime, end: datetime) -> pl.DataFrame:
        """Rows of a raw `table` (a key of RAW_TABLES) with `start <= event time < end`, and MADE_UP.

        A table that the market does not have is an empty frame with the table's schema.
        Raises MarketDataError naming file and column or row where the source is broken.
        """
        ...

    def digest(self, *, start: datetime, end: datetime) -> str:
        """A text that changes when a row with an event time in [start, end) changes, comes or goes."""
        ...


def raw_columns(table: str) -> RawSchema:
    """Columns of what a market gives and of the stored raw table: those of a file, and MADE_UP."""
    return {**RAW_TABLES[table], MADE_UP: pl.Boolean}


def marked(rows: pl.DataFrame, *, is_made_up: bool) -> pl.DataFrame:
    """Raw `rows` that say whether they were made up."""
    return rows.with_columns(pl.lit(is_made_up).alias(MADE_UP))


def rows_digest(market: Market, *, start: datetime, end: datetime) -> str:
    """Digest of the raw rows themselves, in any order, for markets that are read in whole."""
    venues = market.span().venues
    sums = [
        market.read(table, venues=venues, start=start, end=end).hash_rows().cast(pl.Int128).sum()
        for table in RAW_TABLES
    ]
    return "-".join(str(total) for total in sums)
