"""Payments, profits and margins of perpetual swaps, one small formula each, as venues define them.

Rates are fractions, prices quote units per base unit, contracts of an inverse instrument are worth a
fixed number of quote units. Nothing here knows about portfolios or tables.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, nextafter

_INTEREST_8H = 0.0001
_CLAMP_8H = 0.0005
_DERIBIT_DAMPENER_8H = 0.00025


def inverse_funding_coin(*, contracts: float, contract_value: float, mark: float, rate: float) -> float:
    """Coin received (negative: paid) by signed `contracts` at one settlement: -value / mark * rate."""
    return -contracts * contract_value / mark * rate


def inverse_pnl_coin(*, contracts: float, contract_value: float, entry: float, exit_price: float) -> float:
    """Price profit in coin of signed `contracts`: value * (1 / entry - 1 / exit)."""
    return contracts * contract_value * (1 / entry - 1 / exit_price)


def linear_funding(*, quantity: float, reference_price: float, rate: float) -> float:
    """Quote units received (negative: paid) at one settlement by a signed `quantity`."""
    return -quantity * reference_price * rate


def funding_rate_8h(premium: float) -> float:
    """Uncapped 8-hour rate from an 8-hour premium: P + clamp(I - P, -0.05 %, 0.05 %), I = 0.01 %."""
    return premium + min(max(_INTEREST_8H - premium, -_CLAMP_8H), _CLAMP_8H)


def hyperliquid_rate_per_hour(premium: float) -> float:
    """Hyperliquid pays an eighth of the 8-hour rate every hour, capped at 4 % an hour."""
    return min(max(funding_rate_8h(premium) / 8, -0.04), 0.04)


def deribit_rate_8h(*, mark: float, index: float) -> float:
    """Deribit's 8-hour rate: premium of mark over index, with 0.025 % taken off either side."""
    premium = (mark - index) / index
    return max(_DERIBIT_DAMPENER_8H, premium) + min(-_DERIBIT_DAMPENER_8H, premium)


def liquidation_price(
    *, quantity: float, entry: float, equity: float, maintenance_fraction: float
) -> float | None:
    """Price where equity equals maintenance margin for one linear position, as on dYdX v4.

    equity + q (p - entry) = |q| p * mmf, solved for p; null where no positive price does it (a
    long that its equity covers entirely).
    """
    slope = abs(quantity) * maintenance_fraction - quantity
    price = (equity - quantity * entry) / slope if slope else 0.0
    return price if price > 0 else None


@dataclass(frozen=True)
class MarginBracket:
    """From `floor_usd` of notional on: `rate` of maintenance margin less a fixed `deduction_usd`."""

    floor_usd: float
    rate: float
    deduction_usd: float


def bracket_maintenance_margin(notional_usd: float, brackets: Sequence[MarginBracket]) -> float:
    """Maintenance margin, USD, in Binance's form: |notional| * rate - deduction of its bracket.

    `brackets` ascend by floor; a notional on an edge belongs to the lower bracket.
    """
    size = abs(notional_usd)
    own = brackets[0]
    for bracket in brackets[1:]:
        if size > bracket.floor_usd:
            own = bracket
    return size * own.rate - own.deduction_usd


def brackets_are_continuous(brackets: Sequence[MarginBracket], *, tolerance_usd: float = 1e-6) -> bool:
    """True where the margin does not jump at any edge; a jump means a mistyped table."""
    edges = [bracket.floor_usd for bracket in brackets[1:]]
    jumps = [
        bracket_maintenance_margin(nextafter(edge, inf), brackets)
        - bracket_maintenance_margin(edge, brackets)
        for edge in edges
    ]
    return all(abs(jump) <= tolerance_usd for jump in jumps)


def leverage_brackets(tiers: Sequence[tuple[float, float]]) -> tuple[MarginBracket, ...]:
    """Brackets from (floor USD, maximum leverage) tiers, as on Hyperliquid.

    The maintenance rate is half the initial margin at maximum leverage, 1 / (2 * leverage); the
    deduction keeps the margin continuous.
    """
    out: list[MarginBracket] = []
    for floor, leverage in tiers:
        rate = 1 / (2 * leverage)
        deduction = out[-1].deduction_usd + floor * (rate - out[-1].rate) if out else 0.0
        out.append(MarginBracket(floor_usd=floor, rate=rate, deduction_usd=deduction))
    return tuple(out)


def break_even_days(*, round_trip_fraction: float, spread_per_year: float) -> float:
    """Days of 365 after which a spread has paid for opening and closing; infinite if it never does."""
    return round_trip_fraction / spread_per_year * 365 if spread_per_year > 0 else inf
