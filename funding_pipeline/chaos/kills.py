"""Ending a process where it hurts: right before or after a commit or a request.

What lives here: kill points and the kill. What does not: when an episode plans one (`scenario`).

A killed process does nothing more. Here its `finally` blocks still run, so that every later commit and
request of the same life is refused as well.
"""

from dataclasses import dataclass
from typing import Literal


class Killed(BaseException):
    """The process has ended."""


@dataclass(frozen=True)
class Kill:
    """Dies at the point after `passes` others. `of`: all points, or those of writes (commits, POSTs)."""

    of: Literal["any", "writes"]
    passes: int

    def is_about(self, name: str) -> bool:
        """Whether a point counts."""
        return self.of == "any" or ":" in name or name.endswith("POST")


class KillSwitch:
    """One life of a process and the kill that ends it; None: it lives on.

    `process`: its name, whose first word is what it is: executor, guard.
    """

    def __init__(self, kill: Kill | None, process: str = "executor") -> None:
        self._kill, self._passed, self.process = kill, 0, process
        self.is_dead = False
        self.point = ""

    def kill_at(self, kill: Kill | None) -> None:
        """Choose the end anew, counted from here."""
        self._kill, self._passed = kill, 0

    def pass_point(self, name: str) -> None:
        """Called at each point. Raises Killed at the chosen one, and at every one after it."""
        if self.is_dead:
            raise Killed(name)
        if self._kill is None or not self._kill.is_about(name):
            return
        if self._passed == self._kill.passes:
            self.is_dead, self.point = True, name
            raise Killed(name)
        self._passed += 1
