"""A request and an answer without a web framework, and the contract of a dialect."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Account, Rejected


@dataclass(frozen=True)
class Request:
    """What came over the wire. `query` is decoded, `raw_query` is as sent (signatures are about that)."""

    method: str
    host: str
    path: str
    query: Mapping[str, str]
    raw_query: str
    body: bytes
    headers: Mapping[str, str]  # case-insensitive

    @property
    def sent(self) -> str:
        """Query and body as text."""
        return f"{self.raw_query} {self.body.decode('utf-8', 'replace')}"

    def json(self) -> Any:
        """The body as JSON; raises Rejected("bad_request") when it is none."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise Rejected("bad_request", "body is not JSON") from error


@dataclass(frozen=True)
class Answer:
    """What goes back: `body` is JSON text already."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, value: Any, status: int = 200) -> "Answer":
        """`value` as JSON. Decimals must be strings or floats already, as the venue has them."""
        return cls(status, orjson.dumps(value))


class Dialect(Protocol):
    """One venue's REST dialect over an Exchange. Constructed with the Exchange alone."""

    exchange: Exchange

    @property
    def hosts(self) -> tuple[str, ...]:
        """Host names of the real exchange that this dialect answers for."""
        ...

    def answer(self, request: Request) -> Answer:
        """Answer one request: the engine has been advanced to now. Never raises Rejected."""
        ...

    def new_credentials(self, token: bytes) -> tuple[str, str, str]:
        """Key, secret and passphrase of a new account in the venue's own form, from 32 random bytes."""
        ...

    def show_credentials(self, account: Account) -> Mapping[str, str]:
        """Credentials by ccxt's names for them: apiKey, secret, password, walletAddress, privateKey."""
        ...
