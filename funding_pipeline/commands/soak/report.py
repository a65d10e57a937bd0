"""What a soak has measured, the bounds, and which of them are broken.

Growth is between two medians: of the samples after a first tenth, in which caches fill, and of the last
tenth. A soak of less than `SHORTEST_DAYS` has not filled them all, and its growth is shown but not judged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from rich.table import Table

from funding_pipeline.commands.soak.audit import Audit
from funding_pipeline.commands.soak.measuring import Sample

SHORTEST_DAYS = 2.0
MOST_GROWTH = 0.05
MOST_MORE_HANDLES = 8
_MIB = 1024 * 1024


@dataclass(frozen=True)
class Growth:
    """A figure at three times."""

    start: float
    middle: float
    end: float

    @property
    def fraction(self) -> float:
        """Growth from start to end; 0 of nothing."""
        return self.end / self.start - 1 if self.start else 0.0

    def as_json(self) -> dict[str, float]:
        """Figures, growth as a fraction."""
        return {
            "start": self.start,
            "middle": self.middle,
            "end": self.end,
            "growth": round(self.fraction, 4),
        }


@dataclass(frozen=True)
class Measured:
    """Memory in bytes and handles by process, bytes by area of the state folder, and its number of files."""

    memory: Mapping[str, Growth]
    handles: Mapping[str, Growth]
    sizes: Mapping[str, Growth]
    files: Growth


def measured(samples: Sequence[Sample]) -> Measured:
    """Of processes that were there in every sample."""
    names = [name for name in samples[0].processes if all(name in s.processes for s in samples)]
    return Measured(
        {name: _growth([s.processes[name].memory for s in samples]) for name in names},
        {name: _growth([s.processes[name].handles for s in samples]) for name in names},
        {area: _growth([s.sizes[area] for s in samples]) for area in samples[0].sizes},
        _growth([s.files for s in samples]),
    )


def _growth(values: Sequence[float]) -> Growth:
    tenth = max(len(values) // 10, 1)
    first = min(tenth, len(values) - 1)
    middle = (len(values) - tenth) // 2
    return Growth(
        median(values[first : first + tenth]),
        median(values[middle : middle + tenth]),
        median(values[-tenth:]),
    )


def broken(found: Measured, audit: Audit, *, hours: int, restarts: int) -> list[str]:
    """Bounds that do not hold, in words."""
    words = list(audit.mismatches)
    if restarts:
        words.append(f"{restarts} processes were started again without having been ended")
    if hours < SHORTEST_DAYS * 24:
        return words
    for name, memory in found.memory.items():
        if memory.fraction > MOST_GROWTH:
            words.append(f"memory of {name} grew by {memory.fraction:.1%}, at most {MOST_GROWTH:.0%}")
    for name, handles in found.handles.items():
        if handles.end - handles.start > MOST_MORE_HANDLES:
            words.append(f"{name} has {handles.end - handles.start:.0f} more open handles than at the start")
    return words


def as_json(found: Measured) -> dict[str, Any]:
    """Figures for a program."""
    return {
        "memory_bytes": {name: growth.as_json() for name, growth in found.memory.items()},
        "open_handles": {name: growth.as_json() for name, growth in found.handles.items()},
        "size_bytes": {area: growth.as_json() for area, growth in found.sizes.items()},
        "files": found.files.as_json(),
    }


def table(found: Measured) -> Table:
    """The same for a person."""
    shown = Table(title="start: after the first tenth; end: the last tenth", title_style="dim")
    for column in ("", "start", "middle", "end", "growth"):
        shown.add_column(column, justify="left" if not column else "right")
    for name, growth in found.memory.items():
        _add(shown, f"memory of {name}, MiB", growth, scale=_MIB, digits=1)
    for name, growth in found.handles.items():
        _add(shown, f"open handles of {name}", growth)
    for area, growth in found.sizes.items():
        _add(shown, f"{area} on disk, MiB", growth, scale=_MIB, digits=1)
    _add(shown, "files in the state folder", found.files)
    return shown


def _add(shown: Table, name: str, growth: Growth, *, scale: int = 1, digits: int = 0) -> None:
    values = [f"{value / scale:,.{digits}f}" for value in (growth.start, growth.middle, growth.end)]
    shown.add_row(name, *values, f"{growth.fraction:+.1%}")
