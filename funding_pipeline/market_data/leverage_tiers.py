"""Leverage tiers as effective-dated rows. What does not live here: margins computed from them."""

import polars as pl

from funding_pipeline.core.tables import LEVERAGE_TIERS
from funding_pipeline.market_data.effective_dates import effective_dated

_INSTRUMENT = ["venue", "symbol"]
_VALUES = ("floor_notional", "cap_notional", "maintenance_rate", "deduction", "max_leverage")


def leverage_tiers(observed: pl.DataFrame) -> pl.DataFrame:
    """LEVERAGE_TIERS rows from RAW_LEVERAGE_TIERS: a change of any tier dates all tiers of its instrument.

    The tiers of one observation are one value (a list), so that a tier that disappears is seen to."""
    whole = (
        observed.sort(*_INSTRUMENT, "observed_at", "floor_notional")
        .group_by(*_INSTRUMENT, "observed_at", maintain_order=True)
        .agg(*_VALUES)
        .with_columns(signature=pl.struct(_VALUES).hash(seed=0))
    )
    dated = effective_dated(whole, key=_INSTRUMENT, values=["signature"])
    return LEVERAGE_TIERS.conform(dated.explode(_VALUES))
