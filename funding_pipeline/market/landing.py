"""Where rows fetched from venues land: Parquet files that say which period they cover. Append-only.

What lives here: writing and reading such files, and what is still missing. What does not: fetching
(`ingestion`), or the tables made of these rows (`defs`).

A file is one series (table, venue, kind, symbol) over one window: `<series>/<start>-<end>.parquet`. It
is written whole and renamed into place, so a file that is there is complete: an interrupted backfill
goes on where it stopped. Snapshots (books, terms) are files of one moment.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from funding_pipeline.core.errors import MarketDataError, StorageError
from funding_pipeline.core.market import RAW_EVENT_TIME, RAW_TABLES

_STAMP = "%Y%m%dT%H%M%S"
_FILE = re.compile(r"(\d{8}T\d{6})-(\d{8}T\d{6})\.parquet")
_ORDINARY = re.compile(r"[A-Z0-9.]*(?:/[A-Z0-9.]+:[A-Z0-9.]+)?")
_FETCHED_AT = "fetched_at"
_LONGEST_ESTIMATE = timedelta(hours=24)
Window = tuple[datetime, datetime]


@dataclass(frozen=True)
class Series:
    """One stream of rows. `kind` tells candles of trades from those of marks, settled rates from estimates;
    `hours`: length of its bars, where it has bars."""

    table: str
    venue: str
    symbol: str
    kind: str = "all"
    hours: int = 1


@dataclass(frozen=True)
class Landed:
    """A file: all rows of `series` in [start, end), as the venue told them at `fetched_at`."""

    series: Series
    start: datetime
    end: datetime
    fetched_at: datetime


@dataclass(frozen=True)
class Landing:
    """Files below `folder`. Times are UTC, whole seconds; windows are [start, end)."""

    folder: Path

    def missing(self, series: Series, *, start: datetime, end: datetime) -> list[Window]:
        """The parts of [start, end) that no file covers, oldest first."""
        gaps: list[Window] = []
        reached = start
        for first, last in sorted(self._windows(series)):
            if last <= reached:
                continue
            if first >= end:
                break
            if first > reached:
                gaps.append((reached, first))
            reached = last
        if reached < end:
            gaps.append((reached, end))
        return gaps

    def has_rows_before(self, series: Series, moment: datetime) -> bool:
        """Whether a file of this series that ends by `moment` has a row."""
        folder = self._folder(series)
        paths = sorted(folder.iterdir()) if folder.is_dir() else []
        ended = (p for p in paths if (window := _window(p)) is not None and window[1] <= moment)
        for path in ended:
            try:
                if pl.scan_parquet(path).select(pl.len()).collect().item():
                    return True
            except (pl.exceptions.PolarsError, OSError) as error:
                raise self._broken([path], error) from error
        return False

    def write(
        self, series: Series, rows: pl.DataFrame, *, start: datetime, end: datetime, fetched_at: datetime
    ) -> None:
        """Keep `rows` as all there is in [start, end); raises StorageError and leaves no half file."""
        schema = RAW_TABLES[series.table]
        frame = rows.select(pl.col(name).cast(dtype) for name, dtype in schema.items())
        path = self._folder(series) / f"{start:{_STAMP}}-{end:{_STAMP}}.parquet"
        half = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            stamp = {_FETCHED_AT: fetched_at.isoformat()}
            frame.write_parquet(half, compression="zstd", compression_level=1, metadata=stamp)
            half.replace(path)
        except OSError as error:
            half.unlink(missing_ok=True)
            raise StorageError(
                f"{path}: cannot be written ({error.strerror or error}); nothing is lost"
            ) from error

    def read(self, table: str, *, venues: Iterable[str], start: datetime, end: datetime) -> pl.DataFrame:
        """Rows of `table` with `start <= event time < end`, without repeats, by instrument and time."""
        schema = dict(RAW_TABLES[table])
        paths = [path for venue in venues for path in self._files(table, venue, start=start, end=end)]
        if not paths:
            return pl.DataFrame(schema=schema)
        moment = pl.col(RAW_EVENT_TIME[table])
        lazy = pl.concat([self._scan(path, schema) for path in paths])
        inside = lazy.filter(moment.is_between(start, end, closed="left") | moment.is_null())
        order = [name for name in ("venue", "symbol", "kind", RAW_EVENT_TIME[table], "id") if name in schema]
        try:
            return inside.unique(maintain_order=True).sort(order, maintain_order=True).collect()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise self._broken(paths, error) from error

    def landed(self, table: str, venue: str, kind: str, *, hours: int = 1) -> Iterator[Landed]:
        """Every file of a kind of series, by name; files without rows are left out."""
        for path in sorted(self._folder(Series(table, venue, "", kind, hours)).glob("*/*.parquet")):
            try:
                window, told = _window(path), pl.read_parquet_metadata(path)
                symbols = pl.read_parquet(path, columns=["symbol"], n_rows=1)["symbol"].to_list()
            except (pl.exceptions.PolarsError, OSError) as error:
                raise self._broken([path], error) from error
            if window is not None and symbols:
                series = Series(table, venue, symbols[0], kind, hours)
                yield Landed(series, *window, datetime.fromisoformat(told[_FETCHED_AT]))

    def fingerprint(self, *, start: datetime, end: datetime) -> str:
        """Changes when a file that touches [start, end) comes, goes or has other content."""
        digest = hashlib.sha256()
        for path in sorted(self.folder.glob("*/*/*/*/*.parquet")):
            window = _window(path)
            if window is not None and window[0] < end and window[1] > start:
                digest.update(str(path.relative_to(self.folder)).encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()

    def _scan(self, path: Path, schema: dict[str, pl.DataType | type[pl.DataType]]) -> pl.LazyFrame:
        return pl.scan_parquet(path, schema=schema, missing_columns="insert")

    def _broken(self, paths: list[Path], error: Exception) -> MarketDataError:
        """Name the file that cannot be read; the mend is to fetch its window again."""
        for path in paths:
            try:
                pl.read_parquet(path, n_rows=1)
            except (pl.exceptions.PolarsError, OSError):
                return MarketDataError(f"{path}: cannot be read; delete it and its window is fetched again")
        return MarketDataError(f"{self.folder}: {str(error).splitlines()[0]}")

    def _files(self, table: str, venue: str, *, start: datetime, end: datetime) -> list[Path]:
        """Files that may hold events of [start, end): an estimate is observed before it comes true."""
        found = []
        for path in sorted((self.folder / table / venue).glob("*/*/*.parquet")):
            window = _window(path)
            if window is not None and window[0] < end and window[1] > start - _LONGEST_ESTIMATE:
                found.append(path)
        return found

    def _windows(self, series: Series) -> list[Window]:
        folder = self._folder(series)
        paths = folder.iterdir() if folder.is_dir() else ()
        return [window for path in paths if (window := _window(path)) is not None]

    def _folder(self, series: Series) -> Path:
        kind = series.kind if series.hours == 1 else f"{series.kind}-{series.hours}h"
        parent = self.folder / series.table / series.venue / kind
        folder = parent / _file_name(series.symbol)
        former = parent / re.sub(r"[^A-Za-z0-9.]+", "-", series.symbol)
        if former.name != folder.name and former.is_dir() and not folder.exists():
            _take_over(former, folder, series.symbol)
        return folder


def _window(path: Path) -> Window | None:
    match = _FILE.fullmatch(path.name)
    if match is None:
        return None
    first, last = (datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC) for stamp in match.groups())
    return first, last


def _take_over(former: Path, folder: Path, symbol: str) -> None:
    """Rename a folder of before names were one to one, if all its rows are of this symbol."""
    with suppress(pl.exceptions.PolarsError, OSError):
        rows = pl.scan_parquet(former / "*.parquet").select(pl.col("symbol").unique()).collect()
        if rows["symbol"].to_list() == [symbol]:
            former.rename(folder)


def _file_name(symbol: str) -> str:
    """A unified symbol as the name of a folder, one to one, also where case does not count.

    Of an ordinary symbol `/` and `:` become `-`. In another, each character that a path cannot hold or that
    differs by case only is written as its code (`~4e01~`), and a mark at the end keeps the two forms apart.
    """
    if _ORDINARY.fullmatch(symbol):
        return re.sub(r"[/:]", "-", symbol)
    coded = re.sub(r"[^A-Z0-9./:]", lambda found: f"~{ord(found[0]):x}~", symbol)
    return re.sub(r"[/:]", "-", coded) + "~"
