"""What a running installation uses: memory and open handles of its processes, bytes of its state folder.

Linux only: read from /proc, whose figures psutil would only repeat.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from funding_pipeline.core.errors import SettingsError

_PROC = Path("/proc")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_NAMES = {
    "testnet": "funding_pipeline testnet",
    "guard": "funding_pipeline guard",
    "web server": "dagster_webserver",
    "daemon": "dagster._daemon",
    "code server": "dagster api grpc",
    "supervisor": "funding_pipeline up",
}
"""Long-lived processes by a part of their command; run workers live for seconds and are none of them."""
_AREAS = {
    "tables": ("lake",),
    "landing": ("landing",),
    "journal": ("journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm"),
    "Dagster": ("dagster",),
    "testnet": ("testnet",),
    "logs": ("logs",),
}


@dataclass(frozen=True)
class Usage:
    """Resident memory in bytes, and open file descriptors, of one or several processes of one name."""

    pids: tuple[int, ...]
    memory: int
    handles: int


@dataclass(frozen=True)
class Sample:
    """`hour`: market hours since the start. `sizes`: bytes by area; `files`: in the whole state folder."""

    hour: int
    processes: Mapping[str, Usage]
    sizes: Mapping[str, int]
    files: int


def sample(hour: int, *, root: int, state: Path) -> Sample:
    """Everything now: `root`, what it has started, and this process, which is the one that rebalances.

    Raises SettingsError where there is no /proc."""
    if not (_PROC / "self" / "statm").exists():
        raise SettingsError("a soak reads /proc: it runs on Linux only")
    pids: dict[str, list[int]] = {"rebalance": [os.getpid()]}
    for pid, command in _family(root):
        name = next((name for name, part in _NAMES.items() if part in command), None)
        # `tether PID python -m dagster api grpc` has the words of what it watches.
        if name is not None and "commands.tether" not in command:
            pids.setdefault(name, []).append(pid)
    found = {name: _usage(tuple(own)) for name, own in pids.items()}
    sizes = {area: sum(_bytes(state / part) for part in parts) for area, parts in _AREAS.items()}
    files = sum(len(names) for _, _, names in os.walk(state))
    return Sample(hour, {name: usage for name, usage in found.items() if usage}, sizes, files)


def _family(root: int) -> Iterator[tuple[int, str]]:
    parents: dict[int, int] = {}
    for folder in _PROC.glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended meanwhile
            continue
    family = {root}
    for _ in range(8):
        family |= {pid for pid, parent in parents.items() if parent in family}
    for pid in sorted(family):
        try:
            yield pid, (_PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue


def _usage(pids: tuple[int, ...]) -> Usage | None:
    memory = handles = 0
    try:
        for pid in pids:
            memory += int((_PROC / str(pid) / "statm").read_text().split()[1]) * _PAGE_BYTES
            handles += len(os.listdir(_PROC / str(pid) / "fd"))
    except OSError:
        return None
    return Usage(pids, memory, handles)


def _bytes(path: Path) -> int:
    """Of a file, or of all files below a folder; files that vanish meanwhile count nothing."""
    found = [path] if path.is_file() else [Path(top) / n for top, _, names in os.walk(path) for n in names]
    total = 0
    for file in found:
        try:
            total += file.stat().st_size
        except OSError:
            continue
    return total
