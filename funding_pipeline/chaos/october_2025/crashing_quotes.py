"""A venue's quotes in a crash: every price times a factor of its base, and books that have emptied.

What lives here: the factors over time, and the layer over a market's quotes. What does not: which factors
(`story`). Candles, open interest and funding stay the market's.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import polars as pl

from funding_pipeline.chaos.engines import base_of
from funding_pipeline.testnet.engine.values import Book, Instrument, Level, PublicTrade
from funding_pipeline.testnet.liquidity import on_tick
from funding_pipeline.testnet.quotes import CandleKind, Quotes


@dataclass(frozen=True)
class Course:
    """A factor over seconds: straight lines of its logarithm between `points`, level before and after."""

    points: tuple[tuple[float, float], ...]

    def at(self, seconds: float) -> float:
        """The factor."""
        first, last = self.points[0], self.points[-1]
        if seconds <= first[0]:
            return first[1]
        if seconds >= last[0]:
            return last[1]
        for (left, one), (right, other) in zip(self.points, self.points[1:], strict=False):
            if seconds <= right:
                share = (seconds - left) / (right - left)
                return math.exp(math.log(one) + share * (math.log(other) - math.log(one)))
        raise AssertionError("the points are in order of time")


@dataclass(frozen=True)
class Crash:
    """What a crash that begins at `start_ms` does, over the seconds since.

    `prices` by base; `depth`: of every quantity in a book; `spread`: of the gap between bid and ask;
    `apart`: of the prices on single venues, on top.
    """

    start_ms: int
    prices: Mapping[str, Course]
    depth: Course
    spread: Course
    apart: Mapping[str, Course]

    def seconds(self, time: int) -> float:
        """Since it began; negative before."""
        return (time - self.start_ms) / 1000

    def price_factor(self, venue: str, base: str, time: int) -> float:
        """Of every price of the base on the venue."""
        seconds = self.seconds(time)
        own = self.apart[venue].at(seconds) if venue in self.apart else 1.0
        return self.prices[base].at(seconds) * own if base in self.prices else own


class CrashingQuotes:
    """`Quotes` of `inner` in a crash."""

    def __init__(self, inner: Quotes, crash: Crash) -> None:
        self.inner, self._crash = inner, crash
        self._terms = {item.symbol: item for item in inner.instruments()}

    @property
    def venue(self) -> str:
        """Name of the venue."""
        return self.inner.venue

    def instruments(self) -> tuple[Instrument, ...]:
        """Every perpetual that is listed, by symbol."""
        return self.inner.instruments()

    def mark(self, symbol: str, time: int) -> Decimal:
        """Mark price, on the tick."""
        return self._fallen(self.inner.mark(symbol, time), symbol, time)

    def index(self, symbol: str, time: int) -> Decimal:
        """Index price, on the tick."""
        return self._fallen(self.inner.index(symbol, time), symbol, time)

    def last(self, symbol: str, time: int) -> Decimal:
        """Last trade price, on the tick."""
        return self._fallen(self.inner.last(symbol, time), symbol, time)

    def book(self, symbol: str, time: int) -> Book:
        """The market's book at the fallen price, wider and thinner."""
        book, seconds = self.inner.book(symbol, time), self._crash.seconds(time)
        best_bid, best_ask = book.bids[0].price, book.asks[0].price
        wider = (best_ask - best_bid) / 2 * Decimal(repr(self._crash.spread.at(seconds) - 1))
        thinner = Decimal(repr(self._crash.depth.at(seconds)))
        return Book(
            book.time,
            bids=self._side(book.bids, -wider, thinner, symbol, time),
            asks=self._side(book.asks, wider, thinner, symbol, time),
        )

    def trades(self, symbol: str, time: int, limit: int) -> tuple[PublicTrade, ...]:
        """The last trades, oldest first."""
        return tuple(
            PublicTrade(t.trade_id, t.time, t.side, self._fallen(t.price, symbol, t.time), t.quantity)
            for t in self.inner.trades(symbol, time, limit)
        )

    def candles(self, symbol: str, kind: CandleKind, start: int, end: int, hours: int = 1) -> pl.DataFrame:
        """Bars of the market."""
        return self.inner.candles(symbol, kind, start, end, hours)

    def settled(self, symbol: str, start: int, end: int) -> pl.DataFrame:
        """Settlements of the market."""
        return self.inner.settled(symbol, start, end)

    def next_settlement(self, symbol: str, time: int) -> int:
        """The first settlement strictly after `time`."""
        return self.inner.next_settlement(symbol, time)

    def estimate(self, symbol: str, time: int) -> Decimal:
        """The estimate of the coming rate."""
        return self.inner.estimate(symbol, time)

    def premium(self, symbol: str, time: int) -> Decimal:
        """(mark - index) / index."""
        return self.inner.premium(symbol, time)

    def interval_hours(self, symbol: str, time: int) -> float:
        """Hours between settlements that hold at `time`."""
        return self.inner.interval_hours(symbol, time)

    def open_interest(self, symbol: str, time: int) -> Decimal:
        """Open contracts in quoted base units."""
        return self.inner.open_interest(symbol, time)

    def open_interest_history(self, symbol: str, start: int, end: int) -> pl.DataFrame:
        """Hourly rows: time, open_interest."""
        return self.inner.open_interest_history(symbol, start, end)

    def _factor(self, symbol: str, time: int) -> float:
        return self._crash.price_factor(self.venue, base_of(symbol)[0], time)

    def _fallen(self, price: Decimal, symbol: str, time: int) -> Decimal:
        return on_tick(float(price) * self._factor(symbol, time), self._terms[symbol].tick)

    def _side(
        self, levels: tuple[Level, ...], wider: Decimal, thinner: Decimal, symbol: str, time: int
    ) -> tuple[Level, ...]:
        """Levels that come to lie on one tick are one level."""
        factor, terms = self._factor(symbol, time), self._terms[symbol]
        kept: dict[Decimal, Decimal] = {}
        for level in levels:
            price = on_tick(float(level.price + wider) * factor, terms.tick)
            quantity = max(level.quantity * thinner // terms.step * terms.step, terms.step)
            kept[price] = kept.get(price, Decimal(0)) + quantity
        return tuple(Level(price, quantity) for price, quantity in kept.items())
