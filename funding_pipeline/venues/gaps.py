"""Which spacings between settlements (or bars) are gaps, when the interval itself may change.

What lives here: arithmetic on times. What does not: asking again (`pager`).

A run of three and more equal spacings is an interval that held. A shorter run is a gap where it is longer
than the intervals that hold before and after it: 8 8 16 8 8 lacks one settlement, 8 8 8 4 4 4 and
4 4 4 8 8 8 lack none, nor does 1 1 1 7 8 8 8 (the way from one grid to the other).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from funding_pipeline.venues.spelling import HOUR_MS

LONGEST_INTERVAL_MS = 8 * HOUR_MS
"""No venue here settles less often; a longer spacing is an interval only where it is told or lasts."""
_TOLERANCE_MS = 60_000
_HELD = 3


@dataclass(frozen=True)
class Spacing:
    """What is known of the spacing: `expected_ms` as told (None: not told); `is_fixed`: it cannot change."""

    expected_ms: int | None = None
    is_fixed: bool = False


@dataclass
class _Run:
    spacing: int
    first: int  # index of the row before the run's first spacing
    length: int

    def holds(self, longest_ms: int) -> bool:
        return self.length >= _HELD and self.spacing <= longest_ms


def usual_spacing(times: Sequence[int], *, default: int) -> int:
    """The smallest spacing of at least a minute among `times`; `default` where there are fewer than two."""
    ordered = sorted(set(times))
    spacings = [after - before for before, after in pairwise(ordered)]
    return min((spacing for spacing in spacings if spacing >= _TOLERANCE_MS), default=default)


def find_gaps(
    times: Sequence[int], spacing: Spacing, *, until_ms: int, strict: bool = False
) -> list[tuple[int, int, int]]:
    """(before, after, missing rows) of each gap in ascending `times`, and of the end up to `until_ms`.

    `strict`: every spacing that is longer than one of its neighbours, which a change of interval may explain.
    """
    if not times:
        return []
    if spacing.is_fixed:
        gaps = _fixed(times, spacing.expected_ms or HOUR_MS)
    else:
        gaps = _changing(times, spacing, strict=strict)
    return gaps + _end(times, spacing, until_ms)


def _fixed(times: Sequence[int], step: int) -> list[tuple[int, int, int]]:
    pairs = pairwise(times)
    return [(a, b, _count(b - a, step)) for a, b in pairs if b - a > step + _TOLERANCE_MS]


def _changing(times: Sequence[int], spacing: Spacing, *, strict: bool) -> list[tuple[int, int, int]]:
    runs = _runs(times)
    gaps: list[tuple[int, int, int]] = []
    for index, run in enumerate(runs):
        usual = _strict_bound(runs, index) if strict else _bound(runs, index, spacing)
        if usual is None or run.spacing <= usual + _TOLERANCE_MS:
            continue
        missing = _count(run.spacing, _finest(runs, index, usual))
        rows = range(run.first, run.first + (min(run.length, _HELD) if strict else run.length))
        gaps += [(times[row], times[row + 1], missing) for row in rows]
    return gaps


def _runs(times: Sequence[int]) -> list[_Run]:
    """Runs of equal spacings; half a minute of jitter does not break one."""
    rounded = [
        (max(1, round((after - before) / _TOLERANCE_MS)) * _TOLERANCE_MS, row)
        for row, (before, after) in enumerate(pairwise(times))
    ]
    grouped = ((key, list(group)) for key, group in groupby(rounded, key=lambda pair: pair[0]))
    return [_Run(key, group[0][1], len(group)) for key, group in grouped]


def _strict_bound(runs: list[_Run], index: int) -> int | None:
    beside = [runs[at].spacing for at in (index - 1, index + 1) if 0 <= at < len(runs)]
    return min(beside) if beside else LONGEST_INTERVAL_MS


def _bound(runs: list[_Run], index: int, spacing: Spacing) -> int | None:
    """The longest spacing that needs no missing row to explain it; None: the run explains itself."""
    longest = max(LONGEST_INTERVAL_MS, spacing.expected_ms or 0)
    if runs[index].holds(longest):
        return None
    before = next((other.spacing for other in reversed(runs[:index]) if other.holds(longest)), None)
    after = next((other.spacing for other in runs[index + 1 :] if other.holds(longest)), None)
    known = [held for held in (before, after) if held is not None]
    at_the_edge = index in (0, len(runs) - 1)
    if at_the_edge and spacing.expected_ms is not None:
        known.append(spacing.expected_ms)
    return max(known) if known else max(usual_of(runs), spacing.expected_ms or 0)


def usual_of(runs: list[_Run]) -> int:
    """The commonest spacing, the shorter one where two are as common; at most LONGEST_INTERVAL_MS."""
    counts: dict[int, int] = {}
    for run in runs:
        counts[run.spacing] = counts.get(run.spacing, 0) + run.length
    return min(min(counts, key=lambda value: (-counts[value], value)), LONGEST_INTERVAL_MS)


def _finest(runs: list[_Run], index: int, usual: int) -> int:
    beside = [runs[at].spacing for at in (index - 1, index + 1) if 0 <= at < len(runs)]
    return min([usual, *beside])


def _end(times: Sequence[int], spacing: Spacing, until_ms: int) -> list[tuple[int, int, int]]:
    """Rows that are missing after the last one: whole intervals before `until_ms` (exclusive)."""
    step = _last_interval(times, spacing)
    missing = (until_ms - 1 - times[-1]) // step if step else 0
    return [(times[-1], until_ms, int(missing))] if missing > 0 else []


def _last_interval(times: Sequence[int], spacing: Spacing) -> int | None:
    if spacing.is_fixed or len(times) < 2:
        return spacing.expected_ms
    last = _runs(times)[-1].spacing
    return last if spacing.expected_ms is None else max(last, spacing.expected_ms)


def _count(length: int, step: int) -> int:
    return max(1, round(length / step) - 1)
