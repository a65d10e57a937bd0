"""Every account read side by side; a venue that is slow or frozen keeps no look waiting.

What lives here: the readings under way, and the last word of each venue. What does not: one account's
reading (`trading.venue_book`), or what silence means (`trust`).
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from funding_pipeline.core.errors import FundingPipelineError
from funding_pipeline.execution.book import VenueBook
from funding_pipeline.trading.session import TradingSession
from funding_pipeline.trading.venue_book import read_venue_book

_LONGEST = 8
"""A reading is given up after so many times the time-out of a look."""


@dataclass(frozen=True)
class _Reading:
    """One reading under way. `begun`: seconds of the loop."""

    task: "asyncio.Task[VenueBook]"
    begun: float


@dataclass
class VenueWatch:
    """Reads through a session. `last`: the last book of each venue that ever answered."""

    session: TradingSession
    last: dict[str, VenueBook] = field(default_factory=dict)
    _under_way: dict[str, _Reading] = field(default_factory=dict)

    async def look(self, timeout_seconds: float) -> tuple[dict[str, VenueBook], dict[str, str]]:
        """Books that came within `timeout_seconds` (of this machine), and why the others did not."""
        loop = asyncio.get_running_loop()
        for venue in sorted(self.session.gateways):
            if venue not in self._under_way:
                task = asyncio.ensure_future(self._read(venue))
                self._under_way[venue] = _Reading(task, loop.time())
        if self._under_way:
            await asyncio.wait([r.task for r in self._under_way.values()], timeout=timeout_seconds)
        books: dict[str, VenueBook] = {}
        down = dict(self.session.down)
        for venue, reading in sorted(self._under_way.items()):
            self._collect(venue, reading, (timeout_seconds, loop.time()), books, down)
        self.last.update(books)
        return books, down

    async def close(self) -> None:
        """End what is under way."""
        tasks = [reading.task for reading in self._under_way.values()]
        self._under_way.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self, venue: str) -> VenueBook:
        return await read_venue_book(self.session.gateways[venue], at=self.session.now())

    def _collect(
        self,
        venue: str,
        reading: _Reading,
        times: tuple[float, float],
        books: dict[str, VenueBook],
        down: dict[str, str],
    ) -> None:
        """Take a reading that is done. What took longer than two looks is no word about now."""
        timeout, now = times
        took = now - reading.begun
        if not reading.task.done():
            down[venue] = f"{venue}: no answer for {took:.0f} s"
            if took > _LONGEST * timeout:
                reading.task.cancel()
                del self._under_way[venue]
            return
        del self._under_way[venue]
        try:
            book = reading.task.result()
        except FundingPipelineError as error:
            down[venue] = str(error)
            return
        except asyncio.CancelledError:
            down[venue] = f"{venue}: the reading was ended"
            return
        if took > 2 * timeout:
            self.last[venue] = book
            down[venue] = f"{venue}: answered after {took:.0f} s"
            return
        down.pop(venue, None)
        books[venue] = book


def without(last: Mapping[str, VenueBook], present: Mapping[str, VenueBook]) -> dict[str, VenueBook]:
    """The last word of venues that are not present."""
    return {venue: book for venue, book in last.items() if venue not in present}
