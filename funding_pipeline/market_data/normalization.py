"""Raw frames into the normalized tables: one function per table, and all of them at once.

What lives here: names, units, and the moment at which each row became known. What does not: which
rows are refused (`quarantine`), or where frames come from (`market`) and go (`storage`).

`known_at`: a settled rate is final when its averaging window closes, so it is known at its nominal
settlement; a candle when it has closed; everything else when it was observed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from funding_pipeline.core.market import Market, MarketSpan
from funding_pipeline.core.tables import (
    ESTIMATED_FUNDING,
    MARK,
    OPEN_INTEREST,
    ORDER_BOOK_DEPTH,
    PRICES,
    QUARANTINE,
    REFUSED_SERIES,
    SETTLED_FUNDING,
    TRADE_FLOW,
    UTC,
    MarketTables,
    TableSchema,
)
from funding_pipeline.market_data.funding_caps import limited
from funding_pipeline.market_data.instruments import instruments
from funding_pipeline.market_data.intervals import funding_intervals
from funding_pipeline.market_data.liquidity import order_book_depth, trade_flow
from funding_pipeline.market_data.quarantine import as_quarantine, quarantine_rows
from funding_pipeline.market_data.series_checks import refused_series, without_refused

# Venues stamp a settlement some milliseconds late; more than this is a late publication.
_STAMP_JITTER = timedelta(minutes=1)


def settled_funding(raw: pl.DataFrame) -> pl.DataFrame:
    """Candidate rows of SETTLED_FUNDING from raw `funding_rates` of kind `settled`."""
    nominal = pl.col("settled_at").dt.round("1m")  # recordings may keep a venue's milliseconds
    late = pl.col("venue_time") - nominal > _STAMP_JITTER
    return raw.filter(pl.col("kind") == "settled").select(
        "venue",
        "symbol",
        nominal,
        "rate",
        "interval_hours",
        pl.when(late).then("venue_time").otherwise(nominal).alias("known_at"),
        MARK,
    )


def _of_no_kind(raw: pl.DataFrame) -> pl.DataFrame:
    """Rows that are neither `settled` nor `predicted`: what was paid and what announced is not guessed."""
    is_known = pl.col("kind").is_in(["settled", "predicted"]).fill_null(value=False)
    return settled_funding(raw.filter(~is_known).with_columns(kind=pl.lit("settled")))


def estimated_funding(raw: pl.DataFrame) -> pl.DataFrame:
    """Candidate rows of ESTIMATED_FUNDING from raw `funding_rates` of kind `predicted`.

    A recording that does not say when it read the estimate (`venue_time`) is taken to have known it
    only at the settlement itself: useless for trading on it, and never too early.
    """
    return raw.filter(pl.col("kind") == "predicted").select(
        "venue",
        "symbol",
        pl.col("settled_at").dt.round("1m").alias("settles_at"),
        "rate",
        "interval_hours",
        pl.coalesce("venue_time", "settled_at").alias("known_at"),
        MARK,
    )


def prices(raw: pl.DataFrame) -> pl.DataFrame:
    """Candidate rows of PRICES from raw `candles`; a bar is known when it has closed."""
    hours = timeframe_hours(pl.col("timeframe"))
    close_time = pl.col("open_time") + pl.duration(minutes=(hours * 60).cast(pl.Int64))
    return raw.select(
        "venue",
        "symbol",
        "kind",
        hours.alias("timeframe_hours"),
        close_time.alias("close_time"),
        "open",
        "high",
        "low",
        "close",
        "volume",
        close_time.alias("known_at"),
        MARK,
    )


def timeframe_hours(timeframe: pl.Expr) -> pl.Expr:
    """Hours of a bar from `1m`, `8h`, `1d`; 0 for `instant`; null for what cannot be read."""
    number = timeframe.str.extract(r"^(\d{1,4})[mhdw]$", 1).cast(pl.Float64)
    unit = timeframe.str.extract(r"^\d{1,4}([mhdw])$", 1)
    hours = unit.replace_strict(
        {"m": 1 / 60, "h": 1.0, "d": 24.0, "w": 168.0}, default=None, return_dtype=pl.Float64
    )
    return pl.when(timeframe == "instant").then(0.0).otherwise(number * hours)


def open_interest(raw: pl.DataFrame) -> pl.DataFrame:
    """Candidate rows of OPEN_INTEREST."""
    return raw.with_columns(known_at=pl.col("observed_at"))


@dataclass(frozen=True)
class NormalizedTable:
    """How one normalized table is made: its raw source and the function that shapes its rows."""

    schema: TableSchema
    raw: str
    shape: Callable[[pl.DataFrame], pl.DataFrame]


MADE_FROM_RAW: Mapping[str, NormalizedTable] = {
    made.schema.name: made
    for made in (
        NormalizedTable(SETTLED_FUNDING, "funding_rates", settled_funding),
        NormalizedTable(ESTIMATED_FUNDING, "funding_rates", estimated_funding),
        NormalizedTable(PRICES, "candles", prices),
        NormalizedTable(ORDER_BOOK_DEPTH, "order_books", order_book_depth),
        NormalizedTable(TRADE_FLOW, "trades", trade_flow),
        NormalizedTable(OPEN_INTEREST, "open_interest", open_interest),
    )
}


FUNDING_TABLES = (SETTLED_FUNDING.name, ESTIMATED_FUNDING.name)
"""Tables that a refused series is left out of; its prices are another matter."""


def normalize(
    table: str, raw: pl.DataFrame, *, terms: pl.DataFrame | None = None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Accepted rows of `table` (in its schema, sorted by key) and the refused ones (QUARANTINE).

    `terms` (RAW_INSTRUMENT_TERMS): what venues state of caps and floors, for tables of rates.
    """
    made = MADE_FROM_RAW[table]
    rows = made.shape(raw)
    if table == ESTIMATED_FUNDING.name:
        rows = limited(rows, terms)
    judged = quarantine_rows(made.schema, rows, terms=terms)
    refused = judged.refused
    if table == SETTLED_FUNDING.name:
        odd = as_quarantine(made.schema, _of_no_kind(raw), "kind is neither settled nor predicted")
        refused = pl.concat([refused, odd])
    return made.schema.conform(judged.accepted), QUARANTINE.conform(refused)


