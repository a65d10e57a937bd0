"""A real ccxt client of Hyperliquid over recorded bodies, for tests."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import yarl

from funding_pipeline.venues.hyperliquid import HyperliquidVenue
from funding_pipeline_tests.venues.canned import Answer, Bodies, ask_class

VENUE = HyperliquidVenue()
KEY = "0x" + "0" * 63 + "1"
WALLET = "0x7e5f4552091a69125d5dfcb7b8c2659029395bdf"  # of that key: a well-known pair


class Replay:
    """A session that answers each `type` of request with its body and remembers what was sent."""

    def __init__(self, bodies: Bodies) -> None:
        self.headers: dict[str, str] = {}
        self.bodies = bodies
        self.sent: list[Any] = []

    def post(self, url: yarl.URL, *, data: bytes, **_: Any) -> Answer:
        body = json.loads(data)
        self.sent.append(body)
        return Answer(200, self.bodies[body.get("type") or body["action"]["type"]])

    def actions(self) -> list[Any]:
        return [body["action"] for body in self.sent if "action" in body]


def replay(
    bodies: Bodies, use: Callable[[Any], Awaitable[Any]], *, stock: bool = False, **config: Any
) -> tuple[Any, Replay]:
    """What `use` makes of a real client (`stock`: ccxt's own), and the session that it talked to."""
    import ccxt.async_support as ccxt

    session = Replay(bodies)
    kind = ccxt.hyperliquid if stock else VENUE.client_class()
    keys = {"walletAddress": WALLET, "privateKey": KEY}
    return ask_class(kind, session, use, **{"options": VENUE.client_options(), **keys, **config}), session
