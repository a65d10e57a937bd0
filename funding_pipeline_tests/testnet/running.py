"""A testnet that serves in a background thread, for tests: with a clock that stands still until moved."""

import http.client
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from funding_pipeline.market.simulated import SimulatedMarket
from funding_pipeline.settings import Settings
from funding_pipeline.testnet.clock import ManualClock
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.raw_market import RawMarket, milliseconds
from funding_pipeline.testnet.server import ServerThread, TestnetServer
from funding_pipeline.testnet.state import StateFile
from funding_pipeline.testnet.testnet import Testnet

NOW = datetime(2024, 2, 1, tzinfo=UTC)
NOW_MS = milliseconds(NOW)


@dataclass(frozen=True)
class RunningTestnet:
    """What a test needs of it. `exchanges`: the engines by venue, to be read while no request runs."""

    port: int
    clock: ManualClock
    exchanges: Mapping[str, Exchange]
    server: TestnetServer
    call: Callable[[Callable[[], Any]], Any]
    """Runs a function in the server's thread, and returns what it returns."""

    def serves(self, settings: Settings) -> None:
        """From now on it is the testnet of this market and home, as one that they had started."""
        self.server.testnet.identity = str(settings.own_testnet.identity)

    def admin(self, method: str, path: str, body: Any = None) -> Any:
        """The admin API's answer, JSON. AssertionError where it refuses."""
        status, answer = self.ask(method, path, body)
        assert status == 200, answer
        return answer

    def ask(self, method: str, path: str, body: Any = None, *, host: str = "127.0.0.1") -> tuple[int, Any]:
        """Status and JSON of any request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, {"Host": host, "Content-Type": "application/json"})
            answer = connection.getresponse()
            raw = answer.read()
            return answer.status, json.loads(raw)
        finally:
            connection.close()

    def new_account(
        self, venue: str, balance: str = "100000", may_withdraw: bool = False
    ) -> Mapping[str, Any]:
        """Credentials of a new account by ccxt's names, with its `account_id`."""
        made: dict[str, Any] = self.admin(
            "POST", "/admin/accounts", {"venue": venue, "balance": balance, "may_withdraw": may_withdraw}
        )
        return {name: value for name, value in made.items() if name != "venue"}


@cache
def simulated_market() -> RawMarket:
    """Six weeks from 2024-01-01 of the simulated market, seed 7; made once per process."""
    return RawMarket(
        SimulatedMarket(seed=7, start=datetime(2024, 1, 1, tzinfo=UTC), end=datetime(2024, 2, 15, tzinfo=UTC))
    )


@contextmanager
def running_testnet(
    *, now_ms: int = NOW_MS, market: RawMarket | None = None, state: Path | None = None
) -> Iterator[RunningTestnet]:
    """A testnet with no accounts, on a free port, at 2024-02-01 00:00 UTC."""
    clock = ManualClock(now_ms)
    testnet = Testnet(market or simulated_market(), clock)
    server = TestnetServer(testnet, state=None if state is None else StateFile(state))
    thread = ServerThread(server)
    with thread as port:
        yield RunningTestnet(port, clock, testnet.exchanges, server, thread.call)
