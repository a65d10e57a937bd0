"""When the venues settle funding next, read off the effective-dated intervals. Pure.

What lives here: the distinct settlement times of a period, over all venues that are traded on. What does
not: what is asked for around each (`settlement_requests`), windows in which nothing is sent (`windows`).

An interval is effective from the first settlement that was paid at it, so that settlement tells the phase as
well: a venue that settles its majors at 04, 12 and 20 has an `effective_from` at one of these hours.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import polars as pl

_INSTRUMENT = ("venue", "symbol")
_HOUR = timedelta(hours=1)
_HOUR_MS = 3_600_000


def settlement_times(
    intervals: pl.DataFrame,
    *,
    after: datetime,
    until: datetime,
    newest: Mapping[str, datetime] | None = None,
) -> tuple[datetime, ...]:
    """Distinct settlements in (after, until], ascending, of the instruments of `intervals`.

    `intervals`: FUNDING_INTERVALS rows of the venues that count. `newest`: the newest settlement seen at a
    venue. A venue that has settled at a time that none of its intervals tells (one has changed, and the table
    does not know it yet) is taken to settle every hour from then on: that includes every interval there is.
    """
    times = set(_times(intervals, after=after, until=until))
    for venue in off_schedule(intervals, newest or {}):
        first = _minute((newest or {})[venue])
        times.update(_hourly(first, after=after, until=until))
    return tuple(sorted(times))


def off_schedule(intervals: pl.DataFrame, newest: Mapping[str, datetime]) -> tuple[str, ...]:
    """Venues whose newest settlement is at a time that no interval of theirs tells, in order."""
    found = []
    for venue, settled_at in sorted(newest.items()):
        rows = intervals.filter(pl.col("venue") == venue)
        at = _minute(settled_at)
        if not _times(rows, after=at - timedelta(milliseconds=1), until=at):
            found.append(venue)
    return tuple(found)


def in_force(intervals: pl.DataFrame, instruments: pl.DataFrame) -> pl.DataFrame:
    """The `intervals` of instruments that have a row in `instruments` whose terms still hold.

    What is delisted has an interval without an end, and would settle for ever.
    """
    listed = instruments.filter(pl.col("effective_to").is_null()).select(_INSTRUMENT).unique()
    return intervals.join(listed, on=_INSTRUMENT, how="semi")


def shortest_gap(times: Iterable[datetime], *, default: timedelta = _HOUR) -> timedelta:
    """The shortest time between two settlements that follow each other; `default` for fewer than two."""
    return min(_gaps(times), default=default)


def longest_gap(times: Iterable[datetime], *, default: timedelta = _HOUR) -> timedelta:
    """The longest one."""
    return max(_gaps(times), default=default)


def _gaps(times: Iterable[datetime]) -> list[timedelta]:
    ordered = sorted(times)
    return [later - earlier for earlier, later in pairwise(ordered)]


def _times(intervals: pl.DataFrame, *, after: datetime, until: datetime) -> list[datetime]:
    """Every settlement that the rows tell: from `effective_from`, each interval, up to `effective_to`."""
    after_ms, until_ms = _epoch_ms(after), _epoch_ms(until)
    begin, step = pl.col("begin"), pl.col("step")
    skipped = ((pl.lit(after_ms) - begin) // step + 1).clip(lower_bound=0)
    grids = (
        intervals.select(
            begin=_ms("effective_from"),
            end=pl.min_horizontal(_ms("effective_to"), pl.lit(until_ms + 1)),  # nulls count for nothing
            step=(pl.col("interval_hours") * _HOUR_MS).round().cast(pl.Int64),
        )
        .filter(step > 0)
        .with_columns(begin=begin + skipped * step)
        .filter(begin < pl.col("end"))
        .unique()  # most instruments share a handful of grids
    )
    moments = grids.select(pl.int_ranges("begin", "end", "step").alias("at")).explode("at")["at"]
    return [datetime.fromtimestamp(at / 1000, UTC) for at in moments.unique() if at is not None]


def _ms(column: str) -> pl.Expr:
    """Milliseconds of a time to the minute: venues stamp settlements some milliseconds late."""
    return pl.col(column).dt.round("1m").dt.epoch("ms")


def _hourly(first: datetime, *, after: datetime, until: datetime) -> Iterable[datetime]:
    count = max(0, (after - first) // _HOUR + 1)
    while (at := first + count * _HOUR) <= until:
        yield at
        count += 1


def _minute(at: datetime) -> datetime:
    return (at + timedelta(seconds=30)).replace(second=0, microsecond=0)


def _epoch_ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
