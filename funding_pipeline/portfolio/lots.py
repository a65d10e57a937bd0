"""Quantities that can be ordered: whole lots, by making positions smaller, never larger.

What lives here: from USD to quantities, and rounding them so that limits still hold. What does not: how an
order is cut and priced (`execution`).

Every traded leg is cut to a whole number of its venue's steps; then the heavier side of each base is cut,
finest steps first, until what is left of its net is below the finest step that can be cut.
"""

from dataclasses import replace

import numpy as np

from funding_pipeline.portfolio.legs import Bools, Floats, Ints, Universe
from funding_pipeline.portfolio.limits import Limits

_ROUNDING = 1e-4  # of what is traded in a base; more than the solver ever leaves
_WHOLE = 1e-9  # a quantity this close to a whole number of steps is one


def in_lots(
    target: Floats, *, quantities: Floats, price: Floats, universe: Universe, frozen: Bools | None = None
) -> Floats:
    """`target` quantities (signed, quoted units) in whole lots; legs that are not traded keep theirs.

    A leg whose steps are not known is not cut, and takes up what others leave. A position or trade
    below the venue's least order is not opened; a position is closed whole, and then a hedge that was not
    to be traded is cut as well, unless it is `frozen`.
    """
    movable = np.ones(len(target), dtype=np.bool_) if frozen is None else ~frozen
    steps = universe.quantity_steps
    traded = target != quantities
    out = np.where(traded & (steps > 0), _cut(target, steps), target)
    out = np.where(traded & _too_small(out, price=price, universe=universe), 0.0, out)
    for base in range(len(universe.bases)):
        members = np.flatnonzero(universe.base_index == base)
        if traded[members].any():
            _balance(out, members, movable=traded, universe=universe)
            if _is_unbalanced(out, members, universe=universe):
                _balance(out, members, movable=movable, universe=universe)
    return out


def exact_quantities(target_usd: Floats, *, quantities: Floats, price: Floats, limits: Limits) -> Floats:
    """Quantities of `target_usd`; untraded legs keep theirs, and each base nets to zero exactly.

    The solver's rounding (about 1e-6 of a leg) is put on the most traded leg of the base. A net that frozen
    legs leave stays, and so does one that is no rounding: there, no plan could be neutral.
    """
    u = limits.universe
    current = np.where(np.isfinite(price), quantities * np.nan_to_num(price), 0.0)
    per_unit = limits.base_units * price / u.multipliers
    wanted = np.divide(target_usd, price, out=np.zeros_like(target_usd), where=target_usd != 0)
    out = np.where(target_usd != current, wanted, quantities)
    size = np.abs(target_usd - current) * (target_usd != 0)
    for index in range(len(u.bases)):
        members = np.flatnonzero(u.base_index == index)
        if not size[members].any():
            continue
        most = members[np.argmax(size[members])]
        net = float(out[members] @ u.multipliers[members]) - limits.base_target[index] / per_unit[most]
        if abs(net) * per_unit[most] <= max(_ROUNDING * float(size[members].sum()), 5 * limits.tolerance_usd):
            out[most] -= net / u.multipliers[most]
    return out


def with_room_for_lots(limits: Limits, *, price: Floats, lots: float = 2.0) -> Limits:
    """`limits` for the optimiser, inside by so many lots per leg that cutting hardly ever breaks them.

    Cutting makes positions smaller: caps and gross only gain. A venue's beta, a currency's and the
    portfolio's net move by the lots that are cut. At most half of a band is given away.
    """
    beta, net = (lots * moved for moved in _moved_by_lots(limits, price=price))
    total = float(net.sum())
    if not total:
        return limits
    return replace(
        limits,
        venue_beta=limits.venue_beta - np.minimum(beta, limits.venue_beta / 2),
        currency_net=limits.currency_net - min(float(net.max()), limits.currency_net / 2),
        delta_cap=limits.delta_cap - min(total, limits.delta_cap / 2),
    )


def as_lots_allow(limits: Limits, *, price: Floats) -> Limits:
    """`limits` where a band that is narrower than one lot of each of its legs is as wide as those."""
    beta, net = _moved_by_lots(limits, price=price)
    return replace(
        limits,
        venue_beta=np.maximum(limits.venue_beta, beta),
        currency_net=max(limits.currency_net, float(net.max(initial=0.0))),
        delta_floor=float(net.sum()),
    )


def _moved_by_lots(limits: Limits, *, price: Floats) -> tuple[Floats, Floats]:
    """USD that one lot of every leg is worth: of beta per venue, of notional per currency.

    A leg in fine lots takes up what the others of its base leave, so the base's coarsest lot counts for each.
    """
    u = limits.universe
    worth = u.base_matrix * (u.quantity_steps * np.nan_to_num(price))
    lot = worth.max(axis=1, initial=0.0)[u.base_index]
    return u.venue_matrix @ (lot * np.abs(limits.beta)), u.currency_matrix @ lot


def _cut(quantity: Floats, steps: Floats) -> Floats:
    """Toward zero, to whole steps."""
    safe = np.where(steps > 0, steps, 1.0)
    return np.sign(quantity) * np.floor(np.abs(quantity) / safe + _WHOLE) * safe


def _too_small(quantity: Floats, *, price: Floats, universe: Universe) -> Bools:
    least = np.array([leg.min_quantity for leg in universe.legs])
    worth = np.array([leg.min_notional for leg in universe.legs])
    size = np.abs(quantity)
    return (size > 0) & ((size < least) | (size * np.nan_to_num(price) < worth))


def _is_unbalanced(quantity: Floats, members: Ints, *, universe: Universe) -> bool:
    """True where the net of a base is more than one of its coarsest steps."""
    units = universe.multipliers[members]
    net = abs(float(quantity[members] @ units))
    return (
        net > (1 + 1e-9) * float((universe.quantity_steps[members] * units).max(initial=0.0)) + _WHOLE * net
    )


def _balance(out: Floats, members: Ints, *, movable: Bools, universe: Universe) -> None:
    """Cut the heavier side of one base in place, until no step fits into what is left of its net."""
    units, steps = universe.multipliers, universe.quantity_steps
    free = [int(i) for i in members if movable[i]]
    for leg in sorted(free, key=lambda i: -steps[i] * units[i]):
        net = float(out[members] @ units[members])
        if net * out[leg] <= 0:
            continue  # not on the heavier side
        excess = min(abs(net) / units[leg], abs(out[leg]))
        cut = excess if steps[leg] == 0 else np.floor(excess / steps[leg] + _WHOLE) * steps[leg]
        out[leg] -= np.sign(out[leg]) * cut
