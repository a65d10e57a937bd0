"""All that one look has seen, as a value, and the book that follows from it.

What lives here: values and what can be read off them. What does not: reading (`looking`), judging
(`assessment`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from funding_pipeline.core.governance import IntentRecord, StateRecord
from funding_pipeline.core.trading import InstrumentModes, OrderState
from funding_pipeline.execution.book import BookState, VenueBook
from funding_pipeline.execution.market_facts import LegKey, MarketFacts


@dataclass(frozen=True)
class Unexplained:
    """A position that the journal does not explain. `fills`: what the venue tells of it, in words."""

    key: LegKey
    held: Decimal
    expected: Decimal
    fills: tuple[str, ...] = ()


@dataclass(frozen=True)
class Seen:
    """One look. Venues are in `books` (they answered) or in `down` (with the reason), never in both.

    `last_books`: the last word of venues that are down, where they were ever heard. `at_stake`: bases of
    which a venue that is down may hold something, by venue. `skews_seconds`: venue's clock less ours.
    `modes`: as last read, of some of what is held; `leverage`: what is set before an instrument is opened.
    `foreign`: resting orders that are not ours. `strays`: ours that rest. `contradictions`: where journal
    and venue cannot both be right. `state` None and `journal_problem`: the journal could not be read.
    """

    at: datetime
    books: Mapping[str, VenueBook]
    expected: frozenset[str]
    down: Mapping[str, str] = field(default_factory=dict)
    last_books: Mapping[str, VenueBook] = field(default_factory=dict)
    at_stake: Mapping[str, frozenset[str]] = field(default_factory=dict)
    market: MarketFacts = field(default_factory=MarketFacts)
    betas: Mapping[str, float] = field(default_factory=dict)
    skews_seconds: Mapping[str, float] = field(default_factory=dict)
    modes: Mapping[LegKey, InstrumentModes] = field(default_factory=dict)
    leverage: int | None = None
    state: StateRecord | None = None
    equity_at_day_start_usd: Decimal | None = None
    peak_equity_usd: Decimal | None = None
    lock_holder: str | None = None
    foreign: tuple[OrderState, ...] = ()
    strays: tuple[OrderState, ...] = ()
    unresolved: tuple[IntentRecord, ...] = ()
    contradictions: tuple[str, ...] = ()
    unexplained: tuple[Unexplained, ...] = ()
    journal_problem: str = ""

    @property
    def is_executing(self) -> bool:
        """Whether somebody else is carrying orders out."""
        return self.lock_holder not in (None, "guard")

    @property
    def doubtful_bases(self) -> frozenset[str]:
        """Bases of which it is not known what is held: unknown is not zero."""
        return frozenset(base for bases in self.at_stake.values() for base in bases)

    def book(self, *, with_last: bool = True) -> BookState:
        """The accounts; of venues that are down their last word, if asked for."""
        venues = {**self.last_books, **self.books} if with_last else dict(self.books)
        return BookState(
            at=self.at,
            venues={name: venues[name] for name in sorted(venues)},
            betas=self.betas,
            equity_at_day_start_usd=self.equity_at_day_start_usd,
            peak_equity_usd=self.peak_equity_usd,
            expected_venues=self.expected,
        )
