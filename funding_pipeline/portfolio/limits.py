"""The hard limits of a portfolio in USD, and the check whether a set of positions keeps them.

The optimiser, the fallback, the baselines and the tests all use this one definition. Positions are
signed notional in USD at each leg's own price.
"""

from dataclasses import dataclass

import numpy as np

from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.portfolio.legs import Bools, Floats, LegInputs, Universe


@dataclass(frozen=True)
class Limits:
    """Bounds for one decision. `lower` <= notional <= `upper` per leg; the rest per venue, USD.

    `base_units` turns own notional into notional at the cross-venue price, so that the sum over a
    base is zero exactly when its net quantity is zero, and stays so when prices move.
    """

    universe: Universe
    lower: Floats
    upper: Floats
    base_units: Floats
    beta: Floats
    venue_gross: Floats
    venue_beta: Floats
    delta_fraction: float
    gross_cap: float

    def violations(self, notional: Floats, *, tolerance_usd: float = 1e-3) -> tuple[str, ...]:
        """Names of the limits that `notional` breaks by more than `tolerance_usd`; empty: none."""
        out = []
        legs, u = self.universe.legs, self.universe
        outside = (notional < self.lower - tolerance_usd) | (notional > self.upper + tolerance_usd)
        out += [f"leg_cap:{legs[i].name}" for i in np.flatnonzero(outside)]
        net = np.abs(u.base_matrix @ (notional * self.base_units))
        out += [f"base_neutral:{u.bases[i]}" for i in np.flatnonzero(net > tolerance_usd)]
        gross = u.venue_matrix @ np.abs(notional)
        out += [
            f"venue_gross:{u.venues[i]}" for i in np.flatnonzero(gross > self.venue_gross + tolerance_usd)
        ]
        beta = np.abs(u.venue_matrix @ (notional * self.beta))
        out += [f"venue_beta:{u.venues[i]}" for i in np.flatnonzero(beta > self.venue_beta + tolerance_usd)]
        total = float(np.abs(notional).sum())
        if abs(float(notional.sum())) > self.delta_fraction * total + tolerance_usd:
            out.append("portfolio_delta")
        if total > self.gross_cap + tolerance_usd:
            out.append("gross_cap")
        return tuple(out)

    def binding(self, notional: Floats, *, within: float = 1e-3) -> tuple[str, ...]:
        """Names of the leg, gross and beta limits that are used to within a fraction `within`."""
        u = self.universe
        cap = np.where(notional > 0, self.upper, -self.lower)
        used = (np.abs(notional) > 0) & (np.abs(notional) >= cap * (1 - within))
        out = [f"leg_cap:{u.legs[i].name}" for i in np.flatnonzero(used)]
        gross = u.venue_matrix @ np.abs(notional)
        full = (gross > 0) & (gross >= self.venue_gross * (1 - within))
        out += [f"venue_gross:{u.venues[i]}" for i in np.flatnonzero(full)]
        beta = np.abs(u.venue_matrix @ (notional * self.beta))
        edge = (beta > 0) & (beta >= self.venue_beta * (1 - within))
        return tuple(out + [f"venue_beta:{u.venues[i]}" for i in np.flatnonzero(edge)])


def even_budgets(venue_open: Bools, *, config: PortfolioConfig) -> Floats:
    """Gross budget of each venue, USD: an even share for every open venue, zero for the others.

    The last axis of `venue_open` is the venues; any axes may go before.
    """
    count = np.maximum(venue_open.sum(axis=-1, keepdims=True), 1)
    return np.where(venue_open, config.gross_cap_usd / count, 0.0).astype(np.float64)


def limits_for(
    universe: Universe,
    *,
    inputs: LegInputs,
    thin: Bools,
    current_usd: Floats,
    config: PortfolioConfig,
) -> Limits:
    """Limits for a decision on top of `current_usd`. Zero always keeps all of them.

    A leg that may not be increased is bounded by zero and its present size; one that must close, or
    has no price, by zero on both sides.
    """
    budget = even_budgets(inputs.venue_open, config=config)
    fraction = np.where(thin, config.thin_leg_cap_fraction, config.leg_cap_fraction)
    cap = fraction * budget[universe.venue_index]
    upper = np.where(inputs.may_increase, cap, np.clip(current_usd, 0.0, cap))
    lower = np.where(inputs.may_increase, -cap, np.clip(current_usd, -cap, 0.0))
    closed = inputs.must_close | ~np.isfinite(inputs.price)
    ratio = inputs.reference_price / inputs.price
    return Limits(
        universe=universe,
        lower=np.where(closed, 0.0, lower),
        upper=np.where(closed, 0.0, upper),
        base_units=np.where(np.isfinite(ratio) & (ratio > 0), ratio, 1.0),
        beta=np.where(np.isfinite(inputs.beta), inputs.beta, 1.0),
        venue_gross=budget,
        venue_beta=config.venue_beta_band_fraction * budget,
        delta_fraction=config.portfolio_delta_band_fraction,
        gross_cap=config.gross_cap_usd,
    )
