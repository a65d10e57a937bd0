"""When each venue was last asked for what, so that reading landed rows asks it for nothing again.

What lives here: a small file beside the landed rows. What does not: which rows are there (`landing`).
"""

import json
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_FRESH_SECONDS = 300.0


@dataclass(frozen=True)
class Visits:
    """Noted visits in `path`. A file that cannot be read counts as none: the venues are asked again."""

    path: Path
    coins: frozenset[str] | None = None
    fresh_seconds: float = field(default=_FRESH_SECONDS)

    def covers(self, venue: str, table: str, start: datetime, end: datetime) -> bool:
        """True when a visit moments ago asked for all of [start, end) of this table."""
        visit = self._read().get(venue, {}).get(table)
        if not isinstance(visit, dict) or visit.get("coins") != self._coins:
            return False
        try:
            whole = _moment(visit["start"]) <= start and _moment(visit["end"]) >= end
            return whole and 0 <= time.time() - visit["visited"] < self.fresh_seconds
        except (LookupError, TypeError, ValueError):
            return False

    def note(self, venue: str, tables: Iterable[str], start: datetime, end: datetime) -> None:
        """Remember that everything of these tables in [start, end) was asked for now."""
        visits = self._read()
        visit = {
            "start": start.isoformat(),
            "end": end.isoformat(),
            "coins": self._coins,
            "visited": time.time(),
        }
        visits.setdefault(venue, {}).update(dict.fromkeys(tables, visit))
        half = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
        half.parent.mkdir(parents=True, exist_ok=True)
        half.write_text(json.dumps(visits, indent=1), "utf-8")
        half.replace(self.path)

    @property
    def _coins(self) -> list[str] | None:
        return None if self.coins is None else sorted(self.coins)

    def _read(self) -> dict[str, Any]:
        try:
            found = json.loads(self.path.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        noted = found.items() if isinstance(found, dict) else ()
        return {venue: visits for venue, visits in noted if isinstance(visits, dict)}


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
