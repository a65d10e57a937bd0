"""How much room a folder takes."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True)
class Size:
    """Files and bytes below a folder."""

    files: int
    bytes: int

    @classmethod
    def of(cls, folder: Path) -> Self:
        """What there is now, nothing where there is no folder; what leaves meanwhile does not count."""
        sizes = []
        for parent, _, names in os.walk(folder):
            for name in names:
                with suppress(FileNotFoundError):
                    sizes.append(os.lstat(os.path.join(parent, name)).st_size)
        return cls(len(sizes), sum(sizes))

    def __sub__(self, other: "Size") -> "Size":
        return Size(self.files - other.files, self.bytes - other.bytes)
