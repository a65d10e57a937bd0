"""The hourly grid of a simulation, in UTC."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from funding_pipeline.core.errors import SettingsError
from funding_pipeline.market.simulation.streams import Indices

Times = npt.NDArray[np.datetime64]

# Hours before the start, so that a settlement at the start itself has a whole interval behind it.
WARM_UP_HOURS = 8


@dataclass(frozen=True)
class HourGrid:
    """Hours from `start` less the warm-up to `end`; values of hour i belong to its end, `ends[i]`."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        for name, moment in (("start", self.start), ("end", self.end)):
            if moment.utcoffset() != timedelta(0):
                raise SettingsError(f"simulated market: {name} {moment.isoformat()} must be in UTC")
            if moment != moment.replace(minute=0, second=0, microsecond=0):
                raise SettingsError(f"simulated market: {name} {moment.isoformat()} must be a whole hour")
        if self.end <= self.start:
            raise SettingsError(
                f"simulated market: end {self.end.isoformat()} must be after start {self.start.isoformat()}"
            )

    @property
    def hours(self) -> int:
        """Length of the grid, warm-up included."""
        return int((self.end - self.start) / timedelta(hours=1)) + WARM_UP_HOURS

    @property
    def ends(self) -> Times:
        """End of each hour, UTC, microseconds."""
        first = _utc64(self.start) - np.timedelta64(WARM_UP_HOURS - 1, "h")
        ends: Times = first + np.arange(self.hours) * np.timedelta64(3_600_000_000, "us")
        return ends

    @property
    def hour_of_day(self) -> Indices:
        """UTC hour of day at each hour's end."""
        return self._hours_since_epoch % 24

    @property
    def weekday(self) -> Indices:
        """Day of week at each hour's end, Monday 0 (1970-01-01 was a Thursday)."""
        return (self._hours_since_epoch // 24 + 3) % 7

    @property
    def _hours_since_epoch(self) -> Indices:
        hours: Indices = self.ends.astype("datetime64[h]").astype(np.int64)
        return hours


def _utc64(moment: datetime) -> np.datetime64:
    return np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "us")
