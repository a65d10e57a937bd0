"""Pages of rendered rows: slices by time, never of the future."""

import json
import time

import polars as pl
import pytest

from funding_pipeline.testnet.clock import HOUR_MS
from funding_pipeline.testnet.faulty_quotes import FaultyQuotes
from funding_pipeline.testnet.market_quotes import MarketQuotes
from funding_pipeline.testnet.rendering import RenderedBars, RenderedFunding, fixed, json_array, plain
from funding_pipeline_tests.testnet.running import NOW_MS, simulated_market

BTC = "BTC/USDT:USDT"


def bar_text(bars: pl.DataFrame) -> pl.Series:
    return bars.select(
        pl.format(
            "[{},{},{},{}]",
            "open_time",
            plain(pl.col("close")),
            pl.col("is_closed").cast(pl.Int8),
            pl.col("kind").str.len_chars(),
        )
    ).to_series()


def funding_text(rows: pl.DataFrame) -> pl.Series:
    return rows.select(pl.format("[{},{},{}]", "time", "rate", "mark")).to_series()


@pytest.fixture
def bars() -> RenderedBars:
    return RenderedBars(MarketQuotes(simulated_market(), "binance"), bar_text)


@pytest.fixture
def funding() -> RenderedFunding:
    return RenderedFunding(MarketQuotes(simulated_market(), "binance"), funding_text)


def times(rows: list[bytes]) -> list[int]:
    return [json.loads(row)[0] for row in rows]


def hours(*numbers: int) -> list[int]:
    return [NOW_MS + number * HOUR_MS for number in numbers]


def test_oldest_or_newest_rows_in_either_order(bars: RenderedBars) -> None:
    start, end, now = *hours(-10, -1), NOW_MS
    page = bars.page(BTC, "trade", start=start, end=end, now=now, limit=3)
    assert times(page) == hours(-10, -9, -8)
    page = bars.page(BTC, "trade", start=start, end=end, now=now, limit=3, keep="newest")
    assert times(page) == hours(-3, -2, -1)
    page = bars.page(BTC, "trade", start=start, end=end, now=now, limit=3, keep="newest", order="descending")
    assert times(page) == hours(-1, -2, -3)
    assert bars.page(BTC, "trade", start=end, end=start, now=now, limit=3) == []
    assert bars.page(BTC, "trade", start=start, end=end, now=now, limit=0) == []


def test_the_forming_bar_comes_as_it_looks_and_none_after_it(bars: RenderedBars) -> None:
    now = NOW_MS + 1_800_000
    page = bars.page(BTC, "trade", start=NOW_MS - HOUR_MS, end=NOW_MS + 9 * HOUR_MS, now=now, limit=100)
    assert times(page) == hours(-1, 0)
    closed, forming = (json.loads(row) for row in page)
    assert (closed[2], forming[2]) == (1, 0)
    source = MarketQuotes(simulated_market(), "binance")
    assert forming[1] == float(source.last(BTC, now))
    newest = bars.page(BTC, "trade", start=0, end=now, now=now, limit=1, keep="newest")
    assert newest == [page[-1]]


def test_a_bar_opens_with_the_first_millisecond_of_its_hour(bars: RenderedBars) -> None:
    page = bars.page(BTC, "mark", start=NOW_MS, end=NOW_MS, now=NOW_MS - 1, limit=5)
    assert page == []
    page = bars.page(BTC, "mark", start=NOW_MS, end=NOW_MS, now=NOW_MS, limit=5)
    assert times(page) == [NOW_MS]


def test_rows_stay_as_they_were_when_time_goes_on(bars: RenderedBars) -> None:
    first = bars.page(BTC, "trade", start=0, end=NOW_MS - 1, now=NOW_MS, limit=5000)
    later = bars.page(BTC, "trade", start=0, end=NOW_MS - 1, now=NOW_MS + 50 * HOUR_MS, limit=5000)
    assert first == later
    assert len(bars.page(BTC, "trade", start=0, end=NOW_MS * 2, now=NOW_MS, limit=5000)) == len(first) + 1


def test_longer_bars(bars: RenderedBars) -> None:
    page = bars.page(BTC, "trade", start=NOW_MS - 1, end=NOW_MS * 2, now=NOW_MS + HOUR_MS, limit=9, hours=8)
    assert times(page) == [NOW_MS]
    day = bars.array(BTC, "index", start=0, end=NOW_MS, now=NOW_MS, limit=2, keep="newest", hours=24)
    assert [row[0] for row in json.loads(day)] == hours(-24, 0)


def test_settlements_up_to_now_with_the_mark_of_their_moment(funding: RenderedFunding) -> None:
    now = NOW_MS + 7 * HOUR_MS
    rows = funding.page(BTC, start=NOW_MS - 16 * HOUR_MS, end=NOW_MS * 2, now=now, limit=10)
    assert times(rows) == hours(-16, -8, 0)
    source = MarketQuotes(simulated_market(), "binance")
    assert abs(json.loads(rows[-1])[2] - float(source.mark(BTC, NOW_MS))) < 0.06
    rows = funding.page(BTC, start=0, end=NOW_MS * 2, now=NOW_MS + 8 * HOUR_MS, limit=1, keep="newest")
    assert times(rows) == hours(8)
    assert funding.count(BTC, start=NOW_MS - 16 * HOUR_MS, end=NOW_MS, now=now) == 3


def test_a_changed_interval_shows_after_a_page_was_rendered() -> None:
    quotes = FaultyQuotes(MarketQuotes(simulated_market(), "binance"))
    rendered = RenderedFunding(quotes, funding_text)
    rendered.page(BTC, start=0, end=NOW_MS, now=NOW_MS, limit=5)
    quotes.change_interval(BTC, NOW_MS, hours=1, rate=-0.02)
    rows = rendered.page(BTC, start=NOW_MS, end=NOW_MS * 2, now=NOW_MS + 2 * HOUR_MS, limit=10)
    assert times(rows) == hours(0, 1, 2)
    assert json.loads(rows[-1])[1] == -0.02


def test_a_page_of_a_thousand_rows_is_not_rendered_anew(bars: RenderedBars) -> None:
    def page() -> bytes:
        return bars.array(BTC, "trade", start=0, end=NOW_MS, now=NOW_MS + 1, limit=1000, order="descending")

    page()
    taken = []
    for _ in range(20):
        begun = time.perf_counter()
        page()
        taken.append(time.perf_counter() - begun)
    assert min(taken) < 10e-3  # 0.1 ms on a quiet machine; rendering the rows takes far longer


def test_numbers_as_text() -> None:
    values = pl.DataFrame({"x": [29391.3, 0.00001, 100.0, -0.5, 0.0]})
    assert values.select(plain(pl.col("x"))).to_series().to_list() == [
        "29391.3",
        "0.00001",
        "100",
        "-0.5",
        "0",
    ]
    assert values.select(fixed(pl.col("x"), 2)).to_series().to_list()[:3] == ["29391.30", "0.00", "100.00"]
    assert json_array([b"1", b"2"]) == b"[1,2]"
    assert json_array([]) == b"[]"
