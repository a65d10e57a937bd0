"""A venue's history endpoint with its quirks, for the pager's tests."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from funding_pipeline.venues.pager import PageRequest
from funding_pipeline.venues.spelling import HOUR_MS

Row = tuple[int, int]  # time in ms, number


@dataclass
class FakeHistory:
    """Answers at most `page` of `rows`.

    `counts_from`: `start` gives the first rows after the start and does not know an end; `start_to_end` knows
    both; `end` gives the last rows before the end, newest first; `end_only` does not know a start.
    `is_exclusive`: rows AT a bound are left out. `hidden`: rows that it does not have.
    """

    rows: Sequence[Row]
    page: int
    counts_from: Literal["start", "start_to_end", "end", "end_only"] = "start_to_end"
    is_exclusive: bool = False
    hidden: frozenset[int] = frozenset()
    asked: list[tuple[int, int]] = field(default_factory=list)

    async def fetch(self, start_ms: int, end_ms: int) -> list[Row]:
        """One page."""
        self.asked.append((start_ms, end_ms))
        low = start_ms + 1 if self.is_exclusive else start_ms
        high = end_ms - 1 if self.is_exclusive else end_ms
        knows_start, knows_end = self.counts_from != "end_only", self.counts_from != "start"
        found = [
            row
            for row in self.rows
            if row[0] not in self.hidden
            and (not knows_start or low <= row[0])
            and (not knows_end or row[0] <= high)
        ]
        if self.counts_from in ("end", "end_only"):
            return found[::-1][: self.page]
        return found[: self.page]

    def request(self) -> PageRequest:
        """How the pager asks it."""
        return PageRequest(self.fetch, self.page, lambda row: row[0], "fake: history")


def settlements(start_ms: int, intervals: Sequence[tuple[int, int]], jitter_ms: int = 0) -> list[Row]:
    """Rows at intervals: (hours, how many) one after the other."""
    rows: list[Row] = []
    at = start_ms
    for hours, count in intervals:
        for _ in range(count):
            rows.append((at + jitter_ms * (len(rows) % 3), len(rows)))
            at += hours * HOUR_MS
    return rows
