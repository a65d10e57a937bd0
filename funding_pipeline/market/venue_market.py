"""A market that is fetched from venues through ccxt: live exchanges, or the local testnet.

What lives here: the `Market` contract over a landing folder. What does not: fetching (`ingestion`),
venues' peculiarities (`venues`), or whose rows a testnet serves (`testnet`).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Self

import polars as pl

from funding_pipeline.core.errors import VenueUnavailableError
from funding_pipeline.core.market import RAW_TABLES, MarketSpan, marked
from funding_pipeline.market.ingestion import IngestReport, Progress, Wanted, ingest
from funding_pipeline.market.landing import Landing
from funding_pipeline.market.replay import replay
from funding_pipeline.market.visits import Visits
from funding_pipeline.market_data.intervals import CONTEXT, intervals_since
from funding_pipeline.venues.archive import BodyArchive
from funding_pipeline.venues.connection import Connection
from funding_pipeline.venues.registry import dialect_of


@dataclass(frozen=True)
class VenueMarket:
    """Rows of `venues` from `start` until `end()`, landed below `folder` and never fetched twice.

    `coins`: bases to read, None for all; `allow`: see Wanted. `asks` false: only what has landed is read, no
    venue is asked. Rows in the past do not change; what only exists in the present (books, estimates) is
    added to by each fetch.
    """

    name: str
    simulated: bool
    connect: Callable[[], Connection] = field(repr=False)
    venues: tuple[str, ...]
    start: datetime
    end: Callable[[], datetime] = field(repr=False)
    folder: Path
    coins: frozenset[str] | None = None
    allow: tuple[str, ...] = ()
    asks: bool = True

    @property
    def label(self) -> str:
        """Name of the market in reports, with the way by which it came."""
        return self.name

    @property
    def is_simulated(self) -> bool:
        """True where the rows are made up: those of the local testnet."""
        return self.simulated

    def landed_only(self) -> Self:
        """The same rows as far as they have landed; no venue is asked."""
        return replace(self, asks=False)

    def span(self) -> MarketSpan:
        """From `start` to the end of the current hour on the venues' clock; no venue is asked for it."""
        return self._span

    @cached_property
    def _span(self) -> MarketSpan:
        end = self.end()
        hour = end.replace(minute=0, second=0, microsecond=0)
        return MarketSpan(self.start, hour + timedelta(hours=1), tuple(sorted(self.venues)))

    def fetch(
        self,
        *,
        tables: Iterable[str] = tuple(RAW_TABLES),
        venues: Iterable[str] | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        progress: Progress | None = None,
    ) -> IngestReport:
        """Land what is missing; venues that cannot be reached are in the report, by name."""
        span = self.span()
        wanted = Wanted(
            tables=frozenset(tables),
            start=max(start or span.start, span.start),
            end=min(end or span.end, span.end),
            coins=self.coins,
            allow=self.allow,
        )
        names = sorted(set(venues or span.venues) & set(span.venues))
        connection = self.connect()
        with BodyArchive(self.folder / "bodies") as archive:
            report = ingest(
                [dialect_of(name) for name in names],
                connection,
                self._landing,
                wanted,
                archive=archive,
                progress=progress,
            )
        self._remember(wanted, [name for name in names if name not in report.unreachable], report)
        return report

    def replay(self, *, progress: Progress) -> IngestReport:
        """Rebuild landed history from the kept bodies; no venue is asked."""
        dialects = [dialect_of(name) for name in self.span().venues]
        return replay(dialects, self.folder / "bodies", self._landing, progress=progress)

    def read(self, table: str, *, venues: tuple[str, ...], start: datetime, end: datetime) -> pl.DataFrame:
        """Landed rows of `table`, after fetching what is missing of them.

        Raises VenueUnavailableError with one line per venue that is needed and cannot be reached.
        """
        if self.asks and self._lacks(table, venues, start, end):
            report = self.fetch(tables=(table,), venues=venues, start=start, end=end)
            if report.unreachable:
                raise VenueUnavailableError("; ".join(report.unreachable.values()))
        return marked(self._read(table, venues, start, end), is_made_up=self.simulated)

    def _read(self, table: str, venues: tuple[str, ...], start: datetime, end: datetime) -> pl.DataFrame:
        if table != "funding_rates":
            return self._landing.read(table, venues=venues, start=start, end=end)
        # Where a venue does not state an interval it is read off the gaps, also those before `start`.
        earlier = self._landing.read(table, venues=venues, start=start - CONTEXT, end=end)
        return intervals_since(earlier, start)

    def digest(self, *, start: datetime, end: datetime) -> str:
        """Changes when rows of [start, end) have landed or changed since."""
        return self._landing.fingerprint(start=start, end=end)

    def _lacks(self, table: str, venues: Iterable[str], start: datetime, end: datetime) -> bool:
        """Whether a venue has to be asked: not for what has been fetched whole, or a minute ago."""
        span = self.span()
        first, last = max(start, span.start), min(end, span.end)
        return any(not self._visits.covers(venue, table, first, last) for venue in venues)

    def _remember(self, wanted: Wanted, venues: Iterable[str], report: IngestReport) -> None:
        for venue in venues:
            if not any(problem.startswith(f"{venue}:") for problem in report.problems):
                self._visits.note(venue, wanted.tables, wanted.start, wanted.end)

    @cached_property
    def _visits(self) -> Visits:
        return Visits(self.folder / "visits.json", coins=self.coins)

    @cached_property
    def _landing(self) -> Landing:
        return Landing(self.folder / "rows")
