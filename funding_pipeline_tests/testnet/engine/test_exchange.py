"""The door: accounts, clocks, statements, and how fast it answers."""

import time

import pytest

from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Rejected
from funding_pipeline_tests.testnet.engine.fake_quotes import BTC, ETH, START, Bench, D, FakeQuotes, market


def test_an_account_is_found_by_its_key() -> None:
    bench = Bench()
    account = bench.account()
    assert bench.exchange.account_by_key("key-alice") is account
    assert (account.settle, account.wallet, account.ledger[0].kind) == ("USDT", D(100_000), "deposit")
    assert list(bench.exchange.accounts()) == [account]
    assert "secret" not in repr(account)
    with pytest.raises(Rejected) as caught:
        bench.exchange.account_by_key("other")
    assert caught.value.reason == "not_authenticated"


@pytest.mark.parametrize("balance", ["-1", "NaN", "1e13"])
def test_impossible_balances(balance: str) -> None:
    with pytest.raises(Rejected):
        Bench().account(balance=balance)


def test_ids_and_keys_are_unique() -> None:
    bench = Bench()
    bench.account()
    with pytest.raises(Rejected):
        bench.account()
    with pytest.raises(Rejected):
        bench.exchange.open_account("other", key="key-alice", secret="", balance=D(1))


def test_a_stamp_may_be_of_either_clock() -> None:
    exchange = Exchange(FakeQuotes(), now=lambda: START, wall=lambda: START + 10**10)
    exchange.check_timestamp(START + 5_000, 5_000)
    exchange.check_timestamp(START + 10**10 - 5_000, 5_000)
    with pytest.raises(Rejected) as caught:
        exchange.check_timestamp(START + 5_001, 5_000)
    assert caught.value.reason == "bad_timestamp"


def test_statements_are_cut_by_time_and_symbol() -> None:
    bench = Bench()
    account, exchange = bench.account(), bench.exchange
    exchange.place(account, market("buy", "0.1"))
    bench.live(seconds=1)
    exchange.place(account, market("buy", "0.1", ETH))
    assert [fill.symbol for fill in exchange.fills(account)] == [BTC, ETH]
    assert [fill.symbol for fill in exchange.fills(account, symbol=ETH)] == [ETH]
    assert [fill.symbol for fill in exchange.fills(account, end=START)] == [BTC]
    assert [fill.symbol for fill in exchange.fills(account, start=START + 1)] == [ETH]
    assert [entry.kind for entry in exchange.ledger(account, end=START)] == ["deposit", "fee"]
    assert [position.symbol for position in exchange.positions(account)] == [BTC, ETH]


def test_idle_time_and_an_order_cost_little() -> None:
    bench = Bench(FakeQuotes(size=D(1000)))
    account = bench.account()

    def fastest(action: object, times: int) -> float:
        best = float("inf")
        for _ in range(times):
            bench.time += 1000
            start = time.perf_counter()
            action()  # type: ignore[operator]
            best = min(best, time.perf_counter() - start)
        return best

    # a quiet machine needs 10 microseconds and 0.2 ms
    assert fastest(bench.exchange.advance, 50) < 200e-6
    assert fastest(lambda: bench.exchange.place(account, market("buy", "0.001")), 50) < 10e-3
