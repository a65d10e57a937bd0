"""Bybit's example bodies and a session without sockets that serves them to a real ccxt client.

What lives here: the session and the markets of the examples. What does not: tests.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from funding_pipeline.venues.bybit import BybitVenue
from funding_pipeline.venues.dialect import Json
from funding_pipeline_tests.venues.canned import Bodies, CannedSession, Examples, ask_client

VENUE = BybitVenue()
BTC, ETH, XRP = "BTC/USDT:USDT", "ETH/USDC:USDC", "XRP/USDT:USDT"
INSTRUMENTS = "/v5/market/instruments-info"


def ok(result: Any) -> Json:
    """A result in the venue's envelope."""
    return {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": 1_672_712_495_660}


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
) -> tuple[Any, CannedSession]:
    """The result of `ask(client)` on a real client whose markets are the examples', and the session."""

    def listed(sent: Mapping[str, Any]) -> Json:
        nothing = ok({"category": "linear", "list": []})
        return nothing if sent.get("status") == "PreLaunch" else _instruments(examples)

    async def run(client: Any) -> Any:
        await client.load_markets()
        return await ask(client)

    session = CannedSession({INSTRUMENTS: listed, **bodies}, "")
    return ask_client(VENUE, session, run, apiKey="key", secret="not a secret"), session


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
