"""A connection to the testnet's engines in the same process: no socket, no thread, virtual time.

What lives here: carrying one request to a dialect and back, with the faults that the testnet's own rules
fire and the ways of a network: delays, lost answers, requests that arrive after their sender gave up.
What does not: which fault fires (`testnet.faults`), or whether an order was right (`audit`).
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import parse_qsl

import aiohttp
import yarl
from multidict import CIMultiDict

from funding_pipeline.chaos.kills import KillSwitch
from funding_pipeline.chaos.violation import Violation
from funding_pipeline.chaos.virtual_time import Stamps, VirtualClock
from funding_pipeline.testnet.faults import FaultDesk, Fired
from funding_pipeline.testnet.http import Answer, Request
from funding_pipeline.testnet.testnet import Seat, Testnet
from funding_pipeline.venues.connection import Recorder
from funding_pipeline.venues.dialect import VenueDialect
from funding_pipeline.venues.sessions import HeldAnswer, SessionMethods
from funding_pipeline.venues.trace import note_sent

_CLIENT_TIMEOUT_S = 10.0
_SHORTEST_WAY_S, _LONGEST_WAY_S = 0.002, 0.040


class Witness(Protocol):
    """Sees every request where it matters: as it leaves, at the venue, and as its answer comes back."""

    def leaving(self, venue: str, asked: Request, process: str) -> object:
        """A request of `process` is about to leave; what is returned is handed to `at_venue`."""
        ...

    def at_venue(self, venue: str, asked: Request, leaving: object, answer: Callable[[], Answer]) -> Answer:
        """A request has come to the venue: `answer` makes it carry it out."""
        ...

    def delivered(self, venue: str, asked: Request, answer: Answer) -> None:
        """An answer has come back whole."""
        ...


@dataclass(frozen=True)
class _Arrival:
    """What the network carries back: an answer, or the error that the client sees."""

    answer: Answer | None
    error: Exception | None = None
    body: bytes | None = None  # instead of the answer's: garbage


class EngineNetwork:
    """The network of an episode; it goes on when a process dies, with what is under way. `is_instant`:
    no time passes on it, so that several answers are about one moment."""

    def __init__(
        self, testnet: Testnet, faults: FaultDesk, witness: Witness, seed: int, *, is_instant: bool = False
    ) -> None:
        self.testnet, self._faults, self._witness = testnet, faults, witness
        self._random = random.Random(seed)
        self._longest_way_s = 0.0 if is_instant else _LONGEST_WAY_S
        self.failures: list[Violation] = []

    async def carry(self, seat: Seat, asked: Request, timeout_s: float, process: str) -> _Arrival:
        """Send, and wait for what comes back. Raises TimeoutError; the request may still arrive."""
        left_at = self._witness.leaving(seat.venue, asked, process)
        fired = self._faults.fire(seat.venue, asked.method, asked.path, asked.sent)
        arrival: asyncio.Future[_Arrival] = asyncio.get_running_loop().create_future()

        def arrive() -> None:
            came_back = self._serve(seat, asked, fired, left_at)
            if not arrival.done():
                arrival.set_result(came_back)

        way_s = self._random.uniform(min(_SHORTEST_WAY_S, self._longest_way_s), self._longest_way_s)
        asyncio.get_running_loop().call_later(way_s + fired.delay_ms / 1000, arrive)
        back = await asyncio.wait_for(arrival, timeout_s)
        await asyncio.sleep(way_s)
        is_whole = back.error is None and back.body is None and not fired.hides_order
        if back.answer is not None and is_whole:
            self._witness.delivered(seat.venue, asked, back.answer)
        return back

    def _serve(self, seat: Seat, asked: Request, fired: Fired, left_at: object) -> _Arrival:
        """As the testnet's server does it."""
        if fired.is_dropped:
            return _Arrival(None, aiohttp.ServerDisconnectedError())
        if fired.status is not None:
            return _Arrival(fired.answer())

        def answer() -> Answer:
            try:
                seat.exchange.advance()
                return seat.dialect.answer(asked)
            except Exception as error:  # the testnet's own bug: told, and a 500 to the client
                text = f"{seat.venue} {asked.method} {asked.path}: {type(error).__name__}: {error}"
                self.failures.append(Violation("testnet_failures", text))
                return Answer.of({"error": "the dialect failed"}, 500)

        said = self._witness.at_venue(seat.venue, asked, left_at, answer)
        if fired.is_doubled:
            self._witness.at_venue(seat.venue, asked, left_at, answer)
        said = fired.reshaped(said)
        if fired.is_lost:
            return _Arrival(said, aiohttp.ServerDisconnectedError())
        if fired.is_truncated:
            return _Arrival(said, aiohttp.ClientPayloadError("the answer broke off"))
        return _Arrival(said, body=fired.garbage)


class EngineConnection:
    """A `Connection` of one life of a process; a dead one can send nothing more."""

    is_live = False
    speed = 1.0
    label = "engines in this process"

    def __init__(self, network: EngineNetwork, clock: VirtualClock, switch: KillSwitch) -> None:
        self._network, self._clock, self._switch = network, clock, switch

    def session(self, venue: str, record: Recorder | None) -> "EngineSession":
        """A session of the venue. Nothing is recorded."""
        return EngineSession(venue, self._network, self._switch)

    async def clock_ms(self) -> int:
        """The testnet's time."""
        return self._clock.now()

    def now_ms(self) -> int:
        """The same, for ccxt's own clock."""
        return self._clock.now()


class EngineSession(SessionMethods):
    """What a ccxt client takes for aiohttp's session."""

    def __init__(self, venue: str, network: EngineNetwork, switch: KillSwitch) -> None:
        self.venue = venue
        self._network, self._switch = network, switch

    async def send(self, method: str, url: yarl.URL, options: dict[str, Any]) -> HeldAnswer:
        """One request. Raises as aiohttp would; VenueAnswerError for a 200 that is no JSON."""
        asked = _request(method, url, options)
        self._switch.pass_point(f"before request {method}")
        note_sent()
        seat = self._network.testnet.by_host[asked.host]
        total = getattr(options.get("timeout"), "total", None)
        back = await self._network.carry(seat, asked, total or _CLIENT_TIMEOUT_S, self._switch.process)
        self._switch.pass_point(f"after request {method}")
        if back.error is not None:
            raise back.error
        assert back.answer is not None, "an arrival has an answer or an error"
        if back.body is not None:
            return self._hold(200, "", {"Content-Type": "text/html"}, back.body)
        headers = CIMultiDict({"Content-Type": "application/json", **back.answer.headers})
        return self._hold(back.answer.status, "", headers, back.answer.body)

    async def close(self) -> None:
        """Nothing is open."""


def in_virtual_time(dialect: VenueDialect, stamps: Stamps) -> VenueDialect:
    """The dialect with ccxt's class signing by `stamps`, so that a venue's receive window holds."""
    kind: Any = type(dialect)

    class Timed(kind):  # type: ignore[misc]
        """See `in_virtual_time`."""

        def client_class(self) -> type:
            return type("Timed", (super().client_class(),), {"milliseconds": lambda _: stamps.next()})

    timed: VenueDialect = Timed()
    return timed


def _request(method: str, url: yarl.URL, options: Mapping[str, Any]) -> Request:
    raw_query = url.raw_query_string
    return Request(
        method=method,
        host=url.host or "",
        path=url.raw_path,
        query=dict(parse_qsl(raw_query, keep_blank_values=True)),
        raw_query=raw_query,
        body=options.get("data") or b"",
        headers=CIMultiDict(options.get("headers") or {}),
    )
