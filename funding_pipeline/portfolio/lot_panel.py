"""Lot sizes and minimums of orders as venues had stated them by each decision.

What lives here: the panel, and a universe as of one decision. What does not: rounding to lots (`lots`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import polars as pl

from funding_pipeline.portfolio.as_of import as_of_panels
from funding_pipeline.portfolio.legs import Floats, Universe

_STATED = ("quantity_step", "min_quantity", "min_notional")


@dataclass(frozen=True)
class LotPanel:
    """`stated`: `_STATED` x times x legs, in the units of `Leg`; zero: not known by then, or none."""

    stated: Floats

    def stated_in(self, universe: Universe, index: int) -> Universe:
        """`universe` as of the decision `index`; the same object where nothing differs."""
        values = self.stated[:, index].T
        legs = tuple(
            replace(leg, quantity_step=float(step), min_quantity=float(least), min_notional=float(worth))
            for leg, (step, least, worth) in zip(universe.legs, values, strict=True)
        )
        return universe if legs == universe.legs else Universe(legs)

    def key(self, index: int) -> bytes:
        """The same for decisions with the same lots."""
        return self.stated[:, index].tobytes()


def lot_panel(instruments: pl.LazyFrame, *, universe: Universe, times: Sequence[datetime]) -> LotPanel:
    """From the terms known at each of `times` (UTC)."""
    columns = ["venue", "symbol", "known_at", *_STATED]
    frame = instruments.sort("known_at", "effective_from").select(columns).collect()
    panels = as_of_panels(frame, on="known_at", values=list(_STATED), universe=universe, times=times)
    return LotPanel(np.nan_to_num(np.stack(panels)))
