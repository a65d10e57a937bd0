"""Why each leg is traded or held, in words that a trader can check against the numbers."""

import numpy as np
import polars as pl

from funding_pipeline.portfolio.legs import Floats, LegInputs

_HOURS_PER_YEAR = 24 * 365


def leg_reasons(*, quantities: Floats, target: Floats, inputs: LegInputs) -> tuple[str, ...]:
    """One text per leg; empty where nothing is held before or after."""
    out = [""] * len(target)
    for i in np.flatnonzero((quantities != 0) | (target != 0)):
        action = _action(float(quantities[i]), float(target[i]))
        view = _view(float(inputs.rate_per_hour[i]), float(target[i]) or float(quantities[i]))
        out[i] = "; ".join(part for part in (f"{action}: {view}", inputs.note[i]) if part)
    return tuple(out)


def with_forecast_reasons(legs: pl.DataFrame, forecasts: pl.DataFrame) -> pl.DataFrame:
    """`legs` of a plan whose `reason` also tells why the forecast is what it is.

    `forecasts`: venue, symbol and `reason` (null: not known), one row per instrument. A leg without a
    view on funding, or whose forecast has no reason, keeps its own.
    """
    because = forecasts.select("venue", "symbol", pl.col("reason").alias("because"))
    told = pl.col("expected_rate_per_hour").is_not_null() & (pl.col("because").fill_null("") != "")
    both = pl.format("{}; because {}", "reason", "because")
    joined = legs.join(because, on=["venue", "symbol"], how="left", maintain_order="left")
    return joined.with_columns(pl.when(told).then(both).otherwise("reason").alias("reason")).drop("because")


def _action(before: float, after: float) -> str:
    if before == after:
        return "hold long" if after > 0 else "hold short"
    if after == 0:
        return "close long" if before > 0 else "close short"
    side = "long" if after > 0 else "short"
    if before == 0:
        return f"open {side}"
    if (before > 0) != (after > 0):
        return f"turn to {side}"
    return f"enlarge {side}" if abs(after) > abs(before) else f"reduce {side}"


def _view(rate_per_hour: float, side: float) -> str:
    """Expected funding of the leg itself; negative where it only hedges."""
    if not np.isfinite(rate_per_hour):
        return "no view on funding"
    earned = -np.sign(side) * rate_per_hour * _HOURS_PER_YEAR
    return f"expects {earned:+.1%} a year of notional"
