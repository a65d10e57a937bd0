"""From a plan to a list of orders: sides, sizes a venue accepts, price bounds. Nothing is sent here.

Positions are rounded toward zero to the venue's step, so that none is larger than planned and no limit
is crossed; then the other side of the base is reduced by the same quantity, as far as its own steps
allow, so that rounding does not leave a base open. A leg without a known step is not rounded.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from typing import Any

import numpy as np
import polars as pl

from funding_pipeline.core.governance import TargetPosition
from funding_pipeline.core.tables import UTC
from funding_pipeline.market_data.instruments import parse_symbol
from funding_pipeline.portfolio.legs import Floats, Ints, Leg, Universe

ORDER_SCHEMA: Mapping[str, pl.DataType | type[pl.DataType]] = {
    "time": UTC,
    "venue": pl.String,
    "symbol": pl.String,
    "side": pl.String,
    "quantity": pl.Float64,
    "reduce_only": pl.Boolean,
    "limit_price": pl.Float64,
    "notional_usd": pl.Float64,
    "reason": pl.String,
}
_PRICE_BOUND_BP = 30.0
_LEG = ("venue", "symbol", "base", "multiplier")


@dataclass(frozen=True)
class _Part:
    """One order of a leg: signed quantity; a turn from long to short is a closing and an opening part."""

    leg: int
    quantity: float
    reduce_only: bool


def order_list(
    legs: pl.DataFrame, instruments: pl.DataFrame, *, price_bound_bp: float = _PRICE_BOUND_BP
) -> pl.DataFrame:
    """Orders that lead from `quantity_before` to `quantity_target`, one row per order, reducing first.

    `legs`: rows of a plan (portfolio.plan.LEG_SCHEMA). `instruments` has the INSTRUMENTS schema; the
    latest row of each instrument known at the plan's time counts. `quantity` is positive, in quoted
    base units; `limit_price` is the worst acceptable price, `price_bound_bp` from the plan's price,
    rounded to the tick on the safe side; `reduce_only` orders can never open a position. Orders that
    round to nothing are left out.
    """
    planned = _with_terms(legs, instruments)
    universe = Universe.of([Leg(*row) for row in planned.select(_LEG).iter_rows()])
    before = planned["quantity_before"].to_numpy()
    steps = planned["quantity_step"].to_list()
    target = rounded_positions(
        planned["quantity_target"].to_numpy(), before=before, steps=steps, universe=universe
    )
    rows = planned.rows(named=True)
    orders = [
        _order(rows[part.leg], part, bound=price_bound_bp * 1e-4)
        for part in _parts(target - before, before=before)
    ]
    frame = pl.DataFrame(orders, schema=dict(ORDER_SCHEMA), orient="row")
    return frame.sort("reduce_only", "venue", "symbol", descending=[True, False, False])


def planned_targets(
    legs: pl.DataFrame, steps: Mapping[tuple[str, str], Decimal | None]
) -> tuple[TargetPosition, ...]:
    """What a plan (portfolio.plan.LEG_SCHEMA) wants held, in the venues' steps, by venue and symbol.

    Rounded as the order list is. Legs without a price are left out: nobody can judge them.
    """
    priced = legs.filter(pl.col("price").is_not_null()).sort("venue", "symbol")
    parsed = [parse_symbol(symbol) for symbol in priced["symbol"]]
    keys = list(zip(priced["venue"], priced["symbol"], strict=True))
    rounded = rounded_positions(
        priced["quantity_target"].to_numpy(),
        before=priced["quantity_before"].to_numpy(),
        steps=[None if step is None else float(step) for step in (steps.get(key) for key in keys)],
        universe=Universe.of([Leg(*key, p.base, p.multiplier) for key, p in zip(keys, parsed, strict=True)]),
    )
    return tuple(
        TargetPosition(*key, p.base, _exact(p.multiplier), _exact(quantity), _exact(price))
        for key, p, quantity, price in zip(keys, parsed, rounded.tolist(), priced["price"], strict=True)
    )


def _exact(number: float) -> Decimal:
    return Decimal(repr(number))


def _with_terms(legs: pl.DataFrame, instruments: pl.DataFrame) -> pl.DataFrame:
    """Legs in the universe's order with multiplier, step and tick as they were known at the plan."""
    key = ["venue", "symbol"]
    times = legs.select(*key, "time").unique()
    latest = (
        instruments.join(times, on=key)
        .filter(pl.col("known_at") <= pl.col("time"))
        .sort("effective_from")
        .group_by(key)
        .agg(pl.col("multiplier", "quantity_step", "price_tick").last())
    )
    joined = legs.join(latest, on=key, how="left").with_columns(pl.col("multiplier").fill_null(1.0))
    return joined.sort(key)


