"""A real ccxt client of OKX that is answered with given bodies, for golden tests.

What lives here: the listing that bodies refer to, and asking. What does not: what is expected.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from funding_pipeline.venues.dialect import Json
from funding_pipeline.venues.okx import OkxVenue
from funding_pipeline_tests.venues.canned import CannedSession, ask_client

VENUE = OkxVenue()
BTC, INVERSE = "BTC/USDT:USDT", "BTC/USD:BTC"
HOUR_MS = 3_600_000
MIDNIGHT = 1_706_745_600_000  # 2024-02-01T00:00Z
CLIENT_ID = "0123456789abcdef01234567"

SWAP: Json = {
    "instId": "BTC-USDT-SWAP",
    "instType": "SWAP",
    "instFamily": "BTC-USDT",
    "uly": "BTC-USDT",
    "baseCcy": "",
    "quoteCcy": "",
    "settleCcy": "USDT",
    "ctType": "linear",
    "ctVal": "0.01",
    "ctMult": "1",
    "ctValCcy": "BTC",
    "lever": "100",
    "listTime": "1573557408000",
    "lotSz": "0.01",
    "minSz": "0.01",
    "tickSz": "0.1",
    "state": "live",
}
INVERSE_SWAP = {
    **SWAP,
    "instId": "BTC-USD-SWAP",
    "instFamily": "BTC-USD",
    "uly": "BTC-USD",
    "settleCcy": "BTC",
}
ETH_SWAP = {**SWAP, "instId": "ETH-USDT-SWAP", "instFamily": "ETH-USDT", "uly": "ETH-USDT", "ctVal": "0.1"}


def ok(*rows: Any) -> Json:
    """OKX's envelope."""
    return {"code": "0", "msg": "", "data": list(rows)}


def asked_of(
    bodies: Mapping[str, Any], ask: Callable[[Any], Awaitable[Any]], instruments: tuple[Json, ...] = ()
) -> tuple[Any, list[tuple[str, Json]]]:
    """What `ask(client)` gives, and the requests (path, what was sent) that it made beside the listing."""
    listed = instruments or (SWAP, INVERSE_SWAP, ETH_SWAP)
    session = CannedSession({"public/instruments": ok(*listed), **bodies}, "/api/v5/")

    async def run(client: Any) -> Any:
        await client.load_markets()
        return await ask(client)

    found = ask_client(VENUE, session, run, apiKey="k", secret="s", password="p")
    return found, [(path, sent) for path, sent, _ in session.asked[1:]]


def replayed(bodies: Mapping[str, Any], ask: Callable[[Any], Awaitable[Any]]) -> Any:
    """What `ask(client)` gives."""
    return asked_of(bodies, ask)[0]


def markets_of(*instruments: Json) -> dict[str, Json]:
    """ccxt's markets of these instruments."""

    async def markets(client: Any) -> Any:
        return client.markets

    found: dict[str, Json] = asked_of({}, markets, instruments)[0]
    return found
