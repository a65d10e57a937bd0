"""When a person last ended `up`: what that interrupted has not failed."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from funding_pipeline.core.errors import StorageError
from funding_pipeline.storage.whole_file import write_whole

_FILE = "planned_stop.json"


def note_planned_stop(folder: Path) -> None:
    """By this machine's clock. A full disk keeps nobody from stopping."""
    text = json.dumps({"at": datetime.now(UTC).isoformat()})
    with suppress(StorageError):
        write_whole(folder / _FILE, lambda path: path.write_text(text, "utf-8"))


def planned_stop(folder: Path) -> datetime | None:
    """The last one, or None."""
    try:
        at = datetime.fromisoformat(json.loads((folder / _FILE).read_text("utf-8"))["at"])
    except (OSError, ValueError, TypeError, LookupError):
        return None
    return at if at.tzinfo is not None else None
