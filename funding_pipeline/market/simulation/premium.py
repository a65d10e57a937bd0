"""Premiums: the latent crowd's scores, turned into each instrument's own distribution of premiums.

    score(venue, coin) = sqrt(s) [sqrt(w) market + sqrt(1 - w) coin] + sqrt(u) venue + sqrt(1 - s - u) own

with s the venue's common share, u its venue share and w the coin's crowd share. Each part is a
Gaussian process with several time scales. A premium is the instrument's quantile at that score, less
what a crisis of the coin takes off it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from funding_pipeline.market.simulation.parameters import SimulationParameters, StressParameters
from funding_pipeline.market.simulation.streams import (
    Floats,
    Noise,
    TimeScale,
    ar1,
    decaying,
    plus,
    weighted_mean_sd,
)

_HOURS_PER_YEAR = 8766.0
Instrument = tuple[str, str]


@dataclass(frozen=True)
class Stress:
    """Hourly arrays: `crash` sizes on arrival (else 0), crisis premium arrivals (bp) by coin."""

    crash: Floats
    crisis: Mapping[str, Floats]


def draw_stress(parameters: SimulationParameters, noise: Noise) -> Stress:
    """Arrivals of crashes and crises, Poisson in time."""
    stress = parameters.stress
    sizes = np.minimum(-np.log1p(-noise.uniform("crash", "size")), stress.crash_most)
    crash = _arrivals(noise, stress.crashes_per_year, "crash") * sizes
    crisis = {}
    for coin in parameters.coins:
        tail = (1.0 - noise.uniform("crisis", coin, "size")) ** (-1.0 / stress.crisis_tail)
        size = np.minimum(stress.crisis_least_bp * tail, stress.crisis_most_bp)
        crisis[coin] = _arrivals(noise, stress.crises_per_coin_year, "crisis", coin) * size
    return Stress(crash=crash, crisis=crisis)


def _arrivals(noise: Noise, per_year: float, *name: str) -> Floats:
    return (noise.uniform(*name, "arrival") < per_year / _HOURS_PER_YEAR).astype(np.float64)


def twap_weights(hours: int) -> Floats:
    """Weights of an interval's hourly premiums, oldest first: 1, 2, ..., n over their sum."""
    ramp = np.arange(1, hours + 1, dtype=np.float64)
    weights: Floats = ramp / ramp.sum()
    return weights


def twap(premium: Floats, hours: int) -> Floats:
    """Time-weighted premium of the `hours` hours that end with each hour; the first ones are cut short.

    Venues weigh minute n of an interval with n; so are the hours here. An hour before the beginning of
    the array counts as its first hour.
    """
    padded = np.concatenate([np.repeat(premium[:1], hours - 1), premium])
    count = len(premium)
    return plus([weight * padded[k : k + count] for k, weight in enumerate(twap_weights(hours))])


def premiums(
    parameters: SimulationParameters, noise: Noise, *, stress: Stress, btc_shocks: Floats
) -> dict[Instrument, Floats]:
    """Hourly time-weighted premium of every instrument, bp per 8 h."""
    crowd = parameters.crowd
    market = _market_crowd(parameters, noise, stress=stress, btc_shocks=btc_shocks)
    coins = {coin: noise.mixture(crowd.coin_scales, "crowd", coin) for coin in parameters.coins}
    venues = {venue: noise.mixture(crowd.venue_scales, "venue", venue) for venue in parameters.venues}
    out: dict[Instrument, Floats] = {}
    for (venue, coin), terms in parameters.instruments.items():
        own = noise.mixture(parameters.venues[venue].own_scales, "own", venue, coin)
        shares = _score_shares(parameters, venue, coin)
        parts = zip(shares, (market, coins[coin], venues[venue], own), strict=True)
        score = plus([math.sqrt(share) * part for share, part in parts])
        premium = terms.premium.premium(
            score / _interval_sd(parameters, venue, coin),
            interest=instrument_interest(parameters, venue, coin),
            dampener=parameters.venues[venue].dampener,
            plateau_kept=parameters.venues[venue].plateau_kept,
        )
        out[venue, coin] = premium - _crisis_discount(
            parameters.stress, noise, stress.crisis[coin], instrument=(venue, coin)
        )
    return out


def _score_shares(parameters: SimulationParameters, venue: str, coin: str) -> tuple[float, ...]:
    """Variance shares of a score: market, coin, venue and own; they sum to one."""
    terms, crowd_share = parameters.venues[venue], parameters.coins[coin].crowd_share
    own = 1.0 - terms.common_share - terms.venue_share
    return (
        terms.common_share * crowd_share,
        terms.common_share * (1.0 - crowd_share),
        terms.venue_share,
        own,
    )


def instrument_interest(parameters: SimulationParameters, venue: str, coin: str) -> float:
    """Interest term in bp per 8 h; Binance charges none on BNB (its plateau is at zero)."""
    return 0.0 if (venue, coin) == ("binance", "BNB") else parameters.venues[venue].interest


def _market_crowd(
    parameters: SimulationParameters, noise: Noise, *, stress: Stress, btc_shocks: Floats
) -> Floats:
    """Unit-variance crowd common to all, partly driven by BTC's returns, less the crashes."""
    link = parameters.crowd.return_link
    parts = []
    for scale in parameters.crowd.market_scales:
        own = noise.normal("crowd", "market", f"{scale.hours:g}h")
        shocks = link * btc_shocks + math.sqrt(1.0 - link * link) * own
        parts.append(math.sqrt(scale.share) * ar1(shocks, hours=scale.hours))
    crash = decaying(stress.crash * parameters.stress.crash_score, hours=parameters.stress.crash_hours)
    return plus([*parts, -crash])


def _interval_sd(parameters: SimulationParameters, venue: str, coin: str) -> float:
    """Standard deviation of a score's weighted mean over the venue's interval.

    Marginals were measured on settlements, so the hourly score is widened by the averaging's loss.
    """
    terms, crowd = parameters.venues[venue], parameters.crowd
    mixtures = (crowd.market_scales, crowd.coin_scales, crowd.venue_scales, terms.own_scales)
    parts = zip(_score_shares(parameters, venue, coin), mixtures, strict=True)
    scales = [TimeScale(s.hours, share * s.share) for share, mixture in parts for s in mixture]
    return weighted_mean_sd(scales, twap_weights(terms.interval_hours))


def _crisis_discount(
    stress: StressParameters, noise: Noise, arrivals: Floats, *, instrument: Instrument
) -> Floats:
    """What crises take off the premium, bp: a fast rise, a fade of days and a small, long aftermath."""
    if not arrivals.any():
        return np.zeros_like(arrivals)
    factor = np.exp(stress.crisis_venue_log_sd * noise.normal("crisis", *instrument, "factor"))
    shots = arrivals * factor
    early = decaying(shots, hours=stress.crisis_fade_hours) - decaying(shots, hours=stress.crisis_rise_hours)
    late = decaying(shots, hours=stress.crisis_aftermath_hours)
    share = stress.crisis_aftermath_share
    wobble = np.exp(0.3 * ar1(noise.normal("crisis", *instrument, "wobble"), hours=6.0))
    discount: Floats = ((1.0 - share) * early + share * late) * wobble
    return discount
