"""The admin API: time, venues, accounts and their statements, errors that name the field."""

import json
from collections.abc import Iterator
from decimal import Decimal

import pytest

from funding_pipeline.testnet.clock import HOUR_MS
from funding_pipeline.testnet.engine.values import Ticket
from funding_pipeline_tests.testnet.running import NOW_MS, RunningTestnet, running_testnet

BTC = "BTC/USDT:USDT"


@pytest.fixture(scope="module")
def testnet() -> Iterator[RunningTestnet]:
    with running_testnet() as running:
        yield running


def test_the_first_page_tells_what_this_is(testnet: RunningTestnet) -> None:
    page = testnet.admin("GET", "/")
    assert "nothing here is real" in page["testnet"]
    assert page["hosts"]["okx"][0] == "www.okx.com"
    assert "POST /admin/accounts" in page["admin"]


def test_venues_tell_hosts_instruments_and_what_is_not_served(testnet: RunningTestnet) -> None:
    venues = testnet.admin("GET", "/admin/venues")
    assert {"binance", "bybit", "gate", "hyperliquid", "okx"} <= set(venues)
    assert BTC in venues["gate"]["instruments"]
    assert venues["gate"]["unserved"] == {}


def test_time_goes_ahead_on_demand(testnet: RunningTestnet) -> None:
    before = testnet.admin("GET", "/admin/clock")["now_ms"]
    clock = testnet.admin("POST", "/admin/clock", {"advance_seconds": 90, "speed": 60})
    assert clock["now_ms"] == before + 90_000
    assert clock["speed"] == 60
    assert "SIMULATED" in clock["market"]


@pytest.mark.parametrize(
    ("path", "body", "named"),
    [
        ("/admin/clock", {"speed": "fast"}, "speed"),
        ("/admin/clock", {"speed": -1}, "speed"),
        ("/admin/clock", {"advance_seconds": -5}, "jump"),
        ("/admin/clock", {"hours": 5}, "hours"),
        ("/admin/accounts", {"venue": "nowhere", "balance": "5"}, "nowhere"),
        ("/admin/accounts", {"balance": "5"}, "venue"),
        ("/admin/accounts", {"venue": ["okx"], "balance": "5"}, "venue"),
        ("/admin/accounts", {"venue": "okx", "balance": "much"}, "balance"),
        ("/admin/accounts", {"venue": "okx", "balance": -5}, "balance"),
        ("/admin/accounts", {"venue": "okx", "balance": "NaN"}, "balance"),
        ("/admin/accounts", {"venue": "okx", "balance": "1e30"}, "balance"),
        ("/admin/accounts", {"venue": "okx", "may_withdraw": "yes"}, "may_withdraw"),
        ("/admin/accounts", {"venue": "okx", "account_id": 7}, "account_id"),
        ("/admin/accounts", {"venue": "okx", "account_id": "a/b c"}, "account_id"),
        ("/admin/accounts", [1], "object"),
        ("/admin/faults", {"kind": "flood"}, "flood"),
        ("/admin/faults", {"kind": "drop", "probability": 2}, "probability"),
        ("/admin/faults", {"kind": "drop", "chance": 1}, "chance"),
        ("/admin/faults", {"kind": "status", "status": 200}, "200"),
        ("/admin/faults", {"kind": "delist", "venue": "okx"}, "symbol"),
        ("/admin/faults", {"kind": "delist", "venue": "okx", "symbol": "NO/USDT:USDT"}, "NO/USDT"),
        ("/admin/faults", {"kind": "adl", "venue": "okx", "symbol": BTC}, "account"),
        ("/admin/faults", {"kind": "adl", "venue": "okx", "symbol": BTC, "account": "who"}, "who"),
        ("/admin/faults", {"kind": "drop", "venue": "nowhere"}, "nowhere"),
    ],
)
def test_an_error_is_one_line_that_names_the_field(
    testnet: RunningTestnet, path: str, body: object, named: str
) -> None:
    status, answer = testnet.ask("POST", path, body)
    assert status == 400
    assert named in answer["error"]
    assert "\n" not in answer["error"]


def test_unknown_paths_and_things_are_404(testnet: RunningTestnet) -> None:
    assert testnet.ask("GET", "/admin/nothing")[0] == 404
    assert testnet.ask("GET", "/admin/accounts/okx/nobody")[0] == 404
    assert testnet.ask("DELETE", "/admin/faults/fault-99")[0] == 400


def test_a_page_of_a_browser_may_not_use_it(testnet: RunningTestnet) -> None:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", testnet.port, timeout=10)
    connection.request("POST", "/admin/clock", "{}", {"Origin": "https://evil.example"})
    assert connection.getresponse().status == 403
    connection.close()


def test_credentials_are_the_venues_and_in_no_other_answer(testnet: RunningTestnet) -> None:
    expected = {
        "binance": {"apiKey", "secret"},
        "bybit": {"apiKey", "secret"},
        "gate": {"apiKey", "secret"},
        "okx": {"apiKey", "secret", "password"},
        "hyperliquid": {"walletAddress", "privateKey"},
    }
    for venue, names in expected.items():
        made = testnet.new_account(venue, "500")
        assert set(made) == {"account_id"} | names
        told = json.dumps(
            [testnet.admin("GET", f"/admin/accounts/{venue}/{made['account_id']}"), testnet.admin("GET", "/")]
        )
        for name in names & {"secret", "password", "privateKey"}:
            assert made[name] not in told


def test_the_keys_of_a_test_account_are_told_again(testnet: RunningTestnet) -> None:
    for venue in ("binance", "bybit", "gate", "okx", "hyperliquid"):
        made = testnet.new_account(venue, "500")
        told = testnet.admin("GET", f"/admin/accounts/{venue}/{made['account_id']}/credentials")
        assert told == {"venue": venue, **made}
    assert testnet.ask("GET", "/admin/accounts/okx/nobody/credentials")[0] == 404
    assert testnet.ask("POST", "/admin/accounts/okx/nobody/credentials")[0] == 404
    assert testnet.ask("GET", "/admin/accounts/nowhere/nobody/credentials")[0] == 400


def test_a_statement_adds_up() -> None:
    with running_testnet() as testnet:
        account_id = testnet.new_account("okx", "50000")["account_id"]
        exchange = testnet.exchanges["okx"]
        account = exchange.accounts()[0]
        testnet.call(lambda: exchange.place(account, Ticket(BTC, "buy", "market", Decimal("0.5"))))
        testnet.clock.set(NOW_MS + 9 * HOUR_MS)
        told = testnet.admin("GET", f"/admin/accounts/okx/{account_id}")
        assert sum(Decimal(entry["amount"]) for entry in told["ledger"]) == Decimal(told["wallet"])
        assert sum(Decimal(fill["quantity"]) for fill in told["fills"]) == Decimal("0.5")
        (payment,) = told["payments"]
        assert payment["time"] == NOW_MS + 8 * HOUR_MS
        (position,) = told["positions"]
        equity = Decimal(told["wallet"]) + Decimal(position["unrealised"])
        assert equity == Decimal(told["equity"])
        paid = -Decimal(position["quantity"]) * Decimal(payment["price"]) * Decimal(payment["rate"])
        assert abs(paid - Decimal(payment["amount"])) < Decimal("1e-6")
