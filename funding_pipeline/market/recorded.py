"""A market read from a folder of Parquet files (the schema is in docs/data.md).

What lives here: finding, checking and reading the files. What does not: judging the rows
(`market_data.quality`) or giving them their normalized form (`market_data.normalization`).
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

import polars as pl

from funding_pipeline.core.errors import MarketDataError, UnknownInstrumentError
from funding_pipeline.core.market import (
    RAW_EVENT_TIME,
    RAW_TABLES,
    MarketSpan,
    marked,
    raw_columns,
    rows_digest,
)
from funding_pipeline.market_data.instruments import parse_symbol
from funding_pipeline.market_data.intervals import CONTEXT, intervals_since

_FILES = {
    "funding_rates": "funding_rates.parquet",
    "candles": "candles*.parquet",
    "order_books": "order_books.parquet",
    "trades": "trades.parquet",
    "open_interest": "open_interest.parquet",
    "instrument_terms": "instrument_terms.parquet",
    "leverage_tiers": "leverage_tiers.parquet",
}
_VENUE = re.compile(r"[A-Za-z0-9._-]+")
_OLDEST = datetime(2016, 1, 1, tzinfo=UTC)  # the first perpetual swap is younger
_OPTIONAL_COLUMNS = frozenset({"venue_time", "id", "open", "high", "low", "volume", "contract_size"})


@dataclass(frozen=True)
class RecordedFile:
    """A file of the folder: its name, its rows, and the SHA-256 of its content."""

    name: str
    rows: int
    digest: str


@dataclass(frozen=True)
class RecordedMarket:
    """History in `folder`: `funding_rates.parquet` must be there, every other file may be missing.

    `venues`, `coins`: what to read of it; empty and None: everything. A symbol that no base can be read off
    comes with every choice of coins, so that it ends in quarantine rather than in silence.
    """

    folder: Path
    venues: tuple[str, ...] = ()
    coins: frozenset[str] | None = None

    def __post_init__(self) -> None:
        if not self.folder.is_dir():
            raise MarketDataError(f"{self.folder}: no such folder (set FUNDING_DATA or --data to one)")
        if not (self.folder / "funding_rates.parquet").is_file():
            raise MarketDataError(f"{self.folder}: has no funding_rates.parquet, the one file that is needed")

    @property
    def label(self) -> str:
        """Name of the market in reports: the folder's own."""
        return f"recorded history ({self.folder.resolve().name})"

    @property
    def is_simulated(self) -> bool:
        """Never: these rows were recorded."""
        return False

    def span(self) -> MarketSpan:
        """From the first settlement's day to the last settlement or bar; venues in order of name."""
        return self._span

    @cached_property
    def _span(self) -> MarketSpan:
        path = self.folder / "funding_rates.parquet"
        venues = {
            venue
            for table in RAW_TABLES
            for file in self._paths(table)
            for venue in _collect(_scan(file, table).select(pl.col("venue").unique()), file)["venue"]
            if venue
        }
        odd = sorted(venue for venue in venues if not _VENUE.fullmatch(venue))
        if odd:
            raise MarketDataError(
                f"{self.folder}: venue {odd[0]!r} is no name: letters, digits, - _ and . only"
            )
        edges = [_edges(path, table) for table in ("funding_rates", "candles") for path in self._paths(table)]
        funded = edges[0]
        if funded is None:
            raise MarketDataError(f"{path}: has no rows")
        start = funded[0].replace(hour=0, minute=0, second=0, microsecond=0)
        last = max(edge[1] for edge in edges if edge is not None)
        end = last.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        return MarketSpan(start=start, end=end, venues=tuple(sorted(self.venues or venues)))

    def read(self, table: str, *, venues: tuple[str, ...], start: datetime, end: datetime) -> pl.DataFrame:
        """Rows of `table` with `start <= event time < end`; rows without a time come with every read.

        A row that names no venue or no time cannot be placed; it is given to the caller all the
        same, so that it ends in quarantine rather than in silence. An interval that the file does not state
        is read off the gaps.
        """
        if table == "funding_rates":
            return intervals_since(self._read(table, venues, start - CONTEXT, end), start)
        return self._read(table, venues, start, end)

    def _read(self, table: str, venues: tuple[str, ...], start: datetime, end: datetime) -> pl.DataFrame:
        event_time = pl.col(RAW_EVENT_TIME[table])
        inside = (event_time >= start) & (event_time < end) & pl.col("venue").is_in(list(venues))
        unplaced = event_time.is_null() | pl.col("venue").is_null()
        frames = [_collect(_scan(path, table).filter(inside | unplaced), path) for path in self._paths(table)]
        if not frames:
            return pl.DataFrame(schema=dict(raw_columns(table)))
        return marked(self._of_coins(pl.concat(frames)), is_made_up=False)

    def files(self) -> list[RecordedFile]:
        """Every file that is read, by name. Raises MarketDataError where one cannot be read."""
        return [_file(path, table) for table in RAW_TABLES for path in self._paths(table)]

    def digest(self, *, start: datetime, end: datetime) -> str:
        """Digest of the rows with `start <= event time < end`."""
        return rows_digest(self, start=start, end=end)

    def _of_coins(self, rows: pl.DataFrame) -> pl.DataFrame:
        if self.coins is None:
            return rows
        symbols = rows["symbol"].drop_nulls().unique()
        unwanted = [symbol for symbol in symbols if (base := _base(symbol)) and base not in self.coins]
        return rows.filter(pl.col("symbol").is_null() | ~pl.col("symbol").is_in(unwanted))

    def _paths(self, table: str) -> list[Path]:
        found = sorted(self.folder.glob(_FILES[table]))
        for path in found:
            if not path.is_file():
                raise MarketDataError(f"{path}: is no file; move it away or replace it by one")
        return found


