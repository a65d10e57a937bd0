"""Maintenance margin by brackets, and how far a price may move before a venue's collateral is short.

What lives here: formulas for linear contracts, in settle units taken as USD. What does not: whose position
it is (`exposure`), or what a venue says of liquidation prices (told ones are compared, not used).
"""

from collections.abc import Sequence
from decimal import Decimal

from funding_pipeline.core.trading import LeverageTier

NEVER = Decimal("Infinity")


def maintenance_margin(tiers: Sequence[LeverageTier], notional: Decimal) -> Decimal | None:
    """`notional x rate - deduction` of its bracket; beyond the last bracket, of the last.

    None where no bracket is known. `notional` is positive or zero.
    """
    if not tiers:
        return None
    if notional == 0:
        return Decimal(0)
    tier = _bracket(tiers, notional)
    return notional * tier.maintenance_rate - tier.deduction


def cushion_after(
    tiers: Sequence[LeverageTier],
    notional: Decimal,
    *,
    collateral: Decimal,
    other_margin: Decimal,
    move: Decimal,
) -> Decimal | None:
    """What is left above maintenance after an adverse `move` of this leg alone, other marks unchanged.

    `notional` is signed: `collateral - |notional| x move - M(|notional| x (1 +- move)) - other_margin`,
    with + for a short, whose notional grows as it loses. None where no bracket is known.
    """
    size = abs(notional)
    margin = maintenance_margin(tiers, size * (1 + _growth(notional) * move))
    return None if margin is None else collateral - size * move - margin - other_margin


def liquidation_distance(
    tiers: Sequence[LeverageTier], notional: Decimal, *, collateral: Decimal, other_margin: Decimal
) -> Decimal | None:
    """Adverse move, as a fraction of the mark, at which the cushion is zero; NEVER for a covered long.

    Zero or less: short already. In each bracket the cushion is linear in the move x:
    `x = (collateral - other_margin - |n| rate + deduction) / (|n| (1 +- rate))`; the right bracket is the
    one in which the notional at that move lies.
    """
    if not tiers:
        return None
    size, growth = abs(notional), _growth(notional)
    if size == 0:
        return NEVER
    found = [_crossing(tier, size, growth, collateral - other_margin) for tier in _ordered(tiers)]
    inside = [
        move
        for move, tier in zip(found, _ordered(tiers), strict=True)
        if _bracket(tiers, max(size * (1 + growth * move), Decimal(0))) is tier
    ]
    distance = min(inside) if inside else min(found)
    return NEVER if growth < 0 and distance >= 1 else distance


def _crossing(tier: LeverageTier, size: Decimal, growth: int, available: Decimal) -> Decimal:
    rate = tier.maintenance_rate
    return (available - size * rate + tier.deduction) / (size * (1 + growth * rate))


def _growth(notional: Decimal) -> int:
    """How a losing leg's notional goes: a short's grows, a long's shrinks."""
    return 1 if notional < 0 else -1


def _ordered(tiers: Sequence[LeverageTier]) -> list[LeverageTier]:
    return sorted(tiers, key=lambda tier: tier.floor)


def _bracket(tiers: Sequence[LeverageTier], notional: Decimal) -> LeverageTier:
    ordered = _ordered(tiers)
    return next((tier for tier in ordered if tier.cap is None or notional <= tier.cap), ordered[-1])
