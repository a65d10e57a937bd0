"""The journal as one look may use it: when it fails once, the rest of the look does without.

What lives here: that. What does not: the journal (`storage.journal`), or what its failure means (`trust`).

A locked database keeps each writer waiting for seconds: asking it ten times in a look would blind the guard.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from funding_pipeline.core.errors import JournalError
from funding_pipeline.storage.journal import Journal

T = TypeVar("T")
S = TypeVar("S")


class JournalTap:
    """`problem`: why the journal could not be used in this look; empty: it could. `before`: in the last one,
    whose writes come after a look has been judged."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.problem = ""
        self.before = ""

    def begin(self) -> None:
        """A new look: the journal is tried again."""
        self.before, self.problem = self.problem, ""

    def ask(self, call: Callable[[Journal], T], otherwise: S) -> T | S:
        """What `call` gives; `otherwise` where the journal fails, or has failed in this look."""
        if self.problem:
            return otherwise
        try:
            return call(self._journal)
        except JournalError as error:
            self.problem = str(error)
            return otherwise

    async def ask_async(self, call: Callable[[Journal], Awaitable[T]], otherwise: S) -> T | S:
        """The same for a call that also waits for others."""
        if self.problem:
            return otherwise
        try:
            return await call(self._journal)
        except JournalError as error:
            self.problem = str(error)
            return otherwise

    def tell(self, call: Callable[[Journal], object]) -> bool:
        """Write something; whether it is written."""
        return self.ask(lambda journal: (call(journal), True)[1], False)
