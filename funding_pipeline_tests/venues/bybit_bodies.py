"""Bybit's example bodies and a session without sockets that serves them to a real ccxt client.

What lives here: the session and the markets of the examples. What does not: tests.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from funding_pipeline.venues.bybit import BybitVenue
from funding_pipeline.venues.dialect import Json

VENUE = BybitVenue()
BTC, ETH, XRP = "BTC/USDT:USDT", "ETH/USDC:USDC", "XRP/USDT:USDT"
INSTRUMENTS = "/v5/market/instruments-info"
Bodies = Mapping[str, Any]
Examples = Mapping[str, list[Json]]


class _Answer:
    """What ccxt reads of aiohttp's response."""

    reason, headers = "", {"Content-Type": "application/json"}

    def __init__(self, body: Any) -> None:
        self.status, self._body = body if isinstance(body, tuple) else (200, body)

    async def text(self, errors: str = "replace") -> str:
        return json.dumps(self._body)

    async def __aenter__(self) -> "_Answer":
        return self

    async def __aexit__(self, *_: object) -> None:
        return None


class BodySession:
    """Serves bodies, or (status, body), by path and keeps what was asked."""

    headers: Mapping[str, str] = {}

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self.asked: list[tuple[str, dict[str, str], Mapping[str, str]]] = []

    def get(self, url: Any, *, headers: Mapping[str, str], **_: Any) -> _Answer:
        self.asked.append((url.path, dict(url.query), headers))
        if url.query.get("status") == "PreLaunch":
            return _Answer(ok({"category": "linear", "list": []}))
        return _Answer(self._bodies[url.path])

    post = get


def ok(result: Any) -> Json:
    """A result in the venue's envelope."""
    return {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": 1_672_712_495_660}


def read_examples(payloads_dir: Path) -> Examples:
    """ccxt's method -> example bodies."""
    found: Examples = json.loads((payloads_dir / "ccxt_examples" / "bybit.json").read_bytes())
    return found


def _instruments(examples: Examples) -> Json:
    """The example of BTCUSDT, and the same terms under the names that other examples are about."""
    body = examples["fetch_future_markets"][0]["body"]
    terms = body["result"]["list"][0]
    names = [("ETHPERP", "ETH", "USDC"), ("XRPUSDT", "XRP", "USDT"), ("XMRUSDT", "XMR", "USDT")]
    others = [
        {**terms, "symbol": name, "baseCoin": base, "quoteCoin": quote, "settleCoin": quote}
        for name, base, quote in names
    ]
    return {**body, "result": {**body["result"], "list": [terms, *others]}}


def asked(
    examples: Examples, bodies: Bodies, ask: Callable[[Any], Awaitable[Any]]
) -> tuple[Any, BodySession]:
    """The result of `ask(client)` on a real client whose markets are the examples'."""
    session = BodySession({INSTRUMENTS: _instruments(examples), **bodies})

    async def run() -> Any:
        client = VENUE.client_class()(
            {
                "session": session,
                "enableRateLimit": False,
                "timeout_on_exit": 0,
                "apiKey": "key",
                "secret": "not a secret",
                "options": VENUE.client_options(),
            }
        )
        try:
            await client.load_markets()
            return await ask(client)
        finally:
            await client.close()

    return asyncio.run(run()), session


def body_of(examples: Examples, method: str, place: int = 0) -> Json:
    """One example."""
    found: Json = examples[method][place]["body"]
    return found


def unified(examples: Any) -> Bodies:
    """What ccxt asks before the first private call: a unified trading account."""
    body = body_of(examples, "is_unified_enabled")
    result = {**body["result"], "uta": 1}
    info = body_of(examples, "is_unified_enabled", 1)
    return {"/v5/user/query-api": {**body, "result": result}, "/v5/account/info": info}
