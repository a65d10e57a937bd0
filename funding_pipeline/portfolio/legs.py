"""The legs that a portfolio may hold and what is known about each at one decision.

Arrays are in the order of the universe (one entry per leg). What does not live here: reading tables
(`panels`) and choosing positions (`optimiser`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Leg:
    """One instrument: `multiplier` base units per quoted unit, `is_inverse` settled in the base."""

    venue: str
    symbol: str
    base: str
    multiplier: float = 1.0
    is_inverse: bool = False

    @property
    def name(self) -> str:
        """Venue and symbol, as reports print it."""
        return f"{self.venue} {self.symbol}"


@dataclass(frozen=True)
class Universe:
    """All legs of a run, fixed for the run, sorted by venue and symbol."""

    legs: tuple[Leg, ...]

    @classmethod
    def of(cls, legs: Sequence[Leg]) -> "Universe":
        """The universe of `legs`, in canonical order."""
        return cls(legs=tuple(sorted(legs, key=lambda leg: (leg.venue, leg.symbol))))

    def __len__(self) -> int:
        """Number of legs."""
        return len(self.legs)

    @cached_property
    def venues(self) -> tuple[str, ...]:
        """Distinct venues, sorted."""
        return tuple(sorted({leg.venue for leg in self.legs}))

    @cached_property
    def bases(self) -> tuple[str, ...]:
        """Distinct bases, sorted."""
        return tuple(sorted({leg.base for leg in self.legs}))

    @cached_property
    def venue_index(self) -> Ints:
        """Position of each leg's venue in `venues`."""
        return np.array([self.venues.index(leg.venue) for leg in self.legs], dtype=np.int64)

    @cached_property
    def base_index(self) -> Ints:
        """Position of each leg's base in `bases`."""
        return np.array([self.bases.index(leg.base) for leg in self.legs], dtype=np.int64)

    @cached_property
    def multipliers(self) -> Floats:
        """Base units per quoted unit."""
        return np.array([leg.multiplier for leg in self.legs], dtype=np.float64)

    @cached_property
    def inverse(self) -> Bools:
        """True where the contract is settled in its base."""
        return np.array([leg.is_inverse for leg in self.legs], dtype=np.bool_)

    @cached_property
    def venue_matrix(self) -> Floats:
        """Venues x legs, 1 where the leg is on the venue."""
        return _membership(self.venue_index, len(self.venues))

    @cached_property
    def base_matrix(self) -> Floats:
        """Bases x legs, 1 where the leg is in the base."""
        return _membership(self.base_index, len(self.bases))


def _membership(index: Ints, groups: int) -> Floats:
    return np.asarray(index[None, :] == np.arange(groups)[:, None], dtype=np.float64)


@dataclass(frozen=True)
class LegInputs:
    """What a decision at `as_of` (UTC) may know, one entry per leg; NaN means unknown.

    `price` last known own price (quote units per quoted unit); `reference_price` cross-venue price of
    the base in the same units; `may_increase` and `must_close` by the rules of `panels`, with `note`
    saying why a leg is restricted; `rate_per_hour` the mean forecast and `rate_sd` its standard
    deviation (fraction of notional per hour); `beta` to BTC; `basis_sd` of the basis against the
    cross-venue price (fraction); `price_sd_per_decision` of the own log price between two decisions;
    `venue_open` one entry per venue: True where the venue has a share of the capital.
    """

    as_of: datetime
    price: Floats
    reference_price: Floats
    may_increase: Bools
    must_close: Bools
    note: tuple[str, ...]
    rate_per_hour: Floats
    rate_sd: Floats
    beta: Floats
    basis_sd: Floats
    price_sd_per_decision: Floats
    venue_open: Bools

    def of(self, legs: Ints, *, venues: Ints) -> "LegInputs":
        """The same for some of the legs and the venues (positions) that they are on."""
        arrays = {
            field.name: getattr(self, field.name)[legs]
            for field in fields(self)
            if field.name not in ("as_of", "note", "venue_open")
        }
        note = tuple(self.note[i] for i in legs)
        return LegInputs(as_of=self.as_of, note=note, venue_open=self.venue_open[venues], **arrays)
