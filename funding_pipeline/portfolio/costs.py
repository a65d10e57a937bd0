"""Trading cost of each leg, used alike by the decision and by the ledger.

cost of a trade of x USD = |x| * (fee + half_spread) + impact_per_usd * x**2; the half-spread and the
impact are paid in the fill price, the fee apart.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from funding_pipeline.core.venue_terms import VenueTerms, terms_of
from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.portfolio.legs import Bools, Floats, Ints, Universe


@dataclass(frozen=True)
class LegCosts:
    """One entry per leg: `fee` and `half_spread` fractions of notional, `impact_per_usd` fraction per USD."""

    fee: Floats
    half_spread: Floats
    impact_per_usd: Floats
    thin: Bools

    def of(self, legs: Ints) -> "LegCosts":
        """The same for some of the legs."""
        return LegCosts(self.fee[legs], self.half_spread[legs], self.impact_per_usd[legs], self.thin[legs])

    @property
    def linear(self) -> Floats:
        """Cost of a small trade, fraction of notional."""
        return self.fee + self.half_spread

    def slippage_fraction(self, trade_usd: Floats) -> Floats:
        """How far a fill is from the mark, fraction of price, for trades of `trade_usd` (signed USD)."""
        return self.half_spread + self.impact_per_usd * np.abs(trade_usd)

    def total_usd(self, trade_usd: Floats) -> float:
        """Fee, half-spread and impact of all trades, USD, positive."""
        size = np.abs(trade_usd)
        return float(np.sum(size * self.linear + self.impact_per_usd * size**2))


def leg_costs(universe: Universe, *, terms: Mapping[str, VenueTerms], config: PortfolioConfig) -> LegCosts:
    """Costs of every leg from its venue's terms; thin books have more impact and their own spread."""
    own = [(terms_of(leg.venue, terms), leg.base) for leg in universe.legs]
    taker = config.fee_kind == "taker"
    fee = np.array([t.taker_fee_bp if taker else t.maker_fee_bp for t, _ in own], dtype=np.float64) * 1e-4
    spread = np.array([t.half_spread(base) if taker else 0.0 for t, base in own], dtype=np.float64)
    thin = np.array([t.is_thin(base) for t, base in own], dtype=np.bool_)
    impact = config.impact_bp_per_100k_usd * 1e-4 / 1e5 if taker else 0.0
    return LegCosts(
        fee=fee,
        half_spread=spread,
        impact_per_usd=np.where(thin, impact * config.thin_impact_multiplier, impact).astype(np.float64),
        thin=thin,
    )
