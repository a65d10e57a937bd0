"""What a book loses in the breaks that neutral books have met, linear in long and short notional.

What lives here: the loss per dollar of long, short and collateral in each break. The plan bounds these losses
(CVaR) and states them; `validation.stress` applies the same set to a back-tested book. What does not: the
sizes of the breaks (`scenario_assumptions`), margin (a move of one leg alone is a limit of its own), full
revaluation, and replays.

Every scenario is convex in the signed notional (long loss + short loss >= 0 per leg): a gain is counted
only where the book really earns it, on legs that go on existing at prices that everybody sees.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from funding_pipeline.core.errors import SettingsError
from funding_pipeline.portfolio.legs import Floats, Universe
from funding_pipeline.portfolio.scenario_assumptions import MAJORS, ScenarioAssumptions, in_bases

_NO_BREAK = frozenset({"USD"})
_ROUNDING = 1e-12


@dataclass(frozen=True)
class ScenarioSet:
    """S scenarios over the legs and venues of one universe; names and order depend on nothing else.

    `probability`: S weights for a CVaR, sum 1: equal, an assumption, because so few breaks say nothing about
    which comes next. `long_loss`, `short_loss`: S x legs, USD lost per USD of long (short) notional,
    negative where it gains. `collateral_loss`: S x venues, per USD of equity there.

    A CVaR over these is of what positions lose plus what collateral loses. A failed venue takes its whole
    equity, so that part is large, and constant while collateral is not a choice of the plan: a bound has to
    leave room for it, or be put on the positions' part alone.
    """

    names: tuple[str, ...]
    descriptions: tuple[str, ...]
    probability: Floats
    long_loss: Floats
    short_loss: Floats
    collateral_loss: Floats

    def __post_init__(self) -> None:
        """Refuse losses that are not convex in the positions: a solver would exploit them."""
        if (self.long_loss + self.short_loss < -_ROUNDING).any():
            raise ValueError("a scenario gains on being long and short at once: it is not convex")

    def losses_usd(self, notional: Floats, collateral_usd: Floats) -> Floats:
        """Loss of each scenario, USD: signed `notional` per leg and equity per venue."""
        lost = self.position_losses_usd(notional) + self.collateral_loss @ collateral_usd
        return np.asarray(lost, dtype=np.float64)

    def position_losses_usd(self, notional: Floats) -> Floats:
        """The part of the losses that depends on positions, USD."""
        long, short = np.maximum(notional, 0.0), np.maximum(-notional, 0.0)
        return np.asarray(self.long_loss @ long + self.short_loss @ short, dtype=np.float64)


@dataclass(frozen=True)
class _Scenario:
    name: str
    description: str
    long_loss: Floats
    short_loss: Floats
    collateral_loss: Floats


@dataclass(frozen=True)
class _Makings:
    """What the scenarios of a universe are made of, one entry per leg unless said otherwise."""

    universe: Universe
    assumptions: ScenarioAssumptions
    crash: Floats
    hour: Floats
    funding: Floats
    closing: Floats
    altcoin: Floats
    quote: tuple[str, ...]
    collateral: tuple[str, ...]  # one entry per venue

    def on(self, venue: int) -> Floats:
        """1 for the legs of a venue."""
        return np.asarray(self.universe.venue_matrix[venue], dtype=np.float64)

    def nothing(self) -> Floats:
        """No loss of collateral on any venue."""
        return np.zeros(len(self.universe.venues))


def scenario_set(
    universe: Universe,
    *,
    venue_currency: Mapping[str, str],
    beta: Floats,
    half_spread: Floats,
    assumptions: ScenarioAssumptions | None = None,
) -> ScenarioSet:
    """The breaks of docs/stress.md for every venue and currency of `universe`.

    `venue_currency`: what collateral on each venue is held in; `beta` to BTC and `half_spread` (fraction of
    price, calm times) per leg. Five scenarios per venue and one per currency. Raises SettingsError for a
    venue without a currency.
    """
    missing = [venue for venue in universe.venues if venue not in venue_currency]
    if missing:
        raise SettingsError(f"the currency of the collateral is not known on {', '.join(missing)}")
    given = assumptions or ScenarioAssumptions()
    makings = _Makings(
        universe=universe,
        assumptions=given,
        crash=given.crash(universe, beta=beta),
        hour=given.failure_hour(universe, beta=beta),
        funding=_funding(universe, given),
        closing=given.stressed_spread_multiple * _hedge_half_spread(universe, half_spread, given),
        altcoin=np.asarray(~in_bases(universe, MAJORS), dtype=np.float64),
        quote=tuple(leg.currency.upper() for leg in universe.legs),
        collateral=tuple(venue_currency[venue].upper() for venue in universe.venues),
    )
    kinds = (_deleveraging, _failure, _longs_pay, _shorts_pay, _delisting)
    found = [kind(makings, i) for i in range(len(universe.venues)) for kind in kinds]
    found += [_currency_break(makings, name) for name in sorted({*makings.quote, *makings.collateral})
              if name not in _NO_BREAK]  # fmt: skip
    return ScenarioSet(
        names=tuple(item.name for item in found),
        descriptions=tuple(item.description for item in found),
        probability=np.full(len(found), 1 / len(found)),
        long_loss=np.array([item.long_loss for item in found]),
        short_loss=np.array([item.short_loss for item in found]),
        collateral_loss=np.array([item.collateral_loss for item in found]),
    )


def _deleveraging(makings: _Makings, venue: int) -> _Scenario:
    """All prices fall; the venue's shorts earn only the first part, their hedges lose all of it.

    What hedges cost to close is charged to the shorts that they hedged: same base, same size.
    """
    unearned, on = makings.assumptions.adl_unearned_share, makings.on(venue)
    name = makings.universe.venues[venue]
    return _Scenario(
        name=f"auto_deleveraging:{name}",
        description=(
            f"prices fall (BTC {makings.assumptions.crash_btc_fraction:.0%}, others at least "
            f"{makings.assumptions.crash_other_fraction:.0%}); {name} closes every winning short at "
            f"bankruptcy price after {1 - unearned:.0%} of the fall, hedges elsewhere stay naked 30 minutes "
            f"and are closed at {makings.assumptions.stressed_spread_multiple:.0f} half-spreads"
        ),
        long_loss=makings.crash,
        short_loss=-makings.crash * (1 - on * unearned) + on * makings.closing,
        collateral_loss=makings.nothing(),
    )


def _failure(makings: _Makings, venue: int) -> _Scenario:
    """Equity and legs on the venue are gone; each hedge of them moves against the book for an hour."""
    name, on = makings.universe.venues[venue], makings.on(venue)
    naked = on * (makings.hour + makings.closing)
    lost = makings.nothing()
    lost[venue] = 1 - makings.assumptions.failure_recovery_fraction
    return _Scenario(
        name=f"venue_failure:{name}",
        description=(
            f"{name} fails with the equity on it; the legs that hedged it move against the book for one hour "
            f"(BTC {makings.assumptions.failure_btc_fraction:.0%}, others at least "
            f"{makings.assumptions.failure_other_fraction:.0%}) and are closed at stressed spreads"
        ),
        long_loss=naked,
        short_loss=naked,
        collateral_loss=lost,
    )


def _longs_pay(makings: _Makings, venue: int) -> _Scenario:
    """Contracts reach the cap one by one: what the venue's shorts would receive is not counted."""
    paid = makings.on(venue) * makings.funding
    return _funding_scenario(makings, venue, payer="longs", long_loss=paid, short_loss=0 * paid)


