"""Funding at settlements: to whom, on what, once."""

import pytest

from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline_tests.testnet.engine.fake_quotes import (
    BTC,
    ETH,
    HOUR,
    START,
    Bench,
    D,
    FakeQuotes,
    market,
)


def test_the_position_held_at_the_settlement_pays_once() -> None:
    bench = Bench()
    bench.quotes.rates[BTC] = [(START + 8 * HOUR, 0.0001), (START + 16 * HOUR, -0.0002)]
    long, short, late = bench.account(), bench.account("short"), bench.account("late")
    bench.exchange.place(long, market("buy", "1"))
    bench.exchange.place(short, market("sell", "0.5"))
    bench.live(hours=8)
    bench.exchange.place(late, market("buy", "1"))
    bench.live(seconds=1)
    assert [payment.amount for payment in long.payments] == [D(-4)]
    assert [payment.amount for payment in short.payments] == [D(2)]
    assert late.payments == []
    bench.exchange.place(short, market("buy", "0.5"))
    bench.live(hours=24)
    assert [payment.amount for payment in long.payments] == [D(-4), D(8)]
    assert len(short.payments) == 1
    assert bench.exchange.ledger(long, start=START + 9 * HOUR)[-1].kind == "funding"


def test_a_long_jump_charges_each_settlement_at_its_own_mark() -> None:
    bench = Bench()
    account = bench.account()
    bench.exchange.place(account, market("buy", "1"))
    bench.quotes.rates[BTC] = [(START + 8 * HOUR, 0.0001), (START + 16 * HOUR, 0.0001)]
    bench.quotes.set_mark(BTC, 41_000, START + 8 * HOUR)
    bench.quotes.set_mark(BTC, 42_000, START + 8 * HOUR + 1)
    bench.live(hours=100)
    assert [(p.price, p.amount) for p in account.payments] == [(D(41_000), D("-4.1")), (D(42_000), D("-4.2"))]


def test_the_index_is_the_reference_where_the_venue_says_so() -> None:
    # Hyperliquid: premium 1 %, so 0.11875 % per hour; 10 BTC at an oracle price of 10,000 pay 118.75.
    quotes = FakeQuotes(index_premium=D("0.01"), rates={BTC: [(START + HOUR, 0.0011875)]})
    quotes.set_mark(BTC, 10_100, 0)
    time = [START]
    exchange = Exchange(quotes, now=lambda: time[0], funding_reference="index")
    account = exchange.open_account("a", key="k", secret="s", balance=D(100_000))
    exchange.place(account, market("buy", "10"))
    time[0] += HOUR
    exchange.advance()
    assert account.payments[0].price == 10_000
    assert account.payments[0].amount == D("-118.75")


def test_a_missing_rate_is_not_zero_and_settles_nothing() -> None:
    bench = Bench()
    account = bench.account()
    bench.exchange.place(account, market("buy", "1"))
    bench.quotes.rates[BTC] = [(START + HOUR, None), (START + 2 * HOUR, float("nan"))]
    bench.live(hours=3)
    assert account.payments == []


def test_an_isolated_position_pays_from_its_own_margin() -> None:
    bench = Bench()
    account = bench.account()
    bench.exchange.set_margin_mode(account, BTC, "isolated")
    bench.exchange.place(account, market("buy", "1"))
    before = bench.exchange.position(account, BTC).isolated_margin
    bench.quotes.rates[BTC] = [(START + HOUR, 0.001)]
    bench.live(hours=1)
    assert bench.exchange.position(account, BTC).isolated_margin == before - 40


def test_an_idle_exchange_asks_the_market_nothing() -> None:
    bench = Bench()
    bench.account()
    bench.quotes.rates = {BTC: [(START + HOUR, 0.1)], ETH: [(START + HOUR, 0.1)]}
    bench.live(hours=10_000)
    assert bench.quotes.asked == []


def test_a_market_that_fails_to_answer_leaves_each_settlement_charged_once() -> None:
    bench = Bench()
    account = bench.account()
    bench.exchange.place(account, market("buy", "1"))
    bench.exchange.place(account, market("buy", "1", ETH))
    bench.quotes.rates = {s: [(START + n * HOUR, 0.001) for n in (1, 2, 3)] for s in (BTC, ETH)}
    bench.quotes.dark.add((ETH, START + 2 * HOUR))
    for _ in range(2):
        with pytest.raises(LookupError):
            bench.live(hours=3)
        assert len(account.payments) == 2
    bench.quotes.dark.clear()
    bench.exchange.advance()
    hours = [(payment.time - START) // HOUR for payment in account.payments]
    assert hours == [1, 1, 2, 2, 3, 3]


def test_a_clock_set_back_charges_nothing_twice() -> None:
    bench = Bench()
    account = bench.account()
    bench.exchange.place(account, market("buy", "1"))
    bench.quotes.rates[BTC] = [(START + HOUR, 0.001)]
    bench.live(hours=2)
    bench.live(hours=-2)
    bench.live(hours=2)
    assert len(account.payments) == 1
