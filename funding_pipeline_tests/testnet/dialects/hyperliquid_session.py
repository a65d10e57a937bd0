"""A ccxt client that talks to Hyperliquid's dialect without sockets, for tests."""

import time
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from functools import cache
from typing import Any

import orjson
import yarl

from funding_pipeline.testnet.clock import ManualClock
from funding_pipeline.testnet.dialects.hyperliquid import HyperliquidDialect
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.http import Answer, Request
from funding_pipeline.testnet.market_quotes import MarketQuotes
from funding_pipeline.venues.hyperliquid import HyperliquidVenue
from funding_pipeline_tests.testnet.running import NOW_MS, simulated_market
from funding_pipeline_tests.venues.canned import Answer as Canned
from funding_pipeline_tests.venues.canned import ask_class

VENUE = HyperliquidVenue()


@cache
def quotes() -> MarketQuotes:
    """Of the harness' market; nothing in it changes."""
    return MarketQuotes(simulated_market(), "hyperliquid")


class Venue:
    """The dialect over the simulated market, one account, and the session that a client is given."""

    def __init__(self) -> None:
        self.clock = ManualClock(NOW_MS)
        self.exchange = Exchange(
            quotes(),
            now=self.clock.now,
            wall=lambda: time.time_ns() // 1_000_000,
            funding_reference="index",
        )
        self.dialect = HyperliquidDialect(self.exchange)
        self.headers: dict[str, str] = {}
        self.credentials = self.new_account(b"\x07" * 32)

    def new_account(self, token: bytes, balance: str = "100000") -> Mapping[str, str]:
        key, secret, _ = self.dialect.new_credentials(token)
        account = self.exchange.open_account(key, key=key, secret=secret, balance=Decimal(balance))
        return self.dialect.show_credentials(account)

    def answer(self, path: str, body: Any, method: str = "POST") -> Answer:
        raw = body if isinstance(body, bytes) else orjson.dumps(body)
        self.exchange.advance()
        return self.dialect.answer(Request(method, "api.hyperliquid.xyz", path, {}, "", raw, {}))

    def info(self, kind: str, **fields: Any) -> Any:
        return orjson.loads(self.answer("/info", {"type": kind, **fields}).body)

    def post(self, url: yarl.URL, *, data: bytes, **_: Any) -> Canned:
        answer = self.answer(url.path, data)
        return Canned(answer.status, answer.body)

    def use(self, use: Callable[[Any], Awaitable[Any]], *, stock: bool = False, **config: Any) -> Any:
        """What `use` makes of a client: ours, or ccxt's own with its defaults."""

        import ccxt.async_support as ccxt

        async def run(client: Any) -> Any:
            await client.load_markets()
            return await use(client)

        kind = ccxt.hyperliquid if stock else VENUE.client_class()
        options = {"fetchMarkets": {"types": ["swap"]}} if stock else VENUE.client_options()
        return ask_class(kind, self, run, **{"options": options, **self.credentials, **config})
