"""Marks against each other: one that is far from all others is told, and nothing is done because of it.

What lives here: which marks are not to be believed, and the book without them. What does not: limits.

A mark is believed when the venue's own book agrees with it, however far from other venues it is: the venue
liquidates by it. One that agrees with nobody, not even with its own book, is garbage or has stopped.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from statistics import median

from funding_pipeline.core.trading import PositionState
from funding_pipeline.execution.book import BookState, VenueBook
from funding_pipeline.execution.market_facts import LegKey, MarketFacts, is_positive
from funding_pipeline.guard.findings import Symptom

Replaced = Mapping[LegKey, Decimal]
"""Marks that are not believed, and the price to take instead."""
Prices = dict[LegKey, Decimal]
"""Per base unit."""


def unbelievable(book: BookState, market: MarketFacts, *, bound: float) -> Mapping[LegKey, Decimal]:
    """Marks that agree with nobody, with the price to take instead, per quoted unit."""
    most = Decimal(str(bound))
    marks, mids = _marks(book), _mids(book, market)
    found = {}
    for key, mark in marks.items():
        base, multiplier = book.identity(key)
        own = mids.get(key)
        others = [price for other, price in [*marks.items(), *mids.items()] if _is_other(book, other, key)]
        told = [*others, own] if own is not None else others
        if not told or (own is not None and abs(mark / own - 1) <= most):
            continue
        fair = median(told)
        if abs(mark / fair - 1) > most and base:
            found[key] = fair * multiplier
    return found


def believed(book: BookState, instead: Mapping[LegKey, Decimal]) -> BookState:
    """The book with `instead` of those marks."""
    if not instead:
        return book
    return replace(book, venues={name: _with(venue, instead) for name, venue in book.venues.items()})


def symptoms(book: BookState, instead: Mapping[LegKey, Decimal], *, looks: int) -> Iterator[Symptom]:
    """One for each mark that is not believed."""
    for (venue, symbol), fair in sorted(instead.items()):
        told = _marks(book)[venue, symbol] * book.identity((venue, symbol))[1]
        yield Symptom(
            key=f"mark {venue} {symbol}",
            severity="warning",
            title=f"{venue}: the mark of {symbol} agrees with nobody: {told:.8g}, elsewhere {fair:.8g}",
            advice="nothing is done because of it; look at the venue's price and its status page",
            looks=looks,
            numbers={"mark": float(told), "elsewhere": float(fair)},
        )


def _marks(book: BookState) -> Prices:
    found: Prices = {}
    for position in book.positions:
        price = book.venues[position.venue].marks.get(position.symbol, position.mark_price)
        if price is not None and is_positive(price):
            key = (position.venue, position.symbol)
            found[key] = price / book.identity(key)[1]
    return found


def _mids(book: BookState, market: MarketFacts) -> Prices:
    found: Prices = {}
    for key, facts in market.instruments.items():
        if facts.price is not None and is_positive(facts.price):
            found[key] = facts.price / book.identity(key)[1]
    return found


def _is_other(book: BookState, one: LegKey, key: LegKey) -> bool:
    """Whether `one` is an instrument of the same base on another venue."""
    return one[0] != key[0] and book.identity(one)[0] == book.identity(key)[0]


def _with(venue: VenueBook, instead: Mapping[LegKey, Decimal]) -> VenueBook:
    own = {symbol: price for (name, symbol), price in instead.items() if name == venue.venue}

    def mended(position: PositionState) -> PositionState:
        return replace(position, mark_price=own.get(position.symbol, position.mark_price))

    return replace(venue, marks={**venue.marks, **own}, positions=tuple(mended(p) for p in venue.positions))
