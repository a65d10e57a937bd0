"""Bybit's dialect asked directly, signed as the venue wants it, or by a real ccxt client without sockets.

What lives here: the bench. What does not: tests.
"""

import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlencode

import ccxt

from funding_pipeline.testnet.dialects.bybit import BybitDialect
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.http import Answer, Request
from funding_pipeline.testnet.market_quotes import MarketQuotes
from funding_pipeline.venues.bybit import BybitVenue
from funding_pipeline_tests.venues.canned import Answer as Canned
from funding_pipeline_tests.venues.canned import ask_class, ask_client

HOST, BTC = "api.bybit.com", "BTC/USDT:USDT"
HOUR_MS = 3_600_000
START = 1_706_745_605_000  # 2024-02-01T00:00:05Z
LINEAR = {"category": "linear", "symbol": "BTCUSDT"}


class BybitBench:
    """An exchange at a time that the test moves, its dialect and one account."""

    headers: Mapping[str, str] = {}  # ccxt reads those of its session

    def __init__(self, quotes: MarketQuotes) -> None:
        self.now = START
        self.exchange = Exchange(quotes, now=lambda: self.now, wall=lambda: ccxt.Exchange.milliseconds())
        self.dialect = BybitDialect(self.exchange)
        key, secret, _ = self.dialect.new_credentials(bytes(range(32)))
        self.account = self.exchange.open_account("a", key=key, secret=secret, balance=Decimal(100_000))

    def ask(self, method: str, path: str, text: str, headers: Mapping[str, str]) -> Answer:
        """One raw request; `text` is the query or the body."""
        self.exchange.advance()
        is_get = method == "GET"
        query = dict(parse_qsl(text)) if is_get else {}
        body = b"" if is_get else text.encode()
        return self.dialect.answer(Request(method, HOST, path, query, text if is_get else "", body, headers))

    def public(self, path: str, **params: Any) -> Any:
        """A request without a key; the body."""
        return json.loads(self.ask("GET", path, urlencode(params), {}).body)

    def signed(self, method: str, path: str, params: Mapping[str, Any], **changes: str) -> Any:
        """A signed request; `changes` replace headers afterwards."""
        text = urlencode(params) if method == "GET" else json.dumps(params)
        stamp = str(self.now)
        signed = f"{stamp}{self.account.key}5000{text}".encode()
        headers = {
            "X-BAPI-API-KEY": self.account.key,
            "X-BAPI-TIMESTAMP": stamp,
            "X-BAPI-RECV-WINDOW": "5000",
            "X-BAPI-SIGN": hmac.new(self.account.secret.encode(), signed, hashlib.sha256).hexdigest(),
        }
        return json.loads(self.ask(method, path, text, {**headers, **changes}).body)

    def create(self, **order: Any) -> Any:
        """An order, a market buy of 0.1 BTC but for what is given; the body."""
        wanted = {**LINEAR, "side": "Buy", "orderType": "Market", "qty": "0.1", **order}
        return self.signed("POST", "/v5/order/create", wanted)

    def best(self, side: str) -> str:
        """Best price of side `b` or `a` of BTCUSDT's book."""
        price: str = self.public("/v5/market/orderbook", **LINEAR)["result"][side][0][0]
        return price

    def rows(self, path: str, **params: Any) -> Any:
        """The list of a signed GET about BTCUSDT."""
        return self.signed("GET", path, {**LINEAR, **params})["result"]["list"]

    def get(self, url: Any, *, headers: Mapping[str, str], **_: Any) -> Canned:
        """As a session's, for ccxt."""
        return _canned(self.ask("GET", url.path, url.raw_query_string, headers))

    def post(self, url: Any, *, headers: Mapping[str, str], data: bytes, **_: Any) -> Canned:
        """As a session's, for ccxt."""
        return _canned(self.ask("POST", url.path, data.decode(), headers))

    def through_ccxt(self, ask: Callable[[Any], Awaitable[Any]], client_class: type | None = None) -> Any:
        """The result of `ask(client)` on a client of the venue module, or of another class as it is."""
        keys = self.dialect.show_credentials(self.account)

        async def run(client: Any) -> Any:
            await client.load_markets()
            return await ask(client)

        if client_class is None:
            return ask_client(BybitVenue(), self, run, **keys)
        return ask_class(client_class, self, run, **keys)


def _canned(answer: Answer) -> Canned:
    return Canned(answer.status, answer.body)
