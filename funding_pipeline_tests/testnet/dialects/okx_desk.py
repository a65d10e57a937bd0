"""Requests to the testnet's OKX, signed here, for its tests.

What lives here: an exchange with an account and a clock, signing, reading an answer. What does not: tests.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any
from urllib.parse import urlencode

from funding_pipeline.market.simulated import SimulatedMarket
from funding_pipeline.testnet.dialects.okx import OkxDialect
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Account
from funding_pipeline.testnet.http import Request
from funding_pipeline.testnet.market_quotes import MarketQuotes
from funding_pipeline.testnet.raw_market import RawMarket
from funding_pipeline.venues.dialect import Json

BTC, SWAP, FAMILY = "BTC/USDT:USDT", "BTC-USDT-SWAP", "BTC-USDT"
HOUR_MS = 3_600_000
START = int(datetime(2024, 2, 1, tzinfo=UTC).timestamp() * 1000)
WALL = int(datetime(2026, 11, 22, tzinfo=UTC).timestamp() * 1000)


@cache
def okx_quotes() -> MarketQuotes:
    """OKX in three months of the simulated market: slow to make, and never changed."""
    span = (datetime(2023, 11, 1, tzinfo=UTC), datetime(2024, 2, 15, tzinfo=UTC))
    return MarketQuotes(RawMarket(SimulatedMarket(seed=7, start=span[0], end=span[1])), "okx")


@dataclass
class OkxDesk:
    """An exchange at 2024-02-01T00:00Z with one account, its clock, and signed requests to its dialect."""

    quotes: MarketQuotes = field(default_factory=okx_quotes)
    now: int = START
    exchange: Exchange = field(init=False)
    dialect: OkxDialect = field(init=False)
    account: Account = field(init=False)

    def __post_init__(self) -> None:
        self.exchange = Exchange(self.quotes, now=lambda: self.now, wall=lambda: WALL)
        self.dialect = OkxDialect(self.exchange)
        self.account = self.open("first")

    def open(self, name: str, **terms: Any) -> Account:
        """A new account with 100,000 USDT."""
        key, secret, passphrase = self.dialect.new_credentials(hashlib.sha256(name.encode()).digest())
        return self.exchange.open_account(
            name, key=key, secret=secret, passphrase=passphrase, balance=Decimal(100_000), **terms
        )

    def get(self, path: str, account: Account | None = None, **query: Any) -> Json:
        """The body of a GET; private paths are signed for the account."""
        return self.ask("GET", path, query, b"", account or self.account)[1]

    def post(self, path: str, body: Any, account: Account | None = None) -> Json:
        """The body of a signed POST."""
        return self.ask("POST", path, {}, json.dumps(body).encode(), account or self.account)[1]

    def ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any],
        body: bytes,
        account: Account,
        **headers: str | None,
    ) -> tuple[int, Json]:
        """Status and body. `headers` replace signed ones (None: left out), by their last word."""
        raw_query = urlencode(query)
        full = f"/api/v5/{path}"
        stamp = headers.get("stamp") or iso_time(self.now)
        target = f"{full}?{raw_query}" if raw_query else full
        given = {
            "OK-ACCESS-KEY": account.key,
            "OK-ACCESS-PASSPHRASE": account.passphrase,
            "OK-ACCESS-TIMESTAMP": stamp,
            "OK-ACCESS-SIGN": signature(account.secret, stamp + method + target + body.decode()),
        }
        for name, value in headers.items():
            if name != "stamp":
                given |= {f"OK-ACCESS-{name.upper()}": value or ""}
        text = {str(name): str(value) for name, value in query.items()}
        request = Request(method, "www.okx.com", full, text, raw_query, body, given)
        self.exchange.advance()
        answer = self.dialect.answer(request)
        return answer.status, json.loads(answer.body)

    def order(self, client_id: str = "a1", **changes: Any) -> Json:
        """Place a market buy of ten contracts, or what the changes make of it."""
        terms = {"instId": SWAP, "side": "buy", "ordType": "market", "sz": "10", "tdMode": "cross"}
        return self.post("trade/order", {**terms, "clOrdId": client_id, **changes})

    def price(self, factor: float) -> str:
        """A price on the tick, near the best ask."""
        best = float(self.get("market/books", instId=SWAP)["data"][0]["asks"][0][0])
        return f"{best * factor:.1f}"

    def limit(self, client_id: str, factor: float) -> Json:
        """Terms of a limit buy of one contract at `factor` times the best ask."""
        terms = {"instId": SWAP, "side": "buy", "ordType": "limit", "sz": "1", "tdMode": "cross"}
        return {**terms, "clOrdId": client_id, "px": self.price(factor)}


def iso_time(milliseconds: int) -> str:
    """As OKX wants its stamps."""
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{milliseconds % 1000:03d}Z"


def signature(secret: str, text: str) -> str:
    """OKX's signature of a text."""
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()).decode()


def inner_code(body: Json) -> str:
    """Code of an answer about one order: the outer one says only whether it worked."""
    assert body["code"] == ("0" if body["data"][0]["sCode"] == "0" else "1")
    return str(body["data"][0]["sCode"])
