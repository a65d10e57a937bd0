"""Few files per series: those of many fetches merged into one, while others read and write.

What lives here: which files are merged, and merging them. What does not: where a series lies (`landing`).

A merged file is complete before the files that it replaces are removed. Where the process is killed between
the two, rows are there twice until the next merge, and a reader drops repeats: nothing is lost or counted
twice at any point. Readers hold the landing folder while they read, so no file leaves under their hands.
"""

import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import polars as pl

from funding_pipeline.market.landed_files import (
    Window,
    file_name,
    holding,
    landed_paths,
    parts_of,
    window_of,
    write_file,
)

_FEW = 4
"""Files of the newest quarter that are left as they are; up to twice as many, so that not all series of a
market are merged in the same fetch."""
_MUCH_LARGER = 4
_MOST_AT_ONCE = 16
"""Files merged beside a fetch, whose rows a rebalance waits for: the rest waits for the night."""
RowSchema = Mapping[str, pl.DataType | type[pl.DataType]]


def merge_some(root: Path, folder: Path, schema: RowSchema, *, moment: str) -> int:
    """Merge files of the series in `folder` if they have become many; returns how many fewer there are.

    Nothing happens while somebody reads: the next fetch comes to it. Nor where a file cannot be read or the
    disk is full: reading and writing say so by name.
    """
    few = _FEW + zlib.crc32(str(folder.relative_to(root)).encode()) % _FEW
    if not _runs(landed_paths(folder), few):
        return 0
    with suppress(pl.exceptions.PolarsError, OSError), holding(root, alone=True, wait=False) as is_free:
        runs = _runs(landed_paths(folder), few) if is_free else []
        return sum(_merge(run[-_MOST_AT_ONCE:], schema, moment) for run in runs)
    return 0


def merge_all(root: Path, folder: Path, schema: RowSchema, *, moment: str) -> int:
    """Merge the files of a series into one per quarter; returns how many fewer there are. Waits for readers.

    Raises what polars or the system raises; the files of before are then untouched.
    """
    with holding(root, alone=True) as is_free:
        runs = _runs(landed_paths(folder), 1) if is_free else []
        return sum(_merge(run, schema, moment) for run in runs)


def _runs(paths: Sequence[Path], few: int) -> list[list[Path]]:
    """Files to merge, a list for each merged one. Every quarter (UTC) but the newest becomes one file."""
    quarters: dict[tuple[int, int], list[Path]] = {}
    for path in paths:
        quarters.setdefault(_quarter(path), []).append(path)
    runs = []
    for quarter, files in quarters.items():
        if quarter != max(quarters):
            runs.append(files)
        elif len(files) > few:
            runs.append(files if few == 1 else _small_ones(files))
    return [run for run in runs if len(run) > 1]


def _small_ones(files: Sequence[Path]) -> list[Path]:
    """The newest files, back to one that is much larger than all after it, which is rarely rewritten."""
    run: list[Path] = []
    total = 0
    for path in reversed(files):
        size = path.stat().st_size
        if run and size > _MUCH_LARGER * total:
            break
        run.append(path)
        total += size
    return run[::-1]


def _quarter(path: Path) -> tuple[int, int]:
    start, _ = _window(path)
    return start.year, (start.month - 1) // 3


def _window(path: Path) -> Window:
    window = window_of(path)
    assert window is not None, path
    return window


def _merge(paths: Sequence[Path], schema: RowSchema, moment: str) -> int:
    """One file instead of `paths`; how many fewer there are. A file with a row of no time stays as it is:
    only its window tells where that row belongs."""
    frames = {path: _rows(path, schema) for path in paths}
    placed = {path: rows for path, rows in frames.items() if not rows[moment].null_count()}
    parts = sorted({part for path in placed for part in parts_of(path)})
    folder = paths[0].parent
    others = {path.name for path in landed_paths(folder) if path not in placed}
    if len(placed) < 2 or file_name(parts) in others:
        return 0
    rows = pl.concat(placed.values()).unique(maintain_order=True).sort(moment, maintain_order=True)
    merged = write_file(folder, rows, parts)
    for path in placed:
        if path != merged:
            path.unlink(missing_ok=True)
    return len(placed) - 1


def _rows(path: Path, schema: RowSchema) -> pl.DataFrame:
    return pl.scan_parquet(path, schema=schema, missing_columns="insert").collect()
