"""Prices and funding of every leg hour by hour, on which margin is followed between two steps.

What lives here: building the arrays once per back-test. What does not: profit, which is marked at the
steps alone (`simulation`), and margin itself (`liquidation`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from funding_pipeline.core.tables import UTC, MarketTables
from funding_pipeline.portfolio.as_of import leg_frame
from funding_pipeline.portfolio.legs import Floats, Ints, Universe
from funding_pipeline.portfolio.panels import price_panels
from funding_pipeline.portfolio.reference import reference_per_leg

_LEG = ["venue", "symbol"]


@dataclass(frozen=True)
class HourlyPath:
    """Points (the whole UTC hours from the first step to the last, and the steps) x legs; NaN unknown.

    `price`: at a step the step's own price; between, the own close of that hour, or the last own close
    moved as the cross-venue price of the base has moved since. `low` and `high`: extremes of the own
    candle that covers the hour before the point; of the price where there is none. `usd_per_unit`:
    reference price * rate of the settlements after the previous point up to and including this one.
    """

    times: tuple[datetime, ...]
    point_of_step: Ints
    price: Floats
    low: Floats
    high: Floats
    usd_per_unit: Floats

    def points_of(self, step: int) -> range:
        """Points after the previous step, up to and including `step`; only itself for the first."""
        first = int(self.point_of_step[step - 1]) + 1 if step else int(self.point_of_step[0])
        return range(first, int(self.point_of_step[step]) + 1)


def hourly_path(
    tables: MarketTables,
    *,
    sane: pl.DataFrame,
    quoted: Universe,
    universe: Universe,
    steps: Sequence[datetime],
    step_price: Floats,
    events: pl.DataFrame,
) -> HourlyPath:
    """The path from the first step to the last.

    `sane`: closes of the `quoted` universe (`reference.sane_prices`), which holds the legs of `universe`;
    `step_price` steps x legs; `events`: settlements (`funding_reference.settlements`).
    """
    times = _points(steps)
    number = {time: i for i, time in enumerate(times)}
    at_step = np.array([number[time] for time in steps], dtype=np.int64)
    price = _prices(sane, quoted=quoted, universe=universe, times=times)
    price[at_step] = step_price
    low, high = _extremes(tables.prices, universe=universe, times=times, price=price)
    return HourlyPath(
        times=times,
        point_of_step=at_step,
        price=price,
        low=low,
        high=high,
        usd_per_unit=usd_per_unit(events, times=times, shape=price.shape),
    )


def usd_per_unit(events: pl.DataFrame, *, times: Sequence[datetime], shape: tuple[int, ...]) -> Floats:
    """Times x legs: reference price * rate of the settlements after the previous time, up to this one.

    Settlements of a leg without any known price are left out: nothing can be held there.
    """
    known = events.filter(pl.col("reference_price").is_not_null())
    grid = pl.Series(list(times), dtype=UTC).to_numpy()
    row = np.searchsorted(grid, known["time"].cast(UTC).to_numpy(), side="left")
    out = np.zeros(shape)
    np.add.at(out, (row, known["leg"].to_numpy()), (known["reference_price"] * known["rate"]).to_numpy())
    return out


def _points(steps: Sequence[datetime]) -> tuple[datetime, ...]:
    first = steps[0].replace(minute=0, second=0, microsecond=0)
    hours = int((steps[-1] - first) / timedelta(hours=1))
    whole = {first + timedelta(hours=k) for k in range(hours + 1)}
    return tuple(sorted({time for time in whole if time >= steps[0]} | set(steps)))


def _prices(sane: pl.DataFrame, *, quoted: Universe, universe: Universe, times: Sequence[datetime]) -> Floats:
    places = {(leg.venue, leg.symbol): i for i, leg in enumerate(quoted.legs)}
    mine = np.array([places[leg.venue, leg.symbol] for leg in universe.legs], dtype=np.int64)
    price, age, _ = price_panels(sane, universe=quoted, times=times)
    reference = reference_per_leg(price, fresh=age <= 1, universe=quoted)
    closed = age < 1
    last = np.where(closed, np.arange(len(times))[:, None], -1)
    last = np.maximum.accumulate(last, axis=0)
    then = np.take_along_axis(reference, np.maximum(last, 0), axis=0)
    moved = np.where(last >= 0, reference / then, 1.0)
    return (price * np.where(closed | ~np.isfinite(moved), 1.0, moved))[:, mine]


def _extremes(
    prices: pl.LazyFrame, *, universe: Universe, times: Sequence[datetime], price: Floats
) -> tuple[Floats, Floats]:
    """Low and high of the trade candle that covers the hour before each point; never inside the price."""
    spare = timedelta(days=1)
    bars = (
        prices.filter(
            (pl.col("kind") == "trade")
            & (pl.col("low") > 0)
            & (pl.col("high") >= pl.col("low"))
            & (pl.col("timeframe_hours") > 0)
            & pl.col("close_time").is_between(times[0], times[-1] + spare)
        )
        .select(*_LEG, "close_time", "timeframe_hours", "low", "high")
        .with_columns(minutes=(pl.col("timeframe_hours") * 60).cast(pl.Int64))
        .with_columns(opened=pl.col("close_time") - pl.duration(minutes=pl.col("minutes")))
        .sort("close_time", "minutes", *_LEG)  # the shortest first: the look-up forward takes the first
        .collect()
    )
    grid = pl.DataFrame({"time": pl.Series(list(times), dtype=UTC)}).with_row_index("row")
    joined = (
        grid.join(leg_frame(universe), how="cross")
        .sort("time")
        .join_asof(
            bars.with_columns(closed="close_time"),
            left_on="time",
            right_on="closed",
            by=_LEG,
            strategy="forward",
            check_sortedness=False,
        )
        .sort("row", "leg")
        .with_columns(
            pl.when(pl.col("opened") < pl.col("time")).then(pl.col(name)).alias(name)
            for name in ("low", "high")
        )
    )
    low, high = (joined[name].cast(pl.Float64).to_numpy().reshape(price.shape) for name in ("low", "high"))
    return np.fmin(low, price), np.fmax(high, price)