def rounded_positions(
    target: Floats, *, before: Floats, steps: Sequence[float | None], universe: Universe
) -> Floats:
    """Target positions rounded toward zero, with longs and shorts of each base made equal again.

    Only traded legs are touched. What a rounded leg lost is taken off the other side of its base,
    largest first, in steps of those legs; less than one step of the coarsest traded leg can remain.
    A base whose plan does not net to zero is only rounded.
    """
    traded = target != before
    whole = np.array([_toward_zero(q, step) for q, step in zip(target.tolist(), steps, strict=True)])
    out = np.where(traded, whole, target)
    for index in range(len(universe.bases)):
        members = np.flatnonzero(universe.base_index == index)
        units = target[members] * universe.multipliers[members]
        if traded[members].any() and abs(units.sum()) <= 1e-9 * np.abs(units).sum():
            _rebalance(out, free=members[traded[members]], members=members, steps=steps, universe=universe)
    return out


def _rebalance(
    out: Floats,
    *,
    free: Ints,
    members: Ints,
    steps: Sequence[float | None],
    universe: Universe,
) -> None:
    """Shrink the `free` legs on the heavier side of a base, in place, until it nearly nets to zero."""
    units = universe.multipliers
    for leg in sorted(free.tolist(), key=lambda i: (-abs(out[i] * units[i]), i)):
        net = float(out[members] @ units[members])
        if net * out[leg] <= 0:
            continue
        size = abs(float(out[leg]))
        down = _toward_zero(max(size - abs(net) / units[leg], 0.0), steps[leg])
        up = min(down + (steps[leg] or 0.0), size)
        left = {choice: abs(abs(net) - (size - choice) * units[leg]) for choice in (down, up)}
        out[leg] = math.copysign(min(left, key=lambda choice: left[choice]), out[leg])


def _toward_zero(quantity: float, step: float | None) -> float:
    """Largest multiple of `step` not beyond `quantity`; no step: unchanged."""
    return math.copysign(_multiple(abs(quantity), step, ROUND_FLOOR), quantity)


def _multiple(value: float, step: float | None, rounding: str) -> float:
    """`value` >= 0 as a multiple of `step`, in decimal arithmetic.

    A value that is a multiple up to float noise (1e-9 of a step) stays that multiple.
    """
    if not step:
        return value
    unit = Decimal(repr(step))
    count = Decimal(repr(float(value))) / unit
    nearest = count.to_integral_value(ROUND_HALF_EVEN)
    noise = abs(count - nearest) <= Decimal("1e-9")
    return float((nearest if noise else count.to_integral_value(rounding)) * unit)


def _parts(quantity: Floats, *, before: Floats) -> list[_Part]:
    """Orders per leg; one that crosses zero becomes a reduce-only close and an opening."""
    out = []
    for leg in np.flatnonzero(quantity):
        change, held = float(quantity[leg]), float(before[leg])
        if held * change >= 0:
            out.append(_Part(leg=int(leg), quantity=change, reduce_only=False))
        elif abs(change) <= abs(held):
            out.append(_Part(leg=int(leg), quantity=change, reduce_only=True))
        else:
            out.append(_Part(leg=int(leg), quantity=-held, reduce_only=True))
            out.append(_Part(leg=int(leg), quantity=change + held, reduce_only=False))
    return out


def _order(leg: Mapping[str, Any], part: _Part, *, bound: float) -> tuple[object, ...]:
    """A row of ORDER_SCHEMA."""
    price, tick, buy = leg["price"], leg["price_tick"], part.quantity > 0
    limit = (
        _multiple(price * (1 + bound), tick, ROUND_FLOOR)
        if buy
        else _multiple(price * (1 - bound), tick, ROUND_CEILING)
    )
    return (
        leg["time"],
        leg["venue"],
        leg["symbol"],
        "buy" if buy else "sell",
        abs(part.quantity),
        part.reduce_only,
        limit,
        abs(part.quantity) * price,
        leg["reason"],
    )
