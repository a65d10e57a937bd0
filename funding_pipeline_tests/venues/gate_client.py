"""What Gate's golden tests share: a client that is answered with bodies, and the examples' contract.

What lives here: no test. What does not: the session (`canned`).
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from funding_pipeline.venues.gate import GateVenue
from funding_pipeline_tests.venues.canned import Bodies, CannedSession, Examples, example

VENUE = GateVenue()
SYMBOL = "BTC/USDT:USDT"
KEY = "c5dcfbf1f3a7" + "0" * 20


def contracts(examples: Examples, **changes: Any) -> list[dict[str, Any]]:
    """The BTC contract of the examples, with changes."""
    return [{**example(examples, "fetch_funding_rate")[0], **changes}]


def asking(bodies: Bodies, ask: Callable[[Any], Awaitable[Any]]) -> tuple[Any, CannedSession]:
    """What `ask` gets from a client whose every answer comes from `bodies`."""

    async def run() -> tuple[Any, CannedSession]:
        session = CannedSession(bodies, "/api/v4/")
        client = VENUE.client_class()(
            {
                "session": session,
                "enableRateLimit": False,
                "options": VENUE.client_options(),
                "apiKey": KEY,
                "secret": "s",
                "timeout_on_exit": 0,
            }
        )
        client.session = session
        try:
            return await ask(client), session
        finally:
            await client.close()

    return asyncio.run(run())
