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
select year, name as venue, funding_usd, convergence_usd, residual_delta_usd, quote_currency_usd,
       fees_usd, slippage_usd, liquidation_usd, total_usd
from backtest_attribution
where level = 'venue' and year is not null
order by year, venue
"""

PROFIT_BY_YEAR_AND_VENUE_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "year": pl.Int64,
    "venue": pl.String,
    "funding_usd": pl.Float64,
    "convergence_usd": pl.Float64,
    "residual_delta_usd": pl.Float64,
    "quote_currency_usd": pl.Float64,
    "fees_usd": pl.Float64,
    "slippage_usd": pl.Float64,
    "liquidation_usd": pl.Float64,
    "total_usd": pl.Float64,
}


def coverage(connection: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """One row per (venue, symbol): settlements, their span (UTC), intervals seen, gaps and what they hide."""
    return query(connection, _COVERAGE)


def profit_by_year_and_venue(connection: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """One row per (year, venue) of the back-test: profit by source, and their sum, USD."""
    return query(connection, _PROFIT_BY_YEAR_AND_VENUE).select(
        pl.col(name).cast(dtype) for name, dtype in PROFIT_BY_YEAR_AND_VENUE_SCHEMA.items()
    )
