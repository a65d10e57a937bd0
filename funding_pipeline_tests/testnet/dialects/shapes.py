"""How a body of the testnet differs from an example of the venue's: keys and JSON types, not values.

What lives here: the comparison. What does not: which differences a venue's example explains (its test).
"""

from collections.abc import Callable
from typing import Any

Judge = Callable[[str, Any, Any], bool]
_ROWS = 20


def same_type(name: str, theirs: Any, ours: Any) -> bool:
    """Whether two values under the key `name` are of one JSON type: 1 is none of 1.0 or "1"."""
    return type(theirs) is type(ours)


def same_kind(name: str, theirs: Any, ours: Any) -> bool:
    """The same, where 1 and 1.0 are both numbers."""
    return _kind(theirs) == _kind(ours)


def differences(theirs: Any, ours: Any, *, is_same: Judge = same_type, place: str = "") -> set[str]:
    """`missing a.b`, `extra a.b`, `type a.b`, `empty a`, `length a` where our body is not as theirs.

    Of rows that are alike the first of theirs is the example for all; of others, and of the values in a row,
    each is compared with the one in its place.
    """
    name = place.rpartition(".")[2]
    if isinstance(theirs, dict) and isinstance(ours, dict):
        at = f"{place}." if place else ""
        found = {f"missing {at}{key}" for key in theirs.keys() - ours.keys()}
        found |= {f"extra {at}{key}" for key in ours.keys() - theirs.keys()}
        inner = ((theirs[key], ours[key], f"{at}{key}") for key in theirs.keys() & ours.keys())
        return found.union(*(differences(a, b, is_same=is_same, place=where) for a, b, where in inner))
    if isinstance(theirs, list) and isinstance(ours, list):
        if not theirs or not ours:
            return {f"empty {place}"} if theirs else set()
        pairs = _pairs(theirs, ours)
        length = {f"length {place}" for a, b in pairs if _is_row(a) and len(a) != len(b)}
        return length.union(*(differences(a, b, is_same=is_same, place=place) for a, b in pairs))
    return set() if is_same(name, theirs, ours) else {f"type {place}"}


def named(difference: str) -> str:
    """The key that a difference is about."""
    return difference.replace(".", " ").rpartition(" ")[2]


def _pairs(theirs: list[Any], ours: list[Any]) -> list[tuple[Any, Any]]:
    are_alike = len({type(row) for row in theirs}) == 1 and isinstance(theirs[0], dict | list)
    return [(theirs[0], row) for row in ours[:_ROWS]] if are_alike else list(zip(theirs, ours, strict=False))


def _is_row(value: Any) -> bool:
    """Values in a fixed order, as a candle's."""
    return isinstance(value, list) and not any(isinstance(part, dict | list) for part in value)


def _kind(value: Any) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return "number" if is_number else type(value).__name__
