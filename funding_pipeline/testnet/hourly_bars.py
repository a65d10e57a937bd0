"""Hourly bars from raw candles: missing parts filled, longer bars split.

What lives here: making `Bars`. What does not: reading rows (`raw_market`) or prices inside an hour
(`prices`).
"""

import numpy as np
import polars as pl

from funding_pipeline.testnet.clock import HOUR_MS
from funding_pipeline.testnet.prices import Bars
from funding_pipeline.testnet.raw_market import Floats, Times

Index = tuple[Times, Floats]


def hourly_bars(raw: pl.DataFrame, index: Index, *, volume_unit: float = 1.0) -> Bars:
    """Trade candles of one instrument as hourly bars; `volume_unit`: quoted base units per unit of volume.

    A missing open is the previous close, a missing extreme that of open and close. Bars of several hours
    are split (see `_split`); where an hour has a bar of its own, that one counts.
    """
    complete = raw.filter(pl.col("hours") > 0).with_columns(
        pl.coalesce("open", pl.col("close").shift(1), "close").alias("open"),
        (pl.col("volume").fill_null(0.0).fill_nan(0.0) * volume_unit).alias("volume"),
    )
    complete = complete.with_columns(
        pl.max_horizontal("open", "high", "low", "close").alias("high"),
        pl.min_horizontal("open", "high", "low", "close").alias("low"),
    )
    parts = [
        complete.filter(pl.col("hours") == hours).drop("hours")
        if hours == 1
        else _split(complete.filter(pl.col("hours") == hours), hours, index)
        for hours in sorted(complete["hours"].unique().to_list(), reverse=True)
    ]
    hourly = pl.concat(parts).unique("open_time", keep="last", maintain_order=True).sort("open_time")
    columns = hourly.select("open", "high", "low", "close", "volume").to_dict()
    return Bars(
        hourly["open_time"].to_numpy(), **{name: column.to_numpy() for name, column in columns.items()}
    )


def closes(raw: pl.DataFrame | None, trade: Bars) -> tuple[Times, Floats]:
    """Closing times and closes of `raw` (mark rows), and of the trade bars in hours without such a row."""
    traded = pl.DataFrame({"time": trade.open_time + HOUR_MS, "close": trade.close})
    if raw is None:
        return traded["time"].to_numpy(), trade.close
    own = raw.select((pl.col("open_time") + pl.col("hours") * HOUR_MS).alias("time"), "close")
    both = pl.concat([traded, own]).unique("time", keep="last", maintain_order=True).sort("time")
    both = both.filter(pl.col("time") % HOUR_MS == 0)
    return both["time"].to_numpy(), both["close"].to_numpy()


def _split(raw: pl.DataFrame, hours: int, index: Index) -> pl.DataFrame:
    """Bars of several `hours` as hourly ones that add up to them exactly.

    The closes inside follow the index, with a basis that goes linearly from the bar's open to its close: a
    straight line in the price would be off the market by whole percents and look like an edge. The highest
    and the lowest of the hours get the bar's extremes.
    """
    at = raw["open_time"].to_numpy()[:, None] + np.arange(hours + 1) * HOUR_MS
    reference = _reference(index, at)
    opened, closed = raw["open"].to_numpy(), raw["close"].to_numpy()
    share = np.arange(hours + 1) / hours
    basis = np.log(opened / reference[:, 0])[:, None] * (1 - share)
    basis = basis + np.log(closed / reference[:, -1])[:, None] * share
    high, low = raw["high"].to_numpy(), raw["low"].to_numpy()
    path = np.clip(reference * np.exp(basis), low[:, None], high[:, None])
    path[:, 0], path[:, -1] = opened, closed
    tops, bottoms = np.maximum(path[:, :-1], path[:, 1:]), np.minimum(path[:, :-1], path[:, 1:])
    rows = np.arange(len(raw))
    tops[rows, tops.argmax(axis=1)], bottoms[rows, bottoms.argmin(axis=1)] = high, low
    return pl.DataFrame(
        {
            "open_time": at[:, :-1].ravel(),
            "open": path[:, :-1].ravel(),
            "high": tops.ravel(),
            "low": bottoms.ravel(),
            "close": path[:, 1:].ravel(),
            "volume": np.repeat(raw["volume"].to_numpy() / hours, hours),
        }
    )


def _reference(index: Index, at: Times) -> Floats:
    """The index at each moment, the last one known then; ones for a bar that it does not cover."""
    times, values = index
    if not len(times):
        return np.ones(at.shape)
    place = np.searchsorted(times, at, "right") - 1
    found = values[np.maximum(place, 0)]
    found[(place < 0).any(axis=1)] = 1.0
    return found
