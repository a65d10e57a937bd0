"""What a venue's answer must have: its list, and rows that can be read.

What lives here: where a dialect says that a list is, finding it, and the error for what cannot be read. What
does not: holding answers and leaving rows out (`held`), or what rows mean (`public`, the dialects).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from funding_pipeline.core.errors import VenueAnswerError
from funding_pipeline.venues.spelling import number_of

STUMBLES = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError)
"""What code raises that meets a value of another kind than it expects."""


@dataclass(frozen=True)
class Rows:
    """Where the list of an answer is: `path` of keys and indices with dots, empty for the answer itself.

    `path` None: the answer has no list, only the values that it `needs`. `needs`: paths of what must be
    there, neither null nor empty text: without it an account would read as empty.
    `may_miss` false: an odd row is an error, as without it something that is there would read as absent.
    `numbers`: fields of a row (of the answer itself, where it has no list) that must be numbers, and its name
    a text: of what is missing ccxt makes a zero, or leaves the row out.
    `name`: the field of a row that names it. `beside`: a list whose items belong to the rows, one to one.
    `stand_in`: what an unreadable row, and its item beside, are replaced by where places count (a name gets
    its place); None leaves them out. `are_rows` false: items that mean nothing one by one (levels of a book).
    `time`: the field of a row's moment, in `unit`. ccxt passes over a row that is stamped before the window.
    `about`: the field by which a row, and the request, name the one instrument that is asked about.
    """

    path: str | None
    name: str = ""
    beside: str | None = None
    stand_in: Mapping[str, Any] | None = None
    are_rows: bool = True
    time: str | int | None = None
    unit: Literal["ms", "s", "iso"] = "ms"
    about: str = ""
    needs: tuple[str, ...] = ()
    may_miss: bool = True
    numbers: tuple[str, ...] = ()

    def checked(self, body: Any) -> list[Any]:
        """The rows of an answer; VenueAnswerError where its list, or a value that it needs, is missing."""
        for path in self.needs:
            if found_at(body, path) in (None, ""):
                raise VenueAnswerError(f"no {path} in the answer ({_start(body)})")
        if self.path is None:
            if (odd := self.odd_number(body)) is not None:
                raise VenueAnswerError(odd)
            return []
        rows = list_of(body, self.path)
        if self.beside and len(list_of(body, self.beside)) != len(rows):
            raise VenueAnswerError("the answer's two lists do not belong together")
        return rows

    def odd_number(self, row: Any) -> str | None:
        """Which of `numbers` is none in a row, or that its name is no text; None: all is as it should be."""
        if self.name and not (isinstance(name := found_at(row, self.name), str) and name):
            return f"{self.name} is {name!r}"
        odd = ((path, found_at(row, path)) for path in self.numbers)
        return next(
            (f"{path} is {value!r}, no number" for path, value in odd if number_of(value) is None), None
        )


@contextmanager
def understanding(what: str) -> Iterator[None]:
    """Code that reads an answer; what stumbles there over an odd value is a VenueAnswerError of `what`."""
    try:
        yield
    except STUMBLES as error:
        raise VenueAnswerError(f"{what}: cannot be read ({type(error).__name__}: {error})") from error


def list_of(body: Any, path: str) -> list[Any]:
    """The list at `path`; VenueAnswerError where there is none."""
    found = found_at(body, path)
    if not isinstance(found, list):
        raise VenueAnswerError(f"no list {f'at {path} ' if path else ''}in the answer ({_start(body)})")
    return found


def found_at(body: Any, path: str) -> Any:
    """What is at `path`; None where there is nothing."""
    found = body
    for key in filter(None, path.split(".")):
        if isinstance(found, list) and key.isdigit() and int(key) < len(found):
            found = found[int(key)]
        else:
            found = found.get(key) if isinstance(found, dict) else None
    return found


def _start(body: Any) -> str:
    return " ".join(str(body)[:80].split())
