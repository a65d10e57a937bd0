"""Margin tiers: which one holds at a notional, what maintenance it asks, and defaults for the testnet.

What lives here: pure functions of tiers and notionals (settle units). What does not: anything about
accounts (`margin`).
"""

from collections.abc import Sequence
from decimal import Decimal

from funding_pipeline.testnet.engine.values import MarginTier

ZERO = Decimal(0)

# (cap in settle units, maintenance rate, highest leverage): the shape of the public tables of large venues.
_MAJOR = (
    ("50000", "0.004", 125),
    ("500000", "0.005", 100),
    ("5000000", "0.01", 50),
    ("50000000", "0.025", 20),
    ("200000000", "0.05", 10),
    (None, "0.125", 4),
)
_LARGE = (
    ("20000", "0.0065", 75),
    ("200000", "0.01", 50),
    ("1000000", "0.02", 25),
    ("5000000", "0.05", 10),
    ("20000000", "0.1", 5),
    (None, "0.25", 2),
)
_SMALL = (
    ("10000", "0.01", 50),
    ("50000", "0.025", 20),
    ("250000", "0.05", 10),
    ("1000000", "0.125", 4),
    (None, "0.25", 2),
)
_MAJORS = frozenset({"BTC", "ETH"})
_LARGES = frozenset({"SOL", "XRP", "BNB", "DOGE", "ADA", "LTC", "LINK", "AVAX", "BCH", "TRX"})


def tiers_of(brackets: Sequence[tuple[Decimal | None, Decimal, int]]) -> tuple[MarginTier, ...]:
    """Tiers from (cap, maintenance rate, highest leverage), with the deductions that make them continuous:
    `deduction_k = deduction_(k-1) + cap_(k-1) x (rate_k - rate_(k-1))`."""
    tiers: list[MarginTier] = []
    for cap, rate, leverage in brackets:
        deduction = ZERO
        if tiers and tiers[-1].cap is not None:
            deduction = tiers[-1].deduction + tiers[-1].cap * (rate - tiers[-1].maintenance_rate)
        tiers.append(MarginTier(cap, rate, deduction, leverage))
    return tuple(tiers)


def default_tiers(base: str) -> tuple[MarginTier, ...]:
    """Tiers of a base asset for markets that state none: three tables, by how large the asset is."""
    table = _MAJOR if base in _MAJORS else _LARGE if base in _LARGES else _SMALL
    return tiers_of(
        [(None if cap is None else Decimal(cap), Decimal(rate), leverage) for cap, rate, leverage in table]
    )


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
    notional at that mark lies. A long whose collateral outlasts a price of zero is never liquidated; a
    short that no mark could save has zero.
    """
    size, below = abs(quantity), ZERO
    for tier in tiers:
        mark = (entry * quantity - collateral - tier.deduction) / (quantity - size * tier.maintenance_rate)
        if below and size * mark <= below:
            break  # brackets that jump: it is at their edge
        if tier.cap is None or tier is tiers[-1] or size * mark <= tier.cap:
            return mark if mark > 0 else None if quantity > 0 else ZERO
        below = tier.cap
    return below / size
