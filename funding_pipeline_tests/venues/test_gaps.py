"""Which spacings are gaps, by hand."""

import pytest

from funding_pipeline.venues.gaps import Spacing, find_gaps, usual_spacing
from funding_pipeline.venues.spelling import HOUR_MS


def times(*hours: float) -> list[int]:
    """Times in ms from spacings in hours."""
    out = [0]
    for spacing in hours:
        out.append(out[-1] + int(spacing * HOUR_MS))
    return out


@pytest.mark.parametrize(
    "spacings",
    [
        (8, 8, 8, 8),
        (8, 8, 8, 4, 4, 4),
        (4, 4, 4, 8, 8, 8),
        (1, 1, 1, 7, 8, 8, 8),
        (8, 8, 8, 1, 1, 1, 1, 4, 4, 4),
        (8, 8, 8, 5, 1, 1, 1),
    ],
)
def test_a_change_of_interval_is_no_gap(spacings: tuple[float, ...]) -> None:
    moments = times(*spacings)
    assert find_gaps(moments, Spacing(), until_ms=moments[-1] + 1) == []


@pytest.mark.parametrize(
    ("spacings", "missing"),
    [
        ((8, 8, 8, 16, 8, 8, 8), [1]),
        ((4, 4, 4, 8, 4, 4, 4), [1]),
        ((4, 4, 4, 8, 8, 4, 4, 4), [1, 1]),
        ((1, 1, 1, 25, 1, 1, 1), [24]),
        ((8, 8, 8, 16, 16, 16, 8, 8, 8), [1, 1, 1]),
        ((8, 8, 8, 24), [2]),
    ],
)
def test_missing_rows_are_counted(spacings: tuple[float, ...], missing: list[int]) -> None:
    moments = times(*spacings)
    found = find_gaps(moments, Spacing(), until_ms=moments[-1] + 1)
    assert [gap[2] for gap in found] == missing


def test_the_told_interval_decides_at_the_end() -> None:
    moments = times(4, 4, 4, 8)
    until = moments[-1] + 1
    assert find_gaps(moments, Spacing(8 * HOUR_MS), until_ms=until) == []
    assert [gap[2] for gap in find_gaps(moments, Spacing(4 * HOUR_MS), until_ms=until)] == [1]


def test_rows_missing_at_the_end_are_a_gap_and_the_coming_one_is_not() -> None:
    moments = times(8, 8, 8)
    last = moments[-1]
    assert find_gaps(moments, Spacing(), until_ms=last + 8 * HOUR_MS) == []
    assert find_gaps(moments, Spacing(), until_ms=last + 17 * HOUR_MS) == [(last, last + 17 * HOUR_MS, 2)]


def test_a_fixed_spacing_never_changes() -> None:
    moments = times(1, 1, 1, 2, 2, 2)
    found = find_gaps(moments, Spacing(HOUR_MS, is_fixed=True), until_ms=moments[-1] + 1)
    assert [gap[2] for gap in found] == [1, 1, 1]


def test_jitter_is_no_gap() -> None:
    moments = [at + (index * 37) % 5000 for index, at in enumerate(times(8, 8, 8, 8, 8, 8))]
    assert find_gaps(moments, Spacing(8 * HOUR_MS), until_ms=moments[-1] + 1) == []


def test_usual_spacing_is_the_finest() -> None:
    assert usual_spacing(times(8, 4, 8), default=1) == 4 * HOUR_MS
    assert usual_spacing([5], default=1) == 1
