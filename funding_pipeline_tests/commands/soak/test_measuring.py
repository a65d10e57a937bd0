"""Samples of this very process and of a child of it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from funding_pipeline.commands.soak.measuring import sample

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="read from /proc")


def test_processes_are_known_by_their_commands_and_files_by_their_area(tmp_path: Path) -> None:
    (tmp_path / "lake" / "table").mkdir(parents=True)
    (tmp_path / "lake" / "table" / "rows.parquet").write_bytes(b"x" * 1000)
    (tmp_path / "journal.sqlite").write_bytes(b"x" * 10)
    words = ["-c", "print(flush=True); input()", "-m", "dagster._daemon"]
    with subprocess.Popen([sys.executable, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()  # it is itself now, and not a copy of this process
        taken = sample(3, root=os.getpid(), state=tmp_path)
        child.communicate(b"\n")
    assert taken.hour == 3
    assert set(taken.processes) == {"rebalance", "daemon"}
    assert taken.processes["daemon"].pids == (child.pid,)
    assert taken.processes["daemon"].memory > 1_000_000
    assert taken.processes["rebalance"].handles > taken.processes["daemon"].handles
    assert (taken.sizes["tables"], taken.sizes["journal"], taken.sizes["landing"]) == (1000, 10, 0)
    assert taken.files == 2


def test_a_process_that_has_ended_is_left_out(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    assert set(sample(0, root=child.pid, state=tmp_path).processes) == {"rebalance"}