def _shorts_pay(makings: _Makings, venue: int) -> _Scenario:
    paid = makings.on(venue) * makings.funding
    return _funding_scenario(makings, venue, payer="shorts", long_loss=0 * paid, short_loss=paid)


def _funding_scenario(
    makings: _Makings, venue: int, *, payer: str, long_loss: Floats, short_loss: Floats
) -> _Scenario:
    name = makings.universe.venues[venue]
    return _Scenario(
        name=f"funding_{payer}_pay:{name}",
        description=(
            f"{name} settles hourly without notice and {payer} pay the cap for 8 h "
            f"(BTC and ETH {makings.assumptions.funding_major_fraction:.1%} in all, others "
            f"{makings.assumptions.funding_other_fraction:.0%}); the other side's gain is not counted"
        ),
        long_loss=long_loss,
        short_loss=short_loss,
        collateral_loss=makings.nothing(),
    )


def _delisting(makings: _Makings, venue: int) -> _Scenario:
    """One coin of the venue, taken evenly: linear, and the same number of scenarios for any universe."""
    name, given = makings.universe.venues[venue], makings.assumptions
    mine = makings.on(venue) * makings.altcoin
    coins = len({leg.base for leg, own in zip(makings.universe.legs, mine, strict=True) if own})
    share = max(given.delisting_least_share, 1 / max(coins, 1))
    off = mine * share * (given.delisting_off_fraction + makings.closing)
    return _Scenario(
        name=f"delisting:{name}",
        description=(
            f"{name} settles a coin outside BTC and ETH {given.delisting_off_fraction:.0%} off the market, "
            f"against the book; the coin is {share:.0%} of such notional there"
        ),
        long_loss=off,
        short_loss=off,
        collateral_loss=makings.nothing(),
    )


def _currency_break(makings: _Makings, currency: str) -> _Scenario:
    """Collateral in the currency loses value, and prices quoted in it rise by as much."""
    loss = makings.assumptions.break_of(currency)
    held = np.array([name == currency for name in makings.collateral], dtype=np.float64)
    marked_in_dollars = makings.assumptions.dollar_marked_venues
    quoted = np.array(
        [
            quote == currency and leg.venue not in marked_in_dollars
            for quote, leg in zip(makings.quote, makings.universe.legs, strict=True)
        ],
        dtype=np.float64,
    )
    return _Scenario(
        name=f"currency_break:{currency}",
        description=(
            f"{currency} falls to {1 - loss:.2f}: collateral in it loses, and a short quoted in it loses "
            f"what a long gains as prices in {currency} rise"
        ),
        long_loss=-loss * quoted,
        short_loss=loss * quoted,
        collateral_loss=loss * held,
    )


def _funding(universe: Universe, assumptions: ScenarioAssumptions) -> Floats:
    major = in_bases(universe, MAJORS)
    return np.where(major, assumptions.funding_major_fraction, assumptions.funding_other_fraction)


def _hedge_half_spread(universe: Universe, half_spread: Floats, assumptions: ScenarioAssumptions) -> Floats:
    """The widest half-spread of each leg's base on another venue; its own where there is no other."""
    spread = np.maximum(np.nan_to_num(half_spread), assumptions.least_half_spread_fraction)
    table = np.full((len(universe.bases), len(universe.venues)), -np.inf)
    np.maximum.at(table, (universe.base_index, universe.venue_index), spread)
    rows = table[universe.base_index]
    rows[np.arange(len(universe)), universe.venue_index] = -np.inf
    widest = rows.max(axis=1, initial=-np.inf)
    return np.where(np.isfinite(widest), widest, spread)
