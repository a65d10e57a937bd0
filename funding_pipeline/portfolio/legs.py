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
    """One instrument: `multiplier` base units per quoted unit, `is_inverse` settled in the base.

    `currency`: dollar that its price is in. `quantity_step`, `min_quantity` (quoted units) and
    `min_notional` (quote units) of orders; zero: not known, or none.
    """

    venue: str
    symbol: str
    base: str
    multiplier: float = 1.0
    is_inverse: bool = False
    currency: str = "USDT"
    quantity_step: float = 0.0
    min_quantity: float = 0.0
    min_notional: float = 0.0

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
    def currencies(self) -> tuple[str, ...]:
        """Distinct dollars that prices are in, sorted."""
        return tuple(sorted({leg.currency for leg in self.legs}))

    @cached_property
    def venue_currency(self) -> dict[str, str]:
        """The dollar that collateral is held in on each venue: that of most of its legs, first by name."""
        found = {venue: [leg.currency for leg in self.legs if leg.venue == venue] for venue in self.venues}
        return {venue: max(sorted(set(names)), key=names.count) for venue, names in found.items()}

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

    @cached_property
    def currency_matrix(self) -> Floats:
        """Currencies x legs, 1 where the leg's price is in the currency."""
        index = np.array([self.currencies.index(leg.currency) for leg in self.legs], dtype=np.int64)
        return _membership(index, len(self.currencies))

    @cached_property
    def quantity_steps(self) -> Floats:
        """Smallest change of quantity per leg, quoted units; zero: not known."""
        return np.array([leg.quantity_step for leg in self.legs], dtype=np.float64)


def _membership(index: Ints, groups: int) -> Floats:
    return np.asarray(index[None, :] == np.arange(groups)[:, None], dtype=np.float64)


_PER_VENUE = ("venue_open", "venue_basis_sd")


@dataclass(frozen=True)
class LegInputs:
    """What a decision at `as_of` (UTC) may know, one entry per leg; NaN means unknown.

    `price` last known own price (quote units per quoted unit); `reference_price` cross-venue price of
    the base in the same units; `may_increase` and `must_close` by the rules of `panels`, `frozen` where
    nothing can be traded now, with `note` saying why a leg is restricted. `rate_per_hour` the mean forecast
    over the whole horizon and `rate_sd` its standard deviation (fraction of notional per hour); `rate_path`
    stages x legs, the same per stage of the forecast path, `stage_lengths` their lengths;
    `hours_to_settlement` and `settlement_interval_hours` of the next payments. `beta` to BTC; `basis_sd` of a
    day's change of the basis against the cross-venue price (fraction) beyond what is common to its venue;
    `price_sd_per_decision` of the own log price between two decisions. `depth_usd` the thinner side of the
    book within 10 bp; `open_interest_usd`; `daily_volume_usd`; `maintenance_fraction` of notional.
    One entry per venue: `venue_open`, True where the venue has a share of the capital, and `venue_basis_sd`,
    of the change that is common to the venue.
    """

    as_of: datetime
    price: Floats
    reference_price: Floats
    may_increase: Bools
    must_close: Bools
    frozen: Bools
    note: tuple[str, ...]
    rate_per_hour: Floats
    rate_sd: Floats
    rate_path: Floats
    stage_lengths: tuple[float, ...]
    hours_to_settlement: Floats
    settlement_interval_hours: Floats
    beta: Floats
    basis_sd: Floats
    price_sd_per_decision: Floats
    depth_usd: Floats
    open_interest_usd: Floats
    daily_volume_usd: Floats
    maintenance_fraction: Floats
    venue_open: Bools
    venue_basis_sd: Floats

    def of(self, legs: Ints, *, venues: Ints) -> "LegInputs":
        """The same for some of the legs and the venues (positions) that they are on."""
        some = {
            item.name: getattr(self, item.name)[..., venues if item.name in _PER_VENUE else legs]
            for item in fields(self)
            if item.name not in ("as_of", "note", "stage_lengths")
        }
        note = tuple(self.note[i] for i in legs)
        return LegInputs(as_of=self.as_of, note=note, stage_lengths=self.stage_lengths, **some)
