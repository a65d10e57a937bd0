"""A hole in the settlements is not an interval, and what only a later row settles is known by that row."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funding_pipeline.core.market import RAW_FUNDING_RATES
from funding_pipeline.market_data.cross_checks import intervals_consistent
from funding_pipeline.market_data.intervals import funding_intervals, with_inferred_intervals
from funding_pipeline.market_data.normalization import normalize

DAY = datetime(2024, 1, 1, tzinfo=UTC)


def raw(hours: list[int], stated: list[float | None] | None = None) -> pl.DataFrame:
    """Settlements of one instrument, some milliseconds late, so many hours after DAY."""
    return pl.DataFrame(
        {
            "venue": "gate",
            "symbol": "BTC/USDT:USDT",
            "kind": "settled",
            "settled_at": [DAY + timedelta(hours=h, milliseconds=3) for h in hours],
            "interval_hours": stated or [None] * len(hours),
            "rate": 1e-4,
            "venue_time": None,
        },
        schema=dict(RAW_FUNDING_RATES),
    )


def read(hours: list[int], stated: list[float | None] | None = None) -> list[tuple[float | None, float]]:
    """Interval of each settlement, and the hours after it until it was known."""
    rows, refused = normalize("settled_funding", with_inferred_intervals(raw(hours, stated)))
    assert refused.is_empty()
    later = (rows["known_at"] - rows["settled_at"]).dt.total_seconds() / 3600
    return list(zip(rows["interval_hours"].to_list(), later.to_list(), strict=True))


def test_the_first_gap_is_an_interval_once_it_has_lasted() -> None:
    assert read([0, 8, 16]) == [(None, 0), (None, 0), (8, 0)]
    assert read([0, 8, 16, 24]) == [(None, 0), (8, 16), (8, 0), (8, 0)]


@pytest.mark.parametrize("interval", [1, 2, 4, 8])
def test_a_lone_hole_keeps_the_interval_that_holds_on_both_sides(interval: int) -> None:
    """Hourly and 4-hourly series lost one row and read 2 h and 8 h: half of the rate per hour."""
    hours = [interval * n for n in range(12) if n != 6]
    found = read(hours)
    assert found[4:] == [(interval, 0), (interval, 0), (interval, interval), *[(interval, 0)] * 4]
    rows = normalize("settled_funding", with_inferred_intervals(raw(hours)))[0]
    assert funding_intervals(rows.lazy())["interval_hours"].to_list() == [interval]
    report = intervals_consistent(rows, funding_intervals(rows.lazy()))
    assert report.success
    assert [warning.expectation for warning in report.warnings] == ["interval known", "no settlement missing"]


def test_a_hole_that_a_recorder_has_written_down_as_an_interval_is_one_all_the_same() -> None:
    stated: list[float | None] = [1, 1, 1, 1, 2, 1, 1]
    assert read([0, 1, 2, 3, 5, 6, 7], stated)[3:] == [(1, 0), (1, 1), (1, 0), (1, 0)]


def test_before_the_row_after_it_a_hole_is_unknown() -> None:
    assert read([0, 1, 2, 3, 5])[-1] == (None, 0)


def test_a_switch_to_a_longer_interval_is_known_when_it_has_lasted() -> None:
    hours = [0, 4, 8, 12, 16, 24, 32]
    assert read(hours)[-2:] == [(None, 0), (None, 0)]
    assert read([*hours, 40, 48])[-4:] == [(8, 16), (8, 8), (8, 0), (8, 0)]


def test_a_switch_to_a_shorter_one_is_known_at_once_and_the_way_there_is_unknown() -> None:
    """8 h, then 6 h (Bybit SOL, 2022-11-08), then every 2 h."""
    assert [hours for hours, _ in read([0, 8, 16, 24, 30, 32, 34])] == [None, 8, 8, 8, None, 2, 2]


def test_stated_intervals_stay() -> None:
    assert read([0, 8, 24, 30, 32], [8, 8, 8, 2, 2]) == [(8, 0), (8, 0), (8, 0), (2, 0), (2, 0)]


@settings(deadline=None)
@given(
    interval=st.sampled_from([1, 2, 4, 8]),
    holes=st.lists(st.integers(4, 5), min_size=1, max_size=12),
    cut=st.integers(4, 60),
)
def test_holes_never_change_an_interval_and_later_rows_never_change_what_was_known(
    interval: int, holes: list[int], cut: int
) -> None:
    missing, at = set(), 0
    for distance in holes:
        at += distance
        missing |= {at}
    hours = [interval * n for n in range(at + 5) if n not in missing]
    rows = normalize("settled_funding", with_inferred_intervals(raw(hours)))[0]
    assert set(rows["interval_hours"].drop_nulls()) == {float(interval)}
    moment = DAY + timedelta(hours=interval * cut)
    early = normalize(
        "settled_funding", with_inferred_intervals(raw([h for h in hours if h <= interval * cut]))
    )[0]
    known = pl.col("interval_hours").is_not_null() & (pl.col("known_at") <= moment)
    assert early.filter(known).equals(rows.filter(known))
