"""Raw `order_books`: a snapshot per instrument shortly before each 8 h mark, twenty levels a side.

Spread, gaps and sizes scale with the instrument's hourly turnover; a wild hour thins the book. Sizes
are in coins, or in contracts on Gate.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from funding_pipeline.market.simulation.frames import Column, block, table_of
from funding_pipeline.market.simulation.grid import WARM_UP_HOURS, Times
from funding_pipeline.market.simulation.paths import MarketPaths
from funding_pipeline.market.simulation.premium import Instrument
from funding_pipeline.market.simulation.streams import Floats, Indices

# Spread of the log spread around its median (an assumption; the recorded ones are always one tick).
_SPREAD_LOG_SD = 0.5


@dataclass(frozen=True)
class Snapshots:
    """One instrument's snapshots: `hour` (the 8 h mark is its end), mid before rounding, best prices
    and how wild the hour is."""

    hour: Indices
    observed_at: Times
    mid: Floats
    best_bid: Floats
    best_ask: Floats
    wildness: Floats


def order_books(paths: MarketPaths) -> pl.DataFrame:
    """One row per instrument and 8 h mark, `seconds_before` the mark."""
    return table_of("order_books", (_book_block(paths, instrument) for instrument in paths.prices))


def snapshots(paths: MarketPaths, instrument: Instrument) -> Snapshots:
    """Mid and best prices at each snapshot: the best bid is on the tick at or under its place."""
    venue, coin = instrument
    books, tick = paths.parameters.books, paths.parameters.coins[coin].tick
    marks = paths.grid.hour_of_day % books.every_hours == 0
    marks[:WARM_UP_HOURS] = False
    hour = np.flatnonzero(marks)
    mid, wildness = _mid(paths, instrument, hour), paths.references[coin].wildness[hour]
    median_bp = books.spread_bp * _turnover_ratio(paths, instrument) ** books.spread_power
    drawn = np.exp(_SPREAD_LOG_SD * paths.noise.normal("spread", venue, coin))[hour]
    per_unit = round(1.0 / tick)
    ticks = np.maximum(np.rint(median_bp * 1e-4 * mid * drawn * wildness * per_unit), 1.0)
    bid = np.maximum(np.floor(mid * per_unit - ticks / 2.0), 1.0)
    observed_at = paths.grid.ends[hour] - np.timedelta64(books.seconds_before, "s")
    return Snapshots(hour, observed_at, mid, bid / per_unit, (bid + ticks) / per_unit, wildness)


def _mid(paths: MarketPaths, instrument: Instrument, hour: Indices) -> Floats:
    """A point of the hour's path between its two closes (a Brownian bridge), seconds before its end.

    Not the close at the mark itself, which is not known yet.
    """
    left = paths.parameters.books.seconds_before / 3600.0
    log_mark = np.log(paths.prices[instrument].mark)
    deviation = paths.references[instrument[1]].hour_sd * paths.noise.normal("mid", *instrument)
    bridge = np.sqrt(left * (1.0 - left)) * deviation[hour]
    mid: Floats = np.exp(left * log_mark[hour - 1] + (1.0 - left) * log_mark[hour] + bridge)
    return mid


def _turnover_ratio(paths: MarketPaths, instrument: Instrument) -> float:
    """Hourly turnover over that of the measured instruments."""
    turnover = paths.parameters.instruments[instrument].turnover_usd
    return turnover / paths.parameters.books.reference_turnover_usd


def unit_size(paths: MarketPaths, instrument: Instrument) -> float:
    """Coins in one unit of the venue's sizes: Gate's contract, or one coin."""
    return paths.parameters.coins[instrument[1]].gate_contract if instrument[0] == "gate" else 1.0


def contracts(paths: MarketPaths, instrument: Instrument, base: Floats) -> Floats:
    """Coins in the venue's own units: whole contracts on Gate, six decimals of a coin elsewhere."""
    if instrument[0] != "gate":
        return np.maximum(np.round(base, 6), 1e-6)
    whole: Floats = np.maximum(np.rint(base / unit_size(paths, instrument)), 1.0)
    return whole


def _book_block(paths: MarketPaths, instrument: Instrument) -> pl.DataFrame:
    venue, coin = instrument
    seen = snapshots(paths, instrument)
    columns: dict[str, Column] = {
        "venue": venue,
        "symbol": paths.parameters.symbol(venue, coin),
        "observed_at": seen.observed_at,
        "contract_size": np.full(len(seen.hour), unit_size(paths, instrument)),
    }
    for side, sign in (("bid", -1.0), ("ask", 1.0)):
        price, quantity = _side(paths, instrument, seen, side=side, sign=sign)
        columns |= {f"{side}_px": price, f"{side}_qty": quantity}
    return block("order_books", columns)


def _side(
    paths: MarketPaths, instrument: Instrument, seen: Snapshots, *, side: str, sign: float
) -> tuple[Floats, Floats]:
    """Prices (best first) and sizes, arrays of snapshots x levels."""
    venue, coin = instrument
    books, tick = paths.parameters.books, paths.parameters.coins[coin].tick
    shape = (len(seen.hour), books.levels)
    scale = _turnover_ratio(paths, instrument)
    mid = seen.mid[:, None]
    per_unit = round(1.0 / tick)
    best = np.rint((seen.best_bid if sign < 0 else seen.best_ask) * per_unit)
    drawn = paths.noise.generator("gaps", side, venue, coin).standard_exponential(shape)
    gap = books.gap_bp * scale**books.spread_power * seen.wildness[:, None] * drawn
    steps = np.maximum(np.rint(gap * 1e-4 * mid * per_unit), 1.0)
    steps[:, 0] = 0.0
    price = np.maximum(best[:, None] + sign * np.cumsum(steps, axis=1), 1.0) / per_unit
    size = np.exp(
        books.size_log_sd * paths.noise.generator("sizes", side, venue, coin).standard_normal(shape)
    )
    usd = books.density_usd_per_bp * scale**books.depth_power * (steps / per_unit / mid * 1e4) * size
    usd[:, 0] = books.top_usd * scale**books.depth_power * size[:, 0]
    quantity = contracts(paths, instrument, usd / seen.wildness[:, None] / price)
    return price, quantity
