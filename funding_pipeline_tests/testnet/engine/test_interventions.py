"""Deleveraging a named leg, halts, delisting, a partial fill and then a halt."""

import pytest

from funding_pipeline.testnet.engine.values import Rejected
from funding_pipeline_tests.testnet.engine.fake_quotes import BTC, ETH, HOUR, START, Bench, D, limit, market


def test_a_named_leg_is_deleveraged_at_the_mark() -> None:
    bench = Bench()
    account, exchange = bench.account(), bench.exchange
    exchange.place(account, market("sell", "1"))
    resting = exchange.place(account, limit("buy", "1", "39000", reduce_only=True))
    part = exchange.deleverage(account, BTC, D("0.4"))
    assert (part.kind, part.price, part.quantity, part.fee) == ("adl", D(40_000), D("0.4"), D(0))
    assert (resting.status, resting.left) == ("open", D("0.6"))
    rest = exchange.deleverage(account, BTC, price=D(39_500))
    assert (rest.quantity, rest.price, resting.status) == (D("0.6"), D(39_500), "cancelled")
    with pytest.raises(Rejected):
        exchange.deleverage(account, BTC)


@pytest.mark.parametrize("halted", [BTC, None])
def test_a_halt_stops_orders_fills_and_liquidations_but_not_funding(halted: str | None) -> None:
    bench = Bench()
    account, exchange = bench.account(balance=5_000), bench.exchange
    exchange.place(account, market("buy", "1"))
    resting = exchange.place(account, limit("sell", "1", "41000"))
    bench.quotes.rates[BTC] = [(START + HOUR, 0.0001)]
    exchange.halt(halted)
    assert exchange.is_halted(BTC)
    with pytest.raises(Rejected) as caught:
        exchange.place(account, market("sell", "1"))
    assert caught.value.reason == "halted"
    bench.live_to(42_000)
    assert resting.status == "open"
    bench.live_to(30_000)
    bench.live(hours=1)
    assert len(account.payments) == 1
    assert exchange.positions(account)
    exchange.cancel(account, order_id=resting.order_id)
    exchange.resume(halted)
    bench.live(seconds=1)
    assert exchange.positions(account) == []


def test_a_halt_of_one_symbol_leaves_the_others() -> None:
    bench = Bench()
    account = bench.account()
    bench.exchange.halt(BTC)
    assert bench.exchange.place(account, market("buy", "1", ETH)).status == "filled"


def test_delisting_settles_at_the_mark_and_ends_the_instrument() -> None:
    bench = Bench()
    account, exchange = bench.account(), bench.exchange
    exchange.place(account, market("buy", "1"))
    resting = exchange.place(account, limit("sell", "0.5", "41000"))
    bench.quotes.set_mark(BTC, 41_500, bench.time)
    exchange.delist(BTC)
    fill = account.fills[-1]
    assert (fill.kind, fill.price, fill.fee, fill.pnl) == ("settlement", D(41_500), D(0), D("1499.9"))
    assert (resting.status, resting.cancel_reason) == ("cancelled", "delisted")
    assert [instrument.symbol for instrument in exchange.instruments()] == [ETH]
    assert exchange.instrument(BTC).symbol == BTC  # history still refers to it
    with pytest.raises(Rejected) as caught:
        exchange.place(account, market("buy", "1"))
    assert caught.value.reason == "delisted"
    assert account.wallet == sum(entry.amount for entry in account.ledger)


def test_a_partial_fill_and_then_a_halt() -> None:
    bench = Bench()
    account, exchange = bench.account(), bench.exchange
    exchange.halt_after_partial(BTC, D("0.3"))
    exchange.place(account, limit("buy", "1", "39000"))  # takes nothing: not yet
    order = exchange.place(account, market("buy", "2"))
    assert (order.filled, order.status) == (D("0.6"), "cancelled")
    assert exchange.is_halted(BTC)
    exchange.resume(BTC)
    assert exchange.place(account, market("buy", "2")).filled == 2


def test_a_refused_order_does_not_use_up_the_fault() -> None:
    bench = Bench()
    account, exchange = bench.account(balance=100), bench.exchange
    exchange.halt_after_partial(BTC, D("0.9"))
    with pytest.raises(Rejected):
        exchange.place(account, market("buy", "2"))
    assert not exchange.is_halted(BTC)
    with pytest.raises(Rejected):
        exchange.halt_after_partial(BTC, D(1))