def listed_instruments(settled: pl.LazyFrame, estimated: pl.LazyFrame, bars: pl.LazyFrame) -> pl.DataFrame:
    """Every (venue, symbol) that funding or a perpetual's bars speak of, and when it was first seen."""
    contracts = bars.filter(pl.col("kind") != "spot")
    seen = [
        frame.group_by("venue", "symbol").agg(pl.col("known_at").min())
        for frame in (settled, estimated, contracts)
    ]
    return (
        pl.concat(seen)
        .group_by("venue", "symbol")
        .agg(pl.col("known_at").min().cast(UTC).alias("effective_from"))
        .sort("venue", "symbol")
        .collect()
    )


@dataclass(frozen=True)
class NormalizedMarket:
    """Tables of a market in memory, and what they leave out: quarantined rows, refused series
    (REFUSED_SERIES), and symbols refused with their reasons."""

    tables: MarketTables
    quarantine: pl.DataFrame
    refused_series: pl.DataFrame
    refused_symbols: Mapping[str, str]


def normalized_market(
    market: Market, span: MarketSpan | None = None, *, since: Mapping[str, datetime] | None = None
) -> NormalizedMarket:
    """Read and normalize a market at once, in memory; `span`: a part of it, by default the whole.

    `since`: raw tables of which only rows from a later moment on are wanted.
    """
    span, since = span or market.span(), since or {}
    frames: dict[str, pl.DataFrame] = {}
    refused: list[pl.DataFrame] = []
    series = REFUSED_SERIES.empty()
    terms = market.read("instrument_terms", venues=span.venues, start=span.start, end=span.end)
    for raw_name in dict.fromkeys(made.raw for made in MADE_FROM_RAW.values()):
        start = max(span.start, since.get(raw_name, span.start))
        raw = market.read(raw_name, venues=span.venues, start=start, end=span.end)
        if raw_name == "funding_rates":
            series = refused_series(settled_funding(raw))
        for name, made in MADE_FROM_RAW.items():
            if made.raw == raw_name:
                frames[name], bad = normalize(name, raw, terms=terms)
                refused.append(bad)
    lazy = {name: frame.lazy() for name, frame in frames.items()}
    lazy |= {name: without_refused(lazy[name], series) for name in FUNDING_TABLES}
    listed = listed_instruments(lazy["settled_funding"], lazy["estimated_funding"], lazy["prices"])
    known, refused_symbols = instruments(listed, terms, lazy["prices"])
    tables = MarketTables(
        instruments=known.lazy(), funding_intervals=funding_intervals(lazy["settled_funding"]).lazy(), **lazy
    )
    return NormalizedMarket(tables, pl.concat(refused), series, refused_symbols)


def market_tables(market: Market) -> MarketTables:
    """The normalized tables of a whole market, in memory."""
    return normalized_market(market).tables
