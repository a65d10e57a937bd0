"""Tables of the report that SQL says best. Each function asks a DuckDB on which the store is readable."""

import duckdb
import polars as pl

from funding_pipeline.storage.sql import query

_COVERAGE = """
with gaps as (
    select venue, symbol, settled_at, interval_hours,
           date_diff('hour', lag(settled_at) over instrument, settled_at) as gap_hours
    from settled_funding
    window instrument as (partition by venue, symbol order by settled_at)
)
select venue, symbol,
       count(*) as settlements,
       min(settled_at) as first_settlement,
       max(settled_at) as last_settlement,
       string_agg(distinct cast(cast(interval_hours as integer) as varchar), ', ') as intervals_hours,
       count(*) filter (where gap_hours > interval_hours) as gaps,
       coalesce(sum(gap_hours / interval_hours - 1) filter (where gap_hours > interval_hours), 0)
           as settlements_missing
from gaps
group by venue, symbol
order by venue, symbol
"""

_PROFIT_BY_YEAR_AND_VENUE = """
with paid as (
    select year(time) as year, venue, sum(cash_usd) as funding_usd
    from backtest_funding_payments group by all
),
traded as (
    select year(time) as year, venue,
           sum(abs(quantity) * mark_price) as traded_usd,
           -sum(fee_usd) as fees_usd,
           -sum(slippage_usd) as slippage_usd
    from backtest_trades group by all
)
select coalesce(paid.year, traded.year) as year, coalesce(paid.venue, traded.venue) as venue,
       coalesce(funding_usd, 0) as funding_usd, coalesce(fees_usd, 0) as fees_usd,
       coalesce(slippage_usd, 0) as slippage_usd, coalesce(traded_usd, 0) as traded_usd
from paid full join traded on paid.year = traded.year and paid.venue = traded.venue
order by year, venue
"""

PROFIT_BY_YEAR_AND_VENUE_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "year": pl.Int64,
    "venue": pl.String,
    "funding_usd": pl.Float64,
    "fees_usd": pl.Float64,
    "slippage_usd": pl.Float64,
    "traded_usd": pl.Float64,
}


def coverage(connection: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """One row per (venue, symbol): settlements, their span (UTC), intervals seen, gaps and what they hide."""
    return query(connection, _COVERAGE)


def profit_by_year_and_venue(connection: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """One row per (year, venue) of the back-test: funding, fees, slippage and turnover, USD."""
    return query(connection, _PROFIT_BY_YEAR_AND_VENUE).select(
        pl.col(name).cast(dtype) for name, dtype in PROFIT_BY_YEAR_AND_VENUE_SCHEMA.items()
    )
