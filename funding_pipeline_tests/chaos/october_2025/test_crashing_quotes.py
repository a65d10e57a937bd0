"""Quotes in a crash: prices times a factor, books wider and thinner, nothing before it begins."""

from decimal import Decimal

import pytest

from funding_pipeline.chaos.campaign import Campaign
from funding_pipeline.chaos.october_2025.crashing_quotes import Course, Crash, CrashingQuotes

SYMBOL = "BTC/USDT:USDT"
BEGINS_MS = 1_704_873_600_000
LATER_MS = BEGINS_MS + 100_000


@pytest.fixture
def quotes(campaign: Campaign) -> CrashingQuotes:
    crash = Crash(
        BEGINS_MS,
        prices={"BTC": Course(((0.0, 1.0), (100.0, 0.5)))},
        depth=Course(((0.0, 1.0), (100.0, 0.1))),
        spread=Course(((0.0, 1.0), (100.0, 10.0))),
        apart={"bybit": Course(((0.0, 1.0), (100.0, 0.9)))},
    )
    return CrashingQuotes(campaign.market.quotes["binance"], crash)


def test_a_course_is_straight_in_logarithms_and_level_outside() -> None:
    course = Course(((0.0, 1.0), (10.0, 0.25)))
    assert [course.at(s) for s in (-5.0, 0.0, 5.0, 10.0, 99.0)] == pytest.approx([1, 1, 0.5, 0.25, 0.25])


def test_before_it_begins_quotes_are_the_markets(quotes: CrashingQuotes) -> None:
    assert quotes.mark(SYMBOL, BEGINS_MS) == quotes.inner.mark(SYMBOL, BEGINS_MS)
    assert quotes.book(SYMBOL, BEGINS_MS) == quotes.inner.book(SYMBOL, BEGINS_MS)


def test_every_price_falls_alike_and_stays_on_the_tick(quotes: CrashingQuotes) -> None:
    tick = next(item.tick for item in quotes.instruments() if item.symbol == SYMBOL)
    for price, inner in (
        (quotes.mark, quotes.inner.mark),
        (quotes.index, quotes.inner.index),
        (quotes.last, quotes.inner.last),
    ):
        fallen = price(SYMBOL, LATER_MS)
        assert abs(fallen - inner(SYMBOL, LATER_MS) / 2) <= tick
        assert fallen % tick == 0
    assert quotes.trades(SYMBOL, LATER_MS, 1)[0].price == quotes.last(SYMBOL, LATER_MS)


def test_the_book_is_thinner_and_wider_and_in_order(quotes: CrashingQuotes) -> None:
    book, before = quotes.book(SYMBOL, LATER_MS), quotes.inner.book(SYMBOL, LATER_MS)
    bids, asks = [level.price for level in book.bids], [level.price for level in book.asks]
    assert bids == sorted(set(bids), reverse=True)
    assert asks == sorted(set(asks))
    tick = Decimal("0.1")
    wide = 10 * (before.asks[0].price - before.bids[0].price) / 2
    assert abs((asks[0] - bids[0]) - wide) <= 2 * tick
    held, was = (sum(level.quantity for level in side) for side in (book.bids, before.bids))
    assert float(held / was) == pytest.approx(0.1, rel=0.1)
