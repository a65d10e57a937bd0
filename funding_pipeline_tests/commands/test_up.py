"""`funding-pipeline up` as a process: what it starts, what it does when a part dies, and how it ends."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow
PATIENCE_SECONDS = 90.0


class Up:
    """A running `up` on a small market in a folder of its own."""

    def __init__(self, folder: Path, *options: str, **environment: str) -> None:
        self.web, self.testnet = _free_port(), _free_port()
        self.folder, self.log = folder, folder / "up.txt"
        own = {
            "FUNDING_HOME": str(folder / "state"),
            "FUNDING_SIMULATED_FROM": "2025-06-01",
            "FUNDING_SIMULATED_TO": "2025-06-20",
            "FUNDING_WEB_PORT": str(self.web),
            "FUNDING_TESTNET_PORT": str(self.testnet),
        }
        outside = {name: value for name, value in os.environ.items() if not name.startswith("FUNDING_")}
        self.environment = outside | own | environment
        self.options = options

    def start(self) -> "subprocess.Popen[bytes]":
        with self.log.open("ab") as sink:
            return subprocess.Popen(
                [str(Path(sys.executable).parent / "funding-pipeline"), "up", *self.options],
                env=self.environment,
                cwd=self.folder,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_hears_signals,
            )

    def told(self) -> str:
        return self.log.read_text("utf-8")

    def is_serving(self) -> bool:
        return self.ask(self.web, "/server_info") is not None

    def admin(self, path: str) -> Any:
        return self.ask(self.testnet, path)

    def ask(self, port: int, path: str) -> Any:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return json.loads(answer.read())
        except (urllib.error.URLError, OSError):
            return None

    def children(self, of: int) -> dict[str, int]:
        """Processes started by `up`, by the word that tells them apart."""
        found = {}
        for status in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = status.read_text().rpartition(")")[2].split()
                command = (status.parent / "cmdline").read_bytes().decode()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[1]) == of and fields[0] != "Z":
                words = [word for word in ("tether", "testnet", "guard") if word in command]
                found |= dict.fromkeys(words[:1], int(status.parent.name))  # none: between fork and exec
        return found


def _hears_signals() -> None:
    """Tests that run in a shell's background hand their children ignored signals."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@contextmanager
def running(up: Up) -> Iterator["subprocess.Popen[bytes]"]:
    process = up.start()
    try:
        await_that(lambda: up.is_serving() or process.poll() is not None)
        assert process.poll() is None, up.told()
        yield process
    finally:
        process.terminate()
        process.wait(timeout=30)


def await_that(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):  # the latter where it goes while it is read
        return True


def test_it_is_one_thing_that_outlives_its_parts_and_none_outlives_it(tmp_path: Path) -> None:
    up = Up(tmp_path, "--speed", "60")
    with running(up) as process:
        assert up.admin("/admin/clock")["speed"] == 60
        paper = {account["venue"] for account in up.admin("/admin/accounts")}
        assert paper == {"binance", "bybit", "gate", "hyperliquid", "okx"}
        keys = up.admin("/admin/accounts/okx/paper/credentials")

        second = up.start()  # on the same state
        assert second.wait(timeout=60) == 2
        children = up.children(process.pid)
        assert set(children) == {"tether", "testnet", "guard"}

        os.kill(children["testnet"], signal.SIGKILL)
        await_that(lambda: up.admin("/admin/accounts/okx/paper/credentials") == keys)
        assert "local testnet ended (signal SIGKILL)" in up.told()
        assert up.children(process.pid)["testnet"] != children["testnet"]

        os.kill(children["guard"], signal.SIGKILL)
        await_that(lambda: up.children(process.pid).get("guard", children["guard"]) != children["guard"])
        assert "guard ended (signal SIGKILL)" in up.told()

        everyone = up.children(process.pid)
        assert set(everyone) == {"tether", "testnet", "guard"}
        process.kill()
        process.wait(timeout=30)  # a zombie counts as alive
        await_that(lambda: all(is_gone(pid) for pid in everyone.values()))
        await_that(lambda: not up.is_serving() and up.admin("/admin/clock") is None)
    told = up.told()
    assert keys["secret"] not in told
    logs = [log.read_text("utf-8") for log in (tmp_path / "state" / "logs").glob("*.log")]
    assert len(logs) >= 4
    assert not any(keys["secret"] in log for log in logs)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_everything_within_twenty_seconds(tmp_path: Path, number: int) -> None:
    up = Up(tmp_path, FUNDING_WAY="direct")
    with running(up) as process:
        assert "no trading, and so no guard: paper trading needs the local testnet" in up.told()
        children = up.children(process.pid)
        assert set(children) == {"tether"}
        process.send_signal(number)
        assert process.wait(timeout=20) == 0
        assert all(is_gone(pid) for pid in children.values())
        assert not up.is_serving()


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
