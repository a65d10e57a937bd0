"""The soak's home: a small simulated market of its own, with `funding-pipeline up` as a child process."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from funding_pipeline.commands.local_testnet import child_environment
from funding_pipeline.core.errors import SettingsError, TestnetError
from funding_pipeline.settings import Settings, project_root
from funding_pipeline.venues.connection import LOOPBACK

_START_SECONDS = 180.0
_STOP_SECONDS = 30.0
_HISTORY = timedelta(days=20)
_UNTIL = datetime(2025, 6, 21, tzinfo=UTC)


def soak_settings(home: Path | None, *, seed: int, speed: float) -> Settings:
    """Twenty simulated days of four coins on five venues, on free ports; `home` None: a new folder.

    Raises SettingsError where `home` has something in it: figures of growth need a beginning."""
    home = home or project_root() / ".funding" / "soak" / f"{datetime.now(UTC):%Y%m%d-%H%M%S}"
    if home.exists() and any(home.iterdir()):
        raise SettingsError(f"--home {home} is not empty: a soak needs a home of its own")
    home.mkdir(parents=True, exist_ok=True)
    return Settings(
        market="simulated",
        home=home.resolve(),
        seed=seed,
        simulated_from=_UNTIL - _HISTORY,
        simulated_to=_UNTIL,
        coins="BTC,ETH,SOL,XRP",
        testnet_port=_free_port(),
        web_port=_free_port(),
        testnet_speed=speed,
        rebalance_every_hours=1,
        # So short a history shows no spread that is worth a stressed round trip.
        portfolio={"no_trade_multiple": 0.25},
        # Seconds of this machine, of which a market hour has few.
        execution={"window_lead_seconds": 2.0},
    )


@contextmanager
def running_up(settings: Settings) -> Iterator["subprocess.Popen[bytes]"]:
    """`up` as a child, from when its web UI and its testnet answer; ended as a Ctrl-C would."""
    log = settings.state_dir / "up.log"
    with log.open("wb") as sink:
        # Tethered: a soak that is killed outright shall leave nothing running.
        tether = [sys.executable, "-m", "funding_pipeline.commands.tether", str(os.getpid())]
        up = [sys.executable, "-m", "funding_pipeline", "up", "--speed", f"{settings.testnet_speed:g}"]
        process = subprocess.Popen(
            [*tether, *up],
            env=child_environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_hear_signals,
        )
    try:
        _await(lambda: process.poll() is not None or _is_serving(settings), log)
        if process.poll() is not None:
            raise TestnetError(f"`up` ended at once: {_last_line(log)} (log: {log})")
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)  # the tether leaves it to `up`
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # its children watch it


def ask(settings: Settings, path: str, body: Mapping[str, Any] | None = None) -> Any:
    """The testnet's admin API. Raises TestnetError with its words where it refuses."""
    status, answer = settings.own_testnet.ask(path, body, timeout=60.0)
    if status != 200:
        raise TestnetError(f"{path}: {answer.get('error', status)}")
    return answer


def end_faults(settings: Settings) -> None:
    """End every fault, and what it did to a venue."""
    address = settings.own_testnet
    request = urllib.request.Request(f"http://{LOOPBACK}:{address.port}/admin/faults", method="DELETE")
    with urllib.request.urlopen(request, timeout=60):
        pass


def _is_serving(settings: Settings) -> bool:
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{settings.web_port}/server_info", timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


def _await(condition: Callable[[], object], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TestnetError(f"`up` does not answer after {_START_SECONDS:.0f} s (log: {log})")
        time.sleep(0.2)


def _hear_signals() -> None:
    """A shell's background job hands its children ignored signals, and `up` is ended by one."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


def _last_line(log: Path) -> str:
    lines = log.read_text("utf-8", errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else "it printed nothing"


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def environment_of(settings: Settings) -> None:
    """Make this process one of that home: child processes and the web UI's runs read the same settings."""
    os.environ.update({k: v for k, v in child_environment(settings).items() if k.startswith("FUNDING_")})
