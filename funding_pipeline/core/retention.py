"""How long things are kept, in days, and how much room they take."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True)
class Retention:
    """Days. `tables`: files of a table's earlier versions; `runs`: Dagster's runs with their events and
    output; `models`: MLflow's runs that no registered version came from; `bodies`: answers as they came."""

    tables: int = 7
    runs: int = 30
    models: int = 90
    bodies: int = 30


@dataclass(frozen=True)
class Size:
    """Files and bytes below a folder."""

    files: int
    bytes: int

    @classmethod
    def of(cls, folder: Path) -> Self:
        """What there is now, or nothing where there is no folder; a file that leaves meanwhile counts not."""
        sizes = []
        for parent, _, names in os.walk(folder):
            for name in names:
                with suppress(FileNotFoundError):
                    sizes.append(os.lstat(os.path.join(parent, name)).st_size)
        return cls(len(sizes), sum(sizes))

    def __sub__(self, other: "Size") -> "Size":
        return Size(self.files - other.files, self.bytes - other.bytes)
