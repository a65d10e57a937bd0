"""A public gateway whose venue answers with given bodies, for golden tests from body to raw frame.

What lives here: a connection without sockets. What does not: bodies, or what is expected of them.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from funding_pipeline.venues.connection import Recorder
from funding_pipeline.venues.dialect import VenueDialect
from funding_pipeline.venues.public import PublicGateway
from funding_pipeline_tests.venues.canned import Bodies, CannedSession

Asked = list[tuple[str, dict[str, str]]]


class CannedConnection:
    """Opens the session above; the clock stands still at `now_ms`."""

    label = "given bodies"
    is_live = False
    speed = 1.0

    def __init__(self, bodies: Bodies, prefix: str, now_ms: int) -> None:
        self.opened = CannedSession(bodies, prefix)
        self._now_ms = now_ms

    def session(self, venue: str, record: Recorder | None) -> CannedSession:
        return self.opened

    async def clock_ms(self) -> int:
        return self._now_ms

    def now_ms(self) -> int:
        return self._now_ms


def gateway_asked(
    dialect: VenueDialect,
    bodies: Bodies,
    prefix: str,
    now_ms: int,
    ask: Callable[[PublicGateway], Awaitable[Any]],
) -> tuple[Any, Asked]:
    """What `ask` makes of a gateway with these bodies, and the paths and queries of its requests."""
    connection = CannedConnection(bodies, prefix, now_ms)

    async def run() -> Any:
        async with PublicGateway(dialect, connection) as gateway:
            return await ask(gateway)

    found = asyncio.run(run())
    return found, [(path, sent) for path, sent, _ in connection.opened.asked]
