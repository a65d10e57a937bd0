"""Entry, profit and margin, cross and isolated; leverage and margin mode."""

import pytest

from funding_pipeline.testnet.engine.values import Rejected
from funding_pipeline_tests.testnet.engine.fake_quotes import (
    BTC,
    ETH,
    Bench,
    D,
    FakeQuotes,
    instrument,
    limit,
    market,
)


def thick() -> Bench:
    """A book that fills anything at its first level."""
    return Bench(FakeQuotes(size=D(1000)))


def test_entry_is_the_average_and_closing_pays_what_it_promised() -> None:
    bench = thick()
    account, exchange = bench.account(), bench.exchange
    exchange.place(account, market("buy", "1"))  # at 40000.1
    bench.live_to(41_000)
    exchange.place(account, market("buy", "1"))  # at 41000.1
    assert exchange.position(account, BTC).entry == D("40500.1")
    bench.live_to(42_000)
    assert exchange.unrealised(account) == exchange.unrealised(account, BTC) == D("2999.8")
    exchange.place(account, market("sell", "0.5"))  # at 41999.9
    assert account.fills[-1].pnl == D("0.5") * D("1499.8")
    assert exchange.position(account, BTC).entry == D("40500.1")
    exchange.place(account, market("sell", "2.5"))
    position = exchange.position(account, BTC)
    assert (position.quantity, position.entry, position.realised) == (D(-1), D("41999.9"), D(2) * D("1499.8"))


def test_margins_of_a_cross_account() -> None:
    bench = thick()
    account, exchange = bench.account(), bench.exchange
    exchange.place(account, market("buy", "1"))
    exchange.place(account, market("sell", "5", ETH))
    assert exchange.notional(account, BTC) == 40_000
    assert exchange.initial_margin(account, BTC) == 4_000
    assert exchange.initial_margin(account) == 5_000
    assert exchange.maintenance_margin(account) == D("0.005") * 50_000
    assert exchange.equity(account) == account.wallet + exchange.unrealised(account)
    assert exchange.available(account) == exchange.equity(account) - 5_000


def test_orders_hold_margin_for_what_they_would_add() -> None:
    bench = thick()
    account, exchange = bench.account(), bench.exchange
    exchange.place(account, limit("buy", "1", "39000"))
    assert exchange.order_margin(account) == 3_900
    exchange.place(account, limit("sell", "1", "41000"))  # the dearer side counts
    assert exchange.order_margin(account) == 4_100
    exchange.place(account, market("buy", "1"))
    assert exchange.order_margin(account) == 3_900  # the sell now only closes
    exchange.place(account, limit("sell", "1", "41000", reduce_only=False))
    assert exchange.order_margin(account) == 3_900


def test_available_is_never_negative_and_limits_orders() -> None:
    bench = thick()
    account, exchange = bench.account(balance=4_030), bench.exchange
    with pytest.raises(Rejected) as caught:
        exchange.place(account, market("buy", "1.01"))
    assert caught.value.reason == "insufficient_margin"
    exchange.place(account, market("buy", "1"))
    bench.live_to(39_000)
    assert exchange.available(account) == 0
    with pytest.raises(Rejected):
        exchange.place(account, market("buy", "0.001"))
    exchange.place(account, market("sell", "1"))  # reducing needs no margin


def test_a_flip_is_charged_for_the_new_position_only() -> None:
    bench = thick()
    account, exchange = bench.account(balance=4_200), bench.exchange
    exchange.place(account, market("buy", "1"))
    order = exchange.place(account, market("sell", "2"))
    assert (order.status, exchange.position(account, BTC).quantity) == ("filled", D(-1))
    with pytest.raises(Rejected):
        exchange.place(account, market("buy", "2.1"))


