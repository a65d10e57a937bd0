"""What is held over all venues, and what it adds up to: deltas, beta, margin, distance to liquidation.

What lives here: measures of a book (`book`, whose values can be had from here too). What does not: limits
(`limits`), or what may become of a plan (`verdict`). Everything is USD at marks; a stablecoin counts as a
dollar, less the haircut. None means not known, and the name of what is missing is in `Exposure.unknowns`;
it is never taken as zero.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from statistics import median

from funding_pipeline.core.trading import PositionState
from funding_pipeline.execution.book import ZERO, BookState, VenueBook
from funding_pipeline.execution.margin import cushion_after, liquidation_distance, maintenance_margin
from funding_pipeline.execution.market_facts import LegKey, MarketFacts, is_finite, is_positive

__all__ = ["BookState", "Exposure", "LegExposure", "VenueBook", "VenueExposure", "exposure"]


@dataclass(frozen=True)
class LegExposure:
    """One position: `units` in base units, notional signed.

    `liquidation_distance_fraction`: adverse move of this mark alone, as a fraction of it.
    `survives`: the test move of this leg alone leaves its venue's collateral above maintenance margin.
    """

    venue: str
    symbol: str
    base: str
    quantity: Decimal
    units: Decimal
    price: Decimal | None
    notional_usd: Decimal | None
    maintenance_usd: Decimal | None
    adl_rank: float | None
    liquidation_distance_fraction: Decimal | None = None
    survives: bool | None = None


@dataclass(frozen=True)
class VenueExposure:
    """One venue: gross and net notional, beta-weighted net, collateral after the haircut, margin used."""

    venue: str
    gross_usd: Decimal | None
    net_usd: Decimal | None
    beta_usd: Decimal | None
    collateral_usd: Decimal | None
    maintenance_usd: Decimal | None
    margin_fraction: Decimal | None
    nearest_liquidation_fraction: Decimal | None


@dataclass(frozen=True)
class Exposure:
    """The whole book. `base_delta_usd`: net units at the base's median price, which is what is not hedged."""

    at: datetime
    legs: tuple[LegExposure, ...]
    venues: Mapping[str, VenueExposure]
    base_delta_usd: Mapping[str, Decimal | None]
    portfolio_delta_usd: Decimal | None
    gross_usd: Decimal | None
    equity_usd: Decimal | None
    collateral_by_currency: Mapping[str, Decimal]
    unknowns: tuple[str, ...] = ()

    @property
    def unhedged_usd(self) -> Decimal | None:
        """Sum over the bases of |base delta|."""
        return known_sum(None if v is None else abs(v) for v in self.base_delta_usd.values())


def exposure(
    book: BookState,
    *,
    market: MarketFacts | None = None,
    haircut_fraction: float = 0.0,
    move_fraction: float = 0.35,
) -> Exposure:
    """Measures of `book`; margin by the tiers of `market`, or as the venue told where there are none.

    `move_fraction`: the adverse move of each leg alone that `survives` tests.
    """
    facts = market or MarketFacts()
    legs = [_leg(book, position, facts) for position in book.positions]
    venues = {name: _venue(venue, legs, book.betas, haircut_fraction) for name, venue in book.venues.items()}
    tested = tuple(_tested(leg, venues[leg.venue], facts, Decimal(str(move_fraction))) for leg in legs)
    nearest = {name: _with_nearest(venue, tested) for name, venue in venues.items()}
    is_whole = not book.missing_venues
    return Exposure(
        at=book.at,
        legs=tested,
        venues=nearest,
        base_delta_usd={base: _base_delta(tested, base) for base in sorted({leg.base for leg in tested})},
        portfolio_delta_usd=known_sum(leg.notional_usd for leg in tested) if is_whole else None,
        gross_usd=known_sum(_size(leg.notional_usd) for leg in tested) if is_whole else None,
        equity_usd=book.equity_usd,
        collateral_by_currency=book.collateral_by_currency(),
        unknowns=_unknowns(book, tested, nearest),
    )


def known_sum(numbers: Iterable[Decimal | None]) -> Decimal | None:
    """Their sum; None if one of them is not known."""
    found = list(numbers)
    if any(number is None for number in found):
        return None
    return sum((number for number in found if number is not None), ZERO)


def mark_price(book: BookState, key: LegKey, market: MarketFacts) -> Decimal | None:
    """What a position is worth per quoted unit, the same for verdict, guard, margin and statements.

    The venue's mark first: it is what the venue margins and settles by. Then the mid of the book, which is
    what a leg that is not held would cost; None where nobody states one, never zero.
    """
    venue = book.venues.get(key[0])
    told = [] if venue is None else [venue.marks.get(key[1])]
    told += [] if venue is None else [p.mark_price for p in venue.positions if p.symbol == key[1]]
    return next((price for price in [*told, market.of(key).price] if is_positive(price)), None)


