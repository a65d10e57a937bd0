"""Prices at every second, from bars of an hour: the testnet's own market between the recorded points.

What lives here: the path within an hour and bars as they look at a moment. What does not: where the
bars come from (`raw_market`), or books and trades around a price (`liquidity`).

The path of an hour is made from that hour's own open, high, low and close: the testnet IS the market, so
this is no look-ahead; what it has shown up to a moment never changes later.
"""

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Generic, TypeVar

import numpy as np
import polars as pl

from funding_pipeline.testnet.clock import HOUR_MS
from funding_pipeline.testnet.raw_market import Floats, Times

SECONDS = 3600
_MICRO = 0.5e-4  # standard deviation of the moves of a second, of the price
_FRAME = ("open_time", "open", "high", "low", "close", "volume")

Made = TypeVar("Made")


@dataclass(frozen=True)
class Bars:
    """Hourly bars of one instrument, ascending by `open_time` (ms). Gaps are gaps."""

    open_time: Times
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats

    def frame(self, first: int, last: int) -> pl.DataFrame:
        """Bars `first` to `last` (exclusive), by position."""
        return pl.DataFrame({name: getattr(self, name)[first:last] for name in _FRAME})


HOURS_KEPT = 8
"""Paths of seconds per price, 29 kB each. A testnet has some 300 prices, and is asked for all each hour."""


