"""How much of each venue's equity its positions needed as margin, decision by decision.

What lives here: the arrays of a run and their table. What does not: following the hours (`liquidation`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from funding_pipeline.core.tables import UTC
from funding_pipeline.portfolio.legs import Floats
from funding_pipeline.validation.liquidation import MarginUse, used_fraction

MARGIN_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "time": UTC,
    "venue": pl.String,
    "equity_usd": pl.Float64,
    "maintenance_usd": pl.Float64,
    "used_fraction": pl.Float64,
    "worst_used_fraction": pl.Float64,
}


@dataclass(frozen=True)
class MarginHistory:
    """Decisions x venues. `equity_usd` and `maintenance_usd` right after the decision; `used` the highest
    maintenance / equity from then to the next decision, at whole hours; `worst` the same inside them."""

    equity_usd: Floats
    maintenance_usd: Floats
    used: Floats
    worst: Floats

    @classmethod
    def empty(cls, *, decisions: int, venues: int) -> "MarginHistory":
        """Zeros, to be filled in by `decided` and `seen`."""
        return cls(*np.zeros((4, decisions, venues)))

    def decided(self, decision: int, *, equity_usd: Floats, maintenance_usd: Floats) -> None:
        """What a decision left on the venues."""
        self.equity_usd[decision] = equity_usd
        self.maintenance_usd[decision] = maintenance_usd
        now = used_fraction(equity_usd, maintenance_usd)
        self.used[decision], self.worst[decision] = now, now

    def seen(self, decision: int, use: MarginUse) -> None:
        """Margin used during a step after `decision`; nothing before the first one."""
        if decision >= 0:
            self.used[decision] = np.maximum(self.used[decision], use.used)
            self.worst[decision] = np.maximum(self.worst[decision], np.maximum(use.used, use.worst))

    def frame(self, *, times: Sequence[datetime], venues: Sequence[str]) -> pl.DataFrame:
        """One row per decision and venue; fractions are 10 where they are more, or no equity is left."""
        values = (self.equity_usd, self.maintenance_usd, self.used, self.worst)
        return pl.DataFrame(
            {
                "time": pl.Series(list(times), dtype=UTC).gather(
                    np.repeat(np.arange(len(times)), len(venues))
                ),
                "venue": list(venues) * len(times),
                **{name: array.ravel() for name, array in zip(list(MARGIN_SCHEMA)[2:], values, strict=True)},
            },
            schema=MARGIN_SCHEMA,
        )
