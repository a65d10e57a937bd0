"""Raw bodies as they came, compressed and append-only, so that a normalization error can be replayed.

What lives here: writing, reading and indexing. What does not: who records (`routing`) or what bodies mean.

A file per venue, UTC day and process: `<folder>/<venue>/2025-07-01/<started>-<pid>.jsonl.gz`, one JSON
object a line. Each flush is a gzip member of its own: of a killed process all but the last flush can be
read. Headers are never kept; urls come without signatures.
"""

import base64
import gzip
import os
import re
import shutil
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson

from funding_pipeline.core.errors import StorageError
from funding_pipeline.venues.connection import Exchanged

FLUSH_BYTES = 1 << 20
"""Lines are collected up to this size per venue, then written as one gzip member."""
_CHUNK = 1 << 16
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


class BodyArchive:
    """Appends bodies under `folder`. Use as a context manager, or call `close`: the rest is flushed there.

    `record` is a `Recorder`. Raises StorageError where the disk does not take it; what was written
    before stays readable.
    """

    def __init__(self, folder: Path, *, flush_bytes: int = FLUSH_BYTES) -> None:
        self.folder = folder
        self._flush_bytes = flush_bytes
        self._started = f"{datetime.now(UTC):%H%M%S%f}-{os.getpid()}"
        self._lines: dict[Path, list[bytes]] = {}
        self._sizes: dict[Path, int] = {}

    def record(self, exchanged: Exchanged) -> None:
        """Keep one body; written with the next flush."""
        path = self._path(exchanged)
        line = _line(exchanged)
        self._lines.setdefault(path, []).append(line)
        self._sizes[path] = self._sizes.get(path, 0) + len(line)
        if self._sizes[path] >= self._flush_bytes:
            self._write(path)

    def flush(self) -> None:
        """Write what is collected."""
        for path in list(self._lines):
            self._write(path)

    def close(self) -> None:
        """Flush; more may be recorded afterwards."""
        self.flush()

    def __enter__(self) -> "BodyArchive":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _path(self, exchanged: Exchanged) -> Path:
        day = datetime.fromtimestamp(exchanged.received_at_ms / 1000, UTC)
        return self.folder / exchanged.venue / f"{day:%Y-%m-%d}" / f"{self._started}.jsonl.gz"

    def _write(self, path: Path) -> None:
        member = gzip.compress(b"".join(self._lines.pop(path, [])), compresslevel=1)
        self._sizes.pop(path, None)
        before = path.stat().st_size if path.exists() else 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                file.write(member)
        except OSError as error:
            _cut_back(path, before)
            reason = error.strerror or type(error).__name__
            raise StorageError(f"raw bodies cannot be written to {path.parent}: {reason}") from error


@dataclass(frozen=True)
class ArchiveFile:
    """Bodies of one file, in the order of recording. `is_truncated`: its last flush was cut off."""

    path: Path
    bodies: tuple[Exchanged, ...]
    is_truncated: bool


def read_file(path: Path) -> ArchiveFile:
    """Read one file, up to where it was cut off; raises StorageError where it cannot be read at all."""
    try:
        text, is_truncated = _decompress(path)
    except OSError as error:
        raise StorageError(f"raw bodies cannot be read: {path}: {error.strerror}") from error
    whole, _, cut = text.rpartition(b"\n")
    bodies = tuple(_exchanged(line) for line in whole.split(b"\n") if line)
    return ArchiveFile(path, bodies, is_truncated or bool(cut))


def remove_days(folder: Path, *, before: date) -> int:
    """Remove the bodies of every UTC day before a day; how many files they were. Raises StorageError."""
    days = [path for path in folder.glob("*/*") if _DAY.fullmatch(path.name) and path.name < f"{before}"]
    files = [file for day in days for file in day.iterdir()]
    try:
        for day in days:
            shutil.rmtree(day)
    except OSError as error:
        raise StorageError(f"raw bodies cannot be removed: {error.filename}: {error.strerror}") from error
    return len(files)


def read_archive(folder: Path, venue: str) -> Iterator[ArchiveFile]:
    """Files of a venue by day and start."""
    for path in sorted((folder / venue).glob("*/*.jsonl.gz")):
        yield read_file(path)


class ArchiveIndex:
    """Answers of one venue by request. `last_ms`: when the last was recorded.

    A request that was recorded several times gets its answers in turn; the last one then stays.
    """

    def __init__(self, folder: Path, venue: str) -> None:
        self._answers: dict[tuple[str, str, str], list[Exchanged]] = {}
        self.last_ms = 0
        for file in read_archive(folder, venue):
            for body in file.bodies:
                key = (body.method, body.url, body.request_body)
                self._answers.setdefault(key, []).append(body)
                self.last_ms = max(self.last_ms, body.received_at_ms)
        if not self._answers:
            raise StorageError(f"no raw bodies of {venue} in {folder}")

    def answer(self, method: str, url: str, request_body: str) -> Exchanged | None:
        """The next answer to this request; None where there is none."""
        found = self._answers.get((method, url, request_body))
        if not found:
            return None
        return found.pop(0) if len(found) > 1 else found[0]


def _line(exchanged: Exchanged) -> bytes:
    row: dict[str, Any] = {
        "received_at_ms": exchanged.received_at_ms,
        "venue": exchanged.venue,
        "method": exchanged.method,
        "url": exchanged.url,
        "request_body": exchanged.request_body,
        "status": exchanged.status,
    }
    try:
        return orjson.dumps({**row, "body": exchanged.body.decode("utf-8")}) + b"\n"
    except UnicodeDecodeError:
        return orjson.dumps({**row, "body_base64": base64.b64encode(exchanged.body).decode()}) + b"\n"


def _exchanged(line: bytes) -> Exchanged:
    row = orjson.loads(line)
    coded = row.pop("body_base64", None)
    text = row.pop("body", "")
    return Exchanged(**row, body=text.encode() if coded is None else base64.b64decode(coded))


def _decompress(path: Path) -> tuple[bytes, bool]:
    """All whole members, what there is of the last, and whether that one was cut off."""
    text = bytearray()
    member = zlib.decompressobj(wbits=31)
    is_open = False
    with path.open("rb") as file:
        while data := file.read(_CHUNK):
            while data:
                try:
                    text += member.decompress(data)
                except zlib.error:
                    return bytes(text), True
                is_open, data = not member.eof, member.unused_data
                if member.eof:
                    member = zlib.decompressobj(wbits=31)
    return bytes(text), is_open


def _cut_back(path: Path, size: int) -> None:
    """Take away half a member, so that earlier ones and later appends stay readable."""
    with suppress(OSError):
        if path.exists():
            os.truncate(path, size)
