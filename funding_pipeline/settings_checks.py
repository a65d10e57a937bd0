"""What a user wrote, before it becomes settings: unknown names, what was meant, and one syntax of numbers.

What lives here: reading names and values of `funding.toml` and the environment. What does not: the settings
themselves (`settings`).
"""

import re
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, get_args

from pydantic.fields import FieldInfo

from funding_pipeline.venues.credentials import variable_name
from funding_pipeline.venues.registry import DIALECTS, dialect_of

PREFIX = "FUNDING_"
_NO_SETTINGS = ("TOML", "DEBUG", "TEST_DATA", "TEST_PAYLOADS")
"""Variables with our prefix that are read elsewhere: the file's address, data of the tests."""
_NUMBER = re.compile(r"[+-]?\d+(_\d+)*(\.\d+)?([eE][+-]?\d+)?")
_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}([.,' ]\d{3})+")


def unknown_keys(given: Mapping[str, Any], known: Collection[str], *, where: str) -> Iterator[str]:
    """A line per key of a table that nothing reads, with the key that may be meant."""
    for key in given:
        if key not in known:
            yield f"{where}: {key} is no setting{_meant(key, known)}"


def unknown_variables(environment: Mapping[str, str], fields: Collection[str]) -> Iterator[str]:
    """A line per variable with our prefix that nothing reads. Its value may be a secret and is not shown."""
    keys = {variable_name(name, key) for name in DIALECTS for key in dialect_of(name).credentials}
    known = {f"{PREFIX}{name.upper()}" for name in (*fields, *_NO_SETTINGS)} | keys
    for name in environment:
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            yield f"{name} is no variable of this program{_meant(name.upper(), known)}"


def odd_numbers(given: Mapping[str, Any], fields: Mapping[str, FieldInfo], *, where: str) -> Iterator[str]:
    """A line per number of the file that is text, or a yes-or-no."""
    for key, value in given.items():
        if key in fields and _is_number(fields[key]) and isinstance(value, str | bool):
            yield f"{where}: {key} = {value!r} is no number: write it without quotes, such as 500000 or 0.5"


def odd_number_texts(environment: Mapping[str, str], fields: Mapping[str, FieldInfo]) -> Iterator[str]:
    """A line per number of the environment that can be read in two ways, or in none."""
    for name, text in environment.items():
        key, value = name.upper().removeprefix(PREFIX).lower(), text.strip()
        if not name.upper().startswith(PREFIX) or key not in fields or not _is_number(fields[key]):
            continue
        if _GROUPED.fullmatch(value):
            digits = re.sub(r"[.,' ]", "", value)
            yield f"{name}={value} can be read in two ways: write {digits} or {_decimal(value)}"
        elif not _NUMBER.fullmatch(value):
            yield f"{name}={value} is no number: write digits, such as 500000, 0.5 or 5e5"


def _meant(name: str, known: Collection[str]) -> str:
    close = get_close_matches(name, known, n=1, cutoff=0.6)
    return f": did you mean {close[0]}?" if close else ""


def _is_number(field: FieldInfo) -> bool:
    kinds = {field.annotation, *get_args(field.annotation)}
    return bool(kinds & {int, float})


def _decimal(text: str) -> str:
    """What a grouped number is where its last mark is a decimal point: 500.000 is 500."""
    head, _, tail = text.replace(",", ".").replace("'", ".").replace(" ", ".").rpartition(".")
    return f"{float(head.replace('.', '') + '.' + tail):g}"