class Recent(Generic[Made]):
    """The last `most` things made, by key."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._made: OrderedDict[tuple[object, ...], Made] = OrderedDict()

    def get(self, key: tuple[object, ...], make: Callable[[], Made]) -> Made:
        """What was made for `key`, made now where it is not there (any more)."""
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = make()
            if len(self._made) > self._most:
                self._made.popitem(last=False)
        return found


def seeded(*parts: object) -> np.random.Generator:
    """A random generator that depends on `parts` alone, the same on every machine."""
    digest = blake2b("|".join(map(str, parts)).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "big")))


def second_path(bar: tuple[float, float, float, float], rng: np.random.Generator, *, places: int) -> Floats:
    """Prices of the 3,600 seconds of a bar (open, high, low, close): starts and ends there, touches both
    extremes (the one against the move first) and never leaves them."""
    opened, high, low, closed = bar
    turns = rng.random(2)
    at = [0, 300 + int(turns[0] * 1200), 1800 + int(turns[1] * 1500), SECONDS - 1]
    values = [opened, low, high, closed] if closed >= opened else [opened, high, low, closed]
    micro = rng.standard_normal(SECONDS) * _MICRO
    path: Floats = np.exp(np.interp(np.arange(SECONDS), at, np.log(values)) + micro)
    path = np.clip(np.round(path, places), low, high)
    path[at] = values
    return path


class Prices(ABC):
    """A price with hourly bars and a path inside each. Times in ms; before the first bar it is its open.

    `market_end`: where flat bars go on, ms; `places`: decimals of the path, those of the tick.
    """

    def __init__(self, bars: Bars, *, market_end: int, places: int) -> None:
        self.bars, self._market_end, self._places = bars, market_end, places
        self._paths: Recent[Floats] = Recent(HOURS_KEPT)

    def path(self, opened: int) -> Floats | None:
        """Prices of the seconds of the hour that begins at `opened`; None: there is no such bar."""
        position = int(np.searchsorted(self.bars.open_time, opened))
        if position == len(self.bars.open_time) or self.bars.open_time[position] != opened:
            return None
        return self._paths.get((opened,), lambda: self._make(position, opened))

    def at(self, time: int) -> float:
        """The price at a moment; in a gap and beyond the end the last one."""
        opened = time - time % HOUR_MS
        position = int(np.searchsorted(self.bars.open_time, time, "right")) - 1
        if time == opened and position >= 0 and self.bars.open_time[position] == time:
            return float(self.bars.open[position])  # where every path begins: no need to make it
        path = self.path(opened)
        if path is not None:
            return float(path[(time - opened) // 1000])
        return float(self.bars.close[position] if position >= 0 else self.bars.open[0])

    def candles(self, start: int, end: int) -> pl.DataFrame:
        """Hourly bars that open in [start, end); one that closes after `end` is as it looks just before."""
        frame = _forming(_between(self.bars, start, end), end, self.path)
        return _continued(frame, self.bars, start, end, market_end=self._market_end)

    @abstractmethod
    def _make(self, position: int, opened: int) -> Floats:
        """The path of the bar at `position`."""


class TradePrices(Prices):
    """The traded price of one instrument; `name` seeds its small moves."""

    def __init__(self, name: str, bars: Bars, *, market_end: int, places: int) -> None:
        super().__init__(bars, market_end=market_end, places=places)
        self._name = name

    def _make(self, position: int, opened: int) -> Floats:
        bars = self.bars
        bar = (bars.open[position], bars.high[position], bars.low[position], bars.close[position])
        return second_path(bar, seeded("path", self._name, opened), places=self._places)


class FollowingPrices(Prices):
    """A price that is known at closes (mark, index) and moves with the traded price between them.

    Between two closes its logarithm is that of the traded price plus a basis that goes linearly from the
    one close's to the other's; without trades in that hour it goes linearly itself.
    """

    def __init__(
        self, trade: TradePrices, closed_at: Times, closes: Floats, *, market_end: int, places: int
    ) -> None:
        bars = _following_bars(trade.bars, closed_at, closes)
        super().__init__(bars, market_end=market_end, places=places)
        self._trade = trade

    def _make(self, position: int, opened: int) -> Floats:
        first, last = self.bars.open[position], self.bars.close[position]
        share = np.linspace(0.0, 1.0, SECONDS)
        traded = self._trade.path(opened)
        if traded is None:
            line: Floats = np.round(np.exp(np.log(first) * (1 - share) + np.log(last) * share), self._places)
            return line
        basis = np.log(first / traded[0]) * (1 - share) + np.log(last / traded[-1]) * share
        path: Floats = np.round(traded * np.exp(basis), self._places)
        path[0], path[-1] = first, last
        return np.clip(path, self.bars.low[position], self.bars.high[position])


def grouped(bars: pl.DataFrame, hours: int) -> pl.DataFrame:
    """Hourly bars as bars of `hours`, which begin at multiples of their length since 1970."""
    if hours == 1:
        return bars
    length = hours * HOUR_MS
    return bars.group_by(
        (pl.col("open_time") // length * length).alias("open_time"), maintain_order=True
    ).agg(
        pl.col("open").first(),
        pl.col("high").max(),
        pl.col("low").min(),
        pl.col("close").last(),
        pl.col("volume").sum(),
    )


def _following_bars(trade: Bars, closed_at: Times, closes: Floats) -> Bars:
    """Bars whose extremes hold the path: the traded ones times the larger or smaller basis."""
    opened = closed_at - HOUR_MS
    opens = np.concatenate([closes[:1], closes[:-1]])
    place = np.minimum(np.searchsorted(trade.open_time, opened), len(trade.open_time) - 1)
    is_traded = trade.open_time[place] == opened
    ends = np.stack([opens / trade.open[place], closes / trade.close[place]])
    high = np.where(is_traded, trade.high[place] * ends.max(axis=0), np.maximum(opens, closes))
    low = np.where(is_traded, trade.low[place] * ends.min(axis=0), np.minimum(opens, closes))
    return Bars(opened, opens, high, low, closes, np.zeros(len(closes)))


def _between(bars: Bars, start: int, end: int) -> pl.DataFrame:
    first = int(np.searchsorted(bars.open_time, start))
    return bars.frame(first, max(int(np.searchsorted(bars.open_time, end)), first))


def _forming(frame: pl.DataFrame, end: int, path_of: Callable[[int], Floats | None]) -> pl.DataFrame:
    """`frame` with its last bar as it looks just before `end`, where it has not closed by then."""
    if frame.is_empty() or frame["open_time"][-1] + HOUR_MS <= end:
        return frame
    opened = int(frame["open_time"][-1])
    path = path_of(opened)
    assert path is not None  # the bar is there
    so_far = path[: (end - 1 - opened) // 1000 + 1]
    bar = frame.tail(1).with_columns(
        pl.lit(float(so_far[0])).alias("open"),
        pl.lit(float(so_far.max())).alias("high"),
        pl.lit(float(so_far.min())).alias("low"),
        pl.lit(float(so_far[-1])).alias("close"),
        pl.col("volume") * len(so_far) / SECONDS,
    )
    return pl.concat([frame.head(-1), bar])


def _continued(frame: pl.DataFrame, bars: Bars, start: int, end: int, *, market_end: int) -> pl.DataFrame:
    """`frame` with flat bars without volume from the market's end on: prices stay where they are."""
    first = max(market_end, int(bars.open_time[-1]) + HOUR_MS, -(-start // HOUR_MS) * HOUR_MS)
    opened = np.arange(first, end, HOUR_MS, dtype=np.int64)
    if not len(opened):
        return frame
    flat = {name: np.full(len(opened), bars.close[-1]) for name in ("open", "high", "low", "close")}
    return pl.concat([frame, pl.DataFrame({"open_time": opened, **flat, "volume": np.zeros(len(opened))})])
