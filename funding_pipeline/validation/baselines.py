"""Simple rules to beat, run through the same ledger, costs and gross limits as the optimiser.

Each rule chooses pairs (long one venue, short another, same base) from trailing mean funding known at
the decision; `PairPolicy` turns pairs into positions. What does not live here: running them
(`baseline_runs`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.portfolio.fall_back import reduce_to_limits
from funding_pipeline.portfolio.legs import Bools, Floats, LegInputs, Universe
from funding_pipeline.portfolio.limits import Limits, limits_for
from funding_pipeline.portfolio.plan import notional_usd
from funding_pipeline.validation.simulation import Decision

HOURS_PER_YEAR = 24 * 365
Pair = tuple[int, int]  # (long leg, short leg)
_LEAST_COLLATERAL = 1 / 3  # of an even share of the capital: less carries no new pair


class PairRule(Protocol):
    """Chooses at most one pair per base."""

    def pairs(self, index: int, held: Mapping[str, Pair], usable: Bools) -> Mapping[str, Pair]:
        """Pairs wanted at decision `index`, given those held and the legs that may be opened."""
        ...


@dataclass(frozen=True)
class WidestPair:
    """Always the pair with the widest trailing spread (`trailing`: decisions x legs, per hour)."""

    universe: Universe
    trailing: Floats

    def pairs(self, index: int, held: Mapping[str, Pair], usable: Bools) -> Mapping[str, Pair]:
        """The widest pair of every base with two usable venues."""
        found = {b: widest_pair(self.universe, b, self.trailing[index], usable) for b in self.universe.bases}
        return {base: pair for base, pair in found.items() if pair is not None}


@dataclass(frozen=True)
class ThresholdRule:
    """Open the widest pair above `open_per_year`; keep it until its own spread is `close_per_year`."""

    universe: Universe
    trailing: Floats
    open_per_year: float = 0.10
    close_per_year: float = 0.0

    def pairs(self, index: int, held: Mapping[str, Pair], usable: Bools) -> Mapping[str, Pair]:
        """Held pairs that still pay, and new ones that pay enough."""
        rate = self.trailing[index]
        out: dict[str, Pair] = {}
        for base in self.universe.bases:
            if base in held:
                spread = (rate[held[base][1]] - rate[held[base][0]]) * HOURS_PER_YEAR
                if spread > self.close_per_year:
                    out[base] = held[base]
                    continue
            pair = widest_pair(self.universe, base, rate, usable)
            if pair and (rate[pair[1]] - rate[pair[0]]) * HOURS_PER_YEAR > self.open_per_year:
                out[base] = pair
        return out


@dataclass(frozen=True)
class FixedVenues:
    """Always short on one venue and long on another, in every base that both have."""

    universe: Universe
    long_venue: str
    short_venue: str

    def pairs(self, index: int, held: Mapping[str, Pair], usable: Bools) -> Mapping[str, Pair]:
        """The same pairs at every decision, as far as both legs may be opened or are held already."""
        out: dict[str, Pair] = {}
        for base in self.universe.bases:
            legs = {leg.venue: i for i, leg in enumerate(self.universe.legs) if leg.base == base}
            if self.long_venue in legs and self.short_venue in legs:
                pair = legs[self.long_venue], legs[self.short_venue]
                if base in held or (usable[pair[0]] and usable[pair[1]]):
                    out[base] = pair
        return out


class PairPolicy:
    """Holds the pairs of a rule, each as large as leg caps and venue budgets allow.

    A pair keeps its quantity until it is closed, or until prices have carried the book over a limit,
    when the whole book is shrunk by one factor. `venue_neutral` adds a BTC leg on every venue against
    that venue's beta: the hedges of all venues sum to zero because every pair does, so each base and
    the portfolio stay neutral. Hedges are renewed when pairs change or a venue leaves its band; hedged
    pairs get half of each cap and budget, so that the hedge mostly fits into the same gross limits; a
    venue without a usable BTC leg cannot be hedged, and the book is shrunk into the bands instead. No pair
    is opened on a venue whose collateral is below a third of its even share of the capital; a pair that has
    lost a leg to a liquidation is given up.
    """

    def __init__(
        self,
        *,
        rule: PairRule,
        universe: Universe,
        thin: Bools,
        config: PortfolioConfig,
        venue_neutral: bool = False,
    ) -> None:
        """A policy without positions."""
        self._rule = rule
        self._universe = universe
        self._thin = thin
        self._config = config
        self._neutral = venue_neutral
        self._held: dict[str, Pair] = {}
        self._book: Floats = np.zeros(len(universe))

    def decide(self, index: int, inputs: LegInputs, quantities: Floats, venue_equity_usd: Floats) -> Decision:
        """Targets: the rule's pairs within limits, and the hedges of the venue-neutral variant."""
        limits = self._limits(inputs)
        torn = self._torn(quantities)
        whole = {base: pair for base, pair in self._held.items() if base not in torn}
        share = limits.venue_gross / self._config.gross_leverage
        backed = venue_equity_usd >= _LEAST_COLLATERAL * share
        usable = inputs.may_increase & backed[self._universe.venue_index]
        wanted = self._rule.pairs(index, whole, usable)
        wanted = {base: pair for base, pair in wanted.items() if not inputs.must_close[list(pair)].any()}
        changed = [
            base for base in self._universe.bases if wanted.get(base) != self._held.get(base) or base in torn
        ]
        for base in changed:
            self._replace(base, wanted.get(base), inputs=inputs, limits=limits)
        self._held = wanted
        held = notional_usd(quantities, inputs.price)
        if not changed and not limits.violations(held):
            return Decision(target=quantities, reasons=("hold",) * len(quantities))
        target = self._within(limits, inputs=inputs)
        return Decision(target=target, reasons=("rule, within limits",) * len(target))

    def _torn(self, quantities: Floats) -> set[str]:
        """Bases of which a venue has liquidated a leg: what is left of the pair is no hedge."""
        gone = (self._book != 0) & (quantities == 0)
        return {self._universe.legs[leg].base for leg in np.flatnonzero(gone)}

    def _limits(self, inputs: LegInputs) -> Limits:
        """The optimiser's limits; what is held may stay unless it must close; beta only if hedged."""
        size = len(self._universe)
        holdable = replace(inputs, may_increase=~inputs.must_close)
        limits = limits_for(
            self._universe,
            inputs=holdable,
            thin=self._thin,
            current_usd=np.zeros(size),
            config=self._config,
        )
        return (
            limits if self._neutral else replace(limits, venue_beta=np.full_like(limits.venue_beta, np.inf))
        )

    def _replace(self, base: str, pair: Pair | None, *, inputs: LegInputs, limits: Limits) -> None:
        """Take the base's old pair out of the book and put the new one in, as large as it fits."""
        universe = self._universe
        members = universe.base_index == universe.bases.index(base)
        self._book = np.where(members, 0.0, self._book)
        if pair is None:
            return
        share = 0.5 if self._neutral else 1.0
        used = universe.venue_matrix @ np.abs(notional_usd(self._book, inputs.price))
        room = np.maximum(share * limits.venue_gross - used, 0.0)[universe.venue_index]
        size = min(min(share * limits.upper[leg], room[leg]) for leg in pair)
        for leg, sign in zip(pair, (1.0, -1.0), strict=True):
            self._book[leg] = sign * size / inputs.reference_price[leg]

    def _within(self, limits: Limits, *, inputs: LegInputs) -> Floats:
        """Quantities of book and hedges, shrunk by one factor to the limits; the book shrinks along."""
        full = self._book + self._hedges(inputs, limits=limits) if self._neutral else self._book
        wanted = notional_usd(full, inputs.price)
        allowed = reduce_to_limits(wanted, limits=limits)
        ratio = np.divide(allowed, wanted, out=np.zeros_like(wanted), where=wanted != 0)
        self._book = self._book * np.where(wanted != 0, ratio, 1.0)
        return np.asarray(full * ratio, dtype=np.float64)

    def _hedges(self, inputs: LegInputs, *, limits: Limits) -> Floats:
        """BTC quantity per venue against its beta, on the venue's first usable BTC leg."""
        u = self._universe
        legs = [bitcoin_leg(u, i, inputs.may_increase) for i in range(len(u.venues))]
        reference = np.nan_to_num(inputs.reference_price)
        exposure = u.venue_matrix @ (self._book * reference * limits.beta)
        out = np.zeros(len(u))
        if any(leg is None and abs(value) > 0 for leg, value in zip(legs, exposure, strict=True)):
            return out
        for leg, value in zip(legs, exposure, strict=True):
            if leg is not None:
                out[leg] -= value / reference[leg]
        return out


def widest_pair(universe: Universe, base: str, rate: Floats, usable: Bools) -> Pair | None:
    """Long the lowest and short the highest trailing rate on different venues; null without two."""
    members = [
        i for i, leg in enumerate(universe.legs) if leg.base == base and usable[i] and np.isfinite(rate[i])
    ]
    if not members:
        return None
    low, high = min(members, key=lambda i: rate[i]), max(members, key=lambda i: rate[i])
    return (low, high) if universe.venue_index[low] != universe.venue_index[high] else None


def bitcoin_leg(universe: Universe, venue: int, usable: Bools) -> int | None:
    """The first usable BTC leg of a venue."""
    own = (
        i for i, leg in enumerate(universe.legs)
        if leg.base == "BTC" and universe.venue_index[i] == venue and usable[i]
    )  # fmt: skip
    return next(own, None)
