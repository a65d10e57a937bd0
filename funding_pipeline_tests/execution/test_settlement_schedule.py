"""When venues settle: phases, changes of interval, and what is taken where the table does not know."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from funding_pipeline.core.tables import FUNDING_INTERVALS, INSTRUMENTS
from funding_pipeline.execution.settlement_schedule import (
    in_force,
    longest_gap,
    off_schedule,
    settlement_times,
    shortest_gap,
)

DAY = datetime(2025, 7, 1, tzinfo=UTC)
Row = tuple[str, str, datetime, datetime | None, float]


def at(hour: float, day: int = 1) -> datetime:
    return datetime(2025, 7, day, tzinfo=UTC) + timedelta(hours=hour)


def intervals(*rows: Row) -> pl.DataFrame:
    made = [(v, s, begun, ended, hours, begun) for v, s, begun, ended, hours in rows]
    return pl.DataFrame(made, schema=dict(FUNDING_INTERVALS.columns), orient="row")


def hours_of(times: Sequence[datetime]) -> list[float]:
    return [(time - DAY) / timedelta(hours=1) for time in times]


BINANCE: Row = ("binance", "BTC/USDT:USDT", datetime(2021, 1, 1, tzinfo=UTC), None, 8.0)
KUCOIN: Row = ("kucoin", "BTC/USDT:USDT", datetime(2023, 1, 1, 4, tzinfo=UTC), None, 8.0)
HOURLY: Row = ("hyperliquid", "BTC/USDC:USDC", datetime(2023, 6, 1, 1, tzinfo=UTC), None, 1.0)


def test_one_time_for_all_venues_that_settle_then() -> None:
    okx: Row = ("okx", "ETH/USDT:USDT", datetime(2022, 1, 1, tzinfo=UTC), None, 8.0)
    times = settlement_times(intervals(BINANCE, okx), after=at(0), until=at(24))
    assert hours_of(times) == [8, 16, 24]


def test_the_first_settlement_tells_the_phase() -> None:
    times = settlement_times(intervals(BINANCE, KUCOIN), after=at(0), until=at(24))
    assert hours_of(times) == [4, 8, 12, 16, 20, 24]


def test_the_period_is_open_at_its_start_and_closed_at_its_end() -> None:
    rows = intervals(BINANCE)
    assert hours_of(settlement_times(rows, after=at(8) - timedelta(milliseconds=1), until=at(8))) == [8]
    assert settlement_times(rows, after=at(8), until=at(15.99)) == ()


def test_an_interval_changes_at_its_date() -> None:
    before: Row = ("binance", "PEPE/USDT:USDT", at(0, day=1), at(16), 8.0)
    after: Row = ("binance", "PEPE/USDT:USDT", at(16), None, 4.0)
    times = settlement_times(intervals(before, after), after=at(0), until=at(28))
    assert hours_of(times) == [8, 16, 20, 24, 28]


def test_a_change_that_is_announced_does_not_count_before_its_date() -> None:
    after: Row = ("binance", "PEPE/USDT:USDT", at(16), None, 1.0)
    assert hours_of(settlement_times(intervals(after), after=at(0), until=at(17))) == [16, 17]


def test_settlements_are_stamped_late_by_milliseconds_and_still_whole_hours() -> None:
    late: Row = ("okx", "BTC/USDT:USDT", datetime(2024, 3, 1, 0, 0, 0, 7000, tzinfo=UTC), None, 8.0)
    assert hours_of(settlement_times(intervals(late), after=at(0), until=at(9))) == [8]


def test_a_venue_that_settled_off_its_intervals_is_taken_as_hourly() -> None:
    newest = {"binance": at(9) + timedelta(seconds=1), "kucoin": at(4)}
    rows = intervals(BINANCE, KUCOIN)
    assert off_schedule(rows, newest) == ("binance",)
    times = settlement_times(rows, after=at(9.5), until=at(13), newest=newest)
    assert hours_of(times) == [10, 11, 12, 13]


def test_a_venue_whose_intervals_nobody_knows_is_taken_as_hourly() -> None:
    times = settlement_times(intervals(), after=at(9.5), until=at(11.5), newest={"gate": at(8)})
    assert hours_of(times) == [10, 11]
    assert settlement_times(intervals(), after=at(9), until=at(12)) == ()


def test_what_is_delisted_settles_no_more() -> None:
    gone: Row = ("binance", "OLD/USDT:USDT", datetime(2023, 1, 1, tzinfo=UTC), None, 1.0)
    listed = {"venue": "binance", "symbol": "BTC/USDT:USDT", "effective_to": None}
    ended = {"venue": "binance", "symbol": "OLD/USDT:USDT", "effective_to": at(0)}
    columns = {name: INSTRUMENTS.columns[name] for name in ("venue", "symbol", "effective_to")}
    instruments = pl.DataFrame([listed, ended], schema=columns)
    rows = in_force(intervals(BINANCE, gone), instruments)
    assert hours_of(settlement_times(rows, after=at(0), until=at(9))) == [8]


@pytest.mark.parametrize("count", [0, 1])
def test_gaps_of_too_few_settlements_are_an_hour(count: int) -> None:
    times = [at(8)] * count
    assert shortest_gap(times) == longest_gap(times) == timedelta(hours=1)


def test_gaps() -> None:
    times = settlement_times(intervals(BINANCE, KUCOIN, HOURLY), after=at(0), until=at(24))
    assert (shortest_gap(times), longest_gap(times)) == (timedelta(hours=1), timedelta(hours=1))
    assert longest_gap([at(0), at(4), at(12)]) == timedelta(hours=8)
