"""A testnet proves with every answer which market and home it serves, and does nothing for a stranger."""

import http.client
import json
from typing import Any

import pytest

from funding_pipeline.core.testnet_identity import IDENTITY_HEADER, identity_code
from funding_pipeline.testnet.clock import ManualClock
from funding_pipeline.testnet.server import ServerThread, TestnetServer
from funding_pipeline.testnet.testnet import Testnet
from funding_pipeline_tests.testnet.running import NOW_MS, RunningTestnet, running_testnet, simulated_market

BINANCE = "fapi.binance.com"
CODE = identity_code("SIMULATED market, seed 7")
OTHER = {IDENTITY_HEADER: identity_code("another market; another home")}


def answered(
    testnet: RunningTestnet, method: str, path: str, *, host: str, meant: dict[str, str] | None = None
) -> tuple[int, str | None, Any]:
    """Status, identity and body of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", testnet.port, timeout=30)
    body = json.dumps({"venue": "okx"}) if method == "POST" else None
    try:
        connection.request(method, path, body, {"Host": host, **(meant or {})})
        answer = connection.getresponse()
        return answer.status, answer.headers.get(IDENTITY_HEADER), answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("host", "path"),
    [("localhost", "/admin/clock"), ("localhost", "/nothing"), (BINANCE, "/fapi/v1/time"), ("no.host", "/")],
)
def test_every_answer_proves_it_also_to_clients_that_do_not_ask(host: str, path: str) -> None:
    with running_testnet() as testnet:
        assert answered(testnet, "GET", path, host=host)[1] == CODE


@pytest.mark.parametrize("kind", ["garbage", "status"])
def test_a_fault_is_a_fault_of_this_testnet(kind: str) -> None:
    with running_testnet() as testnet:
        rule = {"kind": kind, "venue": "binance", "probability": 1.0}
        testnet.admin("POST", "/admin/faults", rule if kind == "garbage" else {**rule, "status": 503})
        assert answered(testnet, "GET", "/fapi/v1/time", host=BINANCE)[1] == CODE


def test_nothing_is_done_for_a_client_that_means_another_testnet() -> None:
    with running_testnet() as testnet:
        status, code, body = answered(testnet, "POST", "/admin/accounts", host="localhost", meant=OTHER)
        assert (status, code) == (421, CODE)
        assert b"another one is meant" in body
        assert testnet.admin("GET", "/admin/accounts") == []
        assert answered(testnet, "GET", "/fapi/v1/time", host=BINANCE, meant=OTHER)[0] == 421


def test_a_taken_port_is_no_failure_where_any_will_do() -> None:
    with running_testnet() as testnet:
        other = Testnet(simulated_market(), ManualClock(NOW_MS))
        with ServerThread(TestnetServer(other, port=testnet.port, or_any_port=True)) as port:
            assert port != testnet.port
