"""Maintenance margin of each leg from its venue's leverage tiers, where the venue has told them.

What lives here: one fraction per leg for the plan's linear rules (`margin`). What does not: the exact
margin of a position (`execution.margin`), or what is assumed without tiers (`core.venue_terms`).
"""

from datetime import datetime

import numpy as np
import polars as pl

from funding_pipeline.portfolio.legs import Floats, Universe


def tier_fractions(tiers: pl.LazyFrame, *, universe: Universe, as_of: datetime, largest_usd: float) -> Floats:
    """Per leg the highest rate of the tiers up to `largest_usd`, fraction of notional; NaN where not told.

    `tiers` has the LEVERAGE_TIERS schema; the last ones known at `as_of` (UTC) count. Deductions are left
    out, which asks for too much rather than too little; so do sizes in coins: legs settled in the base are
    NaN.
    """
    known = (
        tiers.filter(pl.col("known_at") <= as_of, pl.col("floor_notional") < largest_usd)
        .filter(pl.col("effective_from") == pl.col("effective_from").max().over("venue", "symbol"))
        .group_by("venue", "symbol")
        .agg(pl.col("maintenance_rate").max())
        .collect()
    )
    rates = {(venue, symbol): rate for venue, symbol, rate in known.iter_rows()}
    found = [
        np.nan if leg.is_inverse else rates.get((leg.venue, leg.symbol), np.nan) for leg in universe.legs
    ]
    return np.array(found, dtype=np.float64)
