"""The normalized tables of the store as one value, cut to the period that a step needs.

Series of funding that were refused as a whole are in the store, as their source states them, and in nothing
that is read here.
"""

from datetime import datetime

import polars as pl

from funding_pipeline.core.errors import StorageError
from funding_pipeline.core.tables import NORMALIZED, REFUSED_SERIES, MarketTables
from funding_pipeline.market_data.normalization import FUNDING_TABLES
from funding_pipeline.market_data.series_checks import without_refused
from funding_pipeline.storage.lake import Lake

_WHOLE = frozenset({"instruments", "funding_intervals"})


def sound_rows(lake: Lake, table: str) -> pl.LazyFrame:
    """Rows of a table of funding, without the series that were refused as a whole."""
    rows = lake.scan(table)
    if not lake.exists(REFUSED_SERIES.name):
        return rows
    return without_refused(rows, lake.scan(REFUSED_SERIES.name).collect())


def read_market_tables(
    lake: Lake, *, start: datetime | None = None, end: datetime | None = None
) -> MarketTables:
    """Rows with an event at `start` or later that are known at `end`; small tables come whole.

    An estimate is known before the settlement that is its event.

    Each table is read once from the newest version there is. Raises StorageError for one never made, or
    made by an earlier version of this package with other columns.
    """
    frames: dict[str, pl.LazyFrame] = {}
    for schema in NORMALIZED:
        lazy = sound_rows(lake, schema.name) if schema.name in FUNDING_TABLES else lake.scan(schema.name)
        missing = set(schema.columns) - set(lazy.collect_schema())
        if missing:
            raise StorageError(
                f"table {schema.name} in {lake.uri} has no column {min(missing)}: it is of an earlier "
                "version, and `make run` rebuilds it"
            )
        lazy = lazy.select(*schema.columns)
        if schema.name not in _WHOLE:
            lazy = lazy.filter(pl.col(schema.event_time) >= start) if start is not None else lazy
            lazy = lazy.filter(pl.col("known_at") <= end) if end is not None else lazy
        frames[schema.name] = lazy.collect().lazy()
    return MarketTables(**frames)
