"""Raw bodies: what is written is read back; a crash or a full disk costs the last flush at most."""

import errno
import gzip
import os
import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from funding_pipeline.core.errors import StorageError
from funding_pipeline.venues.archive import ArchiveIndex, BodyArchive, read_archive, read_file, remove_days
from funding_pipeline.venues.connection import Exchanged

AT = 1_751_328_000_000  # 2025-07-01


def exchanged(number: int, body: bytes = b'{"a": 1}', at: int = AT, venue: str = "okx") -> Exchanged:
    return Exchanged(venue, "GET", f"https://www.okx.com/api?n={number}", "", 200, body, at + number)


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.gz"))


def test_bodies_are_read_back_as_they_came(tmp_path: Path) -> None:
    bodies = [b'{"price": "1.10"}', b"<html>\xff\xfe", b"", '{"é": "\u20ac"}'.encode()]
    with BodyArchive(tmp_path) as archive:
        for number, body in enumerate(bodies):
            archive.record(exchanged(number, body))
    read = next(read_archive(tmp_path, "okx"))
    assert [item.body for item in read.bodies] == bodies
    assert read.bodies[0] == exchanged(0, bodies[0])
    assert not read.is_truncated


def test_bodies_of_old_days_are_removed(tmp_path: Path) -> None:
    day = 86_400_000
    for age in range(3):
        with BodyArchive(tmp_path) as archive:
            archive.record(exchanged(0, at=AT - age * day))
            archive.record(exchanged(0, at=AT - age * day, venue="gate"))
    (tmp_path / "okx" / "notes").mkdir()
    assert remove_days(tmp_path, before=date(2025, 6, 30)) == 2
    assert sorted(path.name for path in tmp_path.glob("*/*")) == [
        *["2025-06-30"] * 2, *["2025-07-01"] * 2, "notes",
    ]  # fmt: skip
    assert remove_days(tmp_path / "none", before=date(2025, 6, 30)) == 0


def test_a_file_per_venue_day_and_process(tmp_path: Path) -> None:
    with BodyArchive(tmp_path) as archive:
        archive.record(exchanged(0))
        archive.record(exchanged(0, at=AT + 86_400_000))
        archive.record(exchanged(0, venue="gate"))
    relative = [path.relative_to(tmp_path).parts[:2] for path in files(tmp_path)]
    assert relative == [("gate", "2025-07-01"), ("okx", "2025-07-01"), ("okx", "2025-07-02")]
    assert str(os.getpid()) in files(tmp_path)[0].name


def test_each_flush_is_whole_and_files_are_plain_gzip(tmp_path: Path) -> None:
    archive = BodyArchive(tmp_path, flush_bytes=400)
    for number in range(20):
        archive.record(exchanged(number))
    killed = read_file(files(tmp_path)[0])  # nothing was closed
    assert 0 < len(killed.bodies) < 20
    archive.close()
    assert len(read_file(files(tmp_path)[0]).bodies) == 20
    assert gzip.decompress(files(tmp_path)[0].read_bytes()).count(b"\n") == 20


@pytest.mark.parametrize("cut", [1, 7, 40])
def test_a_cut_file_is_read_up_to_the_cut_and_says_so(tmp_path: Path, cut: int) -> None:
    archive = BodyArchive(tmp_path)
    archive.record(exchanged(0))
    archive.flush()
    archive.record(exchanged(1))
    archive.flush()
    path = files(tmp_path)[0]
    path.write_bytes(path.read_bytes()[:-cut])
    read = read_file(path)
    assert read.is_truncated
    assert read.bodies[0] == exchanged(0)


def test_a_full_disk_is_one_clear_error_and_earlier_bodies_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = BodyArchive(tmp_path)
    archive.record(exchanged(0))
    archive.flush()
    path = files(tmp_path)[0]
    whole = path.read_bytes()
    opened = Path.open

    def half(self: Path, *args: Any, **named: Any) -> Any:
        if "a" not in str(args[:1]):
            return opened(self, *args, **named)
        with opened(self, "ab") as file:
            file.write(b"\x1f\x8bhalf")
        raise OSError(errno.ENOSPC, "No space left on device")

    archive.record(exchanged(1))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", half)
        with pytest.raises(
            StorageError, match=r"raw bodies cannot be written to .*: No space left on device"
        ):
            archive.flush()
    assert path.read_bytes() == whole
    archive.record(exchanged(2))
    archive.flush()
    read = read_file(path)
    assert [item.received_at_ms - AT for item in read.bodies] == [0, 2]
    assert not read.is_truncated


def test_answers_come_in_the_order_of_recording_and_the_last_stays(tmp_path: Path) -> None:
    with BodyArchive(tmp_path) as archive:
        for number, body in enumerate((b"[1]", b"[2]")):
            archive.record(Exchanged("okx", "GET", "https://www.okx.com/t", "", 200, body, AT + number))
    index = ArchiveIndex(tmp_path, "okx")
    told = [index.answer("GET", "https://www.okx.com/t", "") for _ in range(3)]
    assert [answer.body for answer in told if answer] == [b"[1]", b"[2]", b"[2]"]
    assert index.answer("GET", "https://www.okx.com/other", "") is None
    assert index.last_ms == AT + 1


def test_an_empty_archive_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no raw bodies of okx"):
        ArchiveIndex(tmp_path, "okx")


def test_it_keeps_up(tmp_path: Path) -> None:
    """20 MB in well under a second of work: a minute may bring 200 MB."""
    body = (b'{"t":1704067200000,"o":"42000.10","h":"42010.00","v":"17.3"},' * 1600)[:100_000]
    begun = time.process_time()
    with BodyArchive(tmp_path) as archive:
        for number in range(200):
            archive.record(exchanged(number, body))
    assert time.process_time() - begun < 3
