"""How venues write moments and numbers: milliseconds since 1970, decimals as text or as floats.

What lives here: both directions, the same for every venue. What does not: which field holds what.
"""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_LARGEST = 10**30  # beyond it nothing is a price, a size or a time
_INTERVALS = frozenset((1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 24.0))
_EARLIEST_MS = int(datetime(2010, 1, 1, tzinfo=UTC).timestamp() * 1000)
_LATEST_MS = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp() * 1000)


def to_ms(moment: datetime) -> int:
    """Milliseconds since 1970."""
    return round(moment.timestamp() * 1000)


def from_ms(milliseconds: int | float | str) -> datetime:
    """UTC; a fraction of a millisecond is dropped."""
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)


def nearest_minute(milliseconds: int | float) -> datetime:
    """UTC: the nominal moment of what a venue stamps some milliseconds, or a second, late."""
    return from_ms(round(milliseconds / MINUTE_MS) * MINUTE_MS)


def moment_of(milliseconds: Any) -> datetime | None:
    """The same; None for what is no moment of a venue: zero, seconds, before 2010, after 2099."""
    number = number_of(milliseconds)
    return from_ms(number) if number is not None and is_moment(number) else None


def is_moment(milliseconds: Any) -> bool:
    """Whether a number is the time of something on a venue; a placeholder or another unit is not."""
    number = number_of(milliseconds)
    return number is not None and _EARLIEST_MS <= number < _LATEST_MS


def number_of(value: Any) -> float | None:
    """A finite number from a number or its text; None for anything else, a flag or a list among it."""
    if (type(value) is str and _NUMBER.fullmatch(value)) or type(value) is Decimal:
        value = float(value)
    elif type(value) is not float and type(value) is not int:
        return None
    return float(value) if -_LARGEST < value < _LARGEST else None


def positive_of(value: Any) -> float | None:
    """The same, above zero."""
    number = number_of(value)
    return number if number is not None and number > 0 else None


def hours_of(value: Any, *, per_hour: float = 1.0) -> float | None:
    """An interval between settlements in hours; None unless whole intervals fill a day (1, 2, 4, 8 h)."""
    number = positive_of(value)
    hours = None if number is None else number / per_hour
    return hours if hours is not None and hours in _INTERVALS else None


def info_of(row: Any) -> dict[str, Any]:
    """The venue's own row inside one of ccxt's; empty where there is none."""
    info = row.get("info") if isinstance(row, dict) else None
    return info if isinstance(info, dict) else {}


def decimal_of(value: Any) -> Decimal | None:
    """The same as it reads, without a float's tail."""
    return None if number_of(value) is None else Decimal(str(value))
