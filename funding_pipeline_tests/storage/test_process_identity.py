"""Whether a process is still there: by machine, boot, pid and when it began."""

import subprocess
import sys

from funding_pipeline.storage.process_identity import has_ended, identity_of, this_process


def test_this_process_runs() -> None:
    assert not has_ended(this_process())


def test_a_process_that_was_killed_has_ended_also_before_it_is_waited_for() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    identity = identity_of(process.pid)
    assert not has_ended(identity)
    process.kill()
    while not has_ended(identity):  # a zombie until it is waited for
        pass
    process.wait()
    assert has_ended(identity)


def test_a_number_that_was_given_again_is_another_process() -> None:
    machine, boot, pid, start = this_process().split("|")
    assert has_ended("|".join((machine, boot, pid, str(int(start) - 1))))


def test_a_boot_ago_everything_has_ended_and_of_another_machine_nothing_is_known() -> None:
    machine, _, pid, start = this_process().split("|")
    assert has_ended("|".join((machine, "another boot", pid, start)))
    assert not has_ended("|".join(("another machine", "another boot", pid, start)))
    assert not has_ended(None)
    assert not has_ended("nonsense")
