"""What a gateway says about answers besides the answers: lines for a person, which do not pile up.

A guard's gateways are open for months and read once a second: a row that cannot be read would add a line each
time.
"""

from collections.abc import Iterable
from typing import Self

MOST = 2_000


class Remarks(list[str]):
    """Each line once, and of more than `MOST` the newest."""

    def append(self, line: str) -> None:
        """Keep a line that is not there yet."""
        if line not in self:
            super().append(line)
            del self[:-MOST]

    def extend(self, lines: Iterable[str]) -> None:
        """Keep each of `lines`."""
        for line in lines:
            self.append(line)

    def __iadd__(self, lines: Iterable[str]) -> Self:  # type: ignore[misc, override]
        self.extend(lines)
        return self
