"""How much capital the strategy carries, read from runs with other capital.

What lives here: the reading of a curve. What does not: the runs (`studies`).
"""

from typing import Any

import polars as pl

_KEPT = 0.5
_POINT = ("capital_usd", "net_usd", "net_return_annual", "mean_gross_usd", "turnover")


def capacity(runs: pl.DataFrame) -> dict[str, Any]:
    """`runs`: one row per capital (`value` times the reference). Plain data, amounts in USD.

    `capital_usd`: the largest studied capital, counted from the smallest on without a gap, on which the net
    return is above zero and at least half of the reference's; null where the reference earns nothing.
    `is_largest_studied`: the curve ends before it falls that far. `most_profit_capital_usd`: where the net
    profit in USD is largest.
    """
    curve = runs.sort("capital_usd")
    points = curve.select(_POINT).to_dicts()
    reference = curve.filter(pl.col("value") == 1.0)["net_return_annual"]
    return_at_one = float(reference[0]) if len(reference) else 0.0
    kept = None
    for point in points:
        if return_at_one <= 0 or point["net_return_annual"] < _KEPT * return_at_one:
            break
        kept = point["capital_usd"]
    most = max(points, key=lambda point: point["net_usd"]) if points else None
    return {
        "capital_usd": kept,
        "rule": "net return on capital above zero and at least half of that on the back-test's capital",
        "is_largest_studied": kept is not None and kept == points[-1]["capital_usd"],
        "most_profit_capital_usd": most["capital_usd"] if most and most["net_usd"] > 0 else None,
        "points": points,
    }
