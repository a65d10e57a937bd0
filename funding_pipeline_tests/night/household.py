"""A running `up` with a hedged pair of positions, and what a person sees of it.

What lives here: starting it, holding positions, the commands that a person types. What does not: accidents
(`test_night`).
"""

import asyncio
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

from dagster_graphql import DagsterGraphQLClient, DagsterGraphQLClientError

from funding_pipeline.commands.soak.measuring import sample
from funding_pipeline.core.governance import LegVerdict, RiskVerdict, TargetPosition
from funding_pipeline.settings import Settings
from funding_pipeline.storage.journal import Journal
from funding_pipeline.trading.session import TradingSession, open_session
from funding_pipeline.venues.credentials import Credentials
from funding_pipeline.venues.registry import dialect_of
from funding_pipeline_tests.commands.test_up import Up

PATIENCE_SECONDS = 120.0
"""Upper bound of every wait: for a machine at load 8."""
SPEED = 60
LONG, SHORT, SYMBOL = "okx", "binance", "BTC/USDT:USDT"
QUANTITY = Decimal("0.1")
Json = dict[str, Any]


@dataclass(frozen=True)
class Said:
    """What a command printed."""

    code: int
    out: str
    err: str

    @property
    def everything(self) -> str:
        return self.out + self.err


class Household:
    """`folder`/state is the home. `journal`: opened anew each time, as by another process."""

    def __init__(self, folder: Path, **environment: str) -> None:
        small = {"FUNDING_COINS": "BTC,ETH", "FUNDING_SIMULATED_FROM": "2025-06-10"}
        self.up = Up(folder, "--speed", str(SPEED), **small, **environment)
        self.home = folder / "state"
        self.process: subprocess.Popen[bytes] | None = None

    # --- the whole
    def start(self) -> None:
        self.process = self.up.start()
        wait(lambda: self.up.is_serving() or self.has_ended, "up serves")
        assert not self.has_ended, self.up.told()
        self.wait_for_guard()

    def stop(self) -> None:
        if self.process is not None and not self.has_ended:
            self.process.terminate()
            self.process.wait(timeout=40)

    def wait_for_guard(self) -> None:
        """Until the guard gives a sign of life that is newer than now."""
        now = self.now()

        def looked() -> bool:
            with self.journal() as journal:
                beat = journal.heartbeat("guard")
            return beat is not None and beat.at > now

        wait(looked, "the guard looks on")

    @property
    def has_ended(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def pids(self, name: str) -> tuple[int, ...]:
        """Of a long-lived process by the name that the soak knows it by; none where it is not there."""
        assert self.process is not None
        found = sample(0, root=self.process.pid, state=self.home).processes.get(name)
        return () if found is None else found.pids

    # --- what a person types
    def type(self, *words: str) -> Said:
        done = subprocess.run(
            [sys.executable, "-m", "funding_pipeline", *words],
            env=self.up.environment,
            cwd=self.up.folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def state(self) -> Json:
        """`state --json`; empty where it refuses."""
        said = self.type("state", "--json")
        return json.loads(said.out) if said.code != 2 else {}

    def flatten(self) -> Said:
        return self.type("flatten", "--person", "night", "--reason", "an accident", "--confirm", "FLATTEN")

    def reduce_in_the_web_ui(self) -> None:
        """By a run of the job `reduce`: web server, daemon, code server and a run's process, all at work."""
        confirmed = {"person": "night", "reason": "in the web UI", "confirm": "REDUCE"}
        config = {"ops": {"reduce_trading": {"config": confirmed}}}
        client = DagsterGraphQLClient("127.0.0.1", port_number=self.up.web)
        asked: list[str] = []

        def launched() -> bool:
            try:
                asked.append(client.submit_job_execution("reduce", run_config=config))
            except DagsterGraphQLClientError:  # the location is not loaded yet
                return False
            return True

        wait(launched, "a run can be launched")

        def is_reducing() -> bool:
            with self.journal() as journal:
                return journal.state().state == "REDUCING"

        wait(is_reducing, "the run has set the state")

    # --- what is really so
    @cached_property
    def settings(self) -> Settings:
        """As `up` has them."""
        return Settings(
            home=self.home,
            simulated_from=datetime(2025, 6, 10, tzinfo=UTC),
            simulated_to=datetime(2025, 6, 20, tzinfo=UTC),
            coins="BTC,ETH",
            testnet_port=self.up.testnet,
        )

    def ask(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        status, answer = self.settings.own_testnet.ask(path, body)
        assert status == 200, answer
        return answer

    def now(self) -> datetime:
        """The market's time; it waits for the testnet."""
        wait(lambda: self.up.ask(self.settings.own_testnet.port, "/admin/clock"), "the testnet answers")
        return datetime.fromtimestamp(self.ask("/admin/clock")["now_ms"] / 1000, UTC)

    def held(self) -> dict[str, Decimal]:
        """Quantity by venue, as the engines have it."""
        found = {}
        for venue in (LONG, SHORT):
            for position in self.ask(f"/admin/accounts/{venue}/paper")["positions"]:
                found[venue] = Decimal(position["quantity"])
        return found

    def end_faults(self) -> None:
        port = self.settings.own_testnet.port
        request = urllib.request.Request(f"http://127.0.0.1:{port}/admin/faults", method="DELETE")
        urllib.request.urlopen(request, timeout=10).close()

    def hold(self) -> None:
        """Trade again and hold the pair, by the executor under a verdict, as a rebalance does."""
        asyncio.run(self._hold())
        assert self.held() == {LONG: QUANTITY, SHORT: -QUANTITY}

    async def _hold(self) -> None:
        async with open_session(self.settings.trading_setup(), credentials=self._keys()) as session:
            session.journal.set_state("ACTIVE", reason="the next accident", by="night")
            verdict = await _verdict(session)
            session.journal.save_verdict(verdict)
            report = await session.executor("night").rebalance(verdict)
            assert report.status == "done", report

    def _keys(self) -> dict[str, Credentials]:
        keys = {}
        for venue in (LONG, SHORT):
            stated = self.ask(f"/admin/accounts/{venue}/paper/credentials")
            names = dialect_of(venue).credentials
            keys[venue] = Credentials(venue, {name: str(stated[name]) for name in names})
        return keys

    def journal(self) -> Journal:
        return self.settings.trading_setup().journal()


async def _verdict(session: TradingSession) -> RiskVerdict:
    legs = []
    for venue, quantity in ((LONG, QUANTITY), (SHORT, -QUANTITY)):
        book = await session.public[venue].order_book(SYMBOL)
        price = Decimal(str(book["bid_px"].explode()[0]))
        target = TargetPosition(venue, SYMBOL, "BTC", Decimal(1), quantity, price)
        legs.append(LegVerdict(target, "pass", quantity))
    now = session.now()
    name = f"night {now.isoformat()}"
    return RiskVerdict(name, name, now, now + timedelta(hours=6), "ACTIVE", "night", tuple(legs))


def wait(condition: Callable[[], object], what: str) -> None:
    """Until it holds; AssertionError with `what` after PATIENCE_SECONDS."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"it never came to: {what}"
        time.sleep(0.2)


def kill(pids: tuple[int, ...]) -> None:
    for pid in pids:
        os.kill(pid, 9)
