"""A base as the verdict sees it: its legs, what of them is only kept, and how far it may go toward the plan.

What lives here: the path of a base, and rounding on it. What does not: how far it may go (`caps`,
`neutrality`).

The path has three points. 0: nothing is held. 1: `kept`, what the plan reduces to without opening
anything, with longs and shorts of the base in balance. 2: the target. Along it every leg only grows in
size, so one number per base, the *part* from 0 to 2, cuts its legs together: first what would be opened,
then what is held.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_FLOOR, Decimal
from fractions import Fraction

from funding_pipeline.core.governance import TargetPosition
from funding_pipeline.execution.book import ZERO, BookState
from funding_pipeline.execution.exposure import mark_price
from funding_pipeline.execution.market_facts import (
    InstrumentFacts,
    LegKey,
    MarketFacts,
    is_finite,
    is_positive,
)

NOTHING, KEPT, WHOLE = Fraction(0), Fraction(1), Fraction(2)


@dataclass(frozen=True)
class JudgedLeg:
    """One leg. `held`: None where it is not known. `price`: None where nobody tells one.

    `kept`: signed, between zero and both `held` and the target.
    """

    target: TargetPosition
    held: Decimal | None
    price: Decimal | None
    facts: InstrumentFacts
    adl_rank: float | None = None
    told_margin: Decimal | None = None
    kept: Decimal = ZERO

    @property
    def key(self) -> LegKey:
        """Venue and symbol."""
        return self.target.venue, self.target.symbol

    @property
    def name(self) -> str:
        """For a person."""
        return self.target.leg

    @property
    def growth(self) -> Decimal:
        """What would be opened, signed."""
        return self.target.quantity - self.kept

    @property
    def step(self) -> Decimal:
        """Quantity step; zero where it is not known: nothing is rounded then."""
        told = self.facts.quantity_step
        return told if told is not None and is_positive(told) else ZERO

    def is_below_minimum(self, quantity: Decimal) -> bool:
        """Whether the venue takes no order of this size; a minimum that is not told is none."""
        least, worth = self.facts.min_quantity, self.facts.min_notional
        if least is not None and is_finite(least) and abs(quantity) < least:
            return True
        return self.price is not None and worth is not None and abs(self.notional(quantity)) < worth

    def notional(self, quantity: Decimal) -> Decimal:
        """USD of a quantity, signed. Only for a leg with a price."""
        assert self.price is not None
        return quantity * self.price


@dataclass(frozen=True)
class JudgedBase:
    """The legs of one base. `frozen`: why nothing of it may be touched; empty: it may."""

    base: str
    legs: tuple[JudgedLeg, ...]
    frozen: str = ""

    @property
    def grows(self) -> bool:
        """Whether the plan opens something here."""
        return not self.frozen and any(leg.growth != 0 for leg in self.legs)

    def grows_on(self, venue: str) -> bool:
        """The same, on one venue."""
        return not self.frozen and any(leg.growth != 0 for leg in self.legs if leg.target.venue == venue)

    @property
    def venues(self) -> frozenset[str]:
        """Venues of its legs."""
        return frozenset(leg.target.venue for leg in self.legs)

    @property
    def coarse_step_units(self) -> Decimal:
        """Coarsest quantity step of the legs that matter, in base units."""
        steps = [leg.step * leg.target.multiplier for leg in self.legs if leg.target.quantity != 0]
        return max(steps, default=ZERO)

    def net_units(self, quantities: Sequence[Decimal]) -> Decimal:
        """Sum of quantity x multiplier over the legs."""
        pairs = zip(quantities, self.legs, strict=True)
        return sum((quantity * leg.target.multiplier for quantity, leg in pairs), ZERO)

    @property
    def is_known(self) -> bool:
        """Whether it is known of every leg what is held."""
        return all(leg.held is not None for leg in self.legs)

    @property
    def held(self) -> tuple[Decimal, ...]:
        """What is held, leg by leg; zero stands only for a leg of a frozen base that is not known."""
        return tuple(leg.held if leg.held is not None else ZERO for leg in self.legs)

    def positions(self, kept: Fraction, grown: Fraction) -> tuple[Decimal, ...]:
        """`kept` of what is kept plus `grown` of what would be opened, in whole coarse steps, in balance."""
        if self.frozen:
            return self.held
        if kept == 1 and grown in (0, 1):
            return tuple(leg.kept + (leg.growth if grown else ZERO) for leg in self.legs)
        exact = [kept * Fraction(leg.kept) + grown * Fraction(leg.growth) for leg in self.legs]
        coarse = self.coarse_step_units
        sizes = [
            _floor(abs(q), coarse / leg.target.multiplier, leg.step)
            for q, leg in zip(exact, self.legs, strict=True)
        ]
        signed = [size if q >= 0 else -size for size, q in zip(sizes, exact, strict=True)]
        net = sum(
            (q * Fraction(leg.target.multiplier) for q, leg in zip(exact, self.legs, strict=True)),
            Fraction(0),
        )
        found = balanced(self, signed, most_units=_decimal(abs(net)))
        return found if self._may_be_opened(found) else self.positions(kept, Fraction(0))

    def shares(self, quantities: Sequence[Decimal]) -> tuple[Fraction, Fraction]:
        """Of quantities on the path, by size, the shares of what is kept and of what would be opened."""
        if self.frozen:
            return Fraction(0), Fraction(0)
        size, kept, grown = (
            sum(
                (Fraction(abs(q) * leg.target.multiplier) for q, leg in zip(part, self.legs, strict=True)),
                Fraction(0),
            )
            for part in (quantities, [leg.kept for leg in self.legs], [leg.growth for leg in self.legs])
        )
        if size < kept:
            return size / kept, Fraction(0)
        return Fraction(1), min((size - kept) / grown, Fraction(1)) if grown else Fraction(0)

    def _may_be_opened(self, quantities: Sequence[Decimal]) -> bool:
        """Whether no leg is below a minimum of which nothing is held: its base could not be hedged."""
        return not any(
            quantity and not leg.held and leg.is_below_minimum(quantity)
            for leg, quantity in zip(self.legs, quantities, strict=True)
        )


def judged_bases(
    targets: Sequence[TargetPosition], *, book: BookState, market: MarketFacts, halted: bool
) -> tuple[JudgedBase, ...]:
    """Every base that is planned or held. A position outside the plan is taken as a target to hold it."""
    planned = {(target.venue, target.symbol) for target in targets}
    stray = [
        _hold(book, p.venue, p.symbol, market) for p in book.positions if (p.venue, p.symbol) not in planned
    ]
    by_base: dict[str, list[TargetPosition]] = {}
    for target in [*targets, *stray]:
        by_base.setdefault(target.base, []).append(target)
    found = (_base(base, legs, book, market) for base, legs in sorted(by_base.items()))
    return tuple(replace(one, frozen="state HALTED") if halted else one for one in found)


def _hold(book: BookState, venue: str, symbol: str, market: MarketFacts) -> TargetPosition:
    base, multiplier = book.identity((venue, symbol))
    price = mark_price(book, (venue, symbol), market) or ZERO
    return TargetPosition(venue, symbol, base, multiplier, book.venues[venue].held(symbol), price)


def _base(base: str, targets: Sequence[TargetPosition], book: BookState, market: MarketFacts) -> JudgedBase:
    ordered = sorted(targets, key=lambda target: (target.venue, target.symbol))
    legs = tuple(_leg(target, book, market) for target in ordered)
    frozen = "; ".join(dict.fromkeys(reason for leg in legs for reason in _unjudgeable(leg)))
    found = JudgedBase(base, legs, frozen)
    return found if frozen else _with_kept(found)


def _leg(target: TargetPosition, book: BookState, market: MarketFacts) -> JudgedLeg:
    key = (target.venue, target.symbol)
    venue = book.venues.get(target.venue)
    held = None if venue is None else venue.held(target.symbol)
    position = next((p for p in (venue.positions if venue else ()) if p.symbol == target.symbol), None)
    return JudgedLeg(
        target=target,
        held=held if is_finite(held) else None,
        price=mark_price(book, key, market),
        facts=market.of(key),
        adl_rank=position.adl_rank if position else None,
        told_margin=position.maintenance_margin if position else None,
    )


def _unjudgeable(leg: JudgedLeg) -> list[str]:
    """Why a leg cannot even be reduced by this plan: it is not known what there is, or what is meant."""
    found = []
    if leg.held is None:
        found.append(f"unknown: what is held in {leg.name}")
    if not is_finite(leg.target.quantity) or not is_positive(leg.target.multiplier):
        found.append(f"unknown: target quantity of {leg.name}")
    return found


def _with_kept(base: JudgedBase) -> JudgedBase:
    reduced = [_between(leg.target.quantity, leg.held or ZERO) for leg in base.legs]
    most = abs(base.net_units([leg.target.quantity for leg in base.legs]))
    is_balanced = abs(base.net_units(reduced)) <= most + base.coarse_step_units
    kept = reduced if is_balanced else balanced(base, reduced, most_units=most)
    legs = tuple(replace(leg, kept=quantity) for leg, quantity in zip(base.legs, kept, strict=True))
    return replace(base, legs=legs)


def _between(target: Decimal, held: Decimal) -> Decimal:
    """The smaller of both where they have one sign, else zero."""
    if target * held <= 0:
        return ZERO
    return min(target, held, key=abs)


def balanced(base: JudgedBase, quantities: Sequence[Decimal], *, most_units: Decimal) -> tuple[Decimal, ...]:
    """The same with the heavier side cut, largest leg first, until |net| is at most `most_units`.

    Each cut is rounded up to the leg's step, so that less than a step of the other sign may remain.
    """
    out = list(quantities)
    order = sorted(range(len(out)), key=lambda i: (-abs(out[i] * base.legs[i].target.multiplier), i))
    for index in order:
        net = base.net_units(out)
        excess = abs(net) - most_units
        if excess <= 0:
            break
        if net * out[index] > 0:
            leg = base.legs[index]
            left = max(abs(out[index]) - excess / leg.target.multiplier, ZERO)
            size = _floor(Fraction(left), ZERO, leg.step)
            out[index] = size if out[index] > 0 else -size
    return tuple(out)


def _floor(size: Fraction, coarse: Decimal, own: Decimal) -> Decimal:
    """Largest multiple of `coarse`, then of `own`, not above `size`; a step of zero does not round."""
    for step in (coarse, own):
        if step > 0:
            size = Fraction(size // Fraction(step)) * Fraction(step)
    return _decimal(size)


def _decimal(size: Fraction) -> Decimal:
    """Toward zero, to 12 digits behind the point where it does not end before."""
    whole = Decimal(size.numerator) / Decimal(size.denominator)
    return whole if Fraction(whole) == size else whole.quantize(Decimal("1e-12"), rounding=ROUND_FLOOR)
