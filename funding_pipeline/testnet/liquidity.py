"""Books and public trades around the traded price, made up from spread, depth and turnover.

What lives here: the shape of a book and the flow of trades, the same for the same second. What does
not: the price itself (`prices`), or matching against a book (`engine`).
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

import numpy as np
import polars as pl

from funding_pipeline.testnet.clock import HOUR_MS
from funding_pipeline.testnet.engine.values import Book, Instrument, Level, PublicTrade
from funding_pipeline.testnet.prices import SECONDS, Recent, TradePrices, seeded
from funding_pipeline.testnet.raw_market import Floats, Times

LEVELS = 50
_DAY_MS = 24 * HOUR_MS
# Assumptions for an instrument without recorded books: a deep one (400 million USD an hour) has a spread
# of 0.1 bp, growing with the root of turnover; 0.2 % of an hour's turnover rests in each basis point.
_DEEP_TURNOVER, _DEEP_SPREAD_BP, _WIDEST_BP = 4e8, 0.1, 50.0
_SHARE_PER_BP = 0.002
_LEVEL_BP = 0.5
_SNAPSHOT_VALID_MS = 7 * _DAY_MS


@dataclass(frozen=True)
class Depth:
    """Spread in bp of the mid, and quantity per bp (quoted base units) on each side."""

    spread_bp: float
    bid_per_bp: float
    ask_per_bp: float


class Liquidity:
    """One instrument's books and trades. `snapshots`: raw order books with their contract size, or None."""

    def __init__(
        self, terms: Instrument, prices: TradePrices, snapshots: pl.DataFrame | None, *, unit: float
    ) -> None:
        self._terms, self._prices = terms, prices
        self._tick, self._step = float(terms.tick), float(terms.step)
        self._observed, self._depths = _measured(snapshots, unit)
        self._turnover = _trailing_turnover(prices)
        self._books: Recent[Book] = Recent(64)
        self._flows: Recent[_Flow] = Recent(16)

    def book(self, time: int) -> Book:
        """The book of the second of `time`."""
        second = time // 1000
        return self._books.get((second,), lambda: self._make_book(second * 1000))

    def trades(self, time: int, limit: int) -> tuple[PublicTrade, ...]:
        """The last `limit` trades at or before `time`, oldest first: one in each second of trading.

        A trade's price is the path's at its second, so that the last trade is the last price.
        """
        found: list[PublicTrade] = []
        opened = time - time % HOUR_MS
        last = (time - opened) // 1000
        first_bar = int(self._prices.bars.open_time[0])
        while len(found) < limit and opened >= first_bar:
            flow = self._flow(opened)
            if flow is not None:
                first = max(last + 1 - (limit - len(found)), 0)
                found = flow.between(first, last + 1) + found
                opened, last = opened - HOUR_MS, SECONDS - 1
            else:  # a gap: go on with the bar before it
                opened, last = self._bar_before(opened), SECONDS - 1
        return tuple(found)

    def depth(self, time: int) -> Depth:
        """Spread and depth from the last snapshot, or from turnover where there is none of the last week."""
        place = int(np.searchsorted(self._observed, time, "right")) - 1
        if place >= 0 and time - self._observed[place] <= _SNAPSHOT_VALID_MS:
            spread, bid, ask = self._depths[place]
            return Depth(float(spread), float(bid), float(ask))
        bars = self._prices.bars
        place = max(int(np.searchsorted(bars.open_time + HOUR_MS, time, "right")) - 1, 0)
        turnover = max(float(self._turnover[place]), 1e3)
        per_bp = turnover * _SHARE_PER_BP / float(bars.close[place])
        return Depth(min(_DEEP_SPREAD_BP * (_DEEP_TURNOVER / turnover) ** 0.5, _WIDEST_BP), per_bp, per_bp)

    def _make_book(self, time: int) -> Book:
        mid, depth = self._prices.at(time), self.depth(time)
        rng = seeded("book", self._terms.venue, self._terms.symbol, time)
        spread = depth.spread_bp * 1e-4 * mid / self._tick * float(np.exp(0.2 * rng.standard_normal()))
        ticks = max(round(spread), 1)
        bid = max(int(np.floor(mid / self._tick - ticks / 2)), LEVELS)
        return Book(
            time,
            bids=self._side(mid, bid, -1, depth.bid_per_bp, rng),
            asks=self._side(mid, bid + ticks, 1, depth.ask_per_bp, rng),
        )

    def _side(
        self, mid: float, best: int, sign: Literal[-1, 1], per_bp: float, rng: np.random.Generator
    ) -> tuple[Level, ...]:
        tick_bp = self._tick / mid * 1e4
        gaps = np.maximum(np.rint(rng.exponential(_LEVEL_BP / tick_bp, LEVELS)), 1)
        prices = best + sign * np.concatenate([[0], np.cumsum(gaps[:-1])]).astype(np.int64)
        quantity = per_bp * gaps * tick_bp * np.exp(0.5 * rng.standard_normal(LEVELS))
        steps = np.maximum(np.rint(quantity / self._step), 1).astype(np.int64)
        return tuple(
            Level(self._terms.tick * price, self._terms.step * amount)
            for price, amount in zip(prices.tolist(), steps.tolist(), strict=True)
            if price > 0
        )

    def _bar_before(self, opened: int) -> int:
        times = self._prices.bars.open_time
        place = int(np.searchsorted(times, opened)) - 1
        return int(times[place]) if place >= 0 else -1

    def _flow(self, opened: int) -> "_Flow | None":
        path = self._prices.path(opened)
        if path is None:
            return None
        place = int(np.searchsorted(self._prices.bars.open_time, opened))
        volume = float(self._prices.bars.volume[place])
        return self._flows.get((opened,), lambda: _Flow.of(self._terms, opened, path, volume))


