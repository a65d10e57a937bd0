"""Random universes: which venues list which coins, in which contracts, lots and prices.

What does not live here: decisions on them (`random_markets`). A universe is worth keeping for many decisions:
compiling its problem takes most of the time.
"""

from dataclasses import dataclass

import numpy as np

from funding_pipeline.portfolio.legs import Floats, Leg, Universe
from funding_pipeline.portfolio.problem import PortfolioProblem

VENUES = ("binance", "bybit", "gate", "hyperliquid", "kucoin", "okx")
BASES = ("BTC", "ETH", "SOL", "XRP", "DOGE", "PEPE", "AVAX", "LINK", "TON", "WIF")


@dataclass(frozen=True)
class RandomUniverse:
    """Legs with the price of one quoted unit of each, and the problem compiled for them."""

    universe: Universe
    price: Floats
    problem: PortfolioProblem


def random_universe(seed: int) -> RandomUniverse:
    """Two to six venues, one to ten bases, some of the legs missing; steps and prices of any size."""
    rng = np.random.default_rng([seed, 1])
    venues, bases = VENUES[: rng.integers(2, 7)], BASES[: rng.integers(1, 11)]
    worth = dict(zip(bases, 10 ** rng.uniform(-7, 5, len(bases)), strict=True))
    currency = {venue: str(rng.choice(["USDT", "USDT", "USDC"])) for venue in venues}
    missing, with_lots = rng.choice([0.0, 0.2, 0.4]), rng.random() < 0.7
    places = [(venue, base) for venue in venues for base in bases if rng.random() >= missing]
    if not places:
        places = [(venues[0], bases[0])]
    legs = [
        _leg(rng, venue, base, currency=currency[venue], worth=worth[base], with_lots=with_lots)
        for venue, base in places
    ]
    universe = Universe.of(legs)
    price = np.array([worth[leg.base] * leg.multiplier for leg in universe.legs])
    return RandomUniverse(universe, price, PortfolioProblem(universe, stages=int(rng.integers(2, 4))))


def _leg(
    rng: np.random.Generator, venue: str, base: str, *, currency: str, worth: float, with_lots: bool
) -> Leg:
    """Sometimes inverse or a thousandfold; a step is a power of ten worth a cent to a hundred dollars."""
    multiplier = 1000.0 if rng.random() < 0.1 else 1.0
    inverse = rng.random() < 0.08
    step = 10.0 ** np.floor(np.log10(10 ** rng.uniform(-2, 2) / (worth * multiplier)))
    step = float(step) if with_lots and rng.random() < 0.9 else 0.0
    return Leg(
        venue=venue,
        symbol=f"{base}/USD:{base}" if inverse else f"{base}/{currency}:{currency}",
        base=base,
        multiplier=multiplier,
        is_inverse=inverse,
        currency="USD" if inverse else currency,
        quantity_step=step,
        min_quantity=step * float(rng.choice([0, 1, 10])),
        min_notional=float(rng.choice([0, 5, 100])) if with_lots else 0.0,
    )
