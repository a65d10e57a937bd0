"""Maintenance margin of positions: by a venue's leverage tiers as known then, else its assumed fraction.

What lives here: the formula as arrays over hours x legs. What does not: whose equity it is compared
with (`liquidation`); the exact decimal version that stands before real orders (`execution.margin`).
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from funding_pipeline.core.venue_terms import VenueTerms, terms_of
from funding_pipeline.portfolio.legs import Bools, Floats, Universe


@dataclass(frozen=True)
class MaintenanceTable:
    """Tiers of every leg at one time, legs x tiers, ascending by `floor` (infinite where there is none).

    Margin in settle units = size * `rate` - `deduction` of the last tier whose floor the size exceeds;
    the size of an inverse contract is its base quantity, of a linear one its notional.
    """

    inverse: Bools
    floor: Floats
    rate: Floats
    deduction: Floats

    def margin_usd(self, quantity: Floats, price: Floats) -> Floats:
        """USD per leg for `quantity` (legs) at `price` (... x legs); unknown prices need no margin."""
        known = np.where(np.isfinite(price), price, 0.0)
        worth = np.abs(quantity) * known
        if self.floor.shape[1] == 1:
            return np.asarray(worth * self.rate[:, 0], dtype=np.float64)
        size = np.where(self.inverse, np.abs(quantity), worth)
        tier = np.maximum((size[..., None] > self.floor).sum(axis=-1) - 1, 0)
        legs = np.arange(len(quantity))
        margin = size * self.rate[legs, tier] - self.deduction[legs, tier]
        return np.asarray(np.where(self.inverse, margin * known, margin), dtype=np.float64)


@dataclass(frozen=True)
class MaintenanceHistory:
    """Tables by the moment from which they were known; the first has no tiers, only assumptions."""

    known_from: tuple[datetime, ...]
    tables: tuple[MaintenanceTable, ...]

    def at(self, time: datetime) -> MaintenanceTable:
        """What was known at `time`."""
        return self.tables[bisect_right(self.known_from, time)]


def maintenance_history(
    universe: Universe, *, terms: Mapping[str, VenueTerms], tiers: pl.LazyFrame | None = None
) -> MaintenanceHistory:
    """Margins over time. `tiers`: rows of LEVERAGE_TIERS; null where a market has recorded none.

    A leg has tiers from the `known_at` of its rows on; the rows of its latest `effective_from` count.
    """
    rows = _rows(tiers, universe=universe)
    moments = tuple(sorted(rows["known_at"].unique().to_list()))
    known = [rows.clear(), *(rows.filter(pl.col("known_at") <= moment) for moment in moments)]
    return MaintenanceHistory(
        known_from=moments, tables=tuple(_table(universe, terms=terms, rows=part) for part in known)
    )


def _rows(tiers: pl.LazyFrame | None, *, universe: Universe) -> pl.DataFrame:
    columns = [
        "venue",
        "symbol",
        "floor_notional",
        "maintenance_rate",
        "deduction",
        "effective_from",
        "known_at",
    ]
    if tiers is None:
        return pl.DataFrame(schema=dict.fromkeys(columns))
    names = pl.DataFrame(
        [(leg.venue, leg.symbol) for leg in universe.legs], schema=["venue", "symbol"], orient="row"
    )
    return tiers.join(names.lazy(), on=["venue", "symbol"], how="semi").select(columns).collect()


def _table(universe: Universe, *, terms: Mapping[str, VenueTerms], rows: pl.DataFrame) -> MaintenanceTable:
    per_leg = []
    for leg in universe.legs:
        own = rows.filter((pl.col("venue") == leg.venue) & (pl.col("symbol") == leg.symbol))
        own = own.filter(pl.col("effective_from") == pl.col("effective_from").max()).sort("floor_notional")
        stated = own.select("floor_notional", "maintenance_rate", "deduction").rows()
        assumed = terms_of(leg.venue, terms).maintenance_fraction(leg.base)
        per_leg.append(stated or [(0.0, assumed, 0.0)])
    most = max(len(own) for own in per_leg)
    return MaintenanceTable(
        inverse=universe.inverse,
        floor=_padded(per_leg, 0, length=most, fill=np.inf),
        rate=_padded(per_leg, 1, length=most, fill=0.0),
        deduction=_padded(per_leg, 2, length=most, fill=0.0),
    )


def _padded(
    per_leg: Sequence[Sequence[tuple[float, ...]]], column: int, *, length: int, fill: float
) -> Floats:
    return np.array([[row[column] for row in own] + [fill] * (length - len(own)) for own in per_leg])
