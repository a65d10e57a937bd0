"""Connections: to the exchange itself, to the local testnet, or to an archive of recorded bodies.

What lives here: where requests go, and the clocks behind that. What does not: the sessions that send them
(`sessions`), or building ccxt clients (`client`).

ccxt signs and builds its urls as for the real exchange; only the socket goes elsewhere.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import aiohttp
import orjson
import yarl

from funding_pipeline.core.errors import TestnetError
from funding_pipeline.core.testnet_identity import IDENTITY_HEADER
from funding_pipeline.venues.archive import ArchiveIndex
from funding_pipeline.venues.connection import LOOPBACK, Connection, Recorder
from funding_pipeline.venues.sessions import ArchiveSession, VenueSession, machine_clock_ms
from funding_pipeline.venues.testnet_address import absent, check_identity, named

CLOCK_FRESH_S = 30.0
"""How long a running testnet clock is extrapolated before it is asked again."""


class LiveConnection:
    """The exchanges themselves, with a session of our own; their rate limits bind."""

    label = "live"
    is_live = True
    speed = 1.0

    def session(self, venue: str, record: Recorder | None) -> VenueSession:
        """A session to the venue's own addresses."""
        return VenueSession(venue, record, lambda url: (url, {}), tls=True)

    async def clock_ms(self) -> int:
        """The machine's clock."""
        return machine_clock_ms()

    def now_ms(self) -> int:
        """The same without waiting, for ccxt's own clock."""
        return machine_clock_ms()


class TestnetConnection:
    """The local testnet on `port`: plain HTTP to 127.0.0.1, the exchange's name in `Host`.

    `code`: of the testnet that is meant (`core.testnet_identity`); an answer of another is a TestnetError.
    """

    __test__ = False
    is_live = False

    def __init__(
        self, port: int, *, code: str | None = None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.port = port
        self.code = code
        self.label = f"testnet on {LOOPBACK}:{port}"
        self._monotonic = monotonic
        self._anchor: tuple[int, float, float] | None = None  # market ms, machine seconds, speed

    def session(self, venue: str, record: Recorder | None) -> VenueSession:
        """A session whose every request goes to the testnet."""
        return VenueSession(
            venue,
            record,
            self._reroute,
            absent=absent(self.port),
            now_ms=self.now_ms,
            believe=self._believe,
        )

    @property
    def speed(self) -> float:
        """As the testnet last told; 1 before it was first asked."""
        return 1.0 if self._anchor is None else self._anchor[2]

    async def clock_ms(self) -> int:
        """The testnet's time, asked and then extrapolated; one that stands still is asked each time.

        Raises TestnetError where no testnet answers.
        """
        if self._anchor is None or not self._is_fresh():
            self._anchor = await self._ask_clock()
        return self.now_ms()

    def now_ms(self) -> int:
        """Extrapolated from the last answer; the machine's clock before the first."""
        if self._anchor is None:
            return machine_clock_ms()
        market_ms, asked_at, speed = self._anchor
        return market_ms + int((self._monotonic() - asked_at) * 1000 * speed)

    def _is_fresh(self) -> bool:
        assert self._anchor is not None
        _, asked_at, speed = self._anchor
        return speed > 0 and self._monotonic() - asked_at < CLOCK_FRESH_S

    async def _ask_clock(self) -> tuple[int, float, float]:
        url = f"http://{LOOPBACK}:{self.port}/admin/clock"
        try:
            timeout = aiohttp.ClientTimeout(total=10)
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(url, headers=named(self.code)) as answer,
            ):
                self._believe(answer.headers)
                told = orjson.loads(await answer.read())
                return int(told["now_ms"]), self._monotonic(), float(told["speed"])
        except aiohttp.ClientConnectorError as error:
            raise TestnetError(absent(self.port)) from error
        except (aiohttp.ClientError, TimeoutError, KeyError, TypeError, ValueError) as error:
            raise TestnetError(f"{self.label} does not tell its time: {type(error).__name__}") from error

    def _reroute(self, url: yarl.URL) -> tuple[yarl.URL, Mapping[str, str]]:
        there = yarl.URL(f"http://{LOOPBACK}:{self.port}{url.raw_path_qs}", encoded=True)
        return there, {"Host": url.host or "", **named(self.code)}

    def _believe(self, headers: Mapping[str, str]) -> None:
        check_identity(headers.get(IDENTITY_HEADER), self.code, self.port)


class ArchiveConnection:
    """Recorded bodies of `folder`: the same request gets the same answer, in the order of recording.

    `clock_ms`: the time to work at; by default that of the last body. An unknown request is a
    VenueAnswerError that names it.
    """

    is_live = False
    speed = 1.0

    def __init__(self, folder: Path, *, clock_ms: int | None = None) -> None:
        self.folder = folder
        self.label = f"archive {folder}"
        self._given_ms = clock_ms
        self._indexes: dict[str, ArchiveIndex] = {}

    def session(self, venue: str, record: Recorder | None) -> ArchiveSession:
        """A session that never opens a socket."""
        return ArchiveSession(venue, self._index(venue), self.label)

    def work_at(self, clock_ms: int) -> None:
        """Work at another time from now on: ccxt asks some endpoints depending on how old the data is."""
        self._given_ms = clock_ms

    async def clock_ms(self) -> int:
        """The time given, or of the last body that was read."""
        return self.now_ms()

    def now_ms(self) -> int:
        """The same without waiting."""
        if self._given_ms is not None:
            return self._given_ms
        return max((index.last_ms for index in self._indexes.values()), default=machine_clock_ms())

    def _index(self, venue: str) -> ArchiveIndex:
        if venue not in self._indexes:
            self._indexes[venue] = ArchiveIndex(self.folder, venue)
        return self._indexes[venue]


def _check_protocol() -> tuple[Connection, ...]:  # mypy proves that each keeps the contract
    return LiveConnection(), TestnetConnection(0), ArchiveConnection(Path())
