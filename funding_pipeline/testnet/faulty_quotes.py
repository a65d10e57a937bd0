"""A venue's quotes with what faults do to them: frozen prices, a silently changed funding interval.

What lives here: the layer between a market and both engine and dialect, so that both see the same. What
does not: when a fault begins (`faults`).
"""

from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl

from funding_pipeline.testnet.clock import HOUR_MS, LATEST_MS
from funding_pipeline.testnet.engine.values import Book, Instrument, PublicTrade
from funding_pipeline.testnet.quotes import CandleKind, Quotes


@dataclass(frozen=True)
class Freeze:
    """From `start` to `end` (ms) every price is that of `start`."""

    start: int
    end: int


@dataclass(frozen=True)
class IntervalChange:
    """From `start` to `end` (ms) the symbol settles every `hours` hours at `rate`, at whole multiples."""

    symbol: str
    start: int
    end: int
    hours: int
    rate: float

    @property
    def step(self) -> int:
        """The interval in ms."""
        return self.hours * HOUR_MS

    def times(self, start: int, end: int) -> list[int]:
        """Settlements in [start, end] and while the change holds."""
        first = max(start, self.start + 1)
        return list(range(-(-first // self.step) * self.step, min(end, self.end) + 1, self.step))


class FaultyQuotes:
    """`Quotes` of `inner` with faults. Without faults it is `inner`.

    Faults begin now and end later: what was published before a fault stays as it was.
    """

    def __init__(self, inner: Quotes) -> None:
        self.inner = inner
        self._freezes: list[Freeze] = []
        self._changes: list[IntervalChange] = []

    # --- faults
    def freeze(self, start: int, end: int) -> None:
        """Show the prices of `start` until `end`."""
        self._freezes.append(Freeze(start, end))

    def change_interval(self, symbol: str, start: int, *, hours: int, rate: float) -> None:
        """Settle `symbol` every `hours` hours at `rate` from `start` on."""
        self.end_changes(start, symbol)
        self._changes.append(IntervalChange(symbol, start, LATEST_MS, hours, rate))

    def end_changes(self, now: int, symbol: str) -> None:
        """End the changes of a symbol; what has been settled stays."""
        self._changes = [
            replace(change, end=min(change.end, now)) if change.symbol == symbol else change
            for change in self._changes
        ]

    def end_freezes(self, now: int) -> None:
        """Let prices go on."""
        self._freezes = [Freeze(f.start, min(f.end, now)) for f in self._freezes]

    def dump(self) -> dict[str, Any]:
        """The faults as JSON values."""
        return {
            "freezes": [asdict(item) for item in self._freezes],
            "changes": [asdict(item) for item in self._changes],
        }

    def load(self, values: dict[str, Any]) -> None:
        """Put dumped faults back."""
        self._freezes = [Freeze(**item) for item in values["freezes"]]
        self._changes = [IntervalChange(**item) for item in values["changes"]]

    def seen_at(self, time: int) -> int:
        """The time whose prices are shown at `time`."""
        for freeze in self._freezes:
            if freeze.start <= time < freeze.end:
                return freeze.start
        return time

    # --- quotes
    @property
    def venue(self) -> str:
        """Name of the venue."""
        return self.inner.venue

    def instruments(self) -> tuple[Instrument, ...]:
        """Every perpetual that is listed, by symbol."""
        return self.inner.instruments()

    def mark(self, symbol: str, time: int) -> Decimal:
        """Mark price, on the tick."""
        return self.inner.mark(symbol, self.seen_at(time))

    def index(self, symbol: str, time: int) -> Decimal:
        """Index price, on the tick."""
        return self.inner.index(symbol, self.seen_at(time))

    def last(self, symbol: str, time: int) -> Decimal:
        """Last trade price, on the tick."""
        return self.inner.last(symbol, self.seen_at(time))

    def book(self, symbol: str, time: int) -> Book:
        """The book; frozen, it keeps its time too."""
        return self.inner.book(symbol, self.seen_at(time))

    def trades(self, symbol: str, time: int, limit: int) -> tuple[PublicTrade, ...]:
        """The last trades, oldest first."""
        return self.inner.trades(symbol, self.seen_at(time), limit)

    def candles(self, symbol: str, kind: CandleKind, start: int, end: int, hours: int = 1) -> pl.DataFrame:
        """Bars of the market: they are made up at the venue's leisure and no fault changes closed ones."""
        return self.inner.candles(symbol, kind, start, end, hours)

    def settled(self, symbol: str, start: int, end: int) -> pl.DataFrame:
        """Settlements with `start <= time <= end`, those of a changed interval instead of the market's."""
        rows = self.inner.settled(symbol, start, end)
        for change in self._of(symbol):
            times = np.array(change.times(start, end), dtype=np.int64)
            own = pl.DataFrame({"time": times}, schema={"time": pl.Int64}).with_columns(
                pl.lit(change.rate).alias("rate"), pl.lit(float(change.hours)).alias("interval_hours")
            )
            outside = (pl.col("time") <= change.start) | (pl.col("time") > change.end)
            rows = pl.concat([rows.filter(outside), own]).sort("time")
        return rows

    def next_settlement(self, symbol: str, time: int) -> int:
        """The first settlement strictly after `time`."""
        coming = self.inner.next_settlement(symbol, time)
        own: list[int] = []
        for change in self._of(symbol):
            if change.start < coming <= change.end:
                coming = self.inner.next_settlement(symbol, change.end)
            first = (max(time, change.start) // change.step + 1) * change.step
            own += [first] if first <= change.end else []
        return min([coming, *own])

    def estimate(self, symbol: str, time: int) -> Decimal:
        """The estimate of the coming rate."""
        change = self._holding(symbol, time)
        return self.inner.estimate(symbol, time) if change is None else Decimal(str(change.rate))

    def premium(self, symbol: str, time: int) -> Decimal:
        """(mark - index) / index."""
        return self.inner.premium(symbol, self.seen_at(time))

    def interval_hours(self, symbol: str, time: int) -> float:
        """Hours between settlements that hold at `time`."""
        change = self._holding(symbol, time)
        return self.inner.interval_hours(symbol, time) if change is None else float(change.hours)

    def open_interest(self, symbol: str, time: int) -> Decimal:
        """Open contracts in quoted base units."""
        return self.inner.open_interest(symbol, time)

    def open_interest_history(self, symbol: str, start: int, end: int) -> pl.DataFrame:
        """Hourly rows: time, open_interest."""
        return self.inner.open_interest_history(symbol, start, end)

    def _of(self, symbol: str) -> list[IntervalChange]:
        return [change for change in self._changes if change.symbol == symbol]

    def _holding(self, symbol: str, time: int) -> IntervalChange | None:
        return next((c for c in self._of(symbol) if c.start <= time < c.end), None)
