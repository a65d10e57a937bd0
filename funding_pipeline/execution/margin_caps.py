"""Caps by margin: what maintenance may use of a venue's collateral, and survival of +-35 % of each leg alone.

What lives here: of both how far along its path (`judged_base`) a base may go. What does not: the formulas of
margin (`margin`), or caps by notional (`caps`). Margin is convex in size, so that between two points of a
path the straight line is on the safe side.
"""

from collections.abc import Iterator
from decimal import Decimal

from funding_pipeline.core.governance import LimitBreach
from funding_pipeline.execution.book import ZERO
from funding_pipeline.execution.caps import free_bases, held_size, kept_size, legs_on, sum_of, target_size
from funding_pipeline.execution.findings import Case, Finding, Stage, breached, largest_part, unknown
from funding_pipeline.execution.judged_base import KEPT, WHOLE, JudgedBase, JudgedLeg
from funding_pipeline.execution.margin import liquidation_distance, maintenance_margin


def margin(case: Case) -> Iterator[Finding]:
    """Maintenance margin of each venue against its collateral after the haircut."""
    fraction = Decimal(str(case.limits.max_margin_fraction))
    for venue in case.venues:
        collateral = venue_collateral(case, venue)
        on_venue = [b for b in case.bases if venue in b.venues]
        for leg in (leg for b in on_venue for leg in legs_on(b, venue) if _has_unknown_margin(leg)):
            yield from unknown(Stage.COLLATERAL, case.growing_on(venue), f"maintenance margin of {leg.name}")
        if collateral is None:
            continue  # said among the missing facts
        free = [b for b in on_venue if not b.frozen]
        taken = sum_of([b for b in on_venue if b.frozen], _held_margin, venue)
        sums = (sum_of(free, _kept_margin, venue), sum_of(free, _target_margin, venue))
        part = largest_part(*sums, collateral * fraction - taken)
        if part < WHOLE:
            value = float((sums[1] + taken) / collateral) if collateral > 0 else float("inf")
            breach = LimitBreach("max_margin_fraction", venue, value, float(fraction), "of collateral")
            yield from breached(Stage.COLLATERAL, [b.base for b in free], part, breach)


def survival(case: Case) -> Iterator[Finding]:
    """Each leg alone moves against its venue's collateral by the test move; maintenance must stay covered.

    Need of a leg of notional n: `n x move + M(n (1 +- move))`, beside the maintenance of the venue's other
    legs. Where cutting this leg's growth is enough only its base is cut, else all of the venue alike.
    """
    for venue in case.venues:
        collateral = venue_collateral(case, venue)
        if collateral is not None:
            for base in (b for b in free_bases(case) if venue in b.venues):
                for leg in legs_on(base, venue):
                    yield from _survives(case, base, leg, collateral)


def _survives(case: Case, base: JudgedBase, leg: JudgedLeg, collateral: Decimal) -> Iterator[Finding]:
    venue, move = leg.target.venue, Decimal(str(case.limits.survival_move_fraction))
    needs = (_need(leg, leg.kept, move), _need(leg, leg.target.quantity, move))
    own = (_kept_margin(leg) or ZERO, _target_margin(leg) or ZERO)
    on_venue = [b for b in case.bases if venue in b.venues]
    held = sum_of([b for b in on_venue if b.frozen], _held_margin, venue)
    free = [b for b in on_venue if not b.frozen]
    kept = sum_of(free, _kept_margin, venue) + held - own[0]
    target = sum_of(free, _target_margin, venue) + held - own[1]
    alone = largest_part(*needs, collateral - max(kept, target))
    if alone == WHOLE:
        return
    breach = _distance_breach(leg, collateral, target, move)
    if alone >= KEPT:
        yield from breached(Stage.SURVIVAL, [base.base], alone, breach)
        return
    together = largest_part(needs[0] + kept - held, needs[1] + target - held, collateral - held)
    yield from breached(Stage.SURVIVAL, [base.base], min(together, KEPT), breach)
    yield from breached(Stage.SURVIVAL, [b.base for b in free if b is not base], together, breach)


def _distance_breach(leg: JudgedLeg, collateral: Decimal, others: Decimal, move: Decimal) -> LimitBreach:
    distance = liquidation_distance(
        leg.facts.tiers, leg.notional(leg.target.quantity), collateral=collateral, other_margin=others
    )
    if distance is None:  # no tiers: at most what covers the loss
        distance = (collateral - others) / abs(leg.notional(leg.target.quantity))
    value = float(distance)
    return LimitBreach("survival_move_fraction", leg.name, value, float(move), "to liquidation")


def _need(leg: JudgedLeg, quantity: Decimal, move: Decimal) -> Decimal:
    """Collateral that a leg alone asks for at the test move; without tiers its loss (it cannot grow then)."""
    if leg.price is None or not quantity:
        return ZERO
    size = abs(leg.notional(quantity))
    grown = size * (1 + move if quantity < 0 else 1 - move)
    return size * move + (_margin_of(leg, grown) or ZERO)


def venue_collateral(case: Case, venue: str) -> Decimal | None:
    """Equity after the haircut; None: not known."""
    book = case.book.venues.get(venue)
    if book is None or book.equity_usd is None or not book.equity_usd.is_finite():
        return None
    return book.equity_usd * (1 - Decimal(str(case.limits.collateral_haircut_fraction)))


def _margin_of(leg: JudgedLeg, notional: Decimal) -> Decimal | None:
    """By the tiers; where they are not known in proportion to what the venue told of the position."""
    by_tier = maintenance_margin(leg.facts.tiers, notional)
    told = leg.told_margin
    if by_tier is not None or told is None or not told.is_finite() or not leg.held or leg.price is None:
        return by_tier
    return told * notional / abs(leg.notional(leg.held))


def _has_unknown_margin(leg: JudgedLeg) -> bool:
    return bool(leg.held) and (
        leg.price is None or _margin_of(leg, abs(leg.notional(leg.held or ZERO))) is None
    )


def _kept_margin(leg: JudgedLeg) -> Decimal | None:
    size = kept_size(leg)
    return None if size is None else _margin_of(leg, size)


def _target_margin(leg: JudgedLeg) -> Decimal | None:
    size = target_size(leg)
    return None if size is None else _margin_of(leg, size)


def _held_margin(leg: JudgedLeg) -> Decimal | None:
    size = held_size(leg)
    return None if size is None else _margin_of(leg, size)
