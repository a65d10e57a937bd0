"""Walking forward through a venue's history without losing a row.

What lives here: windows, cut pages, overlaps and second questions. What does not: requests (a function is
given) or which spacings are gaps (`gaps`).

ccxt's own `paginate` steps by fixed windows and loses rows of instruments with another interval. Here a
window is asked as a whole; an answer that is as long as a page and stays inside its window may have been
cut, at either end, and is asked again in halves. So it does not matter whether a venue counts from the
start or from the end, whether its bounds are inclusive, or how often the interval changed.
"""

from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

from funding_pipeline.core.errors import VenueAnswerError
from funding_pipeline.venues.gaps import LONGEST_INTERVAL_MS, Spacing, find_gaps, usual_spacing
from funding_pipeline.venues.spelling import HOUR_MS

Row = Any
PAD_MS = 1_000
"""Windows overlap by this much: bounds may be exclusive, and some venues count in seconds."""


@dataclass(frozen=True)
class PageRequest:
    """How to ask for rows between two times, and how to read a row's time.

    `fetch(start_ms, end_ms)` asks for rows in [start, end]; it may give fewer or others besides. `page`: most
    rows per answer. `key` tells rows apart (default: their time). `what` names the request in errors.
    """

    fetch: Callable[[int, int], Awaitable[list[Row]]]
    page: int
    time_of: Callable[[Row], int | None]
    what: str
    key: Callable[[Row], Hashable] | None = None
    longest_ms: int | None = None  # most that one request may span
    refuse: Callable[[Row], None] | None = None  # given a row without a time; None: it is an error


@dataclass
class _Walk:
    """Rows found so far by key."""

    request: PageRequest
    rows: dict[Hashable, Row] = field(default_factory=dict)
    times: dict[Hashable, int] = field(default_factory=dict)

    def add(self, found: list[Row]) -> list[int]:
        """Keep rows; their times. A row without a time is refused, or a VenueAnswerError."""
        request, moments = self.request, []
        for row in found:
            moment = request.time_of(row)
            if moment is None:
                if request.refuse is None:
                    raise VenueAnswerError(f"{request.what}: a row without a time")
                request.refuse(row)
                continue
            key = moment if request.key is None else request.key(row)
            self.rows[key] = row
            self.times[key] = moment
            moments.append(moment)
        return moments

    def sorted(self, start_ms: int, end_ms: int) -> list[Row]:
        """Rows in [start, end), by time."""
        kept = [(at, key) for key, at in self.times.items() if start_ms <= at < end_ms]
        return [self.rows[key] for _, key in sorted(kept, key=lambda pair: pair[0])]


@dataclass(frozen=True)
class Missing:
    """`missing` rows that should be between two times (both exclusive).

    `is_whole`: nothing came of all that was asked for; the times are those of the question, not of rows.
    """

    start_ms: int
    end_ms: int
    missing: int
    is_whole: bool = False


async def walk(request: PageRequest, start_ms: int, end_ms: int, *, spacing_ms: int = HOUR_MS) -> list[Row]:
    """Every row with `start <= time < end`, once, by time. `spacing_ms`: what to expect at first.

    Raises VenueAnswerError where more rows share one moment than fit on a page.
    """
    found = _Walk(request)
    await _cover(found, start_ms, end_ms, Spacing(spacing_ms, is_fixed=request.key is not None))
    return found.sorted(start_ms, end_ms)


async def walk_regular(
    request: PageRequest,
    start_ms: int,
    end_ms: int,
    *,
    spacing: Spacing,
    nominal: Callable[[Row], int] | None = None,
    slack_ms: int = 0,
) -> tuple[list[Row], tuple[Missing, ...]]:
    """As `walk`, for rows that come at intervals; what seems to be missing is asked for once more.

    `nominal` gives the time of a row that counts, up to `slack_ms` from the one it is stamped with. Rows
    missing at the end are reported; none at the beginning, where the instrument may not have been listed.
    """
    found = _Walk(request)
    low, high = max(0, start_ms - slack_ms), end_ms + slack_ms
    dated = nominal or (lambda row: int(request.time_of(row) or 0))

    def inside() -> tuple[list[Row], list[int]]:
        pairs = [(dated(row), row) for row in found.sorted(low, high)]
        kept = [pair for pair in pairs if start_ms <= pair[0] < end_ms]
        return [row for _, row in kept], [at for at, _ in kept]

    await _cover(found, low, high, spacing)
    for gap in _unsure(found, inside()[1], start_ms, end_ms, spacing):
        await _cover(found, gap.start_ms, gap.end_ms, spacing)
    rows, times = inside()
    if not times:
        return rows, _all_missing(start_ms, end_ms, spacing)
    return rows, tuple(Missing(*gap) for gap in find_gaps(times, spacing, until_ms=end_ms))


async def _cover(found: _Walk, start_ms: int, end_ms: int, spacing: Spacing) -> None:
    """Ask [start, end] in windows of at most a page, as wide as the spacing seen last allows."""
    at, step = start_ms, spacing.expected_ms or HOUR_MS
    while at < end_ms:
        until = min(at + _width(found.request, step), end_ms)
        moments = await _ask(found, at, until)
        if not spacing.is_fixed:
            step = usual_spacing(moments, default=step)
        at = until


async def _ask(found: _Walk, start_ms: int, end_ms: int) -> list[int]:
    """Ask one window; in halves where the answer may have been cut. Times of all rows that came."""
    low, high = max(0, start_ms - PAD_MS), end_ms + PAD_MS
    rows = await found.request.fetch(low, high)
    moments = found.add(rows)
    is_whole = len(rows) < found.request.page or not moments or min(moments) < low or max(moments) > high
    if is_whole:
        return moments
    if end_ms - start_ms <= 1:
        raise VenueAnswerError(f"{found.request.what}: more rows at {start_ms} ms than fit on a page")
    middle = (start_ms + end_ms) // 2
    first = await _ask(found, start_ms, middle)
    return first + await _ask(found, middle, end_ms)


def _width(request: PageRequest, spacing_ms: int) -> int:
    """A window whose rows, with the overlap, stay below a page."""
    width = max(1, request.page - 2) * spacing_ms
    return width if request.longest_ms is None else min(width, request.longest_ms)


def _all_missing(start_ms: int, end_ms: int, spacing: Spacing) -> tuple[Missing, ...]:
    """What a span without any row lacks: nothing where it is shorter than an interval."""
    count = (end_ms - start_ms) // (spacing.expected_ms or LONGEST_INTERVAL_MS)
    return (Missing(start_ms, end_ms, count, is_whole=True),) if count > 0 else ()


def _unsure(found: _Walk, times: list[int], start_ms: int, end_ms: int, spacing: Spacing) -> list[Missing]:
    """Stretches to ask for again: each that is longer than one beside it, and before the first row."""
    usual = spacing.expected_ms or usual_spacing(times, default=HOUR_MS)
    first = times[0] if times else end_ms
    unsure = [Missing(*gap) for gap in find_gaps(times, spacing, until_ms=end_ms, strict=True)]
    if first - start_ms >= usual:
        window = _width(found.request, usual)
        unsure.append(Missing(max(start_ms, first - window), first, 1))
    return unsure
