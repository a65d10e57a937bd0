"""Trading cost of each leg, used alike by the decision and by the ledger.

cost of a trade of x USD = |x| (fee + half_spread) + impact_per_root_usd |x|^1.5, where
impact_per_root_usd = b sigma_day / sqrt(V_day): the square-root law of market impact (Almgren, Thum,
Hauptmann and Li, "Direct estimation of equity market impact", 2005; Toth et al., "Anomalous price
impact", 2011). The half-spread and the impact are paid in the fill price, the fee apart. What does not
live here: which fee, spread and part of a trade a scenario assumes (`cost_scenarios`).
"""

from dataclasses import dataclass

import numpy as np

from funding_pipeline.portfolio.legs import Bools, Floats, Ints


@dataclass(frozen=True)
class LegCosts:
    """Costs of one decision, one entry per leg.

    `fee` and `half_spread`: fractions of notional, expected over the scenario's fills;
    `impact_per_root_usd`: fraction of price per square root of a traded USD; `thin`: a shallow book.
    """

    fee: Floats
    half_spread: Floats
    impact_per_root_usd: Floats
    thin: Bools

    def of(self, legs: Ints) -> "LegCosts":
        """The same for some of the legs."""
        return LegCosts(
            self.fee[legs], self.half_spread[legs], self.impact_per_root_usd[legs], self.thin[legs]
        )

    @property
    def linear(self) -> Floats:
        """Cost of a small trade, fraction of notional."""
        return self.fee + self.half_spread

    def slippage_fraction(self, trade_usd: Floats) -> Floats:
        """How far a fill is from the mark, fraction of price, for trades of `trade_usd` (signed USD)."""
        return self.half_spread + self.impact_per_root_usd * np.sqrt(np.abs(trade_usd))

    def total_usd(self, trade_usd: Floats) -> float:
        """Fee, half-spread and impact of all trades, USD, positive."""
        size = np.abs(trade_usd)
        return float(np.sum(size * (self.fee + self.slippage_fraction(size))))


@dataclass(frozen=True)
class CostPanel:
    """`LegCosts` of every decision: `fee`, `half_spread` and `thin` per leg, impact times x legs."""

    fee: Floats
    half_spread: Floats
    impact_per_root_usd: Floats
    thin: Bools

    def at(self, index: int) -> LegCosts:
        """Costs at decision `index`."""
        return LegCosts(self.fee, self.half_spread, self.impact_per_root_usd[index], self.thin)

    def of(self, legs: Ints) -> "CostPanel":
        """The same for some of the legs."""
        return CostPanel(
            self.fee[legs], self.half_spread[legs], self.impact_per_root_usd[:, legs], self.thin[legs]
        )
