"""Keeps Delta tables small: small files merged, files of old versions removed, the log shortened.

A reader or writer is never disturbed: only files that left the table more than `days` ago are removed, and
where somebody commits at the same time the table is left for the next time. What it costs: a version from
more than `days` ago cannot be read any more, but for those in `kept`, and those for 30 days only, for which
Delta's log goes back.
"""

from collections.abc import Iterable
from pathlib import Path

from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError

from funding_pipeline.core.errors import StorageError
from funding_pipeline.storage.lake import Lake

_LOG = "_delta_log"


def local_tables(lake: Lake) -> list[str]:
    """Names of the tables of a lake in a local folder."""
    return sorted(path.parent.name for path in Path(lake.uri).glob(f"*/{_LOG}"))


def keep_small(lake: Lake, table: str, *, days: int, kept: Iterable[int] = ()) -> None:
    """Merge the small files of a table and remove those that no version of the last `days` needs.

    `kept`: older versions that stay readable, as far as they still are. Raises StorageError.
    """
    path = lake.path(table)
    try:
        found = DeltaTable(path)
        found.optimize.compact()
        found.create_checkpoint()
        found.cleanup_metadata()
        readable = [version for version in sorted(set(kept)) if _is_readable(path, version)]
        found.vacuum(
            retention_hours=24 * days,
            dry_run=False,
            enforce_retention_duration=False,  # else nothing under a week
            keep_versions=readable or None,
        )
    except CommitFailedError:  # somebody writes this table just now
        return
    except (DeltaError, OSError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise StorageError(f"table {table} was not tidied: {reason}") from error


def _is_readable(path: str, version: int) -> bool:
    try:
        DeltaTable(path, version=version)
    except (DeltaError, OSError):
        return False
    return True
