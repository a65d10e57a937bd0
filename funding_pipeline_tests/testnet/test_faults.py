"""Faults on demand: each does what it says, deterministic by seed, and ends when it is deleted."""

import http.client
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from funding_pipeline.testnet.clock import HOUR_MS, ManualClock
from funding_pipeline.testnet.engine.values import Account, Ticket
from funding_pipeline.testnet.faults import FaultDesk
from funding_pipeline.testnet.testnet import Testnet
from funding_pipeline_tests.testnet.running import NOW_MS, RunningTestnet, running_testnet, simulated_market

BTC = "BTC/USDT:USDT"
HOST = {"binance": "fapi.binance.com", "okx": "www.okx.com", "gate": "api.gateio.ws"}
TIME = {"binance": "/fapi/v1/time", "okx": "/api/v5/public/time"}


@pytest.fixture(scope="module")
def shared() -> Iterator[RunningTestnet]:
    with running_testnet() as running:
        yield running


@pytest.fixture
def testnet(shared: RunningTestnet) -> Iterator[RunningTestnet]:
    yield shared
    shared.admin("DELETE", "/admin/faults")


def ask(testnet: RunningTestnet, venue: str = "binance") -> tuple[int, Any]:
    return testnet.ask("GET", TIME[venue], host=HOST[venue])


def test_a_status_comes_with_retry_after_as_often_as_asked(testnet: RunningTestnet) -> None:
    testnet.admin("POST", "/admin/faults", {"kind": "status", "status": 429, "count": 2, "retry_after": 7})
    connection = http.client.HTTPConnection("127.0.0.1", testnet.port, timeout=10)
    connection.request("GET", TIME["binance"], headers={"Host": HOST["binance"]})
    answer = connection.getresponse()
    assert (answer.status, answer.headers["Retry-After"]) == (429, "7")
    connection.close()
    assert [ask(testnet)[0] for _ in range(3)] == [429, 200, 200]
    (fault,) = testnet.admin("GET", "/admin/faults")
    assert (fault["seen"], fault["hits"]) == (4, 2)


@pytest.mark.parametrize("kind", ["drop", "venue_gone", "lost_answer"])
def test_a_closed_connection_is_no_answer(testnet: RunningTestnet, kind: str) -> None:
    fault = testnet.admin("POST", "/admin/faults", {"kind": kind, "venue": "binance"})
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        ask(testnet)
    assert ask(testnet, "okx")[0] == 200
    testnet.admin("DELETE", f"/admin/faults/{fault['id']}")
    assert ask(testnet)[0] == 200


def test_a_truncated_body_ends_before_its_length(testnet: RunningTestnet) -> None:
    testnet.admin("POST", "/admin/faults", {"kind": "truncated", "path": "/time"})
    with pytest.raises(http.client.IncompleteRead):
        ask(testnet)


def test_garbage_has_status_200(testnet: RunningTestnet) -> None:
    testnet.admin("POST", "/admin/faults", {"kind": "garbage", "body": "{}"})
    assert ask(testnet) == (200, {})


def test_latency_is_waited_for(testnet: RunningTestnet) -> None:
    testnet.admin("POST", "/admin/faults", {"kind": "latency", "latency_ms": 600_000})
    connection = http.client.HTTPConnection("127.0.0.1", testnet.port, timeout=0.05)
    connection.request("GET", TIME["binance"], headers={"Host": HOST["binance"]})
    with pytest.raises(TimeoutError):
        connection.getresponse()
    connection.close()


def test_path_and_method_narrow_a_fault(testnet: RunningTestnet) -> None:
    testnet.admin("POST", "/admin/faults", {"kind": "drop", "path": "/order"})
    testnet.admin("POST", "/admin/faults", {"kind": "drop", "method": "DELETE"})
    assert ask(testnet)[0] == 200


