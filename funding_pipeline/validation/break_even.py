"""The cost at which a run's own trades would have earned nothing.

What lives here: arithmetic on the recorded sources of profit. What does not: trades that adapt to higher
costs (`studies`: cost scenarios decide anew).
"""

from collections.abc import Mapping

_LEGS_OF_A_ROUND_TRIP = 4  # two opened, two closed
COSTS = ("fees", "slippage")


def break_even_cost(pnl: Mapping[str, float], *, traded_usd: float) -> dict[str, float | None]:
    """Multiplier of all costs at which the net of the same trades is zero; `pnl` in USD by source.

    multiplier = (net + costs) / costs, costs = fees + slippage. A round trip opens and closes both legs of a
    pair, so it costs four times the mean cost of traded notional, here in bp of one leg's notional:
    `round_trip_bp_paid` as it was, `round_trip_bp` at break-even. Null without trades or costs; below zero
    where the positions lost before any cost.
    """
    cost = -sum(pnl[name] for name in COSTS)
    if not (cost > 0 and traded_usd > 0):
        return {"multiplier": None, "round_trip_bp": None, "round_trip_bp_paid": None}
    multiplier = (sum(pnl.values()) + cost) / cost
    paid = _LEGS_OF_A_ROUND_TRIP * 1e4 * cost / traded_usd
    return {"multiplier": multiplier, "round_trip_bp": multiplier * paid, "round_trip_bp_paid": paid}
