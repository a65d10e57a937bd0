"""`serve` as a process of its own: what it prints, how it ends, what a kill leaves."""

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from funding_pipeline.core.errors import TestnetError
from funding_pipeline.market.simulated import SimulatedMarket
from funding_pipeline.testnet.serving import _start, serve
from funding_pipeline.testnet.state import StateFile

_SERVE = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from funding_pipeline.market.simulated import SimulatedMarket
from funding_pipeline.testnet.serving import serve
end = datetime(2024, 1, 8, tzinfo=UTC)
serve(
    SimulatedMarket(seed=7, start=datetime(2024, 1, 1, tzinfo=UTC), end=end), identity="a week", port=0,
    speed=3600, start=None, history_end=end, state=Path(sys.argv[1]),
    parent=int(sys.argv[2]) if len(sys.argv) > 2 else None,
)
"""


class Served:
    """A serving process, its address and what it printed at the start."""

    def __init__(self, process: "subprocess.Popen[str]", told: str) -> None:
        self.process, self.told = process, told
        self.address = told.split(",")[0].removeprefix("testnet on ")

    def admin(self, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(self.address + path, data, timeout=30) as answer:
            return json.loads(answer.read())


@contextmanager
def served(state: Path, *more: str) -> Iterator[Served]:
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVE, str(state), *more], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        told = ""
        while "what else there is" not in told:
            line = process.stdout.readline()
            assert line, f"it ended: {told}"
            told += line
        yield Served(process, told)
    finally:
        process.kill()
        process.communicate()


def test_a_kill_loses_nothing_that_was_answered_and_sigterm_ends_cleanly(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    with served(state) as testnet:
        made = testnet.admin("/admin/accounts", {"venue": "okx", "balance": "7", "account_id": "mine"})
        before = testnet.admin("/admin/clock")["now_ms"]
        testnet.process.send_signal(signal.SIGKILL)
        testnet.process.wait(timeout=10)
    with served(state) as testnet:
        noted = json.loads((tmp_path / "running.json").read_text())
        assert noted["pid"] == testnet.process.pid
        assert testnet.address.endswith(f":{noted['port']}")
        account = testnet.admin("/admin/accounts/okx/mine")
        assert account["wallet"] == "7"
        kept = json.loads(state.read_text())["venues"]["okx"]["exchange"]["accounts"]["mine"]
        assert kept["key"] == made["apiKey"]
        # Time goes on from where it was saved last, which was with the account.
        assert testnet.admin("/admin/clock")["now_ms"] > before - 3600 * 3600
        testnet.process.send_signal(signal.SIGTERM)
        out, _ = testnet.process.communicate(timeout=20)
        assert testnet.process.returncode == 0
        assert "testnet stopped" in out
        assert not (tmp_path / "running.json").exists()
        assert "curl -s" in testnet.told
        assert made["secret"] not in out + testnet.told


def test_a_second_testnet_on_the_same_state_is_refused(tmp_path: Path) -> None:
    state, end = tmp_path / "state.json", datetime(2024, 1, 8, tzinfo=UTC)
    with served(state), pytest.raises(TestnetError, match="runs already"):
        serve(_week(), identity="a week", port=0, speed=1, start=None, history_end=end, state=state)


def test_it_ends_with_the_process_it_was_started_for(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with served(tmp_path / "state.json", str(parent.pid)) as testnet:
        assert testnet.process.poll() is None
        parent.communicate(b"\n", timeout=10)
        assert testnet.process.wait(timeout=20) == 0


def test_a_time_before_the_saved_one_is_refused(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    state.write_text(json.dumps({"version": 1, "market": "a", "now_ms": 1_704_672_000_000}))
    with pytest.raises(TestnetError, match="--fresh"):
        serve(
            _week(),
            identity="a",
            port=0,
            speed=1,
            start=datetime(2024, 1, 2, tzinfo=UTC),
            history_end=datetime(2024, 1, 8, tzinfo=UTC),
            state=state,
        )


@pytest.mark.parametrize(("accounts", "begins"), [({}, "2024-01-08"), ({"mine": {}}, "2024-01-05")])
def test_accounts_go_on_where_they_were_and_without_any_time_begins_at_the_grown_end(
    tmp_path: Path, accounts: object, begins: str
) -> None:
    file, saved = tmp_path / "state.json", datetime(2024, 1, 5, tzinfo=UTC).timestamp() * 1000
    venues = {"okx": {"exchange": {"accounts": accounts}}}
    file.write_text(json.dumps({"version": 1, "market": "a", "now_ms": saved, "venues": venues}))
    found = _start(None, datetime(2024, 1, 8, tzinfo=UTC), StateFile(file))
    assert found == datetime.fromisoformat(f"{begins}T00:00+00:00").timestamp() * 1000


def test_another_host_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    end = datetime(2024, 1, 8, tzinfo=UTC)
    with pytest.raises(TestnetError, match="loopback"):
        serve(_week(), identity="a", port=0, speed=1, start=None, history_end=end, state=None, host="0.0.0.0")


def _week() -> SimulatedMarket:
    return SimulatedMarket(
        seed=7, start=datetime(2024, 1, 1, tzinfo=UTC), end=datetime(2024, 1, 8, tzinfo=UTC)
    )
