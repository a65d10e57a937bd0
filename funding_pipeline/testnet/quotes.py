"""What the engine and the dialects ask of a market: prices, books, candles, funding at a time.

What lives here: the contract. What does not: making it from recorded or simulated rows
(`market_quotes`).
"""

from decimal import Decimal
from typing import Literal, Protocol

import polars as pl

from funding_pipeline.testnet.engine.values import Book, Instrument, PublicTrade

CandleKind = Literal["trade", "mark", "index"]


class Quotes(Protocol):
    """One venue's market. All times are milliseconds since 1970, UTC; nothing after `time` is used.

    The same arguments give the same answer, in whatever order they are asked. KeyError: unknown symbol.
    """

    @property
    def venue(self) -> str:
        """Name of the venue, as in tables: binance, bybit, okx, gate, hyperliquid, deribit."""
        ...

    def instruments(self) -> tuple[Instrument, ...]:
        """Every perpetual that is listed, by symbol. Linear only."""
        ...

    def mark(self, symbol: str, time: int) -> Decimal:
        """Mark price, on the tick."""
        ...

    def index(self, symbol: str, time: int) -> Decimal:
        """Index (oracle) price, on the tick."""
        ...

    def last(self, symbol: str, time: int) -> Decimal:
        """Last trade price, on the tick."""
        ...

    def book(self, symbol: str, time: int) -> Book:
        """Fifty levels a side around the mid of `time`; changes every second."""
        ...

    def trades(self, symbol: str, time: int, limit: int) -> tuple[PublicTrade, ...]:
        """The last `limit` (at most 1,000) public trades at or before `time`, oldest first."""
        ...

    def candles(self, symbol: str, kind: CandleKind, start: int, end: int, hours: int = 1) -> pl.DataFrame:
        """Bars with `start <= open_time < end` that have OPENED by the clock's end given.

        Columns: open_time (Int64 ms), open, high, low, close (Float64), volume (Float64 quoted base units, 0
        for mark and index). Ascending. `hours` is 1, 2, 4, 8 or 24.
        """
        ...

    def settled(self, symbol: str, start: int, end: int) -> pl.DataFrame:
        """Settlements with `start <= time <= end`, ascending: time (Int64 ms), rate (Float64),
        interval_hours (Float64)."""
        ...

    def next_settlement(self, symbol: str, time: int) -> int:
        """The first settlement strictly after `time`."""
        ...

    def estimate(self, symbol: str, time: int) -> Decimal:
        """The venue's estimate at `time` of the rate at `next_settlement`."""
        ...

    def premium(self, symbol: str, time: int) -> Decimal:
        """(mark - index) / index."""
        ...

    def interval_hours(self, symbol: str, time: int) -> float:
        """Hours between settlements that hold at `time`."""
        ...

    def open_interest(self, symbol: str, time: int) -> Decimal:
        """Open contracts in quoted base units."""
        ...

    def open_interest_history(self, symbol: str, start: int, end: int) -> pl.DataFrame:
        """Hourly: time (Int64 ms), open_interest (Float64, quoted base units), ascending."""
        ...
