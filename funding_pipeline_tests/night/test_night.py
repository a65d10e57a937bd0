"""One accident after the other on one home. After each `state` is right and `flatten` closes what it can.

One `up` is shared, because what one accident leaves behind must not matter to the next. Its home is a small
disk of its own where that can be had, to be filled.
"""

import http.server
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from funding_pipeline_tests.commands.test_up import is_gone
from funding_pipeline_tests.night.household import LONG, SHORT, SYMBOL, Household, Said, kill, wait

pytestmark = pytest.mark.slow
_DISK_MIB = 96


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """Whether `folder` is a disk of its own now; only root may mount one."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_MIB}m", "tmpfs", str(folder)]
    is_mounted = bool(shutil.which("mount")) and subprocess.run(command, capture_output=True).returncode == 0
    try:
        yield is_mounted
    finally:
        if is_mounted:
            subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Household]:
    folder = tmp_path_factory.mktemp("night")
    household = Household(folder)
    with small_disk(household.home):
        try:
            household.start()
            yield household
        finally:
            household.stop()


@pytest.fixture
def night(shared: Household) -> Household:
    """Running, and holding the pair."""
    if shared.has_ended:
        shared.start()
    shared.end_faults()
    shared.hold()
    return shared


def it_can_be_closed(night: Household, *, state: str = "ACTIVE") -> None:
    """The guard looks on, `state` is what it should be, and `flatten` closes both legs."""
    night.wait_for_guard()
    shown = night.state()
    assert (shown["state"], shown["guard_is_fresh"], shown["unresolved_orders"]) == (state, True, 0)
    said = night.flatten()
    assert (said.code, night.held()) == (0, {}), said.everything
    assert "everything is closed" in said.out


def in_one_line(said: Said) -> str:
    """What a command says that refuses: one line, and no traceback."""
    assert said.code == 2, said.everything
    assert said.err.count("error:") == 1
    assert "Traceback" not in said.everything
    return said.err


@contextmanager
def stranger(port: int) -> Iterator[None]:
    """A web server that has nothing to do with us, on the port as soon as it is free."""
    found: list[http.server.ThreadingHTTPServer] = []

    def taken() -> bool:
        try:
            found.append(http.server.ThreadingHTTPServer(("127.0.0.1", port), _Stranger))
        except OSError:
            return False
        return True

    wait(taken, f"port {port} is the stranger's")
    threading.Thread(target=found[0].serve_forever, daemon=True).start()
    try:
        yield
    finally:
        found[0].shutdown()
        found[0].server_close()


class _Stranger(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize("name", ["guard", "testnet"])
def test_a_process_is_killed(night: Household, name: str) -> None:
    before = night.pids(name)
    kill(before)
    wait(lambda: night.pids(name) not in (before, ()), f"another {name}")
    night.now()
    assert night.held() != {}, "accounts outlive their testnet"
    it_can_be_closed(night)


def test_parts_of_dagster_are_killed_one_after_the_other(night: Household) -> None:
    guard = night.pids("guard")
    for name in ("code server", "web server", "daemon"):
        before = night.pids(name)
        kill(before)
        wait(lambda name=name, before=before: night.pids(name) not in (before, ()), f"another {name}")
        wait(night.up.is_serving, "the web UI serves")
    night.reduce_in_the_web_ui()
    assert night.pids("guard") == guard, "who watches positions goes on"
    it_can_be_closed(night, state="REDUCING")


def test_a_stranger_takes_the_port_of_a_testnet_that_was_killed(night: Household) -> None:
    before, port = night.pids("testnet"), night.settings.own_testnet.port
    with stranger_after_kill(before, port):
        wait(lambda: night.pids("testnet") not in (before, ()), "another testnet")
        wait(lambda: night.settings.own_testnet.running(), "it has noted its port")
        assert night.settings.own_testnet.port != port
        it_can_be_closed(night)


@contextmanager
def stranger_after_kill(pids: tuple[int, ...], port: int) -> Iterator[None]:
    kill(pids)
    with stranger(port):
        yield


def test_a_venue_is_gone(night: Household) -> None:
    night.ask("/admin/faults", {"kind": "venue_gone", "venue": LONG})
    said = night.flatten()
    assert said.code == 1, said.everything
    assert f"{LONG} is not known" in said.out
    assert SYMBOL in said.out
    assert SHORT not in night.held(), "what can be closed is closed"
    night.end_faults()
    again = night.flatten()
    assert (again.code, night.held()) == (0, {}), again.everything


def test_the_journal_is_lost_while_all_runs(night: Household) -> None:
    for part in ("", "-wal", "-shm"):
        (night.home / f"journal.sqlite{part}").rename(night.home / f"lost.sqlite{part}")
    it_can_be_closed(night, state="HALTED")


def test_the_disk_is_full(night: Household) -> None:
    if not os.path.ismount(night.home):
        pytest.skip("only root can have a small disk")
    ballast = night.home / "ballast"
    with ballast.open("wb", buffering=0) as file:
        fill(file)
    assert night.state()["state"] == "ACTIVE", "it can be read"
    assert "full" in in_one_line(night.flatten()), "nothing is sent that the journal does not know"
    assert night.held() != {}
    ballast.unlink()
    it_can_be_closed(night)


def fill(file: object) -> None:
    """Until not a page is left."""
    for size in (1 << 20, 4096, 1):
        try:
            while True:
                file.write(b"x" * size)  # type: ignore[attr-defined]
        except OSError:
            continue


def test_the_supervisor_is_killed_and_ports_and_journal_are_lost_between_runs(night: Household) -> None:
    assert night.process is not None
    names = ("guard", "testnet", "web server", "daemon", "code server")
    everyone = [pid for name in names for pid in night.pids(name)]
    night.process.kill()
    night.process.wait(30)
    wait(lambda: all(is_gone(pid) for pid in everyone), "all end with it")
    assert night.state()["state"] == "ACTIVE"
    assert "testnet" in in_one_line(night.flatten())
    (night.home / "journal.sqlite").rename(night.home / "lost_too.sqlite")
    with stranger(night.up.web):
        refused = night.up.start()
        assert refused.wait(120) == 2
        assert "is in use: set FUNDING_WEB_PORT" in night.up.told()
    with stranger(night.up.testnet):
        night.start()
        it_can_be_closed(night, state="HALTED")
