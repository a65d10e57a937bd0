"""Where rows fetched from venues land: Parquet files that say which period they cover.

What lives here: writing and reading such files, and what is still missing. What does not: fetching
(`ingestion`), the form of a file (`landed_files`), how many there are (`merging`), or the tables made of
these rows (`defs`).

A file is one series (table, venue, kind, symbol) over one window: `<series>/<start>-<end>.parquet`. It
is written whole and renamed into place, so a file that is there is complete: an interrupted backfill
goes on where it stopped. Snapshots (books, terms) are files of one moment. When a series has many files they
are merged.
"""

import hashlib
import re
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from funding_pipeline.core.errors import MarketDataError, StorageError
from funding_pipeline.core.market import RAW_EVENT_TIME, RAW_TABLES
from funding_pipeline.market.landed_files import (
    Part,
    Window,
    covered_windows,
    holding,
    landed_paths,
    parts_of,
    window_of,
    write_file,
)
from funding_pipeline.market.merging import RowSchema, merge_all, merge_some

_ORDINARY = re.compile(r"[A-Z0-9.]*(?:/[A-Z0-9.]+:[A-Z0-9.]+)?")
_LONGEST_ESTIMATE = timedelta(hours=24)
_ABANDONED_SECONDS = 86_400.0


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
    """A file: all rows of `series` in its parts, as the venue stated them when each was fetched."""

    series: Series
    path: Path
    parts: tuple[Part, ...]


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

    def last_before(self, series: Series, moment: datetime) -> datetime | None:
        """Time of the series' newest row of before `moment`."""
        at = pl.col(RAW_EVENT_TIME[series.table])
        paths = landed_paths(self._folder(series))
        begun = [p for p in paths if (window := window_of(p)) is not None and window[0] < moment]
        found: list[datetime] = []
        for path in begun:
            try:
                last = pl.scan_parquet(path).filter(at < moment).select(at.max()).collect().item()
            except (pl.exceptions.PolarsError, OSError) as error:
                raise self._broken([path], error) from error
            found += [last] if isinstance(last, datetime) else []
        return max(found, default=None)

    def write(
        self, series: Series, rows: pl.DataFrame, *, start: datetime, end: datetime, fetched_at: datetime
    ) -> None:
        """Keep `rows` as all there is in [start, end); raises StorageError and leaves no half file."""
        schema, folder = RAW_TABLES[series.table], self._folder(series)
        frame = rows.select(pl.col(name).cast(dtype) for name, dtype in schema.items())
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with holding(self.folder, alone=False):
                write_file(folder, frame, [Part(start, end, fetched_at)])
        except OSError as error:
            reason = error.strerror or error
            raise StorageError(f"{folder}: cannot be written ({reason}); nothing is lost") from error
        merge_some(self.folder, folder, schema, moment=RAW_EVENT_TIME[series.table])

    def rewrite(self, file: Landed, rows: Mapping[Part, pl.DataFrame]) -> bool:
        """Put `rows` in the place of what a file had of these parts, at once; False where it has been merged.

        Raises StorageError, and the file is as it was.
        """
        schema, at = RAW_TABLES[file.series.table], pl.col(RAW_EVENT_TIME[file.series.table])
        frames = [rows[part].select(pl.col(n).cast(dtype) for n, dtype in schema.items()) for part in rows]
        try:
            with holding(self.folder, alone=True):
                if not file.path.exists():
                    return False
                kept = self._scan([file.path], schema)
                for part in rows:
                    kept = kept.filter(~at.is_between(part.start, part.end, closed="left"))
                if len(rows) < len(file.parts):
                    frames.insert(0, kept.collect())
                write_file(file.path.parent, pl.concat(frames), file.parts)
        except OSError as error:
            raise StorageError(f"{file.path}: cannot be written ({error.strerror or error})") from error
        return True

    def merge(self) -> int:
        """Merge the files of every series into one per quarter; returns how many files fewer there are.

        What writers that were killed have left half done goes too.
        """
        for half in self.folder.glob("*/*/*/*/.*.part"):
            with suppress(FileNotFoundError):
                if time.time() - half.stat().st_mtime > _ABANDONED_SECONDS:
                    half.unlink()
        gone = 0
        for folder in sorted({path.parent for path in self.folder.glob("*/*/*/*/*.parquet")}):
            table = folder.relative_to(self.folder).parts[0]
            if table not in RAW_TABLES:
                continue
            try:
                gone += merge_all(self.folder, folder, RAW_TABLES[table], moment=RAW_EVENT_TIME[table])
            except (pl.exceptions.PolarsError, OSError) as error:
                raise self._broken(landed_paths(folder), error) from error
        return gone

    def read(self, table: str, *, venues: Iterable[str], start: datetime, end: datetime) -> pl.DataFrame:
        """Rows of `table` with `start <= event time < end`, without repeats, by instrument and time."""
        schema = RAW_TABLES[table]
        with holding(self.folder, alone=False):
            paths = [path for venue in venues for path in self._files(table, venue, start=start, end=end)]
            if not paths:
                return pl.DataFrame(schema=dict(schema))
            moment = pl.col(RAW_EVENT_TIME[table])
            inside = self._scan(paths, schema).filter(
                moment.is_between(start, end, closed="left") | moment.is_null()
            )
            names = ("venue", "symbol", "kind", RAW_EVENT_TIME[table], "id")
            order = [name for name in names if name in schema]
            try:
                return inside.unique(maintain_order=True).sort(order, maintain_order=True).collect()
            except (pl.exceptions.PolarsError, OSError) as error:
                raise self._broken(paths, error) from error

    def landed(self, table: str, venue: str, kind: str, *, hours: int = 1) -> list[Landed]:
        """Every file of a kind of series, by name; files without rows are left out."""
        found = []
        with holding(self.folder, alone=False):
            for path in sorted(self._folder(Series(table, venue, "", kind, hours)).glob("*/*.parquet")):
                try:
                    symbols = pl.read_parquet(path, columns=["symbol"], n_rows=1)["symbol"].to_list()
                    parts = parts_of(path)
                except (pl.exceptions.PolarsError, OSError) as error:
                    raise self._broken([path], error) from error
                if parts and symbols:
                    found.append(Landed(Series(table, venue, symbols[0], kind, hours), path, parts))
        return found

    def fingerprint(self, *, start: datetime, end: datetime) -> str:
        """Changes when a row with an event in [start, end) comes, goes or changes; merging changes no row."""
        digest = hashlib.sha256()
        for path in sorted(self.folder.glob("*/*")):
            table, venue = path.relative_to(self.folder).parts
            if table in RAW_TABLES:
                rows = self.read(table, venues=[venue], start=start, end=end)
                digest.update(
                    f"{table} {venue} {rows.height} {rows.hash_rows().cast(pl.Int128).sum()}".encode()
                )
        return digest.hexdigest()

    def _scan(self, paths: list[Path], schema: RowSchema) -> pl.LazyFrame:
        return pl.scan_parquet(paths, schema=schema, missing_columns="insert")

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
            window = window_of(path)
            if window is not None and window[0] < end and window[1] > start - _LONGEST_ESTIMATE:
                found.append(path)
        return found

    def _windows(self, series: Series) -> list[Window]:
        with holding(self.folder, alone=False):
            paths = landed_paths(self._folder(series))
            try:
                return [window for path in paths for window in covered_windows(path)]
            except (pl.exceptions.PolarsError, OSError) as error:
                raise self._broken(paths, error) from error

    def _folder(self, series: Series) -> Path:
        kind = series.kind if series.hours == 1 else f"{series.kind}-{series.hours}h"
        parent = self.folder / series.table / series.venue / kind
        folder = parent / _file_name(series.symbol)
        former = parent / re.sub(r"[^A-Za-z0-9.]+", "-", series.symbol)
        if former.name != folder.name and former.is_dir() and not folder.exists():
            _take_over(former, folder, series.symbol)
        return folder


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