def test_liquidation_price_of_one_and_of_hedged_positions() -> None:
    bench = thick()
    bench.quotes.listing = (instrument(BTC, taker_fee=D(0)), instrument(ETH, taker_fee=D(0)))
    account, exchange = bench.account(balance=10_000), bench.exchange
    assert exchange.liquidation_price(account, BTC) is None
    exchange.place(account, market("buy", "1"))
    price = exchange.liquidation_price(account, BTC)
    assert price == (D("40000.1") - 10_000) / D("0.995")
    exchange.place(account, market("sell", "10", ETH))
    hedged = exchange.liquidation_price(account, BTC)
    assert hedged is not None
    assert hedged > price  # the other leg's maintenance comes first
    bench.quotes.set_mark(BTC, hedged, bench.time)
    assert exchange.equity(account) == pytest.approx(exchange.maintenance_margin(account), abs=D("1e-9"))


def test_an_isolated_position_has_its_own_margin() -> None:
    bench = thick()
    account, exchange = bench.account(), bench.exchange
    exchange.set_margin_mode(account, BTC, "isolated")
    exchange.set_leverage(account, BTC, 20)
    exchange.place(account, market("buy", "2"))
    own = exchange.position(account, BTC).isolated_margin
    assert own == exchange.initial_margin(account, BTC) == D("40000.1") * 2 / 20
    assert exchange.available(account) == account.wallet - own
    expected = (D("40000.1") * 2 - own) / (2 * D("0.995"))
    assert exchange.liquidation_price(account, BTC) == expected
    exchange.place(account, market("sell", "1"))
    assert exchange.position(account, BTC).isolated_margin == own / 2
    exchange.place(account, market("sell", "2"))
    assert exchange.position(account, BTC).isolated_margin == D("39999.9") / 20


def test_margin_mode_changes_only_while_nothing_is_open() -> None:
    bench = thick()
    account, exchange = bench.account(), bench.exchange
    order = exchange.place(account, limit("buy", "1", "39000"))
    exchange.set_margin_mode(account, BTC, "cross")  # no change
    with pytest.raises(Rejected) as caught:
        exchange.set_margin_mode(account, BTC, "isolated")
    assert caught.value.reason == "margin_mode"
    exchange.cancel(account, order_id=order.order_id)
    assert exchange.set_margin_mode(account, BTC, "isolated").margin_mode == "isolated"


@pytest.mark.parametrize("leverage", [0, -1, 101])
def test_leverage_out_of_bounds(leverage: int) -> None:
    bench = thick()
    account = bench.account()
    with pytest.raises(Rejected) as caught:
        bench.exchange.set_leverage(account, BTC, leverage)
    assert caught.value.reason == "leverage"
    assert bench.exchange.position(account, BTC).leverage == 10


@pytest.mark.parametrize("mode", ["cross", "isolated"])
def test_less_leverage_needs_the_margin(mode: str) -> None:
    bench = thick()
    account, exchange = bench.account(balance=10_000), bench.exchange
    exchange.set_margin_mode(account, BTC, mode)  # type: ignore[arg-type]
    exchange.place(account, market("buy", "1"))
    with pytest.raises(Rejected):
        exchange.set_leverage(account, BTC, 2)
    assert exchange.position(account, BTC).leverage == 10
    assert exchange.set_leverage(account, BTC, 5).leverage == 5
    assert round(exchange.initial_margin(account, BTC)) == 8_000


def test_the_tier_bounds_leverage_of_a_growing_position() -> None:
    bench = thick()
    account, exchange = bench.account(balance=1_000_000), bench.exchange
    exchange.set_leverage(account, BTC, 50)
    with pytest.raises(Rejected) as caught:
        exchange.place(account, market("buy", "26"))  # 1.04M: 25x at most
    assert caught.value.reason == "leverage"
    exchange.set_leverage(account, BTC, 25)
    exchange.place(account, market("buy", "26"))
    with pytest.raises(Rejected):
        exchange.set_leverage(account, BTC, 26)


def test_default_leverage_obeys_the_first_tier() -> None:
    bench = thick()
    tiers = (instrument().tiers[0].__class__(None, D("0.1"), D(0), 3),)
    bench.quotes.listing = (instrument(BTC, tiers=tiers),)
    assert bench.exchange.position(bench.account(), BTC).leverage == 3
