"""Windows of history: cut into pieces, and how much of one is final or covered.

What lives here: arithmetic on times and rows. What does not: which windows are fetched (`ingestion`).
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import polars as pl

from funding_pipeline.market.landed_files import Window
from funding_pipeline.market.landing import Series

_RATE_TOLD_WITHIN = timedelta(hours=1)


def by_quarter(window: Window) -> Iterator[Window]:
    """A window cut at calendar quarters (UTC), so that work that was interrupted resumes in pieces."""
    start, end = window
    while start < end:
        month = start.month - (start.month - 1) % 3 + 3
        after = datetime(start.year + (month > 12), (month - 1) % 12 + 1, 1, tzinfo=UTC)
        yield start, min(after, end)
        start = after


def covered(window: Window, first: datetime, holes: Sequence[Window] | None) -> list[Window]:
    """The parts of a window that need not be asked again: all of it, unless rows in it could not be read.

    Then what lies before the `first` row, and inside of a gap, may be theirs. Windows are of whole seconds.
    """
    start, end = window
    if holes is None:
        return [window]
    second = timedelta(seconds=1)
    at = max(start, first.replace(microsecond=0))
    parts: list[Window] = []
    for before, after in sorted(holes):
        if before < at or after > end:
            continue
        parts.append((at, before.replace(microsecond=0) + second))
        at = after.replace(microsecond=0)
    return [part for part in [*parts, (at, end)] if part[0] < part[1]]


def final_rows(
    series: Series, rows: pl.DataFrame, end: datetime, now: datetime
) -> tuple[pl.DataFrame, datetime]:
    """Rows and the end up to which they are final: a young settlement without a rate will still get one."""
    if series.table != "funding_rates":
        return rows, end
    young = rows.filter(pl.col("rate").is_null(), pl.col("settled_at") > now - _RATE_TOLD_WITHIN)
    first = young["settled_at"].min()
    if not isinstance(first, datetime):
        return rows, end
    return rows.filter(pl.col("settled_at") < first), first
