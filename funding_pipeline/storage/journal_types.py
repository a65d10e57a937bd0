"""Column types of the journal: what is written is read back exactly, or refused by name.

What lives here: decimals, times, choices and documents as text, the same on SQLite and PostgreSQL (SQLite
has no decimal type and would keep binary floats). What does not: which table has which column.
Every type raises ValueError on the way in, and UnreadableValueError on the way out of a damaged file.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy import Dialect, String, Text
from sqlalchemy.types import TypeDecorator

_WIDTH = len("2025-07-01T08:00:00.000000Z")


class UnreadableValueError(ValueError):
    """A stored value is not what its column promises: the file is damaged or someone edited it."""


class ExactDecimal(TypeDecorator[Decimal]):
    """A finite Decimal as its own digits; trailing zeros and exponent survive."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Digits of a finite Decimal; a float is refused, because its digits are not the venue's."""
        if value is None:
            return None
        if not isinstance(value, Decimal) or not value.is_finite():
            raise ValueError(f"{value!r} is not a finite Decimal")
        return str(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        """The Decimal that was written."""
        if value is None:
            return None
        try:
            return Decimal(value)
        except (InvalidOperation, TypeError, ValueError) as error:
            raise UnreadableValueError(f"{value!r} is not a decimal") from error


class UtcTime(TypeDecorator[datetime]):
    """An instant to the microsecond, UTC, as text of one width: it sorts as time does."""

    impl = String(27)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """ISO text of an aware time; a naive one is refused, because it names no instant."""
        if value is None:
            return None
        if not isinstance(value, datetime) or value.tzinfo is None:
            raise ValueError(f"{value!r} is not a time with a time zone")
        return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """The instant that was written, in UTC."""
        if value is None:
            return None
        try:
            if len(value) != _WIDTH or value[10] != "T" or value[-1] != "Z":
                raise ValueError(value)
            return datetime.fromisoformat(value)  # ten times as fast as strptime
        except (TypeError, ValueError) as error:
            raise UnreadableValueError(f"{value!r} is not a time") from error


class Choice(TypeDecorator[str]):
    """One of a few words, checked here and by the table's own CHECK constraint."""

    impl = String(16)
    cache_ok = True

    def __init__(self, words: Iterable[str]) -> None:
        super().__init__()
        self.words = tuple(words)

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """The word; raises ValueError for another."""
        if value is not None and value not in self.words:
            raise ValueError(f"{value!r} is none of {', '.join(self.words)}")
        return None if value is None else str(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        """The word that was written."""
        if value is not None and value not in self.words:
            raise UnreadableValueError(f"{value!r} is none of {', '.join(self.words)}")
        return None if value is None else str(value)


class Document(TypeDecorator[Any]):
    """A small JSON value; floats survive exactly, also those that are not finite."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """JSON text; raises ValueError for what JSON does not know."""
        try:
            return None if value is None else json.dumps(value, sort_keys=True)
        except TypeError as error:
            raise ValueError(str(error)) from error

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """The value that was written."""
        try:
            return None if value is None else json.loads(value)
        except (TypeError, ValueError) as error:
            raise UnreadableValueError(f"{value!r} is not JSON") from error
