"""The verdict by which the guard reduces, and the executor that carries it out.

What lives here: what is to be reduced to what, judged by the same limits as every plan. What does not: when
(`assessment`), and orders (`trading.executor`).

Of a naked base exactly what is not hedged is closed: the heavier side is cut, the largest leg first. For
other limits `judge` cuts whole bases, their legs together. Nothing is ever opened: the verdict allows no more
than is held, and the executor may only send what reduces.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from funding_pipeline.core.governance import IntentRecord, RiskVerdict, TargetPosition
from funding_pipeline.core.risk_limits import RiskLimits, tighter_direction
from funding_pipeline.execution.book import ZERO, BookState, VenueBook
from funding_pipeline.execution.judged_base import balanced, judged_bases
from funding_pipeline.execution.market_facts import MarketFacts
from funding_pipeline.execution.states import Permission
from funding_pipeline.execution.verdict import judge
from funding_pipeline.guard.config import GuardConfig
from funding_pipeline.guard.findings import Finding
from funding_pipeline.guard.marks import believed, unbelievable
from funding_pipeline.guard.seen import Seen
from funding_pipeline.trading.executor import Executor
from funding_pipeline.trading.session import TradingSession

_LIFTED: Mapping[str, float] = {
    "max_portfolio_delta_usd": 1e15,
    "max_venue_beta_usd": 1e15,
    "max_base_delta_usd": 1e15,
    "max_gross_notional_usd": 1e15,
    "max_venue_notional_usd": 1e15,
    "max_base_notional_usd": 1e15,
    "max_instrument_notional_usd": 1e15,
    "max_margin_fraction": 1e15,
    "survival_move_fraction": 0.0,
}
"""Limits that reduce, and what lifts them: a reduction is about those alone that were found broken."""
_OF_MARGIN = frozenset({"max_margin_fraction", "survival_move_fraction"})
"""Limits to which every leg of a venue counts, also one whose base is in doubt."""
_ROOM = 0.1
"""What is cut ends this far inside its limit: at the very limit the next tick would break it again."""
_LOCK_SECONDS = 60.0


def shed_verdict(
    seen: Seen, findings: Sequence[Finding], *, limits: RiskLimits, config: GuardConfig, at: datetime
) -> RiskVerdict | None:
    """What may stay, for findings that ask to shed; None where there is nothing to do.

    Bases of which a venue that is down may hold something are left out. Instruments with orders whose
    outcome is unknown are in it as they are held, so that the executor waits for what became of them.
    """
    names = frozenset(name for finding in findings for name in finding.limits)
    naked = (
        frozenset(base for f in findings if "max_base_delta_usd" in f.limits for base in f.bases)
        - seen.doubtful_bases
    )
    told = seen.book()
    instead = unbelievable(told, seen.market, bound=config.mark_bound_fraction)
    book = believed(told, instead)
    if not names & _OF_MARGIN:  # what is in doubt may be hedged where nobody answers: no other pays for it
        book = _without(book, seen.doubtful_bases)
    targets = [*_balanced_targets(book, seen.market, naked), *_unresolved_targets(book, seen, naked)]
    verdict = judge(
        targets,
        book,
        market=seen.market,
        limits=_about(limits, names),
        state="REDUCING",
        rebalance=f"guard {at:%Y-%m-%dT%H:%M:%S.%f}",
        judged_at=at,
    )
    unknown = {(t.venue, t.symbol) for t in targets if t.base not in naked}
    held = {(p.venue, p.symbol): p.quantity for p in book.positions}
    changed = {
        leg.target.base
        for leg in verdict.legs
        if leg.allowed != held.get((leg.target.venue, leg.target.symbol), ZERO)
    } - seen.doubtful_bases
    legs = tuple(
        leg
        for leg in verdict.legs
        if leg.target.base in changed or (leg.target.venue, leg.target.symbol) in unknown
    )
    if not legs and not seen.strays and not seen.unresolved:
        return None
    return RiskVerdict(
        verdict_id=verdict.verdict_id,
        rebalance=verdict.rebalance,
        judged_at=verdict.judged_at,
        expires_at=verdict.expires_at,
        state=verdict.state,
        limits_version=verdict.limits_version,
        legs=legs,
        breaches=verdict.breaches,
    )


def reducing_executor(session: TradingSession, real: GuardConfig) -> Executor:
    """An executor that can only reduce, in every state, within a wider price bound and a shorter time."""
    speed = max(session.speed, 1.0)
    deadline = real.shed_deadline_seconds * speed
    config = session.config.model_copy(
        update={
            "taker_bound_bp": session.config.flatten_bound_bp,
            "maker_seconds": 0.0,
            "deadline_seconds": deadline,
            "grace_seconds": deadline / 2,
        }
    )

    def permission() -> Permission:
        return "none" if session.permission() == "none" else "reduce"

    return Executor(
        journal=session.journal,
        gateways=session.gateways,
        public=session.public,
        clock=session.now,
        sleep=session.sleep,
        config=config,
        strategy=session.setup.strategy,
        owner="guard",
        lock_seconds=_LOCK_SECONDS * speed,
        permission=permission,
    )


def _without(book: BookState, bases: frozenset[str]) -> BookState:
    """The book without its legs in `bases`."""

    def rest(venue: VenueBook) -> VenueBook:
        left = (p for p in venue.positions if book.identity((venue.venue, p.symbol))[0] not in bases)
        return replace(venue, positions=tuple(left))

    return replace(book, venues={name: rest(venue) for name, venue in book.venues.items()})


def _about(limits: RiskLimits, names: frozenset[str]) -> RiskLimits:
    """The limits `names` with some room inside them, the other ones that reduce lifted."""
    lifted = {name: value for name, value in _LIFTED.items() if name not in names}
    inside = {name: _inside(limits, name) for name in names & set(_LIFTED)}
    # Not validated: a lifted limit is beyond its bounds on purpose.
    return limits.model_copy(update={**lifted, **inside})


def _inside(limits: RiskLimits, name: str) -> float:
    value = float(getattr(limits, name))
    return value * (1 - _ROOM if tighter_direction(name) == "lower" else 1 + _ROOM)


def _balanced_targets(book: BookState, market: MarketFacts, bases: frozenset[str]) -> list[TargetPosition]:
    """Of each base what is held with its heavier side cut until it is hedged."""
    found = []
    for base in judged_bases([], book=book, market=market, halted=False):
        if base.base in bases and not base.frozen:
            hedged = balanced(base, base.held, most_units=ZERO)
            found += [_target(leg.target, quantity) for leg, quantity in zip(base.legs, hedged, strict=True)]
    return found


def _unresolved_targets(book: BookState, seen: Seen, naked: frozenset[str]) -> list[TargetPosition]:
    """Instruments with orders of unknown outcome on venues that answer: to be held as they are."""
    found: dict[tuple[str, str], TargetPosition] = {}
    for record in seen.unresolved:
        key, venue = _key(record), record.intent.request.venue
        base, multiplier = book.identity(key)
        if venue not in seen.books or base in naked or base in seen.doubtful_bases:
            continue
        price = record.intent.request.price or Decimal(0)
        held = book.venues[venue].held(key[1])
        found[key] = TargetPosition(*key, base, multiplier, held, price)
    return list(found.values())


def _target(kept: TargetPosition, quantity: Decimal) -> TargetPosition:
    return TargetPosition(kept.venue, kept.symbol, kept.base, kept.multiplier, quantity, kept.price)


def _key(record: IntentRecord) -> tuple[str, str]:
    return record.intent.request.venue, record.intent.request.symbol