def _base(symbol: str) -> str | None:
    try:
        return parse_symbol(symbol).base
    except UnknownInstrumentError:
        return None


def _file(path: Path, table: str) -> RecordedFile:
    rows = _collect(_scan(path, table).select(pl.len()), path).item()
    try:
        with path.open("rb") as content:
            return RecordedFile(path.name, rows, hashlib.file_digest(content, "sha256").hexdigest())
    except OSError as error:
        raise MarketDataError(_unreadable(path, error)) from error


def _scan(path: Path, table: str) -> pl.LazyFrame:
    """The file as a lazy frame in the raw schema of `table`; errors name the file and the column."""
    schema = RAW_TABLES[table]
    try:
        lazy = pl.scan_parquet(path)
        found = lazy.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise MarketDataError(_unreadable(path, error)) from error
    missing = [column for column in schema if column not in found and column not in _OPTIONAL_COLUMNS]
    if missing:
        raise MarketDataError(f"{path}: column {missing[0]} is missing (it has {', '.join(found)})")
    for column, dtype in schema.items():
        if column in found and not _readable_as(found[column], dtype):
            raise MarketDataError(f"{path}: column {column} is {found[column]}, expected {dtype}")
    return lazy.select(
        pl.col(column).cast(dtype) if column in found else pl.lit(None, dtype=dtype).alias(column)
        for column, dtype in schema.items()
    )


def _edges(path: Path, table: str) -> tuple[datetime, datetime] | None:
    """First and last event time in a file, or None where it has no rows."""
    event_time = pl.col(RAW_EVENT_TIME[table])
    first, last = _collect(
        _scan(path, table).select(event_time.min().alias("first"), event_time.max().alias("last")), path
    ).row(0)
    if first is None:
        return None
    for moment in (first, last):
        if not _OLDEST <= moment <= datetime.now(UTC) + timedelta(days=1):
            raise MarketDataError(
                f"{path}: column {RAW_EVENT_TIME[table]} has {moment:%Y-%m-%d %H:%M}, before "
                f"{_OLDEST:%Y} or in the future: correct or remove that row"
            )
    return first, last


def _readable_as(found: pl.DataType, wanted: pl.DataType | type[pl.DataType]) -> bool:
    """Whether a stored type can be read as the wanted one without inventing anything."""
    if isinstance(wanted, pl.Datetime):
        return isinstance(found, pl.Datetime) and found.time_zone is not None  # any zone is an instant
    if wanted == pl.Float64:
        return found.is_numeric()
    if isinstance(wanted, pl.List):
        return isinstance(found, pl.List) and found.inner.is_numeric()
    return found == wanted or isinstance(found, pl.Categorical | pl.Enum) or found.is_integer()


def _collect(lazy: pl.LazyFrame, path: Path) -> pl.DataFrame:
    try:
        return lazy.collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise MarketDataError(_unreadable(path, error)) from error


def _unreadable(path: Path, error: Exception) -> str:
    reason = (str(error).strip().splitlines() or ["unknown"])[0]
    return f"{path}: cannot be read, corrupt or truncated ({reason}); replace the file and run again"