def test_the_clock_of_a_venue_is_skewed(testnet: RunningTestnet) -> None:
    fault = testnet.admin(
        "POST", "/admin/faults", {"kind": "clock_skew", "venue": "binance", "skew_ms": -45_000}
    )
    assert ask(testnet)[1]["serverTime"] == testnet.clock.now() - 45_000
    assert int(ask(testnet, "okx")[1]["data"][0]["ts"]) == testnet.clock.now()
    testnet.admin("DELETE", f"/admin/faults/{fault['id']}")
    assert ask(testnet)[1]["serverTime"] == testnet.clock.now()


def test_the_same_seed_and_requests_have_the_same_faults() -> None:
    def struck(seed: int) -> list[bool]:
        desk = FaultDesk(Testnet(simulated_market(), ManualClock(NOW_MS)))
        desk.add({"kind": "drop", "probability": 0.3, "seed": seed})
        return [desk.fire("okx", "GET", "/x").is_dropped for _ in range(200)]

    assert struck(5) == struck(5)
    assert struck(5) != struck(6)
    assert 30 < sum(struck(5)) < 90


# --- faults of a venue, on a testnet of their own
@pytest.fixture
def own() -> Iterator[RunningTestnet]:
    with running_testnet() as running:
        yield running


def account_of(testnet: RunningTestnet, venue: str = "binance") -> Account:
    testnet.new_account(venue, "1000000")
    return testnet.exchanges[venue].accounts()[-1]


def buy(testnet: RunningTestnet, account: Account, quantity: str, **more: Any) -> Any:
    exchange = testnet.exchanges["binance"]
    ticket = Ticket(BTC, "buy", "market", Decimal(quantity), **more)
    return testnet.call(lambda: exchange.place(account, ticket))


def test_stale_prices_stand_still_for_engine_and_dialect(own: RunningTestnet) -> None:
    exchange = own.exchanges["binance"]
    before = exchange.quotes.mark(BTC, NOW_MS)
    own.admin("POST", "/admin/faults", {"kind": "stale_prices", "venue": "binance", "seconds": 120})
    own.clock.advance(seconds=119)
    assert exchange.quotes.mark(BTC, own.clock.now()) == before
    _, told = own.ask("GET", "/fapi/v1/premiumIndex?symbol=BTCUSDT", host=HOST["binance"])
    assert Decimal(told["markPrice"]) == before
    own.clock.advance(seconds=1)
    assert exchange.quotes.mark(BTC, own.clock.now()) != before


def test_a_silent_interval_change_is_charged_every_hour(own: RunningTestnet) -> None:
    account = account_of(own)
    buy(own, account, "1")
    change = {"kind": "interval_change", "venue": "binance", "symbol": BTC, "hours": 1, "rate": -0.02}
    own.admin("POST", "/admin/faults", change)
    own.clock.advance(hours=3)
    told = own.admin("GET", f"/admin/accounts/binance/{account.account_id}")
    assert [payment["rate"] for payment in told["payments"]] == ["-0.02"] * 3
    assert all(Decimal(payment["amount"]) > 0 for payment in told["payments"])
    query = f"symbol=BTCUSDT&startTime={NOW_MS}&endTime={own.clock.now()}&limit=100"
    _, rows = own.ask("GET", f"/fapi/v1/fundingRate?{query}", host=HOST["binance"])
    assert [round(int(row["fundingTime"]) / HOUR_MS) * HOUR_MS - NOW_MS for row in rows] == [
        0,
        HOUR_MS,
        2 * HOUR_MS,
        3 * HOUR_MS,
    ]


def test_a_partial_fill_and_then_a_halt(own: RunningTestnet) -> None:
    account = account_of(own)
    rule = {"kind": "partial_then_halt", "venue": "binance", "symbol": BTC, "fraction": "0.4"}
    fault = own.admin("POST", "/admin/faults", rule)
    order = buy(own, account, "1")
    assert order.filled == Decimal("0.4")
    assert own.exchanges["binance"].is_halted(BTC)
    own.admin("DELETE", f"/admin/faults/{fault['id']}")
    assert not own.exchanges["binance"].is_halted(BTC)


