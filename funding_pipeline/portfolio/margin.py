"""How much of a venue's collateral a book uses: maintenance margin, and one leg's adverse move.

What lives here: two linear rules of the governance. What does not: tiers (`execution.margin`, exact per
position), what happens at liquidation (`validation`).

Equity E_v of a venue after the haircut; m_i maintenance margin as a fraction of leg i's notional:

    margin     sum_i m_i |w_i|                                <= max_margin_fraction E_v
    survival   |w_i| (move + m_i (1 + move)) + sum_(j != i) m_j |w_j| <= E_v      for every leg alone
"""

from dataclasses import dataclass

import numpy as np

from funding_pipeline.core.risk_limits import RiskLimits
from funding_pipeline.portfolio.legs import Floats, LegInputs, Universe


@dataclass(frozen=True)
class MarginRule:
    """`collateral_usd` per venue after the haircut; `maintenance` and `survival` per leg, of notional.

    `survival` is what a leg asks for beyond its own maintenance margin: move (1 + m_i).
    """

    universe: Universe
    collateral_usd: Floats
    maintenance: Floats
    survival: Floats
    max_fraction: float

    @property
    def margin_cap_usd(self) -> Floats:
        """Most maintenance margin per venue, USD."""
        return self.max_fraction * self.collateral_usd

    def maintenance_usd(self, notional: Floats) -> Floats:
        """Maintenance margin per venue, USD."""
        return np.asarray(self.universe.venue_matrix @ (np.abs(notional) * self.maintenance))

    def excess_usd(self, notional: Floats) -> Floats:
        """Per venue: maintenance margin above its share of the collateral, negative where it is kept."""
        return self.maintenance_usd(notional) - self.margin_cap_usd

    def survival_usd(self, notional: Floats) -> Floats:
        """Per leg: collateral of its venue that the test move asks for; zero where nothing is held."""
        others = self.maintenance_usd(notional)[self.universe.venue_index]
        return np.where(notional == 0, 0.0, np.abs(notional) * self.survival + others)

    def shortfall_usd(self, notional: Floats) -> Floats:
        """Per leg: what the collateral lacks after the test move; negative where the leg survives it."""
        lacking = self.survival_usd(notional) - self.collateral_usd[self.universe.venue_index]
        return np.where(notional == 0, -np.inf, lacking)


def margin_rule(
    universe: Universe, *, inputs: LegInputs, collateral_usd: Floats, limits: RiskLimits
) -> MarginRule:
    """The rule at one decision. `collateral_usd`: equity per venue; below zero it counts as none."""
    maintenance = inputs.maintenance_fraction
    return MarginRule(
        universe=universe,
        collateral_usd=np.maximum(collateral_usd, 0.0) * (1 - limits.collateral_haircut_fraction),
        maintenance=maintenance,
        survival=limits.survival_move_fraction * (1 + maintenance),
        max_fraction=limits.max_margin_fraction,
    )