def _leg(book: BookState, position: PositionState, market: MarketFacts) -> LegExposure:
    key = (position.venue, position.symbol)
    base, multiplier = book.identity(key)
    price = mark_price(book, key, market)
    notional = None if price is None else position.quantity * price
    margin = None if notional is None else maintenance_margin(market.of(key).tiers, abs(notional))
    told = position.maintenance_margin
    return LegExposure(
        venue=position.venue,
        symbol=position.symbol,
        base=base,
        quantity=position.quantity,
        units=position.quantity * multiplier,
        price=price,
        notional_usd=notional,
        maintenance_usd=told if margin is None and is_finite(told) else margin,
        adl_rank=position.adl_rank,
    )


def _venue(
    book: VenueBook, legs: Sequence[LegExposure], betas: Mapping[str, float], haircut: float
) -> VenueExposure:
    own = [leg for leg in legs if leg.venue == book.venue]
    equity = book.equity_usd if is_finite(book.equity_usd) else None
    collateral = None if equity is None else equity * (1 - Decimal(str(haircut)))
    margin = known_sum(leg.maintenance_usd for leg in own)
    is_told = margin is not None and collateral is not None and collateral > 0
    return VenueExposure(
        venue=book.venue,
        gross_usd=known_sum(_size(leg.notional_usd) for leg in own),
        net_usd=known_sum(leg.notional_usd for leg in own),
        beta_usd=known_sum(_times_beta(leg, betas) for leg in own),
        collateral_usd=collateral,
        maintenance_usd=margin,
        margin_fraction=margin / collateral if is_told and margin is not None and collateral else None,
        nearest_liquidation_fraction=None,
    )


def _tested(leg: LegExposure, venue: VenueExposure, market: MarketFacts, move: Decimal) -> LegExposure:
    """The leg with its distance to liquidation, everything else on the venue as it is."""
    tiers = market.of((leg.venue, leg.symbol)).tiers
    if not tiers or leg.notional_usd is None or leg.maintenance_usd is None:
        return leg
    if venue.collateral_usd is None or venue.maintenance_usd is None:
        return leg
    others = venue.maintenance_usd - leg.maintenance_usd
    collateral = venue.collateral_usd
    distance = liquidation_distance(tiers, leg.notional_usd, collateral=collateral, other_margin=others)
    cushion = cushion_after(tiers, leg.notional_usd, collateral=collateral, other_margin=others, move=move)
    return replace(leg, liquidation_distance_fraction=distance, survives=cushion is not None and cushion >= 0)


def _with_nearest(venue: VenueExposure, legs: Sequence[LegExposure]) -> VenueExposure:
    distances = [leg.liquidation_distance_fraction for leg in legs if leg.venue == venue.venue]
    known = [distance for distance in distances if distance is not None]
    nearest = min(known) if known and len(known) == len(distances) else None
    return replace(venue, nearest_liquidation_fraction=nearest)


def _base_delta(legs: Sequence[LegExposure], base: str) -> Decimal | None:
    """Net base units at the median price per base unit of the legs' own marks."""
    own = [leg for leg in legs if leg.base == base]
    prices = [leg.notional_usd / leg.units for leg in own if leg.notional_usd is not None and leg.units]
    return sum((leg.units for leg in own), ZERO) * median(prices) if prices else None


def _unknowns(
    book: BookState, legs: Sequence[LegExposure], venues: Mapping[str, VenueExposure]
) -> tuple[str, ...]:
    found = [f"book of {venue}" for venue in book.missing_venues]
    found += [f"equity of {name}" for name, venue in venues.items() if venue.collateral_usd is None]
    tests: list[tuple[str, Callable[[LegExposure], bool]]] = [
        ("price of", lambda leg: leg.price is None),
        ("maintenance margin of", lambda leg: leg.maintenance_usd is None),
        ("distance to liquidation of", lambda leg: leg.liquidation_distance_fraction is None),
        ("ADL rank of", lambda leg: leg.adl_rank is None),
        ("beta of", lambda leg: _times_beta(leg, book.betas) is None),
    ]
    found += [f"{what} {leg.venue} {leg.symbol}" for what, misses in tests for leg in legs if misses(leg)]
    return tuple(found)


def beta_of(betas: Mapping[str, float], base: str) -> Decimal | None:
    """Beta of a base as a Decimal; None where it is missing or not a number."""
    beta = betas.get(base)
    exact = None if beta is None else Decimal(str(beta))
    return exact if is_finite(exact) else None


def _times_beta(leg: LegExposure, betas: Mapping[str, float]) -> Decimal | None:
    beta = beta_of(betas, leg.base)
    return None if beta is None or leg.notional_usd is None else leg.notional_usd * beta


def _size(number: Decimal | None) -> Decimal | None:
    return None if number is None else abs(number)
