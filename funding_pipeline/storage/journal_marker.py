"""A small file that remembers which journal is used here, so that a lost or replaced one is noticed.

A journal is known by the moment at which it was begun. An older copy of the same journal has the same moment
and is not noticed.
"""

import os
from pathlib import Path
from threading import get_ident

from funding_pipeline.core.errors import JournalError


class JournalMarker:
    """The marker in `path`; None: nothing is remembered. Raises JournalError for a file that fails."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.known = self._read()

    def remember(self, journal: str) -> None:
        """Keep `journal` as the one that is used here."""
        if self._path is None:
            return
        half = self._path.with_name(f".{self._path.name}.{os.getpid()}.{get_ident()}.part")
        try:
            half.write_text(journal, "utf-8")
            half.replace(self._path)
        except OSError as error:
            half.unlink(missing_ok=True)
            raise JournalError(f"{self._path}: cannot be written: {error.strerror or error}") from error
        self.known = journal

    def _read(self) -> str | None:
        try:
            return None if self._path is None else self._path.read_text("utf-8")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise JournalError(f"{self._path}: cannot be read: {error.strerror or error}") from error
