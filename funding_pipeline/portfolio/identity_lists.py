"""Which instruments a decision may trade as what their names say: by prices, and by the user's own lists.

What lives here: the lists, and the panel that a plan's restrictions take. What does not: the evidence
(`market_data.identity`).
"""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from funding_pipeline.market_data.identity import PROVEN
from funding_pipeline.market_data.instruments import parse_symbol
from funding_pipeline.portfolio.as_of import as_of_panels
from funding_pipeline.portfolio.legs import Bools, Leg, Universe


class IdentityLists(BaseModel):
    """`[identity]` of funding.toml. An entry is a base (`CAT`) or an instrument (`gate CAT/USDT:USDT`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    deny: tuple[str, ...] = Field(default=(), description="never opened: bases, or `venue SYMBOL`")
    allow: tuple[str, ...] = Field(
        default=(),
        description="taken as proven without prices; read although it is on no coin (`venue SYMBOL`)",
    )

    def denied(self, universe: Universe) -> Bools:
        """Per leg, whether it is on the list `deny`."""
        return _listed(self.deny, universe)

    def allowed(self, universe: Universe) -> Bools:
        """Per leg, whether it is on the list `allow`."""
        return _listed(self.allow, universe)


def proven_panel(instruments: pl.LazyFrame, *, universe: Universe, times: Sequence[datetime]) -> Bools:
    """Times x legs: whether prices had proven by then that the leg is what its name says."""
    proven = (pl.col("identity") == PROVEN).fill_null(value=False).cast(pl.Float64).alias("proven")
    rows = instruments.sort("known_at", "effective_from").select("venue", "symbol", "known_at", proven)
    (panel,) = as_of_panels(rows.collect(), on="known_at", values=["proven"], universe=universe, times=times)
    return np.asarray(np.nan_to_num(panel) > 0, dtype=np.bool_)


def _listed(entries: Sequence[str], universe: Universe) -> Bools:
    return np.array([any(name in entries for name in _names(leg)) for leg in universe.legs], dtype=np.bool_)


def _names(leg: Leg) -> tuple[str, ...]:
    return leg.base, parse_symbol(leg.symbol).base, f"{leg.venue} {leg.symbol}"
