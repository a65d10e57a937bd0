"""Which legs a decision may open or enlarge, which it may only reduce, and which it must close.

A reason is kept for each, so that a plan can say it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.portfolio.legs import Bools, Floats, Universe
from funding_pipeline.portfolio.listing_panel import ListingPanel

_NOTES = (
    "",
    "no own price yet",
    "no own price for long: closed at its last known price",
    "no recent own price: only reducing",
    "no forecast: only reducing",
    "no recent settlement, funding unknown: closed",
    "not proven by prices to be what its name says: only reducing",
    "denied by the user's list: only reducing",
    "halted or settling by its venue's word: only reducing",
    "its venue has announced the end of trading: only reducing",
    "trading ends soon: closed",
)
_CLOSING = (1, 2, 5, 10)


@dataclass(frozen=True)
class Restrictions:
    """Times x legs: may the leg be enlarged, must it be closed, and the code of the reason."""

    may_increase: Bools
    must_close: Bools
    code: NDArray[np.int8]

    def since(self, row: int) -> "Restrictions":
        """The same from time number `row` on."""
        return Restrictions(self.may_increase[row:], self.must_close[row:], self.code[row:])

    def notes(self, index: int) -> tuple[str, ...]:
        """Reason per leg at one time, empty where the leg is free."""
        return tuple(_NOTES[code] for code in self.code[index])


def restrict(
    *,
    price_age_hours: Floats,
    price_fresh: Bools,
    rate: Floats,
    funding_age_hours: Floats,
    is_proven: Bools,
    is_denied: Bools,
    listing: ListingPanel,
    config: PortfolioConfig,
) -> Restrictions:
    """Apply the rules in order; a later one is more severe. NaN ages mean "never seen".

    Times x legs; `is_denied`: per leg."""
    code = np.zeros(rate.shape, dtype=np.int8)
    code[~is_proven] = 6
    code[:, is_denied] = 7
    code[np.isfinite(listing.hours_left)] = 9
    code[listing.is_halted] = 8
    code[~np.isfinite(rate)] = 4
    code[~price_fresh] = 3
    code[~(funding_age_hours <= config.max_funding_age_hours)] = 5
    code[~(price_age_hours <= config.gone_after_hours)] = 2
    code[listing.hours_left <= config.close_before_delisting_hours + config.rebalance_every_hours] = 10
    code[~np.isfinite(price_age_hours)] = 1
    return Restrictions(may_increase=code == 0, must_close=np.isin(code, _CLOSING), code=code)


def venues_open(
    may_increase: Bools, *, times: Sequence[datetime], universe: Universe, config: PortfolioConfig
) -> Bools:
    """Times x venues: True where some leg is usable, or was within `venue_memory_hours` before.

    The memory keeps a short gap in one venue's data from moving capital to and fro.
    """
    usable = (may_increase.astype(np.float64) @ universe.venue_matrix.T) > 0
    hours = np.array([(time - times[0]).total_seconds() / 3600 for time in times])
    last = np.where(usable, hours[:, None], -np.inf)
    recent = np.maximum.accumulate(last, axis=0)
    return np.asarray(hours[:, None] - recent <= config.venue_memory_hours, dtype=np.bool_)
