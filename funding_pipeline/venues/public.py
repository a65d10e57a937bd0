"""Public data of one venue as raw frames, the same for every venue.

What lives here: which calls make which table. What does not: a venue's quirks (its module), paging
(`pager`), or normalization (`market_data`).

Times are UTC, quantities of books and trades in the venue's own units with their contract size. A missing
rate is null; a row without a time is an error. What seems to be missing from a history is in `gaps`.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import polars as pl

from funding_pipeline.core.errors import UnknownInstrumentError, VenueAnswerError
from funding_pipeline.core.trading import InstrumentTerms
from funding_pipeline.venues import frames
from funding_pipeline.venues.answers import STUMBLES, understanding
from funding_pipeline.venues.calls import Sleep
from funding_pipeline.venues.connection import Connection, Recorder
from funding_pipeline.venues.dialect import (
    CandleKind,
    EstimatedRate,
    FundingBounds,
    Json,
    SettledRate,
    VenueDialect,
)
from funding_pipeline.venues.estimates import judge
from funding_pipeline.venues.gaps import Spacing
from funding_pipeline.venues.listing import Listing, bounded, listing
from funding_pipeline.venues.pager import Missing, PageRequest, walk_regular
from funding_pipeline.venues.reading import VenueReader
from funding_pipeline.venues.remarks import Remarks
from funding_pipeline.venues.spelling import HOUR_MS, from_ms, is_moment, moment_of, positive_of, to_ms

TRADES_PAGE = 1000
_HOURLY = Spacing(HOUR_MS, is_fixed=True)
_STAMP_SLACK_MS = 60_000
"""A settlement may be stamped this much off its nominal moment."""


@dataclass(frozen=True)
class Gap:
    """Rows of `table` that the venue does not have between two of its rows, asked for twice.

    `is_whole`: it has none at all of the span, which may lie before its history begins.
    """

    venue: str
    symbol: str
    table: str
    start: datetime
    end: datetime
    missing: int
    is_whole: bool = False


class PublicGateway(VenueReader):
    """One venue's public data; an async context manager. `record` gets every body.

    `accepted`: symbols to list although they are on no coin. A row that cannot be read costs that row, and a
    line in `unread`; an estimate that is none, or was limited, a line in `untold`.
    """

    def __init__(
        self,
        dialect: VenueDialect,
        connection: Connection,
        *,
        record: Recorder | None = None,
        sleep: Sleep = asyncio.sleep,
        accepted: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(dialect, connection, record=record, sleep=sleep)
        self.accepted = accepted
        self.untold: list[str] = Remarks()
        self.gaps: list[Gap] = []
        self._bounds: dict[str, FundingBounds] = {}

    # --- instruments
    async def instruments(self) -> Listing:
        """Every perpetual of this venue that can be used, and those refused with the reason."""
        markets = await self._markets(again=True)
        stated = await self._told_intervals()
        intervals: dict[str, float] = {}
        for symbol, market in markets.items():
            with suppress(*STUMBLES):  # of a market that the listing refuses by name
                hours = self.dialect.interval_hours(market, stated.get(symbol))
                intervals |= {} if hours is None else {symbol: hours}
                self._bounds |= self._stated_bounds(symbol, market, stated.get(symbol))
        found = listing(
            self.dialect,
            markets.values(),
            self._client.precisionMode,
            intervals,
            bounds=self._bounds,
            accepted=self.accepted,
            now=from_ms(await self._connection.clock_ms()),
        )
        if not found.terms:
            raise VenueAnswerError(f"{self.venue}: no usable perpetual among {len(markets)} markets")
        return replace(found, refused={**self._calls.unlisted, **found.refused})

    def with_bounds(self, terms: InstrumentTerms) -> InstrumentTerms:
        """Terms with the cap and floor of funding that the last estimates stated."""
        bounds = self._bounds.get(terms.symbol)
        return terms if bounds is None else bounded(terms, bounds)

    def _stated_bounds(self, symbol: str, market: Json, rate: Json | None) -> dict[str, FundingBounds]:
        found = self.dialect.funding_bounds(market, rate)
        return {} if found == FundingBounds(None, None) else {symbol: found}

    # --- funding
    async def settled_funding(self, symbol: str, start: datetime, end: datetime) -> pl.DataFrame:
        """Settlements with `start <= settled_at < end` (RAW_FUNDING_RATES, kind `settled`); see `gaps`."""
        market = await self._market(symbol)
        page = self.dialect.funding_page

        async def fetch(start_ms: int, end_ms: int) -> list[Json]:
            since, params = self.dialect.history_request(start_ms, end_ms)
            return await self._rows("fetch_funding_rate_history", symbol, since, page, params)

        def nominal(row: Json) -> int:
            return to_ms(self.dialect.settled_rate(row, market).settled_at)

        what = f"{self.venue}: fetch_funding_rate_history {symbol}"
        hours = self.dialect.interval_hours(market, (await self._told_intervals()).get(symbol))
        spacing = Spacing(None if hours is None else int(hours * HOUR_MS))
        request = PageRequest(fetch, page, _timestamp, what, refuse=self._refuser(what))
        until_ms = min(to_ms(end), await self._connection.clock_ms() + 1)
        with understanding(what):
            walked = await walk_regular(
                request, to_ms(start), until_ms, spacing=spacing, nominal=nominal, slack_ms=_STAMP_SLACK_MS
            )
            rates = [self._plausible(self.dialect.settled_rate(row, market), what) for row in walked[0]]
        self._note("funding_rates", market, walked[1])
        return frames.settled_frame(self.venue, symbol, rates, [row["timestamp"] for row in walked[0]])

    async def estimated_funding(self, symbols: Sequence[str]) -> pl.DataFrame:
        """The venue's estimates of the coming settlements (kind `predicted`), observed now.

        An instrument without one is left out and named in `untold`; VenueAnswerError where none has one.
        """
        markets = await self._listed_of(symbols)
        told = await self._told_intervals()
        rows = await self._rates_now(list(markets))
        now_ms = await self._connection.clock_ms()
        rates: list[tuple[str, EstimatedRate]] = []
        for symbol, market in markets.items():
            row = rows.get(symbol)
            if row is None:
                self.untold.append(f"{self.venue}: funding rates: none of {symbol}")
                continue
            try:
                rates.append((symbol, self._estimate(market, row, told.get(symbol), now_ms)))
            except VenueAnswerError as error:
                self.untold.append(str(error))
        if symbols and not rates:
            raise VenueAnswerError(self.untold[-1])
        return frames.estimated_frame(self.venue, rates, from_ms(now_ms))

    async def _listed_of(self, symbols: Sequence[str]) -> dict[str, Json]:
        """Markets of those that are listed; the others in `untold`."""
        found: dict[str, Json] = {}
        for symbol in symbols:
            try:
                found[symbol] = await self._market(symbol)
            except UnknownInstrumentError as error:
                self.untold.append(str(error))
        return found

    def _estimate(self, market: Json, row: Json, told: Json | None, now_ms: int) -> EstimatedRate:
        """The estimate in a row, dated, and limited as the venue limits it; VenueAnswerError says why not."""
        symbol = market["symbol"]
        what = f"{self.venue}: funding rate of {symbol}"
        with understanding(what):
            hours = self.dialect.interval_hours(market, told if self._tells_intervals else row)
            estimate = self.dialect.estimated_rate(row, market, hours)
            self._bounds |= self._stated_bounds(symbol, market, told if self._tells_intervals else row)
        bounds = self._bounds.get(symbol, FundingBounds(None, None))
        is_stated = self.dialect.states_settlement
        judged, remarks = judge(estimate, what, bounds=bounds, now_ms=now_ms, states_settlement=is_stated)
        self.untold += remarks
        return judged

    def _plausible(self, settled: SettledRate, what: str) -> SettledRate:
        """A settled rate, null where it is no fraction of notional."""
        if settled.rate is None or abs(settled.rate) < 1:
            return settled
        self.unread.append(f"{what}: {settled.rate} at {settled.settled_at} is no rate of a settlement")
        return replace(settled, rate=None)

    def _refuser(self, what: str) -> Callable[[Any], None]:
        """Keeps a line of a row without a time that can be."""

        def refuse(row: Any) -> None:
            self.unread.append(f"{what}: a row without a time is left out ({str(row)[:80]})")

        return refuse

    async def _rates_now(self, symbols: list[str]) -> Mapping[str, Json]:
        if self._client.has.get("fetchFundingRates") is True:
            params = self._params("fetch_funding_rates")
            rows: Mapping[str, Json] = await self._calls.read("fetch_funding_rates", symbols, params)
            return rows
        asked = [self._calls.read("fetch_funding_rate", symbol, about=symbol) for symbol in symbols]
        return await self._each(symbols, asked)

    # --- prices
    async def candles(
        self, symbol: str, kind: CandleKind, start: datetime, end: datetime, *, hours: int = 1
    ) -> pl.DataFrame:
        """Bars of `hours` that open in [start, end) and have closed; ValueError for a kind the venue has not.

        ccxt would silently answer with trade candles for a kind that it does not know.
        """
        if kind not in self.dialect.candle_kinds:
            raise ValueError(
                f"{self.venue} has no {kind} candles; it has {', '.join(self.dialect.candle_kinds)}"
            )
        market = await self._market(symbol)
        bar_ms = hours * HOUR_MS
        last_closed_ms = await self._connection.clock_ms() // bar_ms * bar_ms
        end_ms = min(to_ms(end), last_closed_ms)

        async def fetch(start_ms: int, end_ms: int) -> list[list[Any]]:
            since, params = self.dialect.candle_request(kind, start_ms, end_ms)
            page = self.dialect.candle_page
            return await self._rows("fetch_ohlcv", symbol, f"{hours}h", since, page, params)

        what = f"{self.venue}: fetch_ohlcv {kind} {symbol}"
        request = PageRequest(fetch, self.dialect.candle_page, _first, what, refuse=self._refuser(what))
        spacing = Spacing(bar_ms, is_fixed=True)
        with understanding(what):
            bars, missing = await walk_regular(request, to_ms(start), end_ms, spacing=spacing)
            found = frames.candle_frame(self.venue, symbol, kind, bars, hours=hours)
        self._note("candles", market, missing)
        odd = found["close"].null_count()
        if odd:
            self.unread.append(f"{what}: {odd} of {found.height} bars have prices that cannot be")
        return found

    async def order_book(self, symbol: str) -> pl.DataFrame:
        """A snapshot (RAW_ORDER_BOOKS); VenueAnswerError for an empty side or a crossed book."""
        market = await self._market(symbol)
        params = self._params("fetch_order_book")
        book = await self._calls.read(
            "fetch_order_book", symbol, self.dialect.book_levels, params, about=symbol
        )
        now_ms = await self._connection.clock_ms()
        size = positive_of(market.get("contractSize"))
        return frames.book_frame(self.venue, symbol, book, now_ms=now_ms, contract_size=size)

    async def trades(self, symbol: str) -> pl.DataFrame:
        """The market's last trades (RAW_TRADES); ValueError where ccxt gives the account's own instead."""
        if not self.dialect.has_public_trades:
            raise ValueError(f"{self.venue} has no public trades by REST; ccxt would give the account's own")
        market = await self._market(symbol)
        params = self._params("fetch_trades")
        trades = await self._calls.read("fetch_trades", symbol, None, TRADES_PAGE, params, about=symbol)
        with understanding(f"{self.venue}: fetch_trades {symbol}"):
            found = frames.trades_frame(self.venue, symbol, trades, positive_of(market.get("contractSize")))
        if found.height < len(trades):
            self.unread.append(f"{self.venue}: fetch_trades {symbol}: {len(trades) - found.height} left out")
        return found

    # --- open interest
    async def open_interest(self, symbol: str) -> pl.DataFrame:
        """One row (RAW_OPEN_INTEREST): open contracts in quoted base units."""
        market = await self._market(symbol)
        row = await self._calls.read_by(
            self.dialect.fetch_open_interest, self._client, symbol, name="fetch_open_interest", about=symbol
        )
        now_ms = await self._connection.clock_ms()
        with understanding(f"{self.venue}: open interest of {symbol}"):
            observed_ms = int(row["timestamp"]) if is_moment(row.get("timestamp")) else now_ms
            return self._open_interest(symbol, [(observed_ms, self.dialect.open_interest(row, market))])

    async def open_interest_history(self, symbol: str, start: datetime, end: datetime) -> pl.DataFrame:
        """Hourly rows in [start, end); ValueError where the venue keeps none."""
        if not self.dialect.has_open_interest_history:
            raise ValueError(f"{self.venue} keeps no history of open interest")
        market = await self._market(symbol)

        async def fetch(start_ms: int, end_ms: int) -> list[Json]:
            since, params = self.dialect.open_interest_request(start_ms, end_ms)
            page = self.dialect.open_interest_page
            return await self._rows("fetch_open_interest_history", symbol, "1h", since, page, params)

        about = f"{self.venue}: fetch_open_interest_history {symbol}"
        page = self.dialect.open_interest_page
        request = PageRequest(fetch, page, _timestamp, about, refuse=self._refuser(about))
        end_ms = min(to_ms(end), await self._connection.clock_ms())
        with understanding(about):
            rows, missing = await walk_regular(request, to_ms(start), end_ms, spacing=_HOURLY)
            stated = [(int(row["timestamp"]), self.dialect.open_interest(row, market)) for row in rows]
        self._note("open_interest", market, missing)
        return self._open_interest(symbol, stated)

    def _open_interest(self, symbol: str, stated: Sequence[tuple[int, float | None]]) -> pl.DataFrame:
        """Rows with an amount; VenueAnswerError where none has one."""
        amounts = [(at, amount) for at, amount in stated if amount is not None and amount >= 0]
        if stated and not amounts:
            raise VenueAnswerError(f"{self.venue}: open interest of {symbol}: no amount")
        if len(amounts) < len(stated):
            odd = len(stated) - len(amounts)
            self.unread.append(f"{self.venue}: open interest of {symbol}: {odd} rows without an amount")
        observed, values = [at for at, _ in amounts], [amount for _, amount in amounts]
        return frames.open_interest_frame(self.venue, symbol, observed, values)

    # --- clock
    async def clock_skew_ms(self) -> int | None:
        """The venue's time less the connection's clock; None where the venue does not tell its time."""
        if not self._client.has.get("fetchTime"):
            return None
        stated = await self._calls.read("fetch_time")
        return int(stated) - await self._connection.clock_ms() if is_moment(stated) else None

    # --- shared
    async def _rows(self, call: str, symbol: str, *arguments: Any) -> list[Any]:
        rows: list[Any] = await self._calls.read(call, symbol, *arguments, about=symbol)
        return rows

    def _note(self, table: str, market: Json, missing: Sequence[Missing]) -> None:
        """Keep gaps, except of the time before the instrument was listed, where the venue tells that."""
        listed = moment_of(market.get("created"))
        listed_ms = 0 if listed is None else to_ms(listed)
        self.gaps += [
            Gap(
                self.venue,
                market["symbol"],
                table,
                from_ms(gap.start_ms),
                from_ms(gap.end_ms),
                gap.missing,
                gap.is_whole,
            )
            for gap in missing
            if gap.end_ms > listed_ms
        ]


def _timestamp(row: Json) -> int | None:
    moment = row.get("timestamp")
    return int(moment) if is_moment(moment) else None  # type: ignore[arg-type]


def _first(row: Sequence[Any]) -> int | None:
    return int(row[0]) if is_moment(row[0]) else None
