"""Account books as rows of a table, whole and back again.

What lives here: the schema and both directions. What does not: reading accounts (`book_reading`).
"""

from collections.abc import Mapping
from datetime import datetime

import polars as pl
from pydantic import TypeAdapter

from funding_pipeline.core.tables import UTC
from funding_pipeline.execution.book import VenueBook

BOOK_SCHEMA: Mapping[str, pl.DataType | type[pl.DataType]] = {
    "venue": pl.String,
    "at": UTC,
    "equity_usd": pl.Float64,
    "positions": pl.Int64,
    "gross_usd": pl.Float64,
    "net_usd": pl.Float64,
    "problem": pl.String,
    "book": pl.String,
}
_BOOK = TypeAdapter(VenueBook)


def book_rows(books: Mapping[str, VenueBook], down: Mapping[str, str], *, at: datetime) -> pl.DataFrame:
    """One row per venue (BOOK_SCHEMA); a venue that could not be read has its reason and nulls."""
    told = [_row(book) for _, book in sorted(books.items())]
    missing = [(venue, at, None, None, None, None, why, None) for venue, why in sorted(down.items())]
    return pl.DataFrame([*told, *missing], schema=dict(BOOK_SCHEMA), orient="row").sort("venue")


def kept_books(rows: pl.DataFrame) -> dict[str, VenueBook]:
    """The books of the rows that have one, by venue."""
    return {
        venue: _BOOK.validate_json(text)
        for venue, text in rows.select("venue", "book").iter_rows()
        if text is not None
    }


def _row(book: VenueBook) -> tuple[object, ...]:
    values = [float(p.quantity * p.mark_price) for p in book.positions if p.mark_price is not None]
    known = len(values) == len(book.positions)
    return (
        book.venue,
        book.at,
        None if book.equity_usd is None else float(book.equity_usd),
        len(book.positions),
        sum(map(abs, values)) if known else None,
        sum(values) if known else None,
        "",
        _BOOK.dump_json(book).decode(),
    )
