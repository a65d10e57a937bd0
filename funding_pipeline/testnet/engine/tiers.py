"""Margin tiers: which one holds at a notional, and what maintenance it asks.

What lives here: pure functions of tiers and notionals (settle units). What does not: anything about
accounts (`margin`), or which tiers an instrument has (the testnet's `listing`).
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from funding_pipeline.testnet.engine.values import MarginTier

ZERO = Decimal(0)


def tiers_of(
    brackets: Iterable[tuple[Decimal | None, Decimal, int]], *, is_progressive: bool = True
) -> tuple[MarginTier, ...]:
    """Tiers from (cap, maintenance rate, highest leverage), by cap.

    Progressive: a rate counts above the tier's floor only, by a deduction that makes the margin continuous:
    `deduction_k = deduction_(k-1) + cap_(k-1) x (rate_k - rate_(k-1))`. Else for the whole position (OKX).
    """
    tiers: list[MarginTier] = []
    for cap, rate, leverage in brackets:
        deduction, below = ZERO, tiers[-1] if tiers else None
        if is_progressive and below is not None and below.cap is not None:
            deduction = below.deduction + below.cap * (rate - below.maintenance_rate)
        tiers.append(MarginTier(cap, rate, deduction, leverage))
    return tuple(tiers)


def tier_at(tiers: Sequence[MarginTier], notional: Decimal) -> MarginTier:
    """The tier of a notional; caps are inclusive. Above a last cap: the last tier."""
    for tier in tiers:
        if tier.cap is None or notional <= tier.cap:
            return tier
    return tiers[-1]


def maintenance(tiers: Sequence[MarginTier], notional: Decimal) -> Decimal:
    """Maintenance margin, settle units: `notional x rate - deduction`."""
    tier = tier_at(tiers, notional)
    return notional * tier.maintenance_rate - tier.deduction


def liquidation_price(
    quantity: Decimal, entry: Decimal, collateral: Decimal, tiers: Sequence[MarginTier]
) -> Decimal | None:
    """Mark at which `collateral + quantity x (mark - entry)` equals the maintenance margin.

    None: no such mark. `quantity` is signed; `collateral` is everything else that stands behind the
    position, less what other positions need. In a tier of rate r and deduction d the mark is
    `(entry x quantity - collateral - d) / (quantity - |quantity| x r)`; it is the tier in which the
    notional at that mark lies. Where the margin jumps between tiers it is the first such mark on the way
    down for a long, on the way up for a short. A long whose collateral outlasts a price of zero is never
    liquidated; a short that no mark could save has zero.
    """
    size = abs(quantity)
    floors = [ZERO, *(tier.cap or ZERO for tier in tiers[:-1])]
    marks = [
        (entry * quantity - collateral - tier.deduction) / (quantity - size * tier.maintenance_rate)
        for tier in tiers
    ]
    if quantity > 0:
        inside = (mark for mark, floor in zip(marks, floors, strict=True) if size * mark > floor)
        return max(inside, default=None)
    for mark, floor, tier in zip(marks, floors, tiers, strict=True):
        if size * mark <= floor:
            return floor / size  # the margin jumps here, over the equity
        if tier.cap is None or size * mark <= tier.cap:
            return mark
    return marks[-1]
