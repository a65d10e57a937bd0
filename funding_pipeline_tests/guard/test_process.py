"""The guard as a process: one at a time, begun again when what it needs goes away, ended when told to."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from funding_pipeline.core.errors import GovernanceError
from funding_pipeline.guard.config import GuardConfig
from funding_pipeline.guard.findings import Finding, GuardReport
from funding_pipeline.guard.process import GuardProcess, _Renewal, only_guard
from funding_pipeline.storage.journal import Journal
from funding_pipeline.trading.setup import TradingSetup
from funding_pipeline.venues.routing import TestnetConnection
from funding_pipeline_tests.guard.watch import LIMITS, Heard
from funding_pipeline_tests.trading.rig import TradingRig

NewRig = Callable[..., TradingRig]
QUICK = GuardConfig(poll_seconds=0.05, slow_look_seconds=0, journal_seconds=0.5)


def test_only_one_guard_at_a_time(tmp_path: Path) -> None:
    lock = tmp_path / "state" / "guard.lock"
    with (
        only_guard(lock),
        pytest.raises(GovernanceError, match=f"process {os.getpid()} since"),
        only_guard(lock),
    ):
        raise AssertionError("two guards")
    with only_guard(lock):
        assert str(os.getpid()) in lock.read_text()


def test_a_dead_guard_holds_nothing(tmp_path: Path) -> None:
    lock = tmp_path / "guard.lock"
    code = (
        "import os, sys; from pathlib import Path; from funding_pipeline.guard.process import only_guard\n"
        "with only_guard(Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(lock)], check=False).returncode == -signal.SIGKILL
    with only_guard(lock):
        assert lock.read_text().startswith("process")


def test_a_journal_that_can_only_be_read_is_no_reason_to_begin_again(tmp_path: Path) -> None:
    """Found with a full disk: a new session each half minute, and the critical alert never came."""
    file = tmp_path / "journal.sqlite"
    setup = TradingSetup("paper", (), partial(TestnetConnection, 1), f"sqlite:///{file}", (LIMITS,))
    Journal(setup.journal_url).close()
    now = datetime(2025, 7, 1, tzinfo=UTC)
    failing = GuardReport(now, None, (Finding("journal", "warning", "full", "none", "free it", now),))
    renewal = _Renewal(setup, patience_seconds=0.0)

    async def is_due() -> bool:
        return renewal.is_due(failing)

    writing = sqlite3.connect(file, isolation_level=None)
    writing.execute("BEGIN IMMEDIATE")
    assert not asyncio.run(is_due())
    writing.execute("ROLLBACK")
    writing.close()
    assert asyncio.run(is_due())


def setup_of(rig: TradingRig, monkeypatch: pytest.MonkeyPatch) -> TradingSetup:
    """With the rig's keys in the environment, as in production."""
    from funding_pipeline.venues.credentials import variable_name

    for venue, keys in rig._keys.items():
        for name, value in keys.reveal().items():
            monkeypatch.setenv(variable_name(venue, name), value)
    return TradingSetup(
        mode="paper",
        venues=rig.venues,
        connect=lambda: TestnetConnection(rig.testnet.port),
        journal_url=rig.url,
        limits=(LIMITS,),
        alert_urls=("json://127.0.0.1:9",),
    )


async def until(is_so: Callable[[], Any], task: "asyncio.Task[None]") -> None:
    """Wait for something that the process does; fails when it ends or takes a minute."""
    for _ in range(1_200):
        if is_so():
            return
        assert not task.done(), task
        await asyncio.sleep(0.05)
    raise AssertionError("it did not happen")


def watching(process: GuardProcess, case: Callable[["asyncio.Task[None]"], Any]) -> None:
    async def whole() -> None:
        task = asyncio.create_task(process.watch())
        try:
            await case(task)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(whole())


