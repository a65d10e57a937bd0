"""The local testnet as a process: serving it, and starting one beside a run that needs it.

What lives here: ports, child processes and their logs. What does not: what the testnet is (`testnet`).
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from funding_pipeline.commands.console import console
from funding_pipeline.commands.instance import fixed_environment
from funding_pipeline.core.errors import TestnetError
from funding_pipeline.core.market import Market
from funding_pipeline.market.choice import testnet_now
from funding_pipeline.settings import Settings
from funding_pipeline.venues.connection import LOOPBACK
from funding_pipeline.venues.testnet_address import TestnetAddress

_START_SECONDS = 120.0
_POLL_SECONDS = 0.1
# A run reads only history; its testnet needs little more than the hour in which it runs.
_DAYS_AHEAD_OF_A_RUN = 2
# The clock begins a little after the history, when its last settlement and bar are final.
_AFTER_HISTORY = timedelta(minutes=5)
_DAYS_AHEAD_OF_THE_UI = 365


def serve_testnet(
    settings: Settings,
    *,
    port: int | None,
    speed: float,
    at: datetime | None,
    fresh: bool,
    host: str,
    ahead_days: int,
    parent: int | None,
) -> None:
    """Serve the market of `settings` until interrupted; its state lies in the market's folder."""
    from funding_pipeline.testnet.serving import serve

    own = settings.own_testnet
    state = _folder(settings) / "state.json"
    if fresh and not is_running(own):  # else it is refused below, and keeps what it has
        state.unlink(missing_ok=True)
    source = settings.source_market()
    serve(
        settings.source_market(ahead_days=ahead_days),
        identity=str(own.identity),
        accounts_of=_accounts_of(source),
        port=settings.testnet_port if port is None else port,
        or_any_port=port is None,
        speed=speed,
        start=at,
        history_end=source.span().end + _AFTER_HISTORY,
        state=state,
        host=host,
        parent=parent,
    )


def _accounts_of(source: Market) -> str:
    """What saved accounts belong to: they go on when days are added to the history, or taken from it."""
    return f"{source.label}, {source.span().start:%Y-%m-%d}" if source.is_simulated else source.label


@contextmanager
def local_testnet(settings: Settings) -> Iterator[Settings]:
    """Settings whose testnet is running: one that runs already, or one started for as long as this lasts.

    A testnet of another market or home is left alone; where it has the set port, ours takes a free one.
    """
    testnet = settings.testnet
    if testnet is None or is_running(testnet):
        yield settings
        return
    process = start_testnet(settings, ahead_days=_DAYS_AHEAD_OF_A_RUN)
    try:
        yield settings.model_copy(update={"testnet_port": testnet.port})
    finally:
        stop(process)


def is_running(testnet: TestnetAddress) -> bool:
    """Whether this very testnet, of this market and home, answers."""
    return testnet_now(testnet) is not None


def log_of_testnet(settings: Settings) -> Path:
    """What a testnet that is started here prints."""
    return _folder(settings) / "testnet.log"


def command_of_testnet(*, speed: float, ahead_days: int = _DAYS_AHEAD_OF_THE_UI) -> list[str]:
    """The command of a testnet on the set port, or on a free one, that ends with this process."""
    options = ["--ahead-days", str(ahead_days), "--speed", str(speed), "--parent", str(os.getpid())]
    return [sys.executable, "-m", "funding_pipeline", "testnet", *options]


def start_testnet(settings: Settings, *, ahead_days: int) -> subprocess.Popen[bytes]:
    """Start a testnet of this market and wait until it answers; raises TestnetError with its last words."""
    log = log_of_testnet(settings)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as sink:
        process = subprocess.Popen(
            command_of_testnet(speed=1.0, ahead_days=ahead_days),
            stdout=sink,
            stderr=subprocess.STDOUT,
            env=child_environment(settings),
            start_new_session=True,  # a Ctrl-C is for us first: we stop it when we are done with it
        )
    port = await_testnet(process, settings.own_testnet, log=log)
    console.print(f"[dim]local testnet on {LOOPBACK}:{port}, log in {log}[/]", soft_wrap=True)
    return process


def await_testnet(process: "subprocess.Popen[bytes]", testnet: TestnetAddress, *, log: Path) -> int:
    """Its port, once it answers; TestnetError with its last words where it ends first or takes too long."""
    until = time.monotonic() + _START_SECONDS
    while not is_running(testnet):
        if process.poll() is not None or time.monotonic() > until:
            process.kill()
            words = log.read_text("utf-8", errors="replace").strip().splitlines() or ["it printed nothing"]
            raise TestnetError(f"the local testnet did not start: {words[-1].strip()} (log: {log})")
        time.sleep(_POLL_SECONDS)
    return testnet.port


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask a child to end, and wait; it saves its state first."""
    process.terminate()
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()


def child_environment(settings: Settings) -> dict[str, str]:
    """This process's environment with its settings, also those that were given in code."""
    values = settings.model_dump(mode="json", include=settings.model_fields_set, exclude_none=True)
    given = {
        f"FUNDING_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in values.items()
    }
    return {**os.environ, **given, **fixed_environment(settings)}


def _folder(settings: Settings) -> Path:
    return settings.state_dir / "testnet"
