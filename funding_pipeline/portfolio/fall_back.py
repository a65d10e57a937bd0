"""Positions to hold when there is no optimum: as they are, or smaller. Never anything new.

What lives here: shrinking without a solver. What does not: the solver's own way to reduce (`conflicts`).
"""

import numpy as np

from funding_pipeline.portfolio.legs import Bools, Floats
from funding_pipeline.portfolio.limits import Limits

_DUST_USD = 0.02


def reduce_to_limits(notional: Floats, *, limits: Limits) -> Floats:
    """Shrink positions until every limit is kept, never opening anything.

    A base with a leg that has to close, or whose net quantity is not zero, is closed as a whole; the
    rest is multiplied by one factor. Every limit is a bound around zero, so such a factor exists.
    """
    u = limits.universe
    forced = (notional > 0) & (limits.upper <= 0) | (notional < 0) & (limits.lower >= 0)
    net = np.abs(u.base_matrix @ (notional * limits.base_units))
    bad_base = ((u.base_matrix * forced).sum(axis=1) > 0) | (net > limits.base_net + _DUST_USD)
    out = np.where(bad_base[u.base_index], 0.0, notional)
    bound = np.where(out > 0, limits.upper, -limits.lower)
    used = [
        _usage(np.abs(out), bound),
        _usage(u.venue_matrix @ np.abs(out), limits.venue_gross),
        _usage(np.abs(u.venue_matrix @ (out * limits.beta)), limits.venue_beta),
        _usage(u.base_matrix @ np.abs(out), limits.base_gross),
        _usage(np.abs(u.currency_matrix @ out), np.full(len(u.currencies), limits.currency_net)),
        _usage(limits.margin.maintenance_usd(out), limits.margin.margin_cap_usd),
        _usage(limits.margin.survival_usd(out), limits.margin.collateral_usd[u.venue_index]),
        float(np.abs(out).sum()) / limits.gross_cap,
        limits.scenario_cvar(out) / limits.scenario_cap,
    ]
    out = out / max(1.0, max(used))
    if abs(float(out.sum())) > limits.delta_allowed(out) + _DUST_USD:
        return np.zeros_like(out)
    return out


def reduce_around(notional: Floats, *, frozen: Bools, limits: Limits) -> Floats:
    """The same for the legs that can be traded, as if the frozen ones were not there; these stay."""
    rest = reduce_to_limits(np.where(frozen, 0.0, notional), limits=limits)
    return np.where(frozen, notional, rest)


def _usage(value: Floats, bound: Floats) -> float:
    """Largest value / bound, where there is a value; infinite for a value over a zero bound."""
    some = value > 0
    ratio = np.divide(value, bound, out=np.full_like(value, np.inf), where=bound > 0)
    return float(ratio[some].max(initial=0.0))
