"""The state as JSON and back."""

import json

import pytest
from pydantic import ValidationError

from funding_pipeline.testnet.engine import snapshot
from funding_pipeline_tests.testnet.engine.fake_quotes import BTC, ETH, HOUR, START, Bench, D, limit, market


def busy() -> Bench:
    """An exchange with something in every corner of its state."""
    bench = Bench()
    account = bench.account()
    account.nonces |= {1, 2}
    bench.exchange.set_margin_mode(account, ETH, "isolated")
    bench.exchange.place(account, market("buy", "1.3", client_id="a"))
    bench.exchange.place(account, market("sell", "3", ETH))
    bench.quotes.rates[BTC] = [(START + HOUR, 0.0001)]
    bench.live(hours=2)
    bench.exchange.place(account, limit("buy", "1.5", "40000.1", client_id="b"))
    bench.exchange.halt(ETH)
    bench.exchange.halt_after_partial(BTC)
    return bench


def restored(bench: Bench) -> Bench:
    """Another process's exchange in the same state."""
    other = Bench(bench.quotes, bench.time)
    snapshot.load(other.exchange, json.loads(json.dumps(snapshot.dump(bench.exchange))))
    return other


def test_a_round_trip_loses_nothing() -> None:
    bench = busy()
    other = restored(bench)
    assert other.exchange.desk.state == bench.exchange.desk.state
    assert snapshot.dump(other.exchange) == snapshot.dump(bench.exchange)
    order = next(iter(other.exchange.accounts()[0].orders.values()))
    assert [fill.order_id for fill in other.exchange.fills_of(order)] == [order.order_id] * 2
    assert isinstance(other.exchange.accounts()[0].wallet, D)


def test_life_goes_on_as_if_nothing_had_happened() -> None:
    bench = busy()
    both = (bench, restored(bench))
    for each in both:
        account = each.exchange.account_by_key("key-alice")
        assert each.exchange.find_order(account, client_id="b").status == "open"
        each.exchange.place(account, market("sell", "0.4"))
        each.exchange.resume()
        each.live(hours=1)
        each.exchange.cancel(account, client_id="b") if each.exchange.orders(account, is_open=True) else None
    assert both[0].exchange.desk.state == both[1].exchange.desk.state


def test_garbage_changes_nothing() -> None:
    bench = busy()
    before = snapshot.dump(bench.exchange)
    with pytest.raises(ValidationError):
        snapshot.load(bench.exchange, {**before, "insurance_fund": "much"})
    assert snapshot.dump(bench.exchange) == before
