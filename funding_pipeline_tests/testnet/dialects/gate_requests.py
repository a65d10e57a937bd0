"""Signed requests to Gate's dialect, without HTTP, for its tests. What does not live here: any test."""

import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlencode

from multidict import CIMultiDict

from funding_pipeline.testnet.clock import ManualClock
from funding_pipeline.testnet.dialects.gate import GateDialect
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Account
from funding_pipeline.testnet.http import Answer, Request
from funding_pipeline.testnet.market_quotes import MarketQuotes
from funding_pipeline_tests.testnet.running import NOW_MS, simulated_market

PREFIX = "/api/v4/"


class Trader:
    """One account at a Gate of its own, at 2024-02-01 00:00 UTC."""

    def __init__(self) -> None:
        self.clock = ManualClock(NOW_MS)
        quotes = MarketQuotes(simulated_market(), "gate")
        self.exchange = Exchange(quotes, now=self.clock.now, wall=lambda: int(time.time() * 1000))
        self.dialect = GateDialect(self.exchange)
        self.account = self.open("trader", bytes(range(32)))

    def open(self, name: str, token: bytes, *, may_withdraw: bool = False) -> Account:
        """An account of 100,000 USDT."""
        key, secret, _ = self.dialect.new_credentials(token)
        return self.exchange.open_account(
            name, key=key, secret=secret, balance=Decimal(100_000), may_withdraw=may_withdraw
        )

    def send(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        **query: Any,
    ) -> Answer:
        """A request with these headers (none: public)."""
        raw_query, raw_body = urlencode(query), b"" if body is None else json.dumps(body).encode()
        self.exchange.advance()
        return self.dialect.answer(
            Request(
                method,
                "api.gateio.ws",
                PREFIX + path,
                dict(parse_qsl(raw_query)),
                raw_query,
                raw_body,
                CIMultiDict(headers or {}),
            )
        )

    def get(self, path: str, **query: Any) -> Any:
        """A public answer's JSON."""
        return json.loads(self.send("GET", path, **query).body)

    def signed(self, method: str, path: str, *, body: Any = None, **query: Any) -> Any:
        """A private answer's JSON."""
        headers = self.headers(method, path, body=body, **query)
        return json.loads(self.send(method, path, body=body, headers=headers, **query).body)

    def order(self, size: int, **fields: Any) -> Any:
        """Create an order of BTC_USDT; at the market unless a price is given."""
        price = fields.pop("price", "0")
        tif = fields.pop("tif", "ioc" if price == "0" else "gtc")
        body = {"contract": "BTC_USDT", "size": size, "price": price, "tif": tif, **fields}
        return self.signed("POST", "futures/usdt/orders", body=body)

    def headers(
        self, method: str, path: str, *, body: Any = None, at: int | None = None, **query: Any
    ) -> dict[str, str]:
        """What Gate's documents ask of a signer, written down anew. `at`: seconds."""
        stamp = str(self.clock.now() // 1000 if at is None else at)
        raw_query = "&".join(f"{name}={value}" for name, value in query.items())
        raw_body = b"" if body is None else json.dumps(body).encode()
        lines = (method, PREFIX + path, raw_query, hashlib.sha512(raw_body).hexdigest(), stamp)
        signature = hmac.new(self.account.secret.encode(), "\n".join(lines).encode(), hashlib.sha512)
        return {"KEY": self.account.key, "Timestamp": stamp, "SIGN": signature.hexdigest()}

    def price(self, fraction: str) -> str:
        """A price on the tick, at a fraction of the last one."""
        last = self.exchange.quotes.last("BTC/USDT:USDT", self.clock.now())
        return str((last * Decimal(fraction)).quantize(Decimal("0.1")))
