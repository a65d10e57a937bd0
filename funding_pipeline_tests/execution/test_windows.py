"""Settlement windows."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from funding_pipeline.execution.windows import SettlementTimes

NOON = datetime(2024, 2, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
EVERY_8H = SettlementTimes(NOON, timedelta(hours=8), 15 * SECOND)


def test_a_window_lies_on_both_sides_of_every_settlement() -> None:
    for settles_at in (NOON, NOON - timedelta(hours=8), NOON + timedelta(hours=16)):
        for offset, is_clear in ((-16, True), (-15, False), (0, False), (15, False), (16, True)):
            assert EVERY_8H.is_clear(settles_at + offset * SECOND) is is_clear
    assert EVERY_8H.clear_at(NOON - 10 * SECOND) > NOON + 15 * SECOND


def test_a_lead_keeps_away_earlier() -> None:
    assert EVERY_8H.is_clear(NOON - 20 * SECOND)
    assert not EVERY_8H.is_clear(NOON - 20 * SECOND, lead=10 * SECOND)


def test_no_window_is_always_clear() -> None:
    assert SettlementTimes(NOON, timedelta(hours=1), timedelta(0)).is_clear(NOON)


@given(st.integers(0, 86_400))
def test_where_nothing_is_told_every_whole_hour_counts(second: int) -> None:
    now = NOON + second * SECOND
    times = SettlementTimes.hourly(now, 30 * SECOND)
    distance = min(second % 3600, 3600 - second % 3600)
    assert times.is_clear(now) is (distance > 30)
