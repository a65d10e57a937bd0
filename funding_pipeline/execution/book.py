"""What is held, as the venues told it: one book per account, and all of them together.

What lives here: values and what can be read off them. What does not: measures (`exposure`) or limits. A
quantity that a venue does not tell is None, never zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from funding_pipeline.core.trading import Balance, OrderState, PositionState
from funding_pipeline.execution.market_facts import LegKey, is_finite
from funding_pipeline.market_data.instruments import base_of_leg

ZERO = Decimal(0)


@dataclass(frozen=True)
class VenueBook:
    """One account as its venue told it at `at` (UTC). `equity_usd`: None where the venue does not say.

    `marks`: quote units per quoted base unit, by symbol; also of symbols that are not held.
    """

    venue: str
    at: datetime
    equity_usd: Decimal | None
    balances: tuple[Balance, ...] = ()
    positions: tuple[PositionState, ...] = ()
    marks: Mapping[str, Decimal] = field(default_factory=dict)
    open_orders: tuple[OrderState, ...] = ()

    def held(self, symbol: str) -> Decimal:
        """Signed quantity held; zero where the venue's list of positions has none."""
        return sum((p.quantity for p in self.positions if p.symbol == symbol), ZERO)


@dataclass(frozen=True)
class BookState:
    """All accounts at `at` (UTC), with what limits over time need. None: not known.

    `betas`: to BTC, by base. `multipliers`: base units per quoted unit by (venue, symbol), where the symbol
    alone does not tell. Of the day (UTC): equity at its start, and notional traded since.
    `expected_venues`: venues that must have a book here; one that is missing is unknown, not empty.
    """

    at: datetime
    venues: Mapping[str, VenueBook]
    betas: Mapping[str, float] = field(default_factory=dict)
    multipliers: Mapping[LegKey, Decimal] = field(default_factory=dict)
    equity_at_day_start_usd: Decimal | None = None
    peak_equity_usd: Decimal | None = None
    turnover_today_usd: Decimal | None = None
    expected_venues: frozenset[str] = frozenset()

    @property
    def missing_venues(self) -> tuple[str, ...]:
        """Venues that should be here and are not."""
        return tuple(sorted(self.expected_venues - set(self.venues)))

    @property
    def equity_usd(self) -> Decimal | None:
        """Sum over the venues; None where a venue is missing or does not say."""
        told = [book.equity_usd for book in self.venues.values()]
        if self.missing_venues or not told or any(not is_finite(equity) for equity in told):
            return None
        return sum((equity for equity in told if equity is not None), ZERO)

    @property
    def positions(self) -> tuple[PositionState, ...]:
        """All that is held, by venue and symbol."""
        found = [p for book in self.venues.values() for p in book.positions if p.quantity != 0]
        return tuple(sorted(found, key=lambda p: (p.venue, p.symbol)))

    def identity(self, key: LegKey) -> tuple[str, Decimal]:
        """Base and multiplier of an instrument; the symbol itself as base where it cannot be read."""
        base, multiplier = base_of_leg(key[1])
        return base, self.multipliers.get(key, multiplier)

    def collateral_by_currency(self) -> dict[str, Decimal]:
        """Wallets by currency over all venues, in units of the currency; untold wallets are left out."""
        totals: dict[str, Decimal] = {}
        for balance in (b for book in self.venues.values() for b in book.balances):
            wallet = balance.wallet
            if wallet is not None and wallet.is_finite():
                totals[balance.currency] = totals.get(balance.currency, ZERO) + wallet
        return totals
