"""Times at which decisions are made. Nothing here asks what time it is."""

from datetime import UTC, datetime, timedelta

import polars as pl

from funding_pipeline.core.errors import InsufficientHistoryError
from funding_pipeline.core.tables import UTC as UTC_TYPE


def decision_schedule(*, start: datetime, end: datetime, every_hours: int) -> pl.Series:
    """Decision times `start <= t <= end`, UTC, at whole multiples of `every_hours` since midnight 1970."""
    step = every_hours * 3600
    first = -(-int(start.timestamp()) // step) * step
    last = int(end.timestamp()) // step * step
    if last < first:
        raise InsufficientHistoryError(
            f"no decision time between {start:%Y-%m-%d %H:%M} and {end:%Y-%m-%d %H:%M} UTC "
            f"at every {every_hours} h: choose a longer period"
        )
    times = pl.datetime_range(
        datetime.fromtimestamp(first, UTC),
        datetime.fromtimestamp(last, UTC),
        timedelta(hours=every_hours),
        eager=True,
    )
    return times.cast(UTC_TYPE).alias("as_of")


def first_and_last(times: pl.Series) -> tuple[datetime, datetime]:
    """Earliest and latest of a column of times; raises InsufficientHistoryError when it is empty."""
    first, last = times.min(), times.max()
    if not isinstance(first, datetime) or not isinstance(last, datetime):
        raise InsufficientHistoryError(f"no {times.name}: load more history")
    return first, last
