"""Old address of `core.market`."""

from funding_pipeline.core.market import (  # noqa: F401
    RAW_CANDLES,
    RAW_EVENT_TIME,
    RAW_FUNDING_RATES,
    RAW_OPEN_INTEREST,
    RAW_ORDER_BOOKS,
    RAW_TABLES,
    RAW_TRADES,
    Market,
    MarketSpan,
    RawSchema,
)