def test_it_watches_and_opens_a_venue_that_was_down_at_first(
    new_rig: NewRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = new_rig("binance", "okx")
    rig.fault("venue_gone", "okx")
    config = QUICK.model_copy(update={"reopen_seconds": 1.0})
    process = GuardProcess(setup_of(rig, monkeypatch), tmp_path / "lock", config, notify=Heard())

    def status() -> str:
        rig.testnet.clock.advance(seconds=0.5)
        beat = rig.journal.heartbeat("guard")
        return "" if beat is None else beat.status

    async def case(task: "asyncio.Task[None]") -> None:
        await until(lambda: "okx does not answer" in status(), task)
        rig.end_faults()
        await until(lambda: status() == "ok", task)

    watching(process, case)


def test_it_tells_that_it_is_blind_and_goes_on_when_the_testnet_is_there(
    new_rig: NewRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = new_rig("binance")
    ports = [1]
    heard = Heard()
    setup = setup_of(rig, monkeypatch)
    away = TradingSetup(**{**vars(setup), "connect": lambda: TestnetConnection(ports[0])})

    async def case(task: "asyncio.Task[None]") -> None:
        await until(lambda: heard.messages, task)
        assert "no local testnet" in heard.messages[0][1]
        ports[0] = rig.testnet.port
        await until(lambda: rig.journal.heartbeat("guard"), task)

    watching(GuardProcess(away, tmp_path / "lock", QUICK, notify=heard), case)


def test_a_journal_that_was_replaced_is_opened_anew(
    new_rig: NewRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = new_rig("binance")
    process = GuardProcess(setup_of(rig, monkeypatch), tmp_path / "lock", QUICK, notify=Heard())
    file = Path(rig.url.removeprefix("sqlite:///"))

    async def case(task: "asyncio.Task[None]") -> None:
        await until(lambda: rig.journal.heartbeat("guard"), task)
        rig.journal.close()
        for part in file.parent.glob(f"{file.name}*"):
            part.rename(part.with_suffix(".aside" + part.suffix))
        with Journal(rig.url, now=rig.now) as fresh:
            await until(lambda: fresh.heartbeat("guard"), task)

    watching(process, case)


def test_a_clock_that_was_put_back_begins_a_new_session(
    new_rig: NewRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is remembered of later moments (when alerts were told, since when a leg is naked) is past."""
    rig = new_rig("binance")
    rig.testnet.clock.advance(hours=1)  # it is shared, and ends where it began
    connections: list[TestnetConnection] = []

    def connect() -> TestnetConnection:
        connections.append(TestnetConnection(rig.testnet.port))
        return connections[-1]

    setup = TradingSetup(**{**vars(setup_of(rig, monkeypatch)), "connect": connect})

    def beat() -> datetime | None:
        told = rig.journal.heartbeat("guard")
        return None if told is None else told.at

    async def case(task: "asyncio.Task[None]") -> None:
        await until(beat, task)
        before = beat()
        assert before is not None
        rig.testnet.clock.set(rig.testnet.clock.now() - 3_600_000)
        await until(lambda: len(connections) > 1 and (beat() or before) < before, task)

    watching(GuardProcess(setup, tmp_path / "lock", QUICK, notify=Heard()), case)


def test_it_ends_with_its_parent_and_when_told_to(
    new_rig: NewRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this process: signals and parents are the operating system's."""
    rig = new_rig("binance")
    setup = setup_of(rig, monkeypatch)
    parent = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])

    def end_parent() -> None:
        while rig.new_journal().heartbeat("guard") is None:
            time.sleep(0.05)
        parent.kill()
        parent.wait()

    threading.Thread(target=end_parent, daemon=True).start()
    GuardProcess(setup, tmp_path / "lock", QUICK, parent=parent.pid, notify=Heard()).run()
    assert parent.poll() is not None
    timer = threading.Timer(1.0, lambda: os.kill(os.getpid(), signal.SIGTERM))
    timer.start()
    GuardProcess(setup, tmp_path / "lock", QUICK, notify=Heard()).run()
