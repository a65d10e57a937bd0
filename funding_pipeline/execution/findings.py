"""What a check may find: which bases it concerns, how far they may go, and the numbers. And the case at hand.

What lives here: values that the checks share. What does not: the checks (`checks`, `caps`, `neutrality`).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction

from funding_pipeline.core.governance import LimitBreach, TradingState
from funding_pipeline.core.risk_limits import RiskLimits
from funding_pipeline.execution.book import BookState
from funding_pipeline.execution.judged_base import KEPT, NOTHING, WHOLE, JudgedBase
from funding_pipeline.execution.market_facts import MarketFacts


class Stage(IntEnum):
    """The order in which reasons are given; every check is made all the same."""

    STATE = 1
    DATA_AGE = 2
    MODEL_AGE = 3
    MARKET = 4
    FACTS = 5
    INSTRUMENT = 6
    PARTICIPATION = 7
    BASE = 8
    VENUE = 9
    COLLATERAL = 10
    SURVIVAL = 11
    VENUE_BETA = 12
    DELTA = 13
    TURNOVER = 14
    LOSS = 15


@dataclass(frozen=True)
class Finding:
    """These `bases` may go no further than `part` of their path (judged_base), for this reason."""

    stage: Stage
    bases: frozenset[str]
    part: Fraction
    text: str
    breach: LimitBreach | None = None


@dataclass(frozen=True)
class Case:
    """All that a verdict is about."""

    bases: tuple[JudgedBase, ...]
    book: BookState
    market: MarketFacts
    limits: RiskLimits
    state: TradingState
    judged_at: datetime

    @property
    def growing(self) -> frozenset[str]:
        """Bases in which the plan opens something."""
        return frozenset(base.base for base in self.bases if base.grows)

    @property
    def venues(self) -> tuple[str, ...]:
        """Venues of all legs."""
        return tuple(sorted({venue for base in self.bases for venue in base.venues}))

    def growing_on(self, venue: str) -> frozenset[str]:
        """The same, on one venue."""
        return frozenset(b.base for b in self.bases if b.grows_on(venue))


def breached(stage: Stage, bases: Iterable[str], part: Fraction, breach: LimitBreach) -> Iterator[Finding]:
    """A finding with numbers, if it concerns any base."""
    concerned = frozenset(bases)
    if concerned:
        yield Finding(stage, concerned, part, breach.text(), breach)


def unknown(stage: Stage, bases: Iterable[str], what: str) -> Iterator[Finding]:
    """Nothing grows where something has to be known and is not; if that concerns any base."""
    concerned = frozenset(bases)
    if concerned:
        yield Finding(stage, concerned, KEPT, f"unknown: {what}")


def largest_part(at_kept: Decimal, at_target: Decimal, cap: Decimal) -> Fraction:
    """Largest part of the path at which |value| <= cap; the value is linear between 0, kept and target."""
    kept, target, most = Fraction(at_kept), Fraction(at_target), Fraction(max(cap, Decimal(0)))
    if abs(target) <= most:
        return WHOLE
    if abs(kept) > most:
        return most / abs(kept) if kept else NOTHING
    edge = most if target > 0 else -most
    return KEPT + (edge - kept) / (target - kept)


def parts(case: Case, findings: Sequence[Finding]) -> dict[str, Fraction]:
    """Of each base the smallest part that a finding allows."""
    return {
        base.base: min([WHOLE, *(found.part for found in findings if base.base in found.bases)])
        for base in case.bases
    }
