"""The normalized tables of the store as one value, cut to the period that a step needs."""

from datetime import datetime

import polars as pl

from funding_pipeline.core.tables import NORMALIZED, MarketTables
from funding_pipeline.storage.lake import Lake

_WHOLE = frozenset({"instruments", "funding_intervals"})


def read_market_tables(
    lake: Lake, *, start: datetime | None = None, end: datetime | None = None
) -> MarketTables:
    """Rows with `start <= event time <= end` of every normalized table; small tables come whole.

    Each table is read once from the newest version there is. Raises StorageError for one never made.
    """
    frames: dict[str, pl.LazyFrame] = {}
    for schema in NORMALIZED:
        lazy = lake.scan(schema.name).select(*schema.columns)
        if schema.name not in _WHOLE:
            event = pl.col(schema.event_time)
            lazy = lazy.filter(event >= start) if start is not None else lazy
            lazy = lazy.filter(event <= end) if end is not None else lazy
        frames[schema.name] = lazy.collect().lazy()
    return MarketTables(**frames)
