"""Frames as tables of text for the report: formats follow from the units in the column names.

What lives here: headers, number formats, alignment. What does not: HTML, or choosing rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

from funding_pipeline.reporting.series import HOURS_PER_YEAR

MISSING = "\u2013"
MINUS = "\u2212"
_PERCENT = ("_annual", "_fraction", "share", "coverage_80", "drawdown")


@dataclass(frozen=True)
class Cell:
    """Text of a cell; `sign` is 1, -1 or 0 where the number is to be coloured, `bar` 0 to 1."""

    text: str
    numeric: bool = False
    sign: int = 0
    bar: float | None = None


@dataclass(frozen=True)
class Table:
    """Header texts, rows of cells, and how many rows were left out."""

    header: tuple[Cell, ...]
    rows: tuple[tuple[Cell, ...], ...]
    left_out: int = 0


def table(
    frame: pl.DataFrame,
    *,
    names: Mapping[str, str] | None = None,
    signed: Sequence[str] = (),
    bars: Sequence[str] = (),
    limit: int = 200,
) -> Table:
    """Up to `limit` rows of `frame` as text. `names` replaces headers; `signed` columns are coloured.

    `bars` columns get a bar as long as their share of the column's largest absolute value.
    """
    shown = frame.head(limit)
    named = names or {}
    header = tuple(
        Cell(named.get(name, header_text(name)), numeric=dtype.is_numeric())
        for name, dtype in shown.schema.items()
    )
    longest = {name: _largest(shown[name]) for name in bars}
    rows = tuple(
        tuple(
            _cell(
                name,
                value,
                numeric=shown.schema[name].is_numeric(),
                signed=name in signed,
                longest=longest.get(name),
            )
            for name, value in row.items()
        )
        for row in shown.iter_rows(named=True)
    )
    return Table(header, rows, left_out=frame.height - shown.height)


def header_text(column: str) -> str:
    """A column name as words; a rate per hour is shown per year."""
    words = column.replace("_per_hour", ", per year").replace("_usd", ", USD").replace("_annual", " per year")
    return words.replace("_fraction", "").replace("_", " ")


def text_of(column: str, value: object) -> str:
    """One value as text, by type and by the unit in its column's name; unknown is a dash."""
    if value is None or value != value:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d\u00a0%H:%M}"  # never broken into two lines
    if isinstance(value, date):
        return f"{value:%Y-%m-%d}"
    if isinstance(value, int):
        return str(value) if "year" in column else f"{value:,}"
    return _number(column, value) if isinstance(value, float) else str(value)


def percent(value: float | None, *, decimals: int = 1, signed: bool = False) -> str:
    """A fraction as percent, with a real minus sign."""
    if value is None or value != value:
        return MISSING
    return f"{value:{'+' if signed else ''}.{decimals}%}".replace("-", MINUS)


def dollars(value: float | None, *, signed: bool = False) -> str:
    """Whole dollars with separators and a real minus sign."""
    if value is None or value != value:
        return MISSING
    return f"{value:{'+' if signed else ''},.0f}".replace("-", MINUS)


def decimal(value: float | None, *, decimals: int = 2) -> str:
    """A plain number with a real minus sign."""
    return MISSING if value is None or value != value else f"{value:.{decimals}f}".replace("-", MINUS)


def _number(column: str, value: float) -> str:
    if column.endswith("_per_hour"):
        return percent(value * HOURS_PER_YEAR, decimals=2)
    if "improvement" in column or column.endswith(_PERCENT):
        return percent(value, decimals=2 if abs(value) < 0.1 else 1)
    if column.endswith(("sharpe", "turnover", "robust_z")):
        return decimal(value)
    if column.endswith("_usd"):
        return dollars(value)
    if column.endswith("r2"):
        return decimal(value, decimals=3)
    return f"{value:,.4g}".replace("-", MINUS)


def _cell(column: str, value: object, *, numeric: bool, signed: bool, longest: float | None) -> Cell:
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else None
    known = number is not None and number == number
    sign = (number > 0) - (number < 0) if signed and known and number is not None else 0
    bar = abs(number) / longest if longest and known and number is not None else None
    return Cell(text_of(column, value), numeric=numeric, sign=sign, bar=bar)


def _largest(values: pl.Series) -> float:
    return float(values.abs().max() or 0.0)  # type: ignore[arg-type]
