"""What somebody else does on an account, and what a venue does to an instrument or an order of it."""

import pytest

from funding_pipeline.testnet.engine import by_hand, interventions, snapshot
from funding_pipeline.testnet.engine.values import Rejected
from funding_pipeline_tests.testnet.engine.fake_quotes import BTC, ETH, START, Bench, D, limit, market


def test_an_order_is_refused_after_a_part_of_it_filled() -> None:
    bench = Bench()
    account, exchange = bench.account(), bench.exchange
    interventions.refuse_after_fill(exchange.desk, BTC, D("0.25"))
    order = exchange.place(account, limit("buy", "1", "41000"))
    assert (order.status, order.filled, order.cancel_reason) == ("rejected", D("0.25"), "refused")
    assert exchange.orders(account, is_open=True) == []
    assert exchange.position(account, BTC).quantity == D("0.25")
    assert exchange.place(account, market("buy", "1")).status == "filled"


def test_an_order_that_does_not_take_leaves_the_refusal_for_the_next() -> None:
    bench = Bench()
    account, exchange = bench.account(), bench.exchange
    interventions.refuse_after_fill(exchange.desk, BTC, D("0.5"))
    assert exchange.place(account, limit("buy", "1", "39000")).status == "open"
    assert exchange.place(account, market("buy", "1")).status == "rejected"


def test_an_unlisted_instrument_keeps_its_positions_and_takes_no_orders() -> None:
    bench = Bench()
    account, exchange = bench.account(), bench.exchange
    exchange.place(account, market("buy", "1"))
    resting = exchange.place(account, limit("sell", "0.5", "41000"))
    interventions.unlist(exchange.desk, BTC, bench.time)
    assert BTC not in {instrument.symbol for instrument in exchange.instruments()}
    assert (resting.status, exchange.position(account, BTC).quantity) == ("cancelled", D(1))
    with pytest.raises(Rejected) as caught:
        exchange.place(account, market("sell", "1"))
    assert caught.value.reason == "delisted"
    exchange.resume(BTC)
    assert exchange.place(account, market("sell", "1")).status == "filled"


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_another_program_s_order_waits_far_from_the_market(side: str) -> None:
    bench = Bench()
    account, exchange = bench.account(), bench.exchange
    order = by_hand.rest_order(exchange.desk, account, BTC, side, "abc", START)  # type: ignore[arg-type]
    assert (order.status, order.filled, order.ticket.client_id) == ("open", 0, "abc")
    assert order.ticket.price == (34_000 if side == "buy" else 46_000)
    by_hand.withdraw(exchange.desk, account, order.order_id, START)
    assert (order.status, order.cancel_reason) == ("cancelled", by_hand.OWNER)


def test_a_conditional_order_is_kept_over_a_restart_and_never_sent() -> None:
    bench = Bench()
    account, exchange = bench.account(), bench.exchange
    order = by_hand.keep_conditional(exchange.desk, account, BTC, "sell", None, START)
    assert (order.trigger, order.trigger_above, order.ticket.side) == (34_000, False, "sell")
    bench.live_to(30_000)
    assert (account.orders, account.fills) == ({}, [])
    other = Bench().exchange
    snapshot.load(other, snapshot.dump(exchange))
    assert other.accounts()[0].conditional == {order.order_id: order}
    by_hand.withdraw(exchange.desk, account, order.order_id, START)
    assert account.conditional == {}


def test_a_position_is_opened_added_to_and_closed_by_hand() -> None:
    bench = Bench()
    account, exchange = bench.account(), bench.exchange
    order = by_hand.trade(exchange.desk, account, ETH, "buy", None, START)
    size = exchange.position(account, ETH).quantity
    assert (order.ticket.client_id, size > 0) == (None, True)
    by_hand.trade(exchange.desk, account, ETH, "buy", None, START)
    assert exchange.position(account, ETH).quantity == 2 * size
    by_hand.trade(exchange.desk, account, ETH, None, None, START)
    assert exchange.positions(account) == []
    with pytest.raises(Rejected):
        by_hand.trade(exchange.desk, account, ETH, None, None, START)


def test_settings_change_where_the_venue_lets_them() -> None:
    bench = Bench()
    account, exchange = bench.account(), bench.exchange
    by_hand.change_settings(exchange.desk, account, BTC, START, leverage=3, margin_mode="isolated")
    position = exchange.position(account, BTC)
    assert (position.leverage, position.margin_mode) == (3, "isolated")
    exchange.place(account, market("buy", "1"))
    with pytest.raises(Rejected) as caught:
        by_hand.change_settings(exchange.desk, account, BTC, START, position_mode="hedge")
    assert caught.value.reason == "position_mode"
    exchange.place(account, market("sell", "1"))
    by_hand.change_settings(exchange.desk, account, BTC, START, position_mode="hedge")
    with pytest.raises(Rejected) as caught:
        exchange.place(account, market("buy", "1"))
    assert caught.value.reason == "position_mode"
    exchange.set_position_mode(account, "one_way")
    assert exchange.place(account, market("buy", "1")).status == "filled"
