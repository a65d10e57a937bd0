"""What must be known of an instrument before a position in it may grow. None: not known, never zero.

What lives here: the values. What does not: reading them (`trading`), or judging by them (`verdict`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from funding_pipeline.core.trading import LeverageTier
from funding_pipeline.execution.market_state import MarketState

LegKey = tuple[str, str]
"""(venue, symbol)."""


@dataclass(frozen=True)
class InstrumentFacts:
    """Facts of one instrument, observed at `observed_at` (UTC; the oldest of them).

    `price`: mark, quote units per quoted base unit. Depth: USD resting within 10 bp of mid, per side.
    Steps and minimums in quoted base units, `min_notional` in quote units (None there: no such minimum).
    `tiers`: margin brackets in settle units, () where they are not known.
    """

    venue: str
    symbol: str
    observed_at: datetime | None = None
    price: Decimal | None = None
    bid_depth_10bp_usd: Decimal | None = None
    ask_depth_10bp_usd: Decimal | None = None
    open_interest_usd: Decimal | None = None
    quantity_step: Decimal | None = None
    min_quantity: Decimal | None = None
    min_notional: Decimal | None = None
    tiers: tuple[LeverageTier, ...] = ()

    @property
    def depth_usd(self) -> Decimal | None:
        """Depth of the thinner side within 10 bp: a position has to go out as well as in."""
        if not (is_known_amount(self.bid_depth_10bp_usd) and is_known_amount(self.ask_depth_10bp_usd)):
            return None
        assert self.bid_depth_10bp_usd is not None
        assert self.ask_depth_10bp_usd is not None
        return min(self.bid_depth_10bp_usd, self.ask_depth_10bp_usd)

    def missing(self) -> tuple[str, ...]:
        """Names of what is not known and has to be, in a fixed order."""
        known = {
            "time of observation": self.observed_at is not None,
            "price": is_positive(self.price),
            "depth within 10 bp": self.depth_usd is not None,
            "open interest": is_known_amount(self.open_interest_usd),
            "quantity step": is_positive(self.quantity_step),
            "margin tiers": bool(self.tiers),
        }
        return tuple(name for name, is_known in known.items() if not is_known)


@dataclass(frozen=True)
class MarketFacts:
    """Facts of all instruments, when the model behind the forecasts was trained, and the market's state.

    None: not known.
    """

    instruments: Mapping[LegKey, InstrumentFacts] = field(default_factory=dict)
    model_trained_at: datetime | None = None
    state: MarketState | None = None

    def of(self, key: LegKey) -> InstrumentFacts:
        """Facts of an instrument; one of which nothing is known where it is not in the mapping."""
        return self.instruments.get(key) or InstrumentFacts(*key)


def is_known_amount(number: Decimal | None) -> bool:
    """Told, finite and not negative."""
    return number is not None and number.is_finite() and number >= 0


def is_positive(number: Decimal | None) -> bool:
    """Told, finite and above zero."""
    return number is not None and number.is_finite() and number > 0


def is_finite(number: Decimal | None) -> bool:
    """Told, and a number."""
    return number is not None and number.is_finite()
