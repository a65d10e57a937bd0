"""Each venue's own price around the reference, and its hourly bars.

    log price(venue) = log reference + common premium + pass-through x (own - common premium) + basis

The common premium is the mean over the large centralised venues. The basis is a mean, a persistent
part and a part of one close only (the bounce of the last trade, which a mark price does not have).
"""

from dataclasses import dataclass

import numpy as np

from funding_pipeline.market.simulation.parameters import SimulationParameters
from funding_pipeline.market.simulation.premium import Instrument
from funding_pipeline.market.simulation.prices import Reference
from funding_pipeline.market.simulation.streams import Floats, Noise, ar1, plus

_BP = 1e-4
# Relaxation time of the persistent part: recorded bases keep a half of it after a day, little after a week.
_BASIS_HOURS = 40.0


@dataclass(frozen=True)
class VenuePrice:
    """One instrument, hourly, at each hour's end: mark price and the close of the last trade."""

    mark: Floats
    close: Floats


def common_premium(parameters: SimulationParameters, premiums: dict[Instrument, Floats], coin: str) -> Floats:
    """Mean premium of a coin over the reference venues, bp."""
    parts = [premiums[venue, coin] for venue in parameters.reference_venues]
    return plus(parts) / len(parts)


def venue_prices(
    parameters: SimulationParameters,
    noise: Noise,
    *,
    references: dict[str, Reference],
    premiums: dict[Instrument, Floats],
) -> dict[Instrument, VenuePrice]:
    """Mark and close of every instrument, rounded to the coin's tick."""
    common = {coin: common_premium(parameters, premiums, coin) for coin in parameters.coins}
    out: dict[Instrument, VenuePrice] = {}
    for (venue, coin), terms in parameters.instruments.items():
        deviation = premiums[venue, coin] - common[coin]
        slow = ar1(noise.normal("basis", venue, coin, "slow"), hours=_BASIS_HOURS)
        steady = plus(
            [
                common[coin] + terms.basis_mean,
                parameters.venues[venue].basis_pass_through * deviation,
                terms.basis_slow_sd * slow,
            ]
        )
        bounce = terms.basis_fast_sd * noise.normal("basis", venue, coin, "fast")
        log_price, tick = references[coin].log_price, parameters.coins[coin].tick
        mark, close = log_price + _BP * steady, log_price + _BP * (steady + bounce)
        out[venue, coin] = VenuePrice(mark=to_tick(np.exp(mark), tick), close=to_tick(np.exp(close), tick))
    return out


def to_tick(price: Floats, tick: float) -> Floats:
    """Nearest multiple of `tick`, at least one."""
    per_unit = round(1.0 / tick)
    rounded: Floats = np.maximum(np.rint(price * per_unit), 1.0) / per_unit
    return rounded


@dataclass(frozen=True)
class Bars:
    """Hourly bars; `open` is the close before, and the first bar opens at its first close's mark."""

    open: Floats
    high: Floats
    low: Floats
    close: Floats


def bars(close: Floats, *, range_up: Floats, range_down: Floats, tick: float) -> Bars:
    """Bars from closes and the reference's excursions beyond its own open and close (log units)."""
    opened = np.concatenate([close[:1], close[:-1]])
    high = to_tick(np.maximum(opened, close) * np.exp(range_up), tick)
    low = to_tick(np.minimum(opened, close) * np.exp(-range_down), tick)
    return Bars(
        opened, np.maximum(high, np.maximum(opened, close)), np.minimum(low, np.minimum(opened, close)), close
    )


def excursions(reference: Reference, noise: Noise, coin: str) -> tuple[Floats, Floats]:
    """How far the path goes above and below both ends of each hour, log units.

    Extremes of a Brownian bridge of the hour's own volatility:
    max = (a + b + sqrt((b - a)^2 - 2 sd^2 ln U)) / 2; the low likewise, drawn on its own.
    """
    returns = np.diff(reference.log_price, prepend=reference.log_price[:1])
    reach = []
    for side in ("high", "low"):
        spread = -2.0 * reference.hour_sd**2 * np.log1p(-noise.uniform("range", coin, side))
        reach.append((np.sqrt(returns**2 + spread) - np.abs(returns)) / 2.0)
    return reach[0], reach[1]
