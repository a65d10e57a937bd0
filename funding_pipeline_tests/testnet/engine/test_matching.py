"""Orders against the book: walking it, resting, being traded through."""

import pytest

from funding_pipeline.testnet.engine.values import Rejected
from funding_pipeline_tests.testnet.engine.fake_quotes import BTC, Bench, D, FakeQuotes, limit, market


def test_a_market_order_walks_the_book_and_pays_the_taker_fee() -> None:
    bench = Bench()
    account = bench.account()
    order = bench.exchange.place(account, market("buy", "1.5"))
    assert (order.status, order.filled) == ("filled", D("1.5"))
    assert [(fill.price, fill.quantity) for fill in account.fills] == [
        (D("40000.1"), D(1)),
        (D("40000.2"), D("0.5")),
    ]
    assert order.average == (D("40000.1") + D("20000.1")) / D("1.5")
    assert order.fee == (D("40000.1") + D("20000.1")) * D("0.0005")
    assert account.wallet == D(100_000) - order.fee


def test_a_market_order_beyond_the_book_keeps_what_it_filled() -> None:
    bench = Bench(FakeQuotes(depth=2))
    account = bench.account()
    order = bench.exchange.place(account, market("sell", "3"))
    assert (order.status, order.filled, order.cancel_reason) == ("cancelled", D(2), "no_liquidity")
    assert bench.exchange.position(account, BTC).quantity == -2
    assert bench.exchange.orders(account, is_open=True) == []


def test_liquidity_of_a_second_is_taken_once_by_whomever() -> None:
    bench = Bench()
    alice, bob = bench.account(), bench.account("bob")
    bench.exchange.place(alice, market("buy", "0.4"))
    bench.exchange.place(alice, market("buy", "0.4"))
    bench.time += 500
    assert bench.exchange.place(bob, market("buy", "0.4")).average == D("40000.15")
    bench.time += 500
    assert bench.exchange.place(bob, market("buy", "0.4")).average == D("40000.1")


def test_the_worst_price_of_a_market_order_is_kept() -> None:
    bench = Bench()
    order = bench.exchange.place(bench.account(), market("buy", "3", price=D("40000.25")))
    assert (order.filled, order.status) == (D(2), "cancelled")


def test_an_ioc_remainder_is_cancelled() -> None:
    bench = Bench()
    account = bench.account()
    order = bench.exchange.place(account, limit("buy", "2", "40000.1", time_in_force="ioc"))
    assert (order.filled, order.status, order.cancel_reason) == (D(1), "cancelled", "ioc")
    nothing = bench.exchange.place(account, limit("buy", "2", "39999", time_in_force="ioc"))
    assert (nothing.filled, nothing.status) == (D(0), "cancelled")


def test_a_limit_takes_what_it_may_and_rests() -> None:
    bench = Bench()
    account = bench.account()
    order = bench.exchange.place(account, limit("buy", "1.5", "40000.1"))
    assert (order.filled, order.status) == (D(1), "open")
    bench.live_to("40000.0")
    assert (order.filled, order.status) == (D("1.5"), "filled")
    last = account.fills[-1]
    assert (last.price, last.is_maker, last.fee) == (
        D("40000.1"),
        True,
        D("0.5") * D("40000.1") * D("0.0002"),
    )


def test_a_resting_order_fills_at_its_own_price_as_far_as_the_market_crosses() -> None:
    bench = Bench()
    account = bench.account()
    order = bench.exchange.place(account, limit("buy", "2", "39990"))
    bench.live_to("39990.0")  # asks from 39990.1: touched, not crossed
    assert order.filled == 0
    bench.live_to("39989.9")  # one level of 1 crosses
    assert (order.filled, order.average, order.status) == (D(1), D(39990), "open")
    bench.live_to("39000")
    assert (order.filled, order.average, order.status) == (D(2), D(39990), "filled")


def test_two_resting_orders_share_what_crosses_best_price_first() -> None:
    bench = Bench()
    alice, bob = bench.account(), bench.account("bob")
    first = bench.exchange.place(alice, limit("sell", "1", "40020"))
    better = bench.exchange.place(bob, limit("sell", "1", "40010"))
    bench.quotes.size = D("0.5")
    bench.live_to("40020.2")  # bids 40020.1, 40020.0, 40019.9 ... of 0.5 each
    assert (better.filled, first.filled) == (D(1), D(0))


def test_accounts_do_not_match_each_other() -> None:
    bench = Bench()
    alice, bob = bench.account(), bench.account("bob")
    bid = bench.exchange.place(alice, limit("buy", "1", "39999.9"))
    ask = bench.exchange.place(bob, limit("sell", "1", "40000"))
    assert (bid.filled, ask.filled) == (D(0), D(0))


def test_post_only_rests_or_is_rejected_without_a_trace() -> None:
    bench = Bench()
    account = bench.account()
    with pytest.raises(Rejected) as caught:
        bench.exchange.place(account, limit("buy", "1", "40000.1", time_in_force="post_only", client_id="a"))
    assert caught.value.reason == "would_take"
    assert account.orders == {}
    order = bench.exchange.place(
        account, limit("buy", "1", "40000", time_in_force="post_only", client_id="a")
    )
    assert order.status == "open"


def test_post_only_that_would_take_is_the_last_reason_and_may_be_kept_as_cancelled() -> None:
    bench = Bench()
    account = bench.account(balance=100)
    ticket = limit("buy", "1", "40000.1", time_in_force="post_only", client_id="a")
    with pytest.raises(Rejected) as caught:
        bench.exchange.place(account, ticket)
    assert caught.value.reason == "insufficient_margin"
    order = bench.exchange.keep_cancelled(account, ticket, "would_take")
    assert bench.exchange.find_order(account, client_id="a") is order
    assert (order.status, order.cancel_reason) == ("cancelled", "would_take")
    assert bench.exchange.orders(account, is_open=True) == []


def test_cancel_and_find() -> None:
    bench = Bench()
    account, exchange = bench.account(), bench.exchange
    order = exchange.place(account, limit("buy", "1", "39000", client_id="mine"))
    assert exchange.find_order(account, client_id="mine") is order
    assert exchange.orders(account, symbol=BTC, is_open=True) == [order]
    exchange.cancel(account, client_id="mine")
    assert (order.status, order.cancel_reason) == ("cancelled", "requested")
    assert exchange.orders(account, is_open=False) == [order]
    for call in (exchange.cancel, exchange.find_order):
        with pytest.raises(Rejected) as caught:
            call(account, order_id=1)
        assert caught.value.reason == "unknown_order"
    with pytest.raises(Rejected) as caught:
        exchange.cancel(account, order_id=order.order_id)
    assert caught.value.reason == "unknown_order"
    assert exchange.order_margin(account) == 0


def test_ids_are_counters_from_10_000_001() -> None:
    bench = Bench()
    account = bench.account()
    orders = [bench.exchange.place(account, market("buy", "0.1")) for _ in range(2)]
    assert [order.order_id for order in orders] == [10_000_001, 10_000_002]
    assert [fill.fill_id for fill in account.fills] == [10_000_001, 10_000_002]
