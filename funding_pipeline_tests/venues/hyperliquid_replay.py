"""A real ccxt client of Hyperliquid over recorded bodies, for tests."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import yarl

from funding_pipeline.venues.hyperliquid import HyperliquidVenue

VENUE = HyperliquidVenue()
KEY = "0x" + "0" * 63 + "1"
WALLET = "0x7e5f4552091a69125d5dfcb7b8c2659029395bdf"  # of that key: a well-known pair
Bodies = Mapping[str, Any]


class Replay:
    """A session that answers each `type` of request with its body and remembers what was sent."""

    def __init__(self, bodies: Bodies) -> None:
        self.headers: dict[str, str] = {}
        self.bodies = bodies
        self.sent: list[Any] = []

    def post(self, url: yarl.URL, *, data: bytes, **_: Any) -> "Replayed":
        body = json.loads(data)
        self.sent.append(body)
        return Replayed(self.bodies[body.get("type") or body["action"]["type"]])

    def actions(self) -> list[Any]:
        return [body["action"] for body in self.sent if "action" in body]


class Replayed:
    status, reason, headers = 200, "OK", {}

    def __init__(self, body: Any) -> None:
        self.body = body

    async def text(self, errors: str = "") -> str:
        return json.dumps(self.body)

    async def __aenter__(self) -> "Replayed":
        return self

    async def __aexit__(self, *_: object) -> None:
        pass


def replay(
    bodies: Bodies, use: Callable[[Any], Awaitable[Any]], *, stock: bool = False, **config: Any
) -> tuple[Any, Replay]:
    """What `use` makes of a real client, and the session that it talked to."""

    async def run() -> tuple[Any, Replay]:
        import ccxt.async_support as ccxt

        session = Replay(bodies)
        kind = ccxt.hyperliquid if stock else VENUE.client_class()
        settings = {"session": session, "options": VENUE.client_options(), "enableRateLimit": False, **config}
        client = kind({"walletAddress": WALLET, "privateKey": KEY, "timeout_on_exit": 0, **settings})
        try:
            return await use(client), session
        finally:
            await client.close()

    return asyncio.run(run())
