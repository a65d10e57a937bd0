"""Settlement windows: when a venue settles funding, and so nothing is sent. Pure.

What lives here: whether a moment is inside. What does not: asking a venue when it settles (`trading`).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

_INSTANT = timedelta(milliseconds=1)


@dataclass(frozen=True)
class SettlementTimes:
    """Settlements of one instrument: at `next_at` and every `interval` before and after.

    `window` lies on both sides of each. Where a venue does not tell, every whole hour counts
    (`SettlementTimes.hourly`).
    """

    next_at: datetime
    interval: timedelta
    window: timedelta

    @classmethod
    def hourly(cls, now: datetime, window: timedelta) -> "SettlementTimes":
        """Any whole hour may be a settlement."""
        hour = now.replace(minute=0, second=0, microsecond=0)
        return cls(hour + timedelta(hours=1), timedelta(hours=1), window)

    def clear_at(self, now: datetime, *, lead: timedelta = timedelta(0)) -> datetime:
        """`now`, or the end of the window that `now` is in or that begins within `lead`."""
        if not self.window:
            return now
        nearest = round((now - self.next_at) / self.interval)
        for count in (nearest, nearest + 1):
            settles_at = self.next_at + count * self.interval
            if settles_at - self.window - lead <= now <= settles_at + self.window:
                return settles_at + self.window + _INSTANT
        return now

    def is_clear(self, now: datetime, *, lead: timedelta = timedelta(0)) -> bool:
        """Whether something may be sent, and no window begins within `lead`."""
        return self.clear_at(now, lead=lead) == now
