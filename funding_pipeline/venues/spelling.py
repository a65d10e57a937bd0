"""How venues write moments and numbers: milliseconds since 1970, decimals as text or as floats.

What lives here: both directions, the same for every venue. What does not: which field holds what.
"""

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS


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
    """The same; None for none."""
    return None if milliseconds is None else from_ms(milliseconds)


def decimal_of(value: Any) -> Decimal | None:
    """A number as it reads, without a float's tail; None for none, and for what is no finite number."""
    if value is None or value == "":
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
