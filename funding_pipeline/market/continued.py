"""A recorded market that is traded on: the folder until its end, the local testnet's rows since.

What lives here: which of the two a row comes from. What does not: reading a folder (`recorded`) or
fetching (`venue_market`).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

import polars as pl

from funding_pipeline.core.market import RAW_TABLES, MarketSpan, raw_columns
from funding_pipeline.market.ingestion import IngestReport, Progress
from funding_pipeline.market.recorded import RecordedMarket
from funding_pipeline.market.venue_market import VenueMarket


@dataclass(frozen=True)
class ContinuedMarket:
    """Events before the end of `recorded` are its own, as they are; later ones are the testnet's, made up.

    `since` begins at that end. The label is the recorded market's: tables and models of both are the same,
    and the column `is_made_up` tells their rows apart.
    """

    recorded: RecordedMarket
    since: VenueMarket

    @property
    def label(self) -> str:
        """Name of the market in reports."""
        return self.recorded.label

    @property
    def is_simulated(self) -> bool:
        """False: what is made up of it says so row by row."""
        return False

    @property
    def asks(self) -> bool:
        """Whether reading fetches what is missing."""
        return self.since.asks

    def end(self) -> datetime:
        """The testnet's time where it runs, else the end of the folder."""
        return self.since.end()

    def span(self) -> MarketSpan:
        """From the folder's first day to the testnet's current hour; venues of the folder."""
        span = self.recorded.span()
        return replace(span, end=max(span.end, self.since.span().end))

    def landed_only(self) -> Self:
        """The same rows as far as they have landed; no venue is asked."""
        return replace(self, since=self.since.landed_only())

    def fetch(
        self,
        *,
        tables: Iterable[str] = tuple(RAW_TABLES),
        start: datetime | None = None,
        progress: Progress | None = None,
    ) -> IngestReport:
        """Land what is missing since the end of the folder; nothing while the testnet replays the folder."""
        if self.end() < self.since.start:
            return IngestReport()
        return self.since.fetch(tables=tables, start=start, progress=progress)

    def replay(self, *, progress: Progress) -> IngestReport:
        """Rebuild what has landed from the kept bodies; no venue is asked."""
        return self.since.replay(progress=progress)

    def read(self, table: str, *, venues: tuple[str, ...], start: datetime, end: datetime) -> pl.DataFrame:
        """Rows of `table` with `start <= event time < end`; see the class for where they come from."""
        split = self.since.start
        frames = [self.recorded.read(table, venues=venues, start=start, end=min(end, split))]
        served = tuple(venue for venue in venues if venue in self.since.venues)
        if end > split and served:
            frames.append(self.since.read(table, venues=served, start=max(start, split), end=end))
        return pl.concat(frame.select(*raw_columns(table)) for frame in frames)

    def digest(self, *, start: datetime, end: datetime) -> str:
        """Changes when a row of the folder with an event in [start, end) does, or one has landed since."""
        own = self.recorded.digest(start=start, end=end)
        return f"{own} {self.since.digest(start=start, end=end)}"


FetchedMarket = VenueMarket | ContinuedMarket
"""Markets whose rows, or some of them, are fetched and have a time of their own."""
