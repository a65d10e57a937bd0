"""What Gate's golden tests share: a client that is answered with bodies, and the examples' contract.

What lives here: no test. What does not: the session (`canned`).
"""

from collections.abc import Awaitable, Callable
from typing import Any

from funding_pipeline.venues.gate import GateVenue
from funding_pipeline_tests.venues.canned import Bodies, CannedSession, Examples, ask_client, example

VENUE = GateVenue()
SYMBOL = "BTC/USDT:USDT"
KEY = "c5dcfbf1f3a7" + "0" * 20


def contracts(examples: Examples, **changes: Any) -> list[dict[str, Any]]:
    """The BTC contract of the examples, with changes."""
    return [{**example(examples, "fetch_funding_rate")[0], **changes}]


def asking(bodies: Bodies, ask: Callable[[Any], Awaitable[Any]]) -> tuple[Any, CannedSession]:
    """What `ask` gets from a client whose every answer comes from `bodies`, and the session."""
    session = CannedSession(bodies, "/api/v4/")
    return ask_client(VENUE, session, ask, apiKey=KEY, secret="s"), session
