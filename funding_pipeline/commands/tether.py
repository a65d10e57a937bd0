"""`python -m funding_pipeline.commands.tether PID COMMAND...`: a command that ends when process PID is gone.

What lives here: waiting for the one or the other. What does not: why (`supervision`). For programs that do
not watch a parent themselves, such as Dagster's; one killed outright could not end them.

It has to lead a process group of its own: all of the group ends with the parent. SIGTERM to the group is for
the command alone.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

_POLL_SECONDS = 0.5
_GRACE_SECONDS = 12.0


def main(arguments: Sequence[str]) -> int:
    """Run the command; its exit code (128 and the signal's number, where one ended it)."""
    parent, command = int(arguments[0]), list(arguments[1:])
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _leave_it_to_the_command)  # a handler, and not SIG_IGN: that is inherited
    child = subprocess.Popen(command)
    ends_at: float | None = None
    while True:
        try:
            code = child.wait(timeout=_POLL_SECONDS)
            return code if code >= 0 else 128 - code
        except subprocess.TimeoutExpired:
            pass
        now = time.monotonic()
        if ends_at is None and os.getppid() != parent:
            os.killpg(0, signal.SIGTERM)
            ends_at = now + _GRACE_SECONDS
        if ends_at is not None and now > ends_at:
            os.killpg(0, signal.SIGKILL)


def _leave_it_to_the_command(number: int, frame: object) -> None:
    """The command gets the same signal, because it is in the same group."""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
