"""Which process wrote something, and whether it is still there: machine, boot, pid and when it began.

A pid alone is given to another process in time, and a clock that is put back makes the dead look alive. On
Linux the kernel says when a process began, in ticks since the boot, which no clock changes.
"""

import os
import socket
from contextlib import suppress
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_SEPARATOR = "|"
_AFTER_NAME = 19
"""Field 22 of /proc/PID/stat, the start, counted from what follows the name in parentheses."""


def this_process() -> str:
    """This process, in a form to be kept: `machine|boot|pid|start`; boot and start empty beyond Linux."""
    return identity_of(os.getpid())


def identity_of(pid: int) -> str:
    """The same, of another process of this machine."""
    return _SEPARATOR.join((_machine(), _boot(), str(pid), _start(pid) or ""))


def has_ended(identity: str | None) -> bool:
    """Whether the process certainly is no more; of another machine, or of one that is not known, nobody can
    say, and it has not."""
    parts = (identity or "").split(_SEPARATOR)
    if len(parts) != 4 or parts[0] != _machine() or not parts[2].isdigit():
        return False
    _, boot, pid, start = parts
    if boot != _boot():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # somebody else's process: the number was given again, or it is another user's
        pass
    return start != "" and _start(int(pid)) not in (None, start)


def _machine() -> str:
    """Host and pid namespace: two containers on one host number their processes apart."""
    space = ""
    with suppress(OSError):
        space = os.readlink("/proc/self/ns/pid")
    return f"{socket.gethostname()} {space}".strip()


def _boot() -> str:
    try:
        return _BOOT.read_text("ascii").strip()
    except OSError:
        return ""


def _start(pid: int) -> str | None:
    """When the process began; None where it is not there, or the system does not say. A zombie has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return "ended" if fields[0] in ("Z", "X") else fields[_AFTER_NAME]
