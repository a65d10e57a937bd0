"""Serving a market until interrupted: what `funding-pipeline testnet` does.

What lives here: start, signals, the lines that tell how to use it. What does not: options and settings
(`commands`), HTTP (`server`).
"""

import asyncio
import fcntl
import json
import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from funding_pipeline.core.errors import TestnetError
from funding_pipeline.core.market import Market
from funding_pipeline.core.testnet_identity import RUNNING_FILE, identity_code
from funding_pipeline.testnet.clock import TestnetClock
from funding_pipeline.testnet.raw_market import RawMarket, milliseconds
from funding_pipeline.testnet.server import TestnetServer, check_loopback
from funding_pipeline.testnet.state import StateFile
from funding_pipeline.testnet.testnet import Testnet

_PARENT_POLL_SECONDS = 1.0


def serve(
    market: Market,
    *,
    identity: str,
    port: int,
    speed: float,
    start: datetime | None,
    history_end: datetime,
    state: Path | None,
    accounts_of: str | None = None,
    or_any_port: bool = False,
    host: str = "127.0.0.1",
    parent: int | None = None,
) -> None:
    """Serve `market` until SIGINT or SIGTERM, or until the process `parent` is gone; then save and return.

    Market time goes on from `start`; None: from where saved accounts are, else from `history_end`.
    `identity`, `accounts_of`: see `Testnet`. Beside the `state` file a running testnet keeps RUNNING_FILE.
    Raises TestnetError naming what is wrong: host, port, time, state.
    """
    check_loopback(host)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    keeper = None if state is None else StateFile(state)
    with _only_one(state):
        begin = _start(start, history_end, keeper)
        rows = RawMarket(market)
        del market
        rows.read_everything()  # now: the first request would run into its time-out
        testnet = Testnet(rows, TestnetClock(begin, speed), identity=identity, accounts_of=accounts_of)
        server = TestnetServer(testnet, host=host, port=port, or_any_port=or_any_port, state=keeper)
        asyncio.run(_serve(server, parent, None if state is None else state.parent / RUNNING_FILE))


@contextmanager
def _only_one(state: Path | None) -> Iterator[None]:
    """Two testnets on one state would overwrite each other's accounts; TestnetError for the second."""
    if state is None:
        yield
        return
    with open(state.with_suffix(".lock"), "a+b") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise TestnetError(f"a testnet of this market and home runs already on {state.parent}") from error
        yield


def _start(start: datetime | None, history_end: datetime, keeper: StateFile | None) -> int:
    saved = None if keeper is None else keeper.saved_time()
    if start is None:
        if keeper is None or saved is None:
            return milliseconds(history_end)
        # Accounts go on where they were; without any the market begins at an end that has grown since.
        return saved if keeper.has_accounts() else max(saved, milliseconds(history_end))
    wanted = milliseconds(start)
    if saved is not None and wanted < saved:
        raise TestnetError(
            f"--at {start:%Y-%m-%d %H:%M} lies before the accounts' last moment, {_text(saved)}; "
            "start with --fresh to forget them"
        )
    return wanted


async def _serve(server: TestnetServer, parent: int | None, note: Path | None) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stopped.set)
    await server.start()
    watch = None if parent is None else asyncio.create_task(_watch(parent, stopped))
    try:
        with _noted(server, note):
            _tell(server)
            await stopped.wait()
    finally:
        if watch is not None:
            watch.cancel()
        await server.stop()
    print("testnet stopped", flush=True)


@contextmanager
def _noted(server: TestnetServer, note: Path | None) -> Iterator[None]:
    """Port, pid and identity in a file for as long as this lasts, for the commands of the same home."""
    if note is None:
        yield
        return
    identity = identity_code(server.testnet.identity)
    text = json.dumps({"port": server.port, "pid": os.getpid(), "identity": identity})
    half = note.with_name(f".{note.name}.{os.getpid()}.part")
    half.write_text(text, "utf-8")
    half.replace(note)
    try:
        yield
    finally:
        with suppress(OSError):
            if note.read_text("utf-8") == text:  # else it is a later testnet's
                note.unlink()


async def _watch(parent: int, stopped: asyncio.Event) -> None:
    """Stop when the process `parent` is gone: nobody would stop us then."""
    is_child = os.getppid() == parent
    while True:
        if (is_child and os.getppid() != parent) or not _is_alive(parent):
            stopped.set()
            return
        await asyncio.sleep(_PARENT_POLL_SECONDS)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _tell(server: TestnetServer) -> None:
    testnet, address = server.testnet, server.address
    lines = [
        f"testnet on {address}, plain HTTP: {testnet.market.label}. Nothing here is real money.",
        f"market time {_text(testnet.clock.now())}, {testnet.clock.speed:g} seconds per second",
        *(f"  {venue:<12} Host: {', '.join(s.dialect.hosts)}" for venue, s in testnet.seats.items()),
        "a test account (the answer has its keys by ccxt's names):",
        f"""  curl -s {address}/admin/accounts -d '{{"venue": "{next(iter(testnet.seats))}", """
        """"balance": "100000"}'""",
        f"what else there is: curl -s {address}/",
    ]
    print("\n".join(lines), flush=True)


def _text(milliseconds_: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds_ / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
