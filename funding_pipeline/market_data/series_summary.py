"""What became of each instrument's rows: how many of them were kept, how many refused, and why.

What lives here: one table of it, for a person who judges a source. What does not: the rules (`quarantine`,
`series_checks`, `instruments`).
"""

import polars as pl

from funding_pipeline.core.tables import UTC
from funding_pipeline.market_data.identity import PROVEN
from funding_pipeline.market_data.normalization import NormalizedMarket
from funding_pipeline.market_data.quarantine import UNKNOWN

SUMMARY_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "venue": pl.String,
    "symbol": pl.String,
    "settlements": pl.Int64,  # kept, as are the bars
    "bars": pl.Int64,
    "first": UTC,
    "last": UTC,
    "base": pl.String,
    "identity": pl.String,  # proven, disagrees, unproven: whether it may be paired with others of its base
    "refused_rows": pl.Int64,
    "is_refused": pl.Boolean,  # nothing of its funding is used
    "why": pl.String,
}
_SERIES = ["venue", "symbol"]
_REASONS = ["symbol_reason", "series_reason", "row_reasons", "identity_reason"]


def series_summary(market: NormalizedMarket) -> pl.DataFrame:
    """One row per (venue, symbol) that funding, bars or the quarantine speak of, by name (SUMMARY_SCHEMA).

    `first` and `last` span its settlements, or its bars where it has none. An instrument is refused where
    none of its settlements is used: its series was refused, its symbol cannot be read, or every row was.
    """
    tables = market.tables
    settled = _span(tables.settled_funding, "settled_at").rename({"rows": "settlements"})
    bars = _span(tables.prices, "close_time")
    bars = bars.rename({"rows": "bars", "first": "first_bar", "last": "last_bar"})
    refused = (_quarantined(market.quarantine), _refused_series(market.refused_series), _unreadable(market))
    frame = settled
    for part in (bars, *refused, _identity(tables.instruments)):
        frame = frame.join(part, on=_SERIES, how="full", coalesce=True)
    whole = pl.col("series_reason").is_not_null() | pl.col("symbol_reason").is_not_null()
    is_named = (pl.col("venue") != UNKNOWN) & (pl.col("symbol") != UNKNOWN)
    no_row_left = is_named & pl.col("settlements").is_null() & (pl.col("bad_settlements") > 0)
    return (
        frame.with_columns(
            first=pl.coalesce("first", "series_first", "first_bar"),
            last=pl.coalesce("last", "series_last", "last_bar"),
            refused_rows=pl.sum_horizontal("bad_rows", "series_rows"),
            is_refused=whole | no_row_left.fill_null(value=False),
            why=pl.concat_str(
                "symbol_reason", "series_reason", "row_reasons", separator="; ", ignore_nulls=True
            ),
        )
        .select(pl.col(name).cast(dtype) for name, dtype in SUMMARY_SCHEMA.items())
        .with_columns(pl.col("settlements", "bars", "refused_rows").fill_null(0))
        .sort(_SERIES)
    )


def _span(rows: pl.LazyFrame, moment: str) -> pl.DataFrame:
    at = pl.col(moment)
    counted = rows.group_by(_SERIES).agg(
        pl.len().alias("rows"), at.min().alias("first"), at.max().alias("last")
    )
    return counted.collect()


def _identity(instruments: pl.LazyFrame) -> pl.DataFrame:
    """The last verdict on each instrument; the reason where it is not proven."""
    newest = instruments.sort("effective_from").group_by(_SERIES).last()
    is_open = pl.col("identity") != PROVEN
    reason = pl.when(is_open).then("identity_reason").alias("identity_reason")
    return newest.select(*_SERIES, "base", "identity", reason).collect()


def _quarantined(rows: pl.DataFrame) -> pl.DataFrame:
    of_funding = pl.when(pl.col("table_name") == "settled_funding").then("rows").sum()
    named = pl.format("{} x {}: {}", "rows", "table_name", "reason")
    return (
        rows.group_by(*_SERIES, "table_name", "reason")
        .len("rows")
        .sort("rows", "table_name", "reason", descending=[True, False, False])
        .group_by(_SERIES)
        .agg(
            pl.col("rows").sum().alias("bad_rows"),
            of_funding.alias("bad_settlements"),
            named.str.join("; ").alias("row_reasons"),
        )
    )


def _refused_series(refused: pl.DataFrame) -> pl.DataFrame:
    return refused.select(
        *_SERIES,
        pl.col("rows").alias("series_rows"),
        pl.col("first").alias("series_first"),
        pl.col("last").alias("series_last"),
        pl.col("reason").alias("series_reason"),
    )


def _unreadable(market: NormalizedMarket) -> pl.DataFrame:
    named = [(*name.split(" ", 1), reason) for name, reason in market.refused_symbols.items()]
    schema = {"venue": pl.String, "symbol": pl.String, "symbol_reason": pl.String}
    return pl.DataFrame(named, schema=schema, orient="row")
