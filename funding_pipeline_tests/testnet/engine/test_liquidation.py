"""Liquidation, the insurance fund, deleveraging."""

import pytest

from funding_pipeline_tests.testnet.engine.fake_quotes import (
    BTC,
    ETH,
    HOUR,
    START,
    Bench,
    D,
    FakeQuotes,
    limit,
    market,
)


def thick(**more: D) -> Bench:
    return Bench(FakeQuotes(size=D(1000)), **more)  # type: ignore[arg-type]


def ledger_is_exact(bench: Bench) -> bool:
    return all(sum(e.amount for e in a.ledger) == a.wallet for a in bench.exchange.accounts())


def test_equity_below_maintenance_is_closed_for_a_fee_to_the_fund() -> None:
    bench = thick()
    account, exchange = bench.account(balance=5_000), bench.exchange
    exchange.place(account, market("buy", "1"))
    price = exchange.liquidation_price(account, BTC)
    assert price is not None
    bench.live_to(price.quantize(D("0.1")) + 1)
    assert exchange.positions(account)
    bench.live_to(price.quantize(D("0.1")) - 1)
    assert exchange.positions(account) == []
    fill = account.fills[-1]
    assert (fill.kind, fill.side) == ("liquidation", "sell")
    assert 0 < fill.fee == exchange.insurance_fund - 1_000_000
    assert exchange.find_order(account, order_id=fill.order_id).status == "filled"
    assert account.wallet >= 0
    assert ledger_is_exact(bench)


def test_open_orders_are_cancelled_before_a_liquidation() -> None:
    bench = thick()
    account, exchange = bench.account(balance=5_000), bench.exchange
    exchange.place(account, market("buy", "1"))
    order = exchange.place(account, limit("sell", "1", "47000"))
    bench.live_to(35_180)
    assert (order.status, order.cancel_reason) == ("cancelled", "liquidation")


def test_the_fund_absorbs_a_gap_beyond_bankruptcy() -> None:
    bench = thick()
    account, exchange = bench.account(balance=5_000), bench.exchange
    exchange.place(account, market("buy", "1"))
    wallet = account.wallet
    bench.live_to(30_000)
    assert account.wallet == 0
    deficit = D("40000.1") - D("29999.9") - wallet
    assert exchange.insurance_fund == 1_000_000 - deficit
    assert account.ledger[-1].kind == "insurance"
    assert account.ledger[-1].amount == deficit
    assert ledger_is_exact(bench)


def test_an_empty_fund_deleverages_the_best_opposite_account_at_bankruptcy() -> None:
    bench = thick(insurance_fund=D(0))
    exchange = bench.exchange
    loser, calm, keen = bench.account("loser", 5_000), bench.account("calm"), bench.account("keen", 10_000)
    exchange.place(loser, market("buy", "1"))
    for winner in (calm, keen):
        exchange.place(winner, market("sell", "0.8"))
    bankruptcy = D("40000.1") - loser.wallet
    bench.live_to(30_000)
    assert exchange.positions(loser) == []
    assert 0 <= loser.wallet < D("0.1")  # what rounding to the tick leaves
    assert exchange.position(keen, BTC).quantity == 0
    assert exchange.position(calm, BTC).quantity == D("-0.6")
    adl = keen.fills[-1]
    assert (adl.kind, adl.side, adl.fee) == ("adl", "buy", D(0))
    assert bankruptcy <= adl.price < bankruptcy + D("0.1")
    assert exchange.insurance_fund == 0
    assert ledger_is_exact(bench)


def test_with_nobody_to_deleverage_the_exchange_takes_the_rest_at_bankruptcy() -> None:
    bench = thick(insurance_fund=D(0))
    account = bench.account(balance=5_000)
    bench.exchange.place(account, market("sell", "1"))
    bench.live_to(60_000)
    assert bench.exchange.positions(account) == []
    assert 0 <= account.wallet < D("0.1")


def test_an_isolated_position_falls_alone_and_costs_its_margin_at_most() -> None:
    bench = thick()
    account, exchange = bench.account(), bench.exchange
    exchange.set_margin_mode(account, BTC, "isolated")
    exchange.place(account, market("buy", "1"))
    exchange.place(account, market("buy", "1", ETH))
    kept = account.wallet - exchange.position(account, BTC).isolated_margin
    bench.live_to(20_000)
    assert [position.symbol for position in exchange.positions(account)] == [ETH]
    assert account.wallet == kept
    assert exchange.position(account, BTC).isolated_margin == 0
    assert ledger_is_exact(bench)


def test_the_larger_cross_position_goes_first_and_may_suffice() -> None:
    bench = thick()
    account, exchange = bench.account(balance=6_000), bench.exchange
    exchange.place(account, market("buy", "1"))
    exchange.place(account, market("buy", "1", ETH))
    bench.live_to(34_150)
    liquidated = [fill for fill in account.fills if fill.kind == "liquidation"]
    assert [fill.symbol for fill in liquidated] == [BTC]
    assert [position.symbol for position in exchange.positions(account)] == [ETH]


def test_a_jump_liquidates_at_the_hour_it_happened() -> None:
    bench = thick()
    account = bench.account(balance=5_000)
    bench.exchange.place(account, market("buy", "1"))
    bench.quotes.set_mark(BTC, 30_000, START + 3 * HOUR)
    bench.quotes.set_mark(BTC, 40_000, START + 4 * HOUR)
    bench.live(hours=9)
    assert [fill.time for fill in account.fills if fill.kind == "liquidation"] == [START + 3 * HOUR]


def test_hedged_accounts_survive() -> None:
    bench = thick()
    account = bench.account(balance=8_500)
    bench.exchange.place(account, market("buy", "1"))
    bench.exchange.place(account, market("sell", "20", ETH))
    bench.quotes.set_mark(ETH, 1_500, bench.time + 1)
    bench.live_to(30_000)
    assert len(bench.exchange.positions(account)) == 2


@pytest.mark.parametrize(("mark", "rank"), [(41_000, 0), (40_000, 0), (39_900, 1), (39_000, 4), (30_000, 5)])
def test_adl_rank_rises_with_profit_and_leverage(mark: int, rank: int) -> None:
    bench = thick()
    account = bench.account(balance=5_000)
    bench.exchange.place(account, market("sell", "1"))
    assert bench.exchange.adl_rank(account, ETH) == 0
    bench.quotes.set_mark(BTC, mark, bench.time)
    assert bench.exchange.adl_rank(account, BTC) == rank


def test_a_balance_below_zero_without_positions_is_made_good() -> None:
    bench = Bench(FakeQuotes(size=D("0.02")))
    account, exchange = bench.account(balance=65), bench.exchange
    exchange.set_leverage(account, BTC, 100)
    exchange.place(account, market("buy", "0.1"))
    bench.quotes.set_mark(BTC, D("39200"), bench.time)  # the trader is faster than the liquidation
    exchange.place(account, market("sell", "0.1"))
    assert account.wallet < 0
    bench.live(seconds=1)
    assert account.wallet == 0
    assert account.ledger[-1].kind == "insurance"
