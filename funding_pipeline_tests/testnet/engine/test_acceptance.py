"""Tickets that are refused, and why; reduce-only."""

import pytest

from funding_pipeline.testnet.engine.values import Rejected, Ticket
from funding_pipeline_tests.testnet.engine.fake_quotes import BTC, START, Bench, D, instrument, limit, market

REFUSED = [
    (market("buy", "0.0015"), "off_grid"),
    (limit("buy", "1", "39999.95"), "off_grid"),
    (limit("buy", "1.0000000000000000000000000000000001", "39999"), "off_grid"),
    (market("buy", "0"), "below_minimum"),
    (market("buy", "-1"), "below_minimum"),
    (limit("buy", "1", "31999.9"), "price_bound"),
    (limit("sell", "1", "48000.1"), "price_bound"),
    (limit("sell", "1", "-1"), "price_bound"),
    (limit("sell", "1", "1e40"), "price_bound"),
    (market("buy", "1e40"), "insufficient_margin"),
    (market("buy", "26"), "insufficient_margin"),
    (limit("buy", "26", "39000"), "insufficient_margin"),
    (market("buy", "NaN"), "bad_request"),
    (limit("buy", "1", "Infinity"), "bad_request"),
    (Ticket(BTC, "buy", "limit", D(1)), "bad_request"),
    (market("buy", "1", time_in_force="post_only"), "bad_request"),
    (market("buy", "1", symbol="XYZ/USDT:USDT"), "unknown_symbol"),
    (market("sell", "1", reduce_only=True), "reduce_only"),
]


@pytest.mark.parametrize(("ticket", "reason"), REFUSED)
def test_refused(ticket: Ticket, reason: str) -> None:
    bench = Bench()
    account = bench.account()
    with pytest.raises(Rejected) as caught:
        bench.exchange.place(account, ticket)
    assert caught.value.reason == reason
    assert (account.orders, account.positions, account.wallet) == ({}, {}, D(100_000))


def test_below_the_least_quantity_or_notional() -> None:
    bench = Bench()
    bench.quotes.listing = (instrument(BTC, min_quantity=D("0.01"), min_notional=D(1000)),)
    account = bench.account()
    for quantity in ("0.009", "0.02"):
        with pytest.raises(Rejected) as caught:
            bench.exchange.place(account, market("buy", quantity))
        assert caught.value.reason == "below_minimum"


def test_what_is_left_of_a_position_can_be_closed_however_little() -> None:
    bench = Bench()
    account = bench.account()
    bench.exchange.place(account, market("buy", "0.005"))
    bench.quotes.listing = (instrument(BTC, min_quantity=D("0.01"), min_notional=D(1000)),)
    order = bench.exchange.place(account, market("sell", "0.005", reduce_only=True))
    assert order.status == "filled"


def test_a_client_id_is_used_once_also_of_a_done_order() -> None:
    bench = Bench()
    account, other = bench.account(), bench.account("bob")
    bench.exchange.place(account, market("buy", "0.1", client_id="a"))
    with pytest.raises(Rejected) as caught:
        bench.exchange.place(account, market("buy", "0.1", client_id="a"))
    assert caught.value.reason == "duplicate_client_id"
    assert bench.exchange.place(other, market("buy", "0.1", client_id="a")).status == "filled"


def test_not_listed_yet() -> None:
    bench = Bench()
    bench.quotes.listing = (instrument(BTC, listed_at=START + 1),)
    assert bench.exchange.instruments() == []
    with pytest.raises(Rejected) as caught:
        bench.exchange.place(bench.account(), market("buy", "1"))
    assert caught.value.reason == "unknown_symbol"


def test_reduce_only_is_cut_to_the_position() -> None:
    bench = Bench()
    account = bench.account()
    bench.exchange.place(account, market("buy", "0.5"))
    order = bench.exchange.place(account, market("sell", "2", reduce_only=True))
    assert (order.ticket.quantity, order.status) == (D("0.5"), "filled")
    assert bench.exchange.positions(account) == []


def test_resting_reduce_only_orders_share_the_position() -> None:
    bench = Bench()
    account = bench.account()
    bench.exchange.place(account, market("buy", "1"))
    first = bench.exchange.place(account, limit("sell", "0.7", "41000", reduce_only=True))
    second = bench.exchange.place(account, limit("sell", "0.7", "41000", reduce_only=True))
    assert (first.left, second.left) == (D("0.7"), D("0.3"))
    with pytest.raises(Rejected) as caught:
        bench.exchange.place(account, limit("sell", "0.7", "41000", reduce_only=True))
    assert caught.value.reason == "reduce_only"


def test_resting_reduce_only_orders_shrink_with_the_position() -> None:
    bench = Bench()
    account = bench.account()
    bench.exchange.place(account, market("buy", "1"))
    first = bench.exchange.place(account, limit("sell", "0.7", "41000", reduce_only=True))
    second = bench.exchange.place(account, limit("sell", "0.3", "41000", reduce_only=True))
    bench.exchange.place(account, market("sell", "0.5", reduce_only=True))
    assert (first.status, first.left) == ("open", D("0.5"))
    assert (second.status, second.cancel_reason) == ("cancelled", "reduce_only")
    bench.exchange.place(account, market("sell", "1"))  # flips
    assert first.status == "cancelled"


def test_resting_reduce_only_orders_yield_to_one_that_takes_level_by_level() -> None:
    bench = Bench()
    account = bench.account()
    bench.exchange.place(account, market("buy", "2.5"))
    resting = bench.exchange.place(account, limit("sell", "2.5", "41000", reduce_only=True))
    order = bench.exchange.place(account, market("sell", "2.5", reduce_only=True))
    assert (order.status, order.filled, len(bench.exchange.fills_of(order))) == ("filled", D("2.5"), 3)
    assert resting.status == "cancelled"


def test_reduce_only_on_the_wrong_side() -> None:
    bench = Bench()
    account = bench.account()
    bench.exchange.place(account, market("buy", "1"))
    with pytest.raises(Rejected) as caught:
        bench.exchange.place(account, market("buy", "1", reduce_only=True))
    assert caught.value.reason == "reduce_only"
