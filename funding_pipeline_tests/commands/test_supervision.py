"""Processes that belong together, with little Python programs in the place of the real ones."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from funding_pipeline.commands import supervision
from funding_pipeline.commands.supervision import Service, Supervisor

PATIENCE_SECONDS = 30.0
LIVES = """
import os, sys, time
from pathlib import Path
with open(sys.argv[1], "a") as file:
    file.write(f"{os.getpid()}\\n")
"""
STAYS = LIVES + "time.sleep(600)"
DIES = LIVES + "print('no bread in the house'); sys.exit(3)"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + STAYS
HAS_A_CHILD = (
    "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', "
    "'import time; time.sleep(600)']); open(sys.argv[1] + '.child', 'w').write(str(p.pid))\n" + STAYS
)


class Household:
    """Services in a folder, and what was told about them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.told = folder, []
        self.supervisor = Supervisor(self.told.append)

    def service(self, name: str, code: str, **options: object) -> Service:
        command = [sys.executable, "-c", code, str(self.folder / name)]
        return Service(name, command, dict(os.environ), self.folder / f"{name}.log", **options)

    def lives(self, name: str) -> list[int]:
        file = self.folder / name
        return [int(line) for line in file.read_text().split()] if file.exists() else []


@pytest.fixture
def household(tmp_path: Path):
    made = Household(tmp_path)
    yield made
    made.supervisor.stop()


