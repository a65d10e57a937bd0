"""A file that one process at a time holds: by the system's lock, so that a dead process holds nothing."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path


@contextmanager
def held_alone(lock: Path, *, refuse: Callable[[str], Exception]) -> Iterator[None]:
    """Hold `lock`, or raise what `refuse` makes of who holds it. The file stays, empty, when it is let go."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            who = file.read().strip() or "a process that does not say who it is"
            raise refuse(who) from error
        file.truncate(0)
        file.write(f"process {os.getpid()} since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC")
        file.flush()
        yield
        with suppress(OSError):
            file.truncate(0)
