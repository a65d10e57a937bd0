"""The pager loses no row, whatever the page, the interval and the server's habits."""

import asyncio
from typing import Any, Literal

import ccxt.async_support as ccxt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funding_pipeline.core.errors import VenueAnswerError
from funding_pipeline.venues.gaps import Spacing
from funding_pipeline.venues.pager import Missing, PageRequest, walk, walk_regular
from funding_pipeline.venues.spelling import HOUR_MS
from funding_pipeline_tests.venues.fake_history import FakeHistory, Row, settlements

START = 1_704_067_200_000  # 2024-01-01
HABITS = ("start", "start_to_end", "end", "end_only")
runs = st.lists(st.tuples(st.sampled_from([1, 2, 4, 8]), st.integers(1, 60)), min_size=1, max_size=6)


@settings(max_examples=150, deadline=None)
@given(
    intervals=runs,
    page=st.integers(4, 120),
    habit=st.sampled_from(HABITS),
    is_exclusive=st.booleans(),
    told_hours=st.sampled_from([None, 1, 4, 8]),
    jitter_ms=st.sampled_from([0, 7, 31]),
    skip=st.integers(0, 200),
)
def test_no_row_is_lost(
    intervals: list[tuple[int, int]],
    page: int,
    habit: Literal["start", "start_to_end", "end", "end_only"],
    is_exclusive: bool,
    told_hours: int | None,
    jitter_ms: int,
    skip: int,
) -> None:
    rows = settlements(START, intervals, jitter_ms)
    venue = FakeHistory(rows, page, habit, is_exclusive)
    start, end = START + skip * HOUR_MS, rows[-1][0] + 1
    spacing = Spacing(None if told_hours is None else told_hours * HOUR_MS)
    found, _ = asyncio.run(walk_regular(venue.request(), start, end, spacing=spacing))
    assert found == [row for row in rows if start <= row[0] < end]


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(0, 300),
    page=st.integers(4, 100),
    habit=st.sampled_from(HABITS),
    moments=st.integers(1, 40),
)
def test_rows_of_one_moment_are_told_apart_by_key(
    count: int, page: int, habit: Literal["start", "start_to_end", "end", "end_only"], moments: int
) -> None:
    rows = [(START + (number * 7 // 3) % moments * 60_000, number) for number in range(count)]
    rows.sort()
    most = max((sum(1 for row in rows if row[0] == at) for at, _ in rows), default=0)
    venue = FakeHistory(rows, max(page, most + 1), habit)
    request = PageRequest(venue.fetch, venue.page, lambda row: row[0], "fake", key=lambda row: row[1])
    found = asyncio.run(walk(request, START, START + HOUR_MS, spacing_ms=HOUR_MS))
    assert sorted(found) == rows


def test_more_rows_in_a_moment_than_a_page_is_an_error() -> None:
    rows = [(START, number) for number in range(20)]
    venue = FakeHistory(rows, 10)
    request = PageRequest(venue.fetch, 10, lambda row: row[0], "fake: fills", key=lambda row: row[1])
    with pytest.raises(VenueAnswerError, match="fake: fills: more rows at"):
        asyncio.run(walk(request, START, START + HOUR_MS))


def test_a_row_without_a_time_is_an_error_by_name() -> None:
    async def fetch(start_ms: int, end_ms: int) -> list[Any]:
        return [(None, 1)]

    request = PageRequest(fetch, 10, lambda row: row[0], "okx: history BTC")
    with pytest.raises(VenueAnswerError, match="okx: history BTC: a row without a time"):
        asyncio.run(walk(request, START, START + HOUR_MS))


def test_a_gap_is_asked_for_once_more_and_then_reported() -> None:
    rows = settlements(START, [(8, 60)])
    hidden = frozenset({rows[20][0], rows[21][0], rows[40][0]})
    venue = FakeHistory(rows, 100, hidden=hidden)
    found, gaps = asyncio.run(
        walk_regular(venue.request(), START, rows[-1][0] + 1, spacing=Spacing(8 * HOUR_MS))
    )
    assert len(found) == 57
    assert gaps == (Missing(rows[19][0], rows[22][0], 2), Missing(rows[39][0], rows[41][0], 1))
    inside = [(low, high) for low, high in venue.asked if low > START]
    assert len(inside) == 2, "each gap is asked for directly, once"


def test_rows_that_come_at_the_second_question_are_no_gap() -> None:
    class Forgetful(FakeHistory):
        async def fetch(self, start_ms: int, end_ms: int) -> list[Row]:
            first_time = not self.asked
            found = await super().fetch(start_ms, end_ms)
            return [row for row in found if not first_time or row[1] not in (20, 21)]

    rows = settlements(START, [(8, 60)])
    venue = Forgetful(rows, 100)
    found, gaps = asyncio.run(
        walk_regular(venue.request(), START, rows[-1][0] + 1, spacing=Spacing(8 * HOUR_MS))
    )
    assert found == rows
    assert gaps == ()


def test_a_page_that_is_shorter_than_the_venue_says_is_noticed() -> None:
    rows = settlements(START, [(1, 300)])
    venue = FakeHistory(rows, 30, "end")
    request = PageRequest(venue.fetch, 50, lambda row: row[0], "fake")
    found, gaps = asyncio.run(walk_regular(request, START, rows[-1][0] + 1, spacing=Spacing(HOUR_MS)))
    assert len(found) + sum(gap.missing for gap in gaps) == 300
    assert found == rows


def test_a_span_without_any_row_is_a_gap_unless_shorter_than_an_interval() -> None:
    venue = FakeHistory([], 100)
    for hours, missing in ((7, 0), (24, 3)):
        end = START + hours * HOUR_MS
        found, gaps = asyncio.run(walk_regular(venue.request(), START, end, spacing=Spacing(8 * HOUR_MS)))
        assert found == []
        assert sum(gap.missing for gap in gaps) == missing
        assert all(gap.is_whole for gap in gaps)


def test_requests_grow_with_the_interval() -> None:
    rows = settlements(START, [(8, 400)])
    venue = FakeHistory(rows, 100)
    asyncio.run(walk_regular(venue.request(), START, rows[-1][0] + 1, spacing=Spacing()))
    assert len(venue.asked) <= 7


def test_ccxts_own_pagination_loses_rows_where_the_pager_does_not() -> None:
    """2,400 settlements every 4 h, pages of 1,000: ccxt steps by 8 h windows of its own."""
    rows = settlements(START, [(4, 2400)])
    venue = FakeHistory(rows, 1000, "start")
    end = rows[-1][0] + 1

    class Paginated(ccxt.Exchange):  # type: ignore[misc]
        async def fetch_funding_rate_history(
            self, symbol: str, since: int | None = None, limit: int | None = None, params: Any = None
        ) -> Any:
            if (params or {}).get("paginate"):
                return await self.fetch_paginated_call_deterministic(
                    "fetchFundingRateHistory", symbol, since, limit, "8h", {"until": end}, 1000
                )
            found = await venue.fetch(since or START, end)
            return [{"symbol": symbol, "timestamp": at, "fundingRate": number} for at, number in found]

    async def paginated() -> list[Any]:
        client = Paginated({"timeout_on_exit": 0, "enableRateLimit": False})
        try:
            client.milliseconds = lambda: end
            client.fetchFundingRateHistory = client.fetch_funding_rate_history
            found: list[Any] = await client.fetch_funding_rate_history(
                "BTC/USDT:USDT", START, None, {"paginate": True}
            )
            return found
        finally:
            await client.close()

    assert len({row["timestamp"] for row in asyncio.run(paginated())}) < 2400
    ours, gaps = asyncio.run(walk_regular(venue.request(), START, end, spacing=Spacing(8 * HOUR_MS)))
    assert ours == rows
    assert gaps == ()
