"""Frozen prices and changed intervals: they begin now, end later, and leave the past alone."""

from decimal import Decimal

import pytest

from funding_pipeline.testnet.clock import HOUR_MS
from funding_pipeline.testnet.faulty_quotes import FaultyQuotes
from funding_pipeline.testnet.market_quotes import MarketQuotes
from funding_pipeline_tests.testnet.running import NOW_MS, simulated_market

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"


@pytest.fixture
def quotes() -> FaultyQuotes:
    return FaultyQuotes(MarketQuotes(simulated_market(), "binance"))


def test_prices_stand_still_while_they_are_frozen(quotes: FaultyQuotes) -> None:
    quotes.freeze(NOW_MS, NOW_MS + 60_000)
    during, after = NOW_MS + 59_999, NOW_MS + 60_000
    assert quotes.mark(BTC, during) == quotes.inner.mark(BTC, NOW_MS)
    assert quotes.book(BTC, during) == quotes.inner.book(BTC, NOW_MS)
    assert quotes.last(BTC, after) == quotes.inner.last(BTC, after)
    quotes.end_freezes(NOW_MS + 10_000)
    assert quotes.last(BTC, during) == quotes.inner.last(BTC, during)


def test_a_changed_interval_replaces_the_markets_settlements_from_then_on(quotes: FaultyQuotes) -> None:
    quotes.change_interval(BTC, NOW_MS + 1, hours=1, rate=-0.02)
    assert quotes.interval_hours(BTC, NOW_MS) == 8.0
    assert quotes.interval_hours(BTC, NOW_MS + 1) == 1.0
    assert quotes.next_settlement(BTC, NOW_MS + 1) == NOW_MS + HOUR_MS
    assert quotes.estimate(BTC, NOW_MS + 1) == Decimal("-0.02")
    rows = quotes.settled(BTC, NOW_MS, NOW_MS + 3 * HOUR_MS)
    assert rows["time"].to_list() == [NOW_MS + hour * HOUR_MS for hour in range(4)]
    assert rows["rate"][0] == quotes.inner.settled(BTC, NOW_MS, NOW_MS)["rate"][0]
    assert rows["rate"][1:].to_list() == [-0.02] * 3
    assert quotes.interval_hours(ETH, NOW_MS + 1) == 8.0


def test_what_a_changed_interval_settled_stays_when_it_ends(quotes: FaultyQuotes) -> None:
    quotes.change_interval(BTC, NOW_MS, hours=1, rate=0.01)
    end = NOW_MS + 2 * HOUR_MS + 1
    before = quotes.settled(BTC, NOW_MS, end)
    quotes.end_changes(end, BTC)
    assert quotes.settled(BTC, NOW_MS, end).equals(before)
    assert quotes.next_settlement(BTC, end) == NOW_MS + 8 * HOUR_MS
    assert quotes.settled(BTC, end, NOW_MS + 8 * HOUR_MS).height == 1
    copy = FaultyQuotes(quotes.inner)
    copy.load(quotes.dump())
    assert copy.settled(BTC, NOW_MS, NOW_MS + 8 * HOUR_MS).equals(
        quotes.settled(BTC, NOW_MS, NOW_MS + 8 * HOUR_MS)
    )


def test_every_settlement_is_the_next_one_of_the_one_before(quotes: FaultyQuotes) -> None:
    quotes.change_interval(BTC, NOW_MS + 90_000, hours=2, rate=0.01)
    quotes.end_changes(NOW_MS + 5 * HOUR_MS, BTC)
    end = NOW_MS + 24 * HOUR_MS
    walked, time = [], NOW_MS - 1
    while (time := quotes.next_settlement(BTC, time)) <= end:
        walked.append(time)
    assert walked == quotes.settled(BTC, NOW_MS, end)["time"].to_list()
