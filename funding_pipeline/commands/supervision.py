"""Processes that belong together: started in order, started again when they die, ended in the reverse order.

What lives here: child processes, their logs, signals. What does not: which processes (`up`).

Each child leads a process group, so that its own children end with it, and a Ctrl-C in the terminal reaches
the supervisor alone. A supervisor that is killed outright can end nobody: children watch it (`--parent`,
`tether`).
"""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from funding_pipeline.core.errors import StorageError
from funding_pipeline.storage.planned_stop import note_planned_stop
from funding_pipeline.storage.process_identity import identity_of, this_process
from funding_pipeline.storage.whole_file import write_whole
from funding_pipeline.venues.credentials import redact

_POLL_SECONDS = 0.2
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 30.0
_STEADY_SECONDS = 60.0
"""Who has lived this long begins again with the first pause."""
_PROCESSES = "processes.json"
LARGEST_LOG_BYTES = 10_000_000


@dataclass(frozen=True)
class Service:
    """One child. `is_vital`: all ends with it where it ends by itself in its first minute, for then a
    setting or a port is wrong; later it is started again, like the others, however often it ends: who watches
    positions must not end with it.
    `patience_seconds`: how long it may take to end before it is killed; over all services less than 20 s."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    folder: Path | None = None
    is_vital: bool = False
    patience_seconds: float = 4.0


@dataclass
class _Running:
    service: Service
    process: "subprocess.Popen[bytes]"
    since: float
    pause: float = FIRST_PAUSE_SECONDS
    again_at: float | None = None
    is_first: bool = True


class Supervisor:
    """Runs services until a signal comes or a vital one ends at once. `tell` prints a line for a person.

    `folder`: where it notes which processes they are, and itself (see `noted_processes`)."""

    def __init__(self, tell: Callable[[str], None], folder: Path | None = None) -> None:
        self._tell, self._folder = tell, folder
        self._running: list[_Running] = []
        self._signals = 0

    def start(self, service: Service) -> "subprocess.Popen[bytes]":
        """Start a service; its log of before is kept beside it, once. A log that grows large is too."""
        service.log.parent.mkdir(parents=True, exist_ok=True)
        if service.log.exists():
            service.log.replace(_before(service.log))
        process = _spawn(service)
        self._running.append(_Running(service, process, time.monotonic()))
        self._note_processes()
        return process

    def run(self) -> int:
        """Until a signal (0) or the early end of a vital service (its code); then all are ended."""
        kept = {number: self._listen(number) for number in _SIGNALS}
        try:
            while not self._signals:
                ended = self._look()
                if ended is not None:
                    return ended
                time.sleep(_POLL_SECONDS)
            if self._folder is not None:
                note_planned_stop(self._folder)
            return 0
        finally:
            self.stop()
            for number, handler in kept.items():
                signal.signal(number, handler)

    def stop(self) -> None:
        """End all, the last started first; a signal that comes meanwhile ends the patience."""
        while self._running:
            running = self._running.pop()
            if running.again_at is None:
                self._end(running)

    def _note_processes(self) -> None:
        """A disk that is full keeps nobody from running."""
        if self._folder is not None:
            found = {running.service.name: identity_of(running.process.pid) for running in self._running}
            text = json.dumps({"up": this_process(), **found})
            with suppress(StorageError):
                write_whole(self._folder / _PROCESSES, lambda path: path.write_text(text, "utf-8"))

    def _listen(self, number: int) -> Any:
        before = signal.getsignal(number)
        if before is not signal.SIG_IGN:  # nohup, or a shell's background job
            signal.signal(number, self._note)
        return before

    def _note(self, number: int, frame: object) -> None:
        self._signals += 1

    def _look(self) -> int | None:
        """Start again what has died; the exit code of a vital service that has ended at once."""
        for running in self._running:
            keep_small(running.service.log)
            now = time.monotonic()
            if running.again_at is not None:
                if now >= running.again_at:
                    running.process, running.since, running.again_at = _spawn(running.service), now, None
                    self._note_processes()
                    running.is_first = False
                continue
            code = running.process.poll()
            if code is None:
                continue
            _signal_group(running.process, signal.SIGKILL)  # what it has left behind
            words = f"{running.service.name} ended ({_cause(code)}){_last_words(running.service.log)}"
            if running.service.is_vital and running.is_first and _is_own_end(code, now - running.since):
                self._tell(f"{words}; log in {running.service.log}")
                return code or 1
            if now - running.since > _STEADY_SECONDS:
                running.pause = FIRST_PAUSE_SECONDS
            self._tell(f"{words}; started again in {running.pause:g} s, log in {running.service.log}")
            running.again_at = now + running.pause
            running.pause = min(2 * running.pause, LONGEST_PAUSE_SECONDS)
        return None

    def _end(self, running: _Running) -> None:
        process = running.process
        signals = self._signals
        _signal_group(process, signal.SIGTERM)
        deadline = time.monotonic() + running.service.patience_seconds
        while process.poll() is None and time.monotonic() < deadline and self._signals < max(signals, 1) + 1:
            time.sleep(_POLL_SECONDS / 4)
        if process.poll() is None:
            self._tell(f"{running.service.name} does not end: killed")
        _signal_group(process, signal.SIGKILL)
        process.wait()


def noted_processes(folder: Path) -> dict[str, str]:
    """Which process each service of the last `up` is, by name (see `storage.process_identity`)."""
    try:
        found = json.loads((folder / _PROCESSES).read_text("utf-8"))
        return {str(name): str(identity) for name, identity in found.items()}
    except (OSError, ValueError, AttributeError):
        return {}


def _spawn(service: Service) -> "subprocess.Popen[bytes]":
    with _opened(service.log) as sink:
        return subprocess.Popen(
            list(service.command),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            env=dict(service.environment),
            cwd=service.folder,
            start_new_session=True,
        )


def _opened(log: Path) -> IO[bytes]:
    """Logs may name accounts and positions: they are their owner's alone."""
    return open(log, "ab", opener=lambda name, flags: os.open(name, flags, 0o600))


def keep_small(log: Path) -> None:
    """Copy a log that has grown large beside it and go on with an empty one.

    The process keeps its file and appends to it, so it is emptied, not renamed; what it writes between copy
    and emptying is lost, a line or two. A full disk leaves the log as it is.
    """
    with suppress(OSError):
        if log.stat().st_size > LARGEST_LOG_BYTES:
            before = _before(log)
            with _opened(before) as kept, log.open("rb") as source:
                kept.truncate(0)
                shutil.copyfileobj(source, kept)
            os.truncate(log, 0)


def _before(log: Path) -> Path:
    return log.with_suffix(".before.log")


def _signal_group(process: "subprocess.Popen[bytes]", number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):  # macOS says the latter of a group of zombies
        os.killpg(process.pid, number)


def _is_own_end(code: int, lived_seconds: float) -> bool:
    """Whether a setting is wrong: it soon ended by itself. A tether has 128 and the number of a signal."""
    return 0 <= code < 128 and lived_seconds <= _STEADY_SECONDS


def _cause(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"


def _last_words(log: Path) -> str:
    text = log.read_text("utf-8", errors="replace")[-4000:] if log.exists() else ""
    lines = [line.strip(" │\t") for line in text.splitlines() if any(sign.isalnum() for sign in line)]
    return f": {redact(lines[-1])[:200]}" if lines else ""
