"""The sessions given to ccxt: aiohttp behind a rerouting, or an archive of recorded bodies.

What lives here: sending one request and keeping its answer. What does not: where requests go and whose
time it is (`routing`), or the meaning of an answer (`calls`, `public`, `private`).

Each session notes the HTTP status of its answers for `calls` (ccxt calls a 403 retryable), gives the body
to the archive, and refuses a body that is no JSON: ccxt would make an EMPTY order book of it.
"""

import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import aiohttp
import orjson
import yarl

from funding_pipeline.core.errors import TestnetError, VenueAnswerError
from funding_pipeline.venues.archive import ArchiveIndex
from funding_pipeline.venues.connection import Exchanged, Recorder
from funding_pipeline.venues.credentials import public_url
from funding_pipeline.venues.trace import note_answer, note_sent

_CONNECTIONS = 32


def machine_clock_ms() -> int:
    """The machine's clock, ms."""
    return time.time_ns() // 1_000_000


class HeldAnswer:
    """A whole answer, with what ccxt reads of aiohttp's response."""

    def __init__(self, status: int, reason: str, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.reason = reason
        self.headers = headers
        self.content = body

    async def text(self, errors: str = "replace") -> str:
        """The body as text."""
        return self.content.decode("utf-8", errors)


class _Sending:
    """What `session.get(...)` returns: the request is made on entering."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    async def __aenter__(self) -> HeldAnswer:
        answer: HeldAnswer = await self._make()
        return answer

    async def __aexit__(self, *_: object) -> None:
        return None


class SessionMethods:
    """The methods that ccxt calls on a session; a subclass says how a request is sent."""

    headers: Mapping[str, str] = {}
    venue: str

    async def send(self, method: str, url: yarl.URL, options: dict[str, Any]) -> HeldAnswer:
        raise NotImplementedError

    def get(self, url: yarl.URL, **options: Any) -> _Sending:
        """As aiohttp's."""
        return _Sending(lambda: self.send("GET", url, options))

    def post(self, url: yarl.URL, **options: Any) -> _Sending:
        """As aiohttp's."""
        return _Sending(lambda: self.send("POST", url, options))

    def put(self, url: yarl.URL, **options: Any) -> _Sending:
        """As aiohttp's."""
        return _Sending(lambda: self.send("PUT", url, options))

    def delete(self, url: yarl.URL, **options: Any) -> _Sending:
        """As aiohttp's."""
        return _Sending(lambda: self.send("DELETE", url, options))

    def patch(self, url: yarl.URL, **options: Any) -> _Sending:
        """As aiohttp's."""
        return _Sending(lambda: self.send("PATCH", url, options))

    def _hold(self, status: int, reason: str, headers: Mapping[str, str], body: bytes) -> HeldAnswer:
        note_answer(status, headers)
        if status < 300:
            refuse_garbage(self.venue, body)
        return HeldAnswer(status, reason, headers, body)


class VenueSession(SessionMethods):
    """aiohttp behind `reroute`, recording what came back and when, by the exchange's clock `now_ms`.

    `believe` raises where the headers of an answer show that somebody else gave it; it is kept nowhere then.
    Closed by whoever opened it."""

    def __init__(
        self,
        venue: str,
        record: Recorder | None,
        reroute: Callable[[yarl.URL], tuple[yarl.URL, Mapping[str, str]]],
        *,
        absent: str | None = None,
        tls: bool = False,
        now_ms: Callable[[], int] = machine_clock_ms,
        believe: Callable[[Mapping[str, str]], None] = lambda headers: None,
    ) -> None:
        self.venue = venue
        self._believe = believe
        self._now_ms = now_ms
        self._record = record
        self._reroute = reroute
        self._absent = absent
        connector = aiohttp.TCPConnector(limit=_CONNECTIONS, ssl=_certificates() if tls else True)
        self._session = aiohttp.ClientSession(connector=connector)

    async def send(self, method: str, url: yarl.URL, options: dict[str, Any]) -> HeldAnswer:
        """One request. TestnetError where nothing listens; VenueAnswerError for a 200 that is no JSON."""
        there, extra = self._reroute(url)
        options["headers"] = {**(options.get("headers") or {}), **extra}
        note_sent()
        try:
            async with self._session.request(method, there, **options) as answer:
                body = await answer.read()
        except aiohttp.ClientConnectorError as error:
            if self._absent is None:
                raise
            raise TestnetError(self._absent) from error
        self._believe(answer.headers)
        self._keep(method, url, options.get("data"), answer.status, body)
        return self._hold(answer.status, answer.reason or "", answer.headers, body)

    async def close(self) -> None:
        """Close the sockets."""
        await self._session.close()

    def _keep(self, method: str, url: yarl.URL, sent: bytes | None, status: int, body: bytes) -> None:
        if self._record is not None:
            text = (sent or b"").decode("utf-8", "replace")
            address = public_url(str(url))
            self._record(Exchanged(self.venue, method, address, text, status, body, self._now_ms()))


class ArchiveSession(SessionMethods):
    """Answers from an archive."""

    def __init__(self, venue: str, index: ArchiveIndex, label: str) -> None:
        self.venue = venue
        self._index = index
        self._label = label

    async def send(self, method: str, url: yarl.URL, options: dict[str, Any]) -> HeldAnswer:
        """The recorded answer; VenueAnswerError naming a request that was not recorded."""
        address = public_url(str(url))
        found = self._index.answer(method, address, (options.get("data") or b"").decode("utf-8", "replace"))
        if found is None:
            raise VenueAnswerError(f"{self.venue}: {self._label} has no answer to {method} {address}")
        return self._hold(found.status, "", {"Content-Type": "application/json"}, found.body)

    async def close(self) -> None:
        """Nothing is open."""


def refuse_garbage(venue: str, body: bytes) -> None:
    """Raise VenueAnswerError unless `body` is JSON; a bare text is (Hyperliquid's kind of account)."""
    with suppress(orjson.JSONDecodeError):
        orjson.loads(body)
        return
    start = " ".join(body[:60].decode("utf-8", "replace").split()).partition("<")[0]
    raise VenueAnswerError(f"{venue}: the answer is no JSON ({len(body)} bytes, {start!r}...)")


def _certificates() -> ssl.SSLContext:
    """The authorities that ccxt trusts, which do not depend on the machine's."""
    import certifi

    return ssl.create_default_context(cafile=certifi.where())