@pytest.fixture(autouse=True)
def sigterm_is_heard() -> Iterator[None]:
    """Dagster gives SIGTERM the handler of SIGINT back after a run in this process; beside a shell's
    background job, which ignores SIGINT, nobody would hear it any more."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, before)


def await_that(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Running; a zombie is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # the latter where it goes while it is read
        return False


def test_when_a_vital_service_ends_all_end_with_its_code(household: Household) -> None:
    household.supervisor.start(household.service("other", HAS_A_CHILD))
    await_that(lambda: household.lives("other"))
    household.supervisor.start(household.service("web", DIES, is_vital=True))
    assert household.supervisor.run() == 3
    assert not is_alive(household.lives("other")[0])
    child = int((household.folder / "other.child").read_text())
    await_that(lambda: not is_alive(child))
    assert any("web ended (exit code 3): no bread in the house" in line for line in household.told)


def test_a_vital_service_that_had_lived_is_started_again_and_the_guard_goes_on(
    household: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "FIRST_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(supervision, "_STEADY_SECONDS", 0.0)
    household.supervisor.start(household.service("guard", STAYS))
    await_that(lambda: household.lives("guard"))
    again = LIVES + (
        "n = len(Path(sys.argv[1]).read_text().split()); sys.exit(1) if n < 3 else None\n"
        f"os.kill({os.getpid()}, {int(signal.SIGTERM)}); time.sleep(600)"
    )
    household.supervisor.start(household.service("web", again, is_vital=True))
    assert household.supervisor.run() == 0
    assert len(household.lives("web")) == 3
    assert len(household.lives("guard")) == 1


def test_a_vital_service_that_had_lived_may_die_early_in_a_later_life(
    household: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its setting and its port were right: a second accident within a minute must not end the guard."""
    monkeypatch.setattr(supervision, "FIRST_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(supervision, "_STEADY_SECONDS", 3.0)
    code = LIVES + (
        "n = len(Path(sys.argv[1]).read_text().split()); time.sleep(4 if n == 1 else 0)\n"
        f"sys.exit(1) if n < 4 else os.kill({os.getpid()}, {int(signal.SIGTERM)}); time.sleep(600)"
    )
    household.supervisor.start(household.service("web", code, is_vital=True))
    assert household.supervisor.run() == 0
    assert len(household.lives("web")) == 4


def test_a_service_that_dies_is_started_again_after_longer_and_longer_pauses(
    household: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "FIRST_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(supervision, "LONGEST_PAUSE_SECONDS", 0.2)
    code = LIVES + (
        f"n = len(Path(sys.argv[1]).read_text().split()); sys.exit(1) if n < 5 else None\n"
        f"os.kill({os.getpid()}, {int(signal.SIGTERM)}); time.sleep(600)"
    )
    household.supervisor.start(household.service("guard", code))
    household.supervisor._running[0].pause = 0.05
    assert household.supervisor.run() == 0  # the fifth life asks for the end
    assert len(set(household.lives("guard"))) == 5
    assert [line.split("again in ")[1].split(" s")[0] for line in household.told] == [
        "0.05", "0.1", "0.2", "0.2",
    ]  # fmt: skip
    assert not any(is_alive(pid) for pid in household.lives("guard"))


def test_who_does_not_listen_is_killed_after_its_patience(household: Household) -> None:
    household.supervisor.start(household.service("deaf", DEAF, patience_seconds=0.3))
    await_that(lambda: household.lives("deaf"))
    household.supervisor.stop()
    assert not is_alive(household.lives("deaf")[0])
    assert household.told == ["deaf does not end: killed"]


def test_the_last_started_ends_first(household: Household) -> None:
    code = (
        "import signal, sys, time\n"
        "def end(*_):\n    open(sys.argv[1].rpartition('/')[0] + '/ends', 'a')"
        ".write(sys.argv[1].rpartition('/')[2] + ' '); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end)\n" + STAYS
    )
    for name in ("testnet", "guard", "web"):
        household.supervisor.start(household.service(name, code))
        await_that(lambda name=name: household.lives(name))
    household.supervisor.stop()
    assert (household.folder / "ends").read_text().split() == ["web", "guard", "testnet"]


def test_logs_are_the_owners_and_the_one_of_before_is_kept(household: Household) -> None:
    service = household.service("web", DIES)
    for _ in range(2):
        household.supervisor.start(service).wait()
        household.supervisor.stop()
    kept = household.folder / "web.before.log"
    assert service.log.read_text() == kept.read_text() == "no bread in the house\n"
    assert service.log.stat().st_mode & 0o077 == 0


def test_secrets_in_last_words_are_hidden(household: Household, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUNDING_OKX_API_SECRET", "a-very-secret-word")
    code = LIVES + "print('refused: a-very-secret-word'); sys.exit(3)"
    household.supervisor.start(household.service("web", code, is_vital=True))
    household.supervisor.run()
    assert "refused: [hidden]" in household.told[0]


@pytest.mark.parametrize("ended_by", ["signal", "kill", "its end"])
def test_a_tether_ends_its_group_with_the_parent(tmp_path: Path, ended_by: str) -> None:
    """A parent that starts a tethered program with a child of its own, and then ends in one of three ways."""
    marks = tmp_path / "program"
    parent_code = (
        "import subprocess, sys, os\n"
        "p = subprocess.Popen([sys.executable, '-m', 'funding_pipeline.commands.tether', str(os.getpid()),"
        f" sys.executable, '-c', {HAS_A_CHILD!r}, {str(marks)!r}], start_new_session=True)\n"
        "print(p.pid, flush=True)\n"
        "sys.stdin.readline()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", parent_code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert parent.stdout is not None
        tether = int(parent.stdout.readline())
        await_that(lambda: marks.exists() and marks.read_text())
        program, child = int(marks.read_text()), int(marks.with_name("program.child").read_text())
        assert all(is_alive(pid) for pid in (tether, program, child))
        if ended_by == "its end":
            parent.communicate("\n")
        elif ended_by == "kill":
            parent.kill()
        else:
            os.killpg(tether, signal.SIGTERM)
        await_that(lambda: not any(is_alive(pid) for pid in (tether, program, child)))
    finally:
        parent.kill()
        parent.communicate()


def test_a_tether_ends_with_its_program_and_its_code() -> None:
    command = [sys.executable, "-m", "funding_pipeline.commands.tether", str(os.getpid())]
    run = subprocess.run([*command, sys.executable, "-c", "import sys; sys.exit(7)"], check=False)
    assert run.returncode == 7


def test_a_log_that_grows_large_is_put_aside_once(
    household: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "LARGEST_LOG_BYTES", 2_000)
    chatters = LIVES + "\nwhile True: print('line', flush=True); time.sleep(0.0005)"
    service = household.service("chatty", chatters)
    process = household.supervisor.start(service)
    before = service.log.with_suffix(".before.log")
    deadline, sizes = time.monotonic() + PATIENCE_SECONDS, set()
    while len(sizes) < 3 and time.monotonic() < deadline:
        household.supervisor._look()
        if before.exists():
            sizes.add(before.stat().st_size)
        time.sleep(0.01)
    assert len(sizes) == 3
    assert process.poll() is None
    assert {*before.read_text().split()} == {"line"}
    assert oct(before.stat().st_mode)[-3:] == "600"
