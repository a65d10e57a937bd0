"""Fetch from venues what a landing folder lacks: every venue at once, resumable, with progress.

What lives here: which series of a venue to fetch, in which windows, and what becomes of a failure. What
does not: how a venue is asked (`venues`), or where rows lie (`landing`).

A venue that cannot be reached costs its own rows only; a series that a venue answers badly costs that
series only; a row that cannot be read costs that row, and is asked for again next time where it left a gap.
All are in the report, by name. What was landed before stays.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import cast

import polars as pl

from funding_pipeline.core.errors import (
    TestnetError,
    UnknownInstrumentError,
    VenueAnswerError,
    VenueError,
    VenueUnavailableError,
)
from funding_pipeline.core.market import RAW_EVENT_TIME, RAW_TABLES
from funding_pipeline.core.trading import InstrumentTerms
from funding_pipeline.market.landed_files import Window
from funding_pipeline.market.landing import Landing, Series
from funding_pipeline.market.snapshots import take_snapshots
from funding_pipeline.market.windows import by_quarter, covered, final_rows
from funding_pipeline.market_data.instruments import parse_symbol
from funding_pipeline.venues.answers import STUMBLES
from funding_pipeline.venues.archive import BodyArchive
from funding_pipeline.venues.connection import Connection
from funding_pipeline.venues.dialect import CandleKind, VenueDialect
from funding_pipeline.venues.gaps import LONGEST_INTERVAL_MS
from funding_pipeline.venues.listing import Listing
from funding_pipeline.venues.public import Gap, PublicGateway

# A settlement may be published up to a minute late (OKX), a bar a little after its end: what lies this
# close to now is fetched again next time.
_SETTLING = timedelta(minutes=2)
_GIVEN_UP_AFTER = 3
"""So many series in a row that a venue does not answer end its turn."""
MAX_SKEW_MS = 5_000
HISTORY: Mapping[str, tuple[str, ...]] = {
    "funding_rates": ("settled",),
    "candles": ("trade", "mark", "index"),
    "open_interest": ("history",),
}
"""Tables that a venue tells of the past, with the kinds of their series."""
Progress = Callable[[str, int, int], None]
"""Called with venue, series done and series in all."""


@dataclass(frozen=True)
class Wanted:
    """What to have in the landing folder: `tables` of RAW_TABLES over [start, end) UTC.

    `coins`: bases to read, or None for every instrument that the venue serves. `allow`: `venue SYMBOL` of
    instruments to read although they are on no coin.
    """

    tables: frozenset[str]
    start: datetime
    end: datetime
    coins: frozenset[str] | None = None
    allow: tuple[str, ...] = ()

    def allowed_on(self, venue: str) -> frozenset[str]:
        """Symbols of `allow` on one venue."""
        pairs = (entry.partition(" ") for entry in self.allow)
        return frozenset(symbol for name, _, symbol in pairs if name == venue and symbol)


@dataclass
class IngestReport:
    """What an ingestion found, in lines that begin with the venue's name.

    `unreachable`: venues given up, with the reason; `problems`: answers that were none; `gaps`: rows that a
    venue, asked twice, does not have (history that does not reach back that far is no gap: venues keep
    some of it for days only); `refused`: instruments that cannot be used.
    """

    unreachable: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    series: int = 0
    rows: int = 0


def ingest(
    dialects: Sequence[VenueDialect],
    connection: Connection,
    landing: Landing,
    wanted: Wanted,
    *,
    archive: BodyArchive | None = None,
    progress: Progress | None = None,
) -> IngestReport:
    """Bring the landing folder up to `wanted`. Raises StorageError when it cannot be written."""
    report = IngestReport()

    async def everything() -> None:
        jobs = (
            _Venue(dialect, connection, landing, wanted, report, archive, progress or _silent).ingest()
            for dialect in dialects
        )
        await asyncio.gather(*jobs)

    try:
        asyncio.run(everything())
    except ExceptionGroup as errors:  # a full disk, say: nothing of any venue can be kept
        raise first_error(errors) from errors
    return report


def _silent(venue: str, done: int, total: int) -> None:
    """No progress wanted."""


@dataclass(frozen=True)
class _Task:
    series: Series
    window: Window


@dataclass
class _Venue:
    """One venue's share of an ingestion."""

    dialect: VenueDialect
    connection: Connection
    landing: Landing
    wanted: Wanted
    report: IngestReport
    archive: BodyArchive | None
    progress: Progress
    _empty: list[_Task] = field(default_factory=list)
    _terms: dict[str, InstrumentTerms] = field(default_factory=dict)
    _unavailable: int = 0

    async def ingest(self) -> None:
        """Fetch everything of this venue; an unreachable venue is reported, not raised."""
        record = None if self.archive is None else self.archive.record
        try:
            allowed = self.wanted.allowed_on(self.dialect.name)
            async with PublicGateway(
                self.dialect, self.connection, record=record, accepted=allowed
            ) as gateway:
                await self._all(gateway)
        except* (VenueError, TestnetError) as errors:
            self.report.unreachable[self.dialect.name] = str(first_error(errors))
        except* STUMBLES as errors:  # no check foresaw it; other venues are read all the same
            error = first_error(errors)
            self.report.unreachable[self.dialect.name] = (
                f"{self.dialect.name}: an answer cannot be read ({type(error).__name__}: {error})"
            )

    async def _all(self, gateway: PublicGateway) -> None:
        now = datetime.fromtimestamp(await self.connection.clock_ms() / 1000, UTC)
        skew = await self._skew(gateway)
        if skew is not None and abs(skew) > MAX_SKEW_MS:
            self.report.problems.append(
                f"{self.dialect.name}: its clock is {skew / 1000:+.1f} s off this machine's: set the time"
            )
            now += timedelta(milliseconds=min(skew, 0))  # what it has not reached yet is not final there
        listing = await gateway.instruments()
        self.report.refused.update(
            {f"{self.dialect.name} {symbol}": reason for symbol, reason in listing.refused.items()}
        )
        self._terms = {terms.symbol: terms for terms in listing.terms}
        symbols = self._symbols(listing)
        if not symbols:
            coins = ", ".join(sorted(self.wanted.coins or ()))
            self.report.problems.append(f"{self.dialect.name}: lists no perpetual of {coins}")
        tasks = list(self._tasks(symbols, now))
        total = len(tasks) + 1
        self.progress(self.dialect.name, 0, total)
        done = 0
        lanes = asyncio.Semaphore(self.dialect.concurrency)

        async def run(task: _Task) -> None:
            nonlocal done
            async with lanes:
                await self._fetch(gateway, task, now)
            done += 1
            self.progress(self.dialect.name, done, total)

        async with asyncio.TaskGroup() as group:
            for task in tasks:
                group.create_task(run(task))
        self.report.gaps.extend(_described(gap) for gap in gateway.gaps if not gap.is_whole)
        self._judge_empty_windows(now)
        problems = await take_snapshots(
            gateway, self.landing, listing, symbols, wanted=self.wanted.tables, end=self.wanted.end, now=now
        )
        self.report.problems.extend([*problems, *gateway.unread])
        self.progress(self.dialect.name, total, total)

    async def _skew(self, gateway: PublicGateway) -> int | None:
        """The venue's clock against ours, ms; None, and a problem, where its answer is none."""
        try:
            return await gateway.clock_skew_ms()
        except VenueAnswerError as error:
            self.report.problems.append(str(error))
            return None

    def _symbols(self, listing: Listing) -> list[str]:
        """Instruments to read, by name."""
        coins = self.wanted.coins
        return sorted(
            terms.symbol
            for terms in listing.terms
            if coins is None or parse_symbol(terms.symbol).base in coins
        )

    def _tasks(self, symbols: Iterable[str], now: datetime) -> Iterator[_Task]:
        """What is missing, series by series and quarter by quarter."""
        for series, until in self._series(symbols, now):
            end = min(self.wanted.end, until)
            for window in self.landing.missing(series, start=self.wanted.start, end=end):
                for part_of, span in self._in_reach(series, window, now):
                    yield from (_Task(part_of, part) for part in by_quarter(span))

    def _in_reach(self, series: Series, window: Window, now: datetime) -> Iterator[tuple[Series, Window]]:
        """`window` as the venue can still tell it: bars too old to be kept come in longer ones."""
        kept, coarse = self.dialect.candles_kept, self.dialect.coarse_hours
        if series.table != "candles" or kept is None:
            yield series, window
            return
        start, end = window
        oldest = now - timedelta(hours=kept - 1)
        hours = -(-oldest.timestamp() // (coarse * 3600)) * coarse
        reach = min(max(datetime.fromtimestamp(hours * 3600, UTC), start), end)
        older = replace(series, hours=coarse)
        for gap in self.landing.missing(older, start=start, end=reach):
            yield older, gap
        if reach < end:
            yield series, (reach, end)

    def _series(self, symbols: Iterable[str], now: datetime) -> Iterator[tuple[Series, datetime]]:
        """Every series of history with the moment up to which it is final."""
        closed = (now - _SETTLING).replace(minute=0, second=0, microsecond=0)
        settled = (now - _SETTLING).replace(second=0, microsecond=0)
        name, tables = self.dialect.name, self.wanted.tables
        for symbol in symbols:
            if "funding_rates" in tables:
                yield Series("funding_rates", name, symbol, "settled"), settled
            if "candles" in tables:
                for kind in self.dialect.candle_kinds:
                    yield Series("candles", name, symbol, kind), closed
            if "open_interest" in tables and self.dialect.has_open_interest_history:
                yield Series("open_interest", name, symbol, "history"), closed

    async def _fetch(self, gateway: PublicGateway, task: _Task, now: datetime) -> None:
        """One window of one series. A bad answer costs this window; a venue that stays away, its turn."""
        series, (start, end) = task.series, task.window
        try:
            rows = await rows_of(gateway, series, start, end)
        except (VenueAnswerError, UnknownInstrumentError) as error:
            self.report.problems.append(str(error))
            return
        except VenueUnavailableError as error:
            self._unavailable += 1
            if self._unavailable >= _GIVEN_UP_AFTER:
                raise
            self.report.problems.append(str(error))
            return
        except STUMBLES as error:
            what = f"{series.venue}: {series.table} of {series.symbol}"
            self.report.problems.append(f"{what}: cannot be read ({type(error).__name__}: {error})")
            return
        self._unavailable = 0
        rows, end = final_rows(series, rows, end, now)
        if rows.is_empty():
            self._empty.append(task)
            return
        moment = RAW_EVENT_TIME[series.table]
        first = rows[moment].min()
        holes = self._holes(gateway, series)
        for low, high in covered((start, end), first if isinstance(first, datetime) else start, holes):
            part = rows if holes is None else rows.filter(pl.col(moment) >= low, pl.col(moment) < high)
            self.landing.write(series, part, start=low, end=high, fetched_at=now)
        self.report.series += 1
        self.report.rows += rows.height

    def _holes(self, gateway: PublicGateway, series: Series) -> list[Window] | None:
        """Gaps of a series some of whose rows cannot be read; None where all can."""
        if not any(f" {series.symbol}: " in line for line in gateway.unread):
            return None
        return [
            (gap.start, gap.end)
            for gap in gateway.gaps
            if (gap.symbol, gap.table) == (series.symbol, series.table) and not gap.is_whole
        ]

    def _judge_empty_windows(self, now: datetime) -> None:
        """A window without rows is covered where it ends before the listing that its venue states.

        Any other is asked again next time: it is a gap where a row was due in it. Before history has begun,
        nothing proves that it has.
        """
        for task in sorted(self._empty, key=lambda empty: empty.window):
            series, (start, end) = task.series, task.window
            listed_at = self._terms[series.symbol].listed_at
            if listed_at is not None and end <= listed_at:
                schema = dict(RAW_TABLES[series.table])
                self.landing.write(series, pl.DataFrame(schema=schema), start=start, end=end, fetched_at=now)
            elif (last := self.landing.last_before(series, start)) and last + self._spacing(series) < end:
                self.report.gaps.append(
                    f"{series.venue}: {series.symbol} {series.table}: the venue has no row at all between "
                    f"{start:%Y-%m-%d %H:%M} and {end:%Y-%m-%d %H:%M}; it is asked again next time"
                )

    def _spacing(self, series: Series) -> timedelta:
        """Between two rows; where a venue does not state its interval, the longest that there is."""
        if series.table != "funding_rates":
            return timedelta(hours=series.hours)
        stated = self._terms[series.symbol].interval_hours
        return timedelta(milliseconds=LONGEST_INTERVAL_MS) if stated is None else timedelta(hours=stated)


async def rows_of(gateway: PublicGateway, series: Series, start: datetime, end: datetime) -> pl.DataFrame:
    """Rows of a series in [start, end), as the venue tells them now."""
    if series.table == "funding_rates":
        return await gateway.settled_funding(series.symbol, start, end)
    if series.table == "open_interest":
        return await gateway.open_interest_history(series.symbol, start, end)
    kind = cast(CandleKind, series.kind)
    return await gateway.candles(series.symbol, kind, start, end, hours=series.hours)


def _described(gap: Gap) -> str:
    return (
        f"{gap.venue}: {gap.symbol} {gap.table}: the venue has no row for {gap.missing} moments between "
        f"{gap.start:%Y-%m-%d %H:%M} and {gap.end:%Y-%m-%d %H:%M}"
    )


def first_error(errors: BaseExceptionGroup[Exception]) -> BaseException:
    """The first single error of a group."""
    first: BaseException = errors.exceptions[0]
    return first_error(first) if isinstance(first, BaseExceptionGroup) else first
