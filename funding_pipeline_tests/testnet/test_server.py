"""The server: loopback only, routed by host, alive whatever a dialect does."""

from typing import Any

import pytest

from funding_pipeline.core.errors import TestnetError
from funding_pipeline.testnet.clock import ManualClock
from funding_pipeline.testnet.http import Answer, Request
from funding_pipeline.testnet.raw_market import RawMarket
from funding_pipeline.testnet.server import ServerThread, TestnetServer
from funding_pipeline.testnet.testnet import Testnet
from funding_pipeline_tests.testnet.running import NOW_MS, running_testnet, simulated_market

BINANCE = "fapi.binance.com"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", ""])
def test_it_refuses_to_listen_on_anything_but_loopback(host: str) -> None:
    testnet = Testnet(simulated_market(), ManualClock(NOW_MS))
    with pytest.raises(TestnetError, match="loopback only"):
        TestnetServer(testnet, host=host)


def test_a_host_that_is_not_served_gets_421_and_the_hosts_that_are() -> None:
    with running_testnet() as testnet:
        status, answer = testnet.ask("GET", "/fapi/v1/time", host="fapi.example.com")
        assert status == 421
        assert "fapi.example.com" in answer["error"]
        assert BINANCE in answer["hosts"]


def test_the_port_in_the_host_header_does_not_matter() -> None:
    with running_testnet() as testnet:
        for host in (BINANCE, f"{BINANCE}:443", BINANCE.upper()):
            status, answer = testnet.ask("GET", "/fapi/v1/time", host=host)
            assert (status, answer) == (200, {"serverTime": NOW_MS})


def test_a_dialects_bug_is_a_500_and_the_next_request_is_served(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: Request) -> Answer:
        raise ZeroDivisionError("a bug")

    with running_testnet() as testnet:
        dialect: Any = testnet.server.testnet.by_host[BINANCE].dialect
        with monkeypatch.context() as patch:
            patch.setattr(dialect, "answer", broken)
            status, answer = testnet.ask("GET", "/fapi/v1/time", host=BINANCE)
        assert status == 500
        assert "binance" in answer["error"]
        assert "ZeroDivisionError" in caplog.text
        assert testnet.ask("GET", "/fapi/v1/time", host=BINANCE)[0] == 200


def test_a_port_that_is_taken_is_one_clear_error() -> None:
    with running_testnet() as testnet:
        other = TestnetServer(Testnet(simulated_market(), ManualClock(NOW_MS)), port=testnet.port)
        with pytest.raises(TestnetError, match=f"port {testnet.port} .* cannot be had"), ServerThread(other):
            pass


def test_a_market_without_a_known_venue_is_refused() -> None:
    rows = RawMarket(simulated_market_of("kraken"))
    with pytest.raises(TestnetError, match="has none of the venues"):
        Testnet(rows, ManualClock(NOW_MS))


def simulated_market_of(venue: str) -> Any:
    """A market that has only this venue, and no rows."""
    from funding_pipeline.core.market import MarketSpan
    from funding_pipeline_tests.testnet.running import NOW

    class Empty:
        label, is_simulated = "an empty market", True

        def span(self) -> MarketSpan:
            return MarketSpan(NOW, NOW, (venue,))

    return Empty()
