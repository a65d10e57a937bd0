"""What reading from a venue needs whatever is read: an open client, its markets, intervals, the clock.

What lives here: the context manager under both gateways, and margin brackets, which some venues tell only
to a key's owner. What does not: any table or value (`public`,
`private`).
"""

import asyncio
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

from funding_pipeline.core.errors import CredentialsError, UnknownInstrumentError, VenueAnswerError
from funding_pipeline.core.trading import LeverageTier
from funding_pipeline.venues.answers import STUMBLES
from funding_pipeline.venues.calls import Sleep, VenueCalls
from funding_pipeline.venues.client import open_client
from funding_pipeline.venues.connection import Connection, Recorder
from funding_pipeline.venues.credentials import Credentials
from funding_pipeline.venues.dialect import Json, VenueDialect
from funding_pipeline.venues.listing import leverage_tiers

_INTERVALS_FRESH_MS = 300_000


class VenueReader:
    """A client of one venue, open between `async with`, inside one event loop.

    Errors are VenueErrors naming venue, call and instrument; UnknownInstrumentError for a symbol that the
    venue does not list, or that this system does not read.
    """

    def __init__(
        self,
        dialect: VenueDialect,
        connection: Connection,
        *,
        credentials: Credentials | None = None,
        record: Recorder | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.dialect = dialect
        self.venue = dialect.name
        self._connection = connection
        self._credentials = credentials
        self._record = record
        self._sleep = sleep
        self._stack = AsyncExitStack()
        self._loading = asyncio.Lock()
        self._intervals: tuple[int, Mapping[str, Json]] | None = None
        self._calls: VenueCalls

    async def __aenter__(self) -> Self:
        await self._connection.clock_ms()  # fails at once where no testnet runs
        opening = open_client(
            self.dialect, self._connection, credentials=self._credentials, record=self._record
        )
        client = await self._stack.enter_async_context(opening)
        self._calls = VenueCalls(self.dialect, client, sleep=self._sleep)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def leverage_tiers(self, symbols: Sequence[str]) -> tuple[LeverageTier, ...]:
        """Margin brackets of `symbols`, by floor; none where the venue tells them to a key's owner only."""
        for symbol in symbols:
            await self._market(symbol)
        if not symbols:
            return ()
        try:
            told = await self._tiers(list(symbols))
        except CredentialsError:
            if self._credentials is not None:
                raise
            return ()
        return tuple(tier for symbol in symbols for tier in self._brackets(symbol, told.get(symbol) or ()))

    def _brackets(self, symbol: str, tiers: Sequence[Json]) -> tuple[LeverageTier, ...]:
        """Tiers of one instrument; none, and a line in `unread`, where they cannot be read."""
        try:
            return leverage_tiers(self.dialect, symbol, tiers)
        except VenueAnswerError as error:
            self.unread.append(str(error))
        except STUMBLES as error:
            self.unread.append(f"{self.venue}: leverage tiers of {symbol}: {type(error).__name__}: {error}")
        return ()

    @property
    def unread(self) -> list[str]:
        """A line for each row of an answer that was left out because it cannot be read."""
        return self._calls.unread

    async def _tiers(self, symbols: list[str]) -> Mapping[str, list[Json]]:
        if self._client.has.get("fetchLeverageTiers") is True:
            params = self._params("fetch_leverage_tiers")
            told: Mapping[str, list[Json]] = await self._calls.read("fetch_leverage_tiers", symbols, params)
            return told
        if self._client.has.get("fetchMarketLeverageTiers") is not True:
            return {}
        params = self._params("fetch_market_leverage_tiers")
        asked = (self._calls.read("fetch_market_leverage_tiers", s, params, about=s) for s in symbols)
        return await self._each(symbols, asked)

    async def _each(self, symbols: Sequence[str], asked: Iterable[Awaitable[Any]]) -> dict[str, Any]:
        """Answers by symbol; one that is none is left out, with a line in `unread`."""
        answers = await asyncio.gather(*asked, return_exceptions=True)
        found: dict[str, Any] = {}
        for symbol, answer in zip(symbols, answers, strict=True):
            if isinstance(answer, VenueAnswerError):
                self.unread.append(str(answer))
            elif isinstance(answer, BaseException):
                raise answer
            else:
                found[symbol] = answer
        return found

    @property
    def _client(self) -> Any:
        return self._calls.client

    def _params(self, call: str) -> Json:
        return dict(self.dialect.raw_params(call))

    async def _markets(self, *, again: bool = False) -> Mapping[str, Json]:
        loaded: Mapping[str, Json] | None = self._client.markets
        if loaded and not again:
            return loaded
        async with self._loading:
            markets: Mapping[str, Json] = await self._calls.read("load_markets", again)
        return markets

    async def _market(self, symbol: str) -> Json:
        market = (await self._markets()).get(symbol)
        if market is None or not self.dialect.serves(market):
            raise UnknownInstrumentError(f"{self.venue}: {symbol} is not listed")
        return market

    @property
    def _tells_intervals(self) -> bool:
        """Whether a call of its own tells intervals (Binance: no other answer does)."""
        return self._client.has.get("fetchFundingIntervals") is True

    async def _told_intervals(self) -> Mapping[str, Json]:
        """Rows of fetch_funding_intervals by symbol, for five minutes; none where told elsewhere."""
        if not self._tells_intervals:
            return {}
        now_ms = await self._connection.clock_ms()
        async with self._loading:
            if self._intervals is None or not 0 <= now_ms - self._intervals[0] < _INTERVALS_FRESH_MS:
                self._intervals = (now_ms, await self._calls.read("fetch_funding_intervals"))
        return self._intervals[1]
