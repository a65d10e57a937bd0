"""Unhedged notional x time per base, and the cap on it.

What lives here: adding up. What does not: what is done on a breach (`carrying_out`).
"""

from dataclasses import dataclass
from datetime import datetime


@dataclass
class UnhedgedTime:
    """USD x s of one base since the execution began; between two looks the earlier one counts.

    `since`: from when on the first look counts, where a crash may lie before it.
    """

    usd_seconds: float = 0.0
    usd: float = 0.0
    seen_at: datetime | None = None
    since: datetime | None = None

    def observe(self, usd: float, at: datetime) -> None:
        """What is unhedged at `at`, USD."""
        if self.seen_at is None:
            elapsed = (at - self.since).total_seconds() if self.since is not None else 0.0
            self.usd_seconds += usd * max(elapsed, 0.0)
        else:
            self.usd_seconds += self.usd * max((at - self.seen_at).total_seconds(), 0.0)
        self.usd, self.seen_at = usd, at
