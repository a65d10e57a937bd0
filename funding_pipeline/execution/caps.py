"""Caps on notional: per instrument, base, venue and portfolio, of depth and open interest. They also reduce.

What lives here: of each limit how far along its path (`judged_base`) a base may go. Each is computed from
the whole plan, not from what other limits leave of it, so that the order of checks does not matter and a
tighter limit never lets another leg have more. What does not: margin (`margin_caps`),
or netting limits (`neutrality`).
"""

from collections.abc import Callable, Iterator
from decimal import Decimal
from statistics import median

from funding_pipeline.core.governance import LimitBreach
from funding_pipeline.execution.book import ZERO
from funding_pipeline.execution.findings import Case, Finding, Stage, breached, largest_part
from funding_pipeline.execution.judged_base import KEPT, WHOLE, JudgedBase, JudgedLeg

Measure = Callable[[JudgedLeg], Decimal | None]
"""A leg's share of a sum; None: not known."""


def instrument(case: Case) -> Iterator[Finding]:
    """|notional| of each leg."""
    most = Decimal(str(case.limits.max_instrument_notional_usd))
    for base, leg in _priced(case):
        at_kept, at_target = _size(leg, leg.kept), _size(leg, leg.target.quantity)
        part = largest_part(at_kept, at_target, most)
        if part < WHOLE:
            breach = _usd("max_instrument_notional_usd", leg.name, at_target, most)
            yield from breached(Stage.INSTRUMENT, [base.base], part, breach)


def participation(case: Case) -> Iterator[Finding]:
    """Of depth and of open interest; only growth is stopped: reducing into a thin book makes it worse."""
    limits = case.limits
    for base, leg in _priced(case):
        for name, of, fraction in (
            (
                "max_depth_participation_fraction",
                leg.facts.depth_usd,
                limits.max_depth_participation_fraction,
            ),
            ("max_open_interest_fraction", leg.facts.open_interest_usd, limits.max_open_interest_fraction),
        ):
            if of is None or not of.is_finite() or not leg.growth:
                continue  # unknown: said among the missing facts
            most, wanted = of * Decimal(str(fraction)), _size(leg, leg.target.quantity)
            part = max(largest_part(_size(leg, leg.kept), wanted, most), KEPT)
            if part < WHOLE:
                value = float(wanted / of) if of else float("inf")
                breach = LimitBreach(name, leg.name, value, fraction, f"of {of:,.0f} USD")
                yield from breached(Stage.PARTICIPATION, [base.base], part, breach)


def base_size(case: Case) -> Iterator[Finding]:
    """Gross and net of each base. Net: units at the median price, so that a basis is no net position."""
    gross_most = Decimal(str(case.limits.max_base_notional_usd))
    net_most = Decimal(str(case.limits.max_base_delta_usd))
    for base in free_bases(case):
        sums = (sum_of([base], kept_size), sum_of([base], target_size))
        part = largest_part(*sums, gross_most)
        if part < WHOLE:
            breach = _usd("max_base_notional_usd", base.base, sums[1], gross_most)
            yield from breached(Stage.BASE, [base.base], part, breach)
        nets = (
            base_delta(base, [leg.kept for leg in base.legs]),
            base_delta(base, [leg.target.quantity for leg in base.legs]),
        )
        part = largest_part(*nets, net_most)
        if part < WHOLE:
            breach = _usd("max_base_delta_usd", base.base, abs(nets[1]), net_most)
            yield from breached(Stage.BASE, [base.base], part, breach)


def base_delta(base: JudgedBase, quantities: list[Decimal] | tuple[Decimal, ...]) -> Decimal:
    """Net base units x median price per base unit; USD, signed."""
    price = unit_price(base)
    return ZERO if price is None else base.net_units(quantities) * price


def unit_price(base: JudgedBase) -> Decimal | None:
    """Median price per base unit of the legs; None where no leg has one."""
    prices = [leg.price / leg.target.multiplier for leg in base.legs if leg.price]
    return median(prices) if prices else None


def totals(case: Case) -> Iterator[Finding]:
    """Gross notional per venue and over all; what is over is cut from every base alike."""
    limits = case.limits
    for venue in case.venues:
        yield from _shared(case, "max_venue_notional_usd", limits.max_venue_notional_usd, venue=venue)
    yield from _shared(case, "max_gross_notional_usd", limits.max_gross_notional_usd, venue=None)


def _shared(case: Case, name: str, limit: float, *, venue: str | None) -> Iterator[Finding]:
    free = [base for base in free_bases(case) if venue is None or venue in base.venues]
    most = Decimal(str(limit)) - sum_of([b for b in case.bases if b.frozen], held_size, venue)
    sums = (sum_of(free, kept_size, venue), sum_of(free, target_size, venue))
    part = largest_part(*sums, most)
    if part < WHOLE:
        taken = Decimal(str(limit)) - most
        breach = _usd(name, venue or "portfolio", sums[1] + taken, Decimal(str(limit)))
        concerned = [b.base for b in free if sum_of([b], target_size, venue)]
        yield from breached(Stage.VENUE, concerned, part, breach)


def kept_size(leg: JudgedLeg) -> Decimal | None:
    return None if leg.price is None else _size(leg, leg.kept)


def target_size(leg: JudgedLeg) -> Decimal | None:
    return None if leg.price is None else _size(leg, leg.target.quantity)


def held_size(leg: JudgedLeg) -> Decimal | None:
    return None if leg.price is None or leg.held is None else _size(leg, leg.held)


def _size(leg: JudgedLeg, quantity: Decimal) -> Decimal:
    return abs(leg.notional(quantity))


def sum_of(bases: list[JudgedBase], measure: Measure, venue: str | None = None) -> Decimal:
    """Sum of what is known; growth beside something unknown is stopped by `checks.missing_facts`."""
    legs = [leg for base in bases for leg in base.legs if venue is None or leg.target.venue == venue]
    return sum((value for value in map(measure, legs) if value is not None), ZERO)


def legs_on(base: JudgedBase, venue: str) -> list[JudgedLeg]:
    return [leg for leg in base.legs if leg.target.venue == venue]


def free_bases(case: Case) -> list[JudgedBase]:
    return [base for base in case.bases if not base.frozen]


def _priced(case: Case) -> list[tuple[JudgedBase, JudgedLeg]]:
    return [(base, leg) for base in free_bases(case) for leg in base.legs if leg.price is not None]


def _usd(name: str, subject: str, value: Decimal, limit: Decimal) -> LimitBreach:
    return LimitBreach(name, subject, float(value), float(limit), "USD")
