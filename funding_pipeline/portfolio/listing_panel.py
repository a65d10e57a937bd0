"""What venues had stated by each decision of a leg's trading: halted, or to end at a date."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from funding_pipeline.portfolio.as_of import as_of_panels
from funding_pipeline.portfolio.legs import Bools, Floats, Universe


@dataclass(frozen=True)
class ListingPanel:
    """Times x legs. `is_halted`: settling, delivering or halted by the venue's own word. `hours_left`: until
    the announced end of trading, NaN where none is announced."""

    is_halted: Bools
    hours_left: Floats


def listing_panel(
    instruments: pl.LazyFrame, *, universe: Universe, times: Sequence[datetime]
) -> ListingPanel:
    """From the terms known at each of `times` (UTC); what is not stated is neither halted nor ending."""
    values = ["is_active", "delists_at"]
    rows = instruments.sort("known_at", "effective_from").select("venue", "symbol", "known_at", *values)
    active, past = as_of_panels(rows.collect(), on="known_at", values=values, universe=universe, times=times)
    return ListingPanel(is_halted=active == 0, hours_left=-past)