@dataclass(frozen=True)
class _Flow:
    """The 3,600 trades of an hour: ticks, steps and the taker's side."""

    terms: Instrument
    opened: int
    ticks: list[int]
    steps: list[int]
    buys: list[bool]

    @classmethod
    def of(cls, terms: Instrument, opened: int, path: Floats, volume: float) -> "_Flow":
        rng = seeded("trades", terms.venue, terms.symbol, opened)
        share = rng.exponential(1.0, SECONDS)
        steps = np.maximum(np.rint(volume * share / share.sum() / float(terms.step)), 1).astype(np.int64)
        ticks = np.rint(path / float(terms.tick)).astype(np.int64)
        buys = rng.random(SECONDS) < 0.5
        return cls(terms, opened, ticks.tolist(), steps.tolist(), buys.tolist())

    def between(self, first: int, last: int) -> list[PublicTrade]:
        return [
            PublicTrade(
                trade_id=self.opened // 1000 + second,
                time=self.opened + second * 1000,
                side="buy" if self.buys[second] else "sell",
                price=self.terms.tick * self.ticks[second],
                quantity=self.terms.step * self.steps[second],
            )
            for second in range(first, last)
        ]


def on_tick(price: float, tick: Decimal) -> Decimal:
    """The price rounded to the tick, at least one tick."""
    return tick * max(round(price / float(tick)), 1)


def _measured(snapshots: pl.DataFrame | None, unit: float) -> tuple[Times, Floats]:
    """Times of snapshots and, for each, spread (bp) and quantity per bp on both sides."""
    if snapshots is None or snapshots.is_empty():
        return np.empty(0, np.int64), np.empty((0, 3))
    bid, ask = pl.col("bid_px").list, pl.col("ask_px").list
    mid = (bid.first() + ask.first()) / 2
    size = pl.col("contract_size").fill_null(unit)
    sides = [
        (size * pl.col(f"{side}_qty").list.sum() / ((px.first() - px.last()).abs() / mid * 1e4)).alias(side)
        for side, px in (("bid", bid), ("ask", ask))
    ]
    found = snapshots.select("time", ((ask.first() - bid.first()) / mid * 1e4).alias("spread"), *sides)
    sound = found.filter(
        (pl.col("spread") > 0)
        & pl.all_horizontal(pl.col("bid", "ask").is_finite() & (pl.col("bid", "ask") > 0))
    )
    return sound["time"].to_numpy(), sound.select("spread", "bid", "ask").to_numpy()


def _trailing_turnover(prices: TradePrices) -> Floats:
    """Mean turnover of the last 24 bars, quote units an hour, at each bar's close."""
    bars = prices.bars
    turnover = pl.Series(bars.volume * bars.close)
    return turnover.rolling_mean(24, min_samples=1).to_numpy()
