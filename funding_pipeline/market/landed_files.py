"""One landed file: its name, the parts of which it was made, and how it is put into place.

A file covers the window in its name. A merged file also states its parts, each as it was fetched: a replay
asks for exactly these. Where the parts leave something out, the name ends in `+`, and the parts count.
"""

import base64
import fcntl
import json
import os
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

Window = tuple[datetime, datetime]
_STAMP = "%Y%m%dT%H%M%S"
_FILE = re.compile(r"(\d{8}T\d{6})-(\d{8}T\d{6})(\+?)\.parquet")
_FETCHED_AT, _PARTS = "fetched_at", "parts"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND, _MILLISECOND = timedelta(seconds=1), timedelta(milliseconds=1)


@dataclass(frozen=True, order=True)
class Part:
    """What one fetch covered: [start, end), whole seconds; and when the venue stated it, to the ms."""

    start: datetime
    end: datetime
    fetched_at: datetime


def window_of(path: Path) -> Window | None:
    """From the first start to the last end; None where this is no landed file."""
    match = _FILE.fullmatch(path.name)
    if match is None:
        return None
    first, last = (datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC) for stamp in match.groups()[:2])
    return first, last


def landed_paths(folder: Path) -> list[Path]:
    """Landed files of one series, by name; none where there is no folder."""
    paths = folder.iterdir() if folder.is_dir() else ()
    return sorted(path for path in paths if window_of(path) is not None)


def covered_windows(path: Path) -> list[Window]:
    """What a file covers; only that of a file with holes has to be opened."""
    window = window_of(path)
    if window is None:
        return []
    return [(part.start, part.end) for part in parts_of(path)] if path.stem.endswith("+") else [window]


def parts_of(path: Path) -> tuple[Part, ...]:
    """The fetches that a file was made of, by start."""
    window, stated = window_of(path), pl.read_parquet_metadata(path)
    if _PARTS in stated:
        return _decoded(stated[_PARTS])
    return () if window is None else (Part(*window, datetime.fromisoformat(stated[_FETCHED_AT])),)


def write_file(folder: Path, rows: pl.DataFrame, parts: Iterable[Part]) -> Path:
    """Put one file of `parts` into place, whole or not at all; raises OSError.

    It is on the disk, not only in the system's memory, before files that it replaces may go.
    """
    ordered = sorted(parts)
    path = folder / file_name(ordered)
    half = path.with_name(f".{path.name}.{os.getpid()}.part")
    stated = {_FETCHED_AT: max(part.fetched_at for part in ordered).isoformat()}
    if len(ordered) > 1:
        stated[_PARTS] = _encoded(ordered)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        rows.write_parquet(half, compression="zstd", compression_level=1, metadata=stated)
        if len(ordered) > 1:
            _to_disk(half)
        half.replace(path)
        if len(ordered) > 1:
            _to_disk(folder)
    except OSError:
        half.unlink(missing_ok=True)
        raise
    return path


@contextmanager
def holding(folder: Path, *, alone: bool, wait: bool = True) -> Iterator[bool]:
    """Hold the files below `folder`: readers share it, who removes files is `alone`.

    Yields False where `wait` is off and somebody else holds it. A folder that only others may write is read
    without.
    """
    try:
        lock = (folder / ".lock").open("ab")
    except OSError:
        yield not alone
        return
    with lock:
        try:
            fcntl.flock(lock, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True


def file_name(parts: Sequence[Part]) -> str:
    """Name of the file that covers `parts`, which come by start."""
    reached = parts[0].end
    is_whole = True
    for part in parts[1:]:
        is_whole = is_whole and part.start <= reached
        reached = max(reached, part.end)
    return f"{parts[0].start:{_STAMP}}-{reached:{_STAMP}}{'' if is_whole else '+'}.parquet"


def _encoded(parts: Sequence[Part]) -> str:
    """As differences, which repeat from hour to hour and so take next to no room."""
    numbers, reached = [], _EPOCH
    for part in parts:
        late = (part.fetched_at - part.end) // _MILLISECOND
        numbers.append([(part.start - reached) // _SECOND, (part.end - part.start) // _SECOND, late])
        reached = part.end
    return base64.b85encode(zlib.compress(json.dumps(numbers).encode(), 9)).decode()


def _decoded(text: str) -> tuple[Part, ...]:
    parts, reached = [], _EPOCH
    for gap, length, late in json.loads(zlib.decompress(base64.b85decode(text))):
        start = reached + gap * _SECOND
        reached = start + length * _SECOND
        parts.append(Part(start, reached, reached + late * _MILLISECOND))
    return tuple(parts)


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
