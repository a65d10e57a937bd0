"""The local testnet as a process: serving it, and starting one beside a run that needs it.

What lives here: ports, child processes and their logs. What does not: what the testnet is (`testnet`).
"""

import json
import os
import socket
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
from funding_pipeline.market.choice import identity, served_market
from funding_pipeline.settings import Settings
from funding_pipeline.venues.connection import LOOPBACK

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

    state = _folder(settings) / "state.json"
    if fresh:
        state.unlink(missing_ok=True)
    source = settings.source_market()
    serve(
        settings.source_market(ahead_days=ahead_days),
        identity=identity(source),
        port=settings.testnet_port if port is None else port,
        speed=speed,
        start=at,
        history_end=source.span().end + _AFTER_HISTORY,
        state=state,
        host=host,
        parent=parent,
    )


@contextmanager
def local_testnet(settings: Settings) -> Iterator[Settings]:
    """Settings whose testnet is running: the one on the set port, or one started for as long as this lasts.

    A testnet of another market on that port is left alone; ours then takes a free port.
    """
    if not settings.uses_testnet or is_served(settings):
        yield settings
        return
    port = port_for_testnet(settings)
    process = start_testnet(settings, port=port, ahead_days=_DAYS_AHEAD_OF_A_RUN)
    try:
        yield settings.model_copy(update={"testnet_port": port})
    finally:
        stop(process)


def is_served(settings: Settings) -> bool:
    """Whether a testnet of this very market is running on the set port."""
    return served_market(settings.testnet_port) == identity(settings.source_market())


def port_for_testnet(settings: Settings) -> int:
    """The set port, or a free one where something else listens there."""
    return settings.testnet_port if _is_free(settings.testnet_port) else _free_port()


def log_of_testnet(settings: Settings) -> Path:
    """What a testnet that is started here prints."""
    return _folder(settings) / "testnet.log"


def command_of_testnet(*, port: int, speed: float, ahead_days: int = _DAYS_AHEAD_OF_THE_UI) -> list[str]:
    """The command of a testnet that ends with this process."""
    options = ["--port", str(port), "--ahead-days", str(ahead_days), "--speed", str(speed)]
    return [sys.executable, "-m", "funding_pipeline", "testnet", *options, "--parent", str(os.getpid())]


def start_testnet(settings: Settings, *, port: int, ahead_days: int) -> subprocess.Popen[bytes]:
    """Start a testnet of this market and wait until it answers; raises TestnetError with its last words."""
    log = log_of_testnet(settings)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as sink:
        process = subprocess.Popen(
            command_of_testnet(port=port, speed=1.0, ahead_days=ahead_days),
            stdout=sink,
            stderr=subprocess.STDOUT,
            env=child_environment(settings),
            start_new_session=True,  # a Ctrl-C is for us first: we stop it when we are done with it
        )
    await_testnet(process, port=port, log=log)
    console.print(f"[dim]local testnet on {LOOPBACK}:{port}, log in {log}[/]", soft_wrap=True)
    return process


def await_testnet(process: "subprocess.Popen[bytes]", *, port: int, log: Path) -> None:
    """Wait until it answers; TestnetError with its last words where it ends first or takes too long."""
    until = time.monotonic() + _START_SECONDS
    while served_market(port) is None:
        if process.poll() is not None or time.monotonic() > until:
            process.kill()
            words = log.read_text("utf-8", errors="replace").strip().splitlines() or ["it said nothing"]
            raise TestnetError(f"the local testnet did not start: {words[-1].strip()} (log: {log})")
        time.sleep(_POLL_SECONDS)


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


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        return probe.connect_ex((LOOPBACK, port)) != 0


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOOPBACK, 0))
        number: int = probe.getsockname()[1]
        return number
