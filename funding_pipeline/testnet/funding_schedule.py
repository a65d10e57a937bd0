"""Settlements of one instrument: what was paid, when the next one comes, what the venue expects of it.

What lives here: look-ups in the market's settled rows. What does not: charging anybody (`engine`).
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from funding_pipeline.testnet.clock import HOUR_MS
from funding_pipeline.testnet.raw_market import Floats, Times

_SETTLED = {"time": pl.Int64, "rate": pl.Float64, "interval_hours": pl.Float64}


@dataclass(frozen=True)
class FundingSchedule:
    """`time` (ms), `rate` (fraction per settlement) and `interval_hours` before it, ascending, one per coming
    settlement; `is_paid` is False where the market has only the venue's estimate: nothing is settled then.

    From `market_end` on the last rate goes on at the last interval.
    """

    time: Times
    rate: Floats
    interval_hours: Floats
    is_paid: np.typing.NDArray[np.bool_]
    market_end: int

    @classmethod
    def of(
        cls, settled: pl.DataFrame | None, predicted: pl.DataFrame | None, *, market_end: int
    ) -> "FundingSchedule":
        """From raw rows; a settled row counts before an estimate of the same settlement."""
        parts = [
            frame.with_columns(pl.lit(is_paid).alias("is_paid"))
            for frame, is_paid in ((predicted, False), (settled, True))
            if frame is not None and frame.height
        ]
        rows = pl.concat(parts).unique("time", keep="last", maintain_order=True).sort("time")
        gap = (pl.col("time").diff() / HOUR_MS).fill_null(strategy="backward")
        rows = rows.with_columns(pl.coalesce("interval_hours", gap, 8.0).alias("interval_hours"))
        return cls(
            time=rows["time"].to_numpy(),
            rate=rows["rate"].to_numpy(),
            interval_hours=rows["interval_hours"].to_numpy(),
            is_paid=rows["is_paid"].to_numpy(),
            market_end=market_end,
        )

    def settled(self, start: int, end: int) -> pl.DataFrame:
        """Settlements with `start <= time <= end`: time, rate, interval_hours."""
        first, last = np.searchsorted(self.time, start), np.searchsorted(self.time, end, "right")
        inside = np.arange(first, max(last, first))[self.is_paid[first : max(last, first)]]
        rows = pl.DataFrame(
            {
                "time": self.time[inside],
                "rate": self.rate[inside],
                "interval_hours": self.interval_hours[inside],
            },
            schema=_SETTLED,
        )
        return pl.concat([rows, self._continued(start, end)]) if end > self.time[-1] else rows

    def next_settlement(self, time: int) -> int:
        """The first settlement strictly after `time`, ms."""
        position = int(np.searchsorted(self.time, time, "right"))
        if position < len(self.time):
            return int(self.time[position])
        passed = (time - int(self.time[-1])) // self._step
        return int(self.time[-1]) + (passed + 1) * self._step

    def interval(self, time: int) -> float:
        """Hours of the interval that ends with the next settlement."""
        position = min(int(np.searchsorted(self.time, time, "right")), len(self.time) - 1)
        return float(self.interval_hours[position])

    def estimate(self, time: int) -> float:
        """What the venue expects at `time` of the next settlement.

        From the previous rate to the coming one in proportion to the time that has gone by since: early in
        the interval it tells little, at the settlement it is exact.
        """
        position = int(np.searchsorted(self.time, time, "right"))
        if position == len(self.time):
            return float(self.rate[-1])
        coming = float(self.rate[position])
        if position == 0:
            return coming
        begun, ends = int(self.time[position - 1]), int(self.time[position])
        begun = max(begun, ends - round(float(self.interval_hours[position]) * HOUR_MS))
        share = min(max((time - begun) / (ends - begun), 0.0), 1.0)
        return float(self.rate[position - 1]) * (1 - share) + coming * share

    @property
    def _step(self) -> int:
        return max(round(float(self.interval_hours[-1]) * HOUR_MS), HOUR_MS)

    def _continued(self, start: int, end: int) -> pl.DataFrame:
        """The last rate, paid on after the market's end; nothing where it was an estimate or long past."""
        last = int(self.time[-1])
        if not self.is_paid[-1] or last + 3 * self._step < self.market_end:
            return pl.DataFrame(schema=_SETTLED)
        skipped = max(-(-(start - last) // self._step), 1)
        time = np.arange(last + skipped * self._step, end + 1, self._step, dtype=np.int64)
        columns = {"rate": float(self.rate[-1]), "interval_hours": float(self.interval_hours[-1])}
        return pl.DataFrame({"time": time}, schema={"time": pl.Int64}).with_columns(
            pl.lit(value).alias(name) for name, value in columns.items()
        )