def test_adl_closes_the_named_leg_alone(own: RunningTestnet) -> None:
    account, other = account_of(own), account_of(own)
    buy(own, account, "1")
    buy(own, other, "1")
    rule = {
        "kind": "adl",
        "venue": "binance",
        "symbol": BTC,
        "account": account.account_id,
        "quantity": "0.3",
    }
    own.admin("POST", "/admin/faults", rule)
    assert own.exchanges["binance"].position(account, BTC).quantity == Decimal("0.7")
    assert own.exchanges["binance"].position(other, BTC).quantity == Decimal("1")
    assert account.fills[-1].kind == "adl"


def test_a_delisted_symbol_is_settled_and_gone(own: RunningTestnet) -> None:
    account = account_of(own)
    buy(own, account, "1")
    own.admin("POST", "/admin/faults", {"kind": "delist", "venue": "binance", "symbol": BTC})
    assert own.exchanges["binance"].positions(account) == []
    assert BTC not in own.admin("GET", "/admin/venues")["binance"]["instruments"]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"kind": "foreign_order", "venue": "binance"}, "symbol is needed"),
        ({"kind": "silent_ack", "leverage": 0}, "leverage"),
        (
            {"kind": "leverage_change", "venue": "binance", "symbol": BTC},
            "leverage, margin_mode or hedge_mode",
        ),
        (
            {"kind": "leverage_change", "venue": "binance", "symbol": BTC, "leverage": 999},
            "leverage is from 1",
        ),
        ({"kind": "unified_account", "venue": "okx", "account": "okx-1"}, "'okx-1' is not on okx"),
        ({"kind": "hand_position", "venue": "binance", "symbol": BTC}, "no position to close"),
    ],
)
def test_a_rule_that_cannot_begin_is_refused_by_name(
    own: RunningTestnet, rule: dict[str, Any], said: str
) -> None:
    own.new_account("binance")
    status, answer = own.ask("POST", "/admin/faults", rule)
    assert (status, said in answer["error"]) == (400, True), answer
    assert own.admin("GET", "/admin/faults") == []


def test_a_foreign_order_is_withdrawn_when_its_fault_ends_even_after_a_restart(own: RunningTestnet) -> None:
    account = account_of(own)
    rule = {"kind": "foreign_order", "venue": "binance", "symbol": BTC, "conditional": True}
    fault = own.admin("POST", "/admin/faults", rule)
    (shown,) = own.admin("GET", f"/admin/accounts/binance/{account.account_id}")["conditional"]
    assert (shown["order_id"], shown["ticket"]["symbol"]) == (next(iter(account.conditional)), BTC)
    own.call(lambda: own.server.faults.load(own.server.faults.dump()))
    own.admin("DELETE", f"/admin/faults/{fault['id']}")
    assert account.conditional == {}


def test_a_part_of_what_is_asked_narrows_a_fault(testnet: RunningTestnet) -> None:
    testnet.admin("POST", "/admin/faults", {"kind": "null_answer", "asked": "symbol=ETHUSDT"})
    for symbol, expected in (("BTCUSDT", False), ("ETHUSDT", True)):
        _, told = testnet.ask("GET", f"/fapi/v1/premiumIndex?symbol={symbol}", host=HOST["binance"])
        assert (told is None) == expected


def test_a_request_delivered_twice_is_processed_twice(own: RunningTestnet) -> None:
    seen = []
    dialect: Any = own.server.testnet.by_host[HOST["binance"]].dialect
    answer = dialect.answer
    dialect.answer = lambda request: (seen.append(request.path), answer(request))[1]
    own.admin("POST", "/admin/faults", {"kind": "duplicate", "count": 1})
    assert ask(own)[0] == 200
    assert seen == [TIME["binance"]] * 2


def test_a_lost_answer_was_processed(own: RunningTestnet) -> None:
    seen = []
    dialect: Any = own.server.testnet.by_host[HOST["binance"]].dialect
    answer = dialect.answer
    dialect.answer = lambda request: (seen.append(json.dumps(request.path)), answer(request))[1]
    own.admin("POST", "/admin/faults", {"kind": "lost_answer", "count": 1})
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        ask(own)
    assert len(seen) == 1
