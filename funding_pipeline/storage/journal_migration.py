"""An older journal brought to the schema that this program writes, whole or not at all.

The steps are in `migrations`. The version is kept in the journal's own table (`journal_schema`), which older
programs read as well, so that they refuse what a newer one has changed.
"""

import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, select, update

from funding_pipeline.core.errors import JournalError
from funding_pipeline.storage.journal_failures import damaged_text
from funding_pipeline.storage.journal_schema import SCHEMA_VERSION, schema_version

OLDEST_VERSION = 2
_VERSION = select(schema_version.c.version)
_LOCKED_VERSION = _VERSION.with_for_update()
_STEPS = Path(__file__).with_name("migrations")


def found_version(connection: Connection, name: str, *, is_locked: bool = False) -> int | None:
    """The schema's version, None where there are no tables; raises JournalError for one that is unusable."""
    if not inspect(connection).has_table(schema_version.name):
        return None
    found: int | None = connection.scalar(_LOCKED_VERSION if is_locked else _VERSION)
    if found is None or not OLDEST_VERSION <= found < SCHEMA_VERSION:
        _require(found, name)
    return found


def require_version(connection: Connection, name: str) -> None:
    """Refuse to write to a journal of another version; locks its row, so that writers queue."""
    _require(connection.scalar(_LOCKED_VERSION), name)


def _require(found: int | None, name: str) -> None:
    if found is None:
        raise JournalError(damaged_text("its schema has no version", name))
    if found > SCHEMA_VERSION:
        raise JournalError(
            f"journal {name} was written by a newer version of this program (schema {found}, this one knows "
            f"{SCHEMA_VERSION}): update the program"
        )
    if found < SCHEMA_VERSION:
        raise JournalError(
            f"journal {name} has schema {found}, this program needs {SCHEMA_VERSION}: start a new journal, "
            "after the venues' statements agree with the old one"
        )


def migrate(connection: Connection, found: int) -> None:
    """Carry out the steps from version `found` in the transaction of `connection`, alone among writers."""
    scripts = ScriptDirectory(str(_STEPS), version_locations=[str(_STEPS)])
    steps = sorted(scripts.walk_revisions(), key=lambda step: int(step.revision))
    with Operations.context(MigrationContext.configure(connection)):
        for step in steps:
            if int(step.revision) > found:
                step.module.upgrade()
    connection.execute(update(schema_version).values(version=SCHEMA_VERSION))


def copy_aside(file: Path, version: int, at: datetime) -> Path:
    """Copy a SQLite journal, with what is committed in its write-ahead log, to a file beside it.

    The copy has its name only once it is whole and on the disk. Raises JournalError, naming the file.
    """
    copy = file.with_name(f"{file.name}.schema-{version}-{at.astimezone(UTC):%Y%m%dT%H%M%SZ}.backup")
    half = copy.with_name(f".{copy.name}.{os.getpid()}.part")
    try:
        with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(half)) as target:
            source.backup(target)
        with half.open("rb+") as written:
            os.fsync(written.fileno())
        half.replace(copy)
    except (OSError, sqlite3.Error) as error:
        half.unlink(missing_ok=True)
        raise JournalError(
            f"journal {file}: cannot be copied to {copy.name} before its schema is changed, and was not "
            f"changed ({error}): free space on the disk, or make the folder writable"
        ) from error
    return copy
