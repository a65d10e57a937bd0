"""Reference prices: one path per coin, with clustered volatility, fat tails and a link to BTC.

    BTC return  = volatility(t) x t-noise, less crashes
    coin return = beta x BTC return + volatility(t) x [sqrt(r) altcoins + sqrt(1 - r) own]

Volatility is log-normal with several time scales and a daily and a weekly season; there is no drift.
What does not live here: a venue's own price around the reference (`venue_prices`).
"""

import math
from dataclasses import dataclass

import numpy as np

from funding_pipeline.market.simulation.parameters import SimulationParameters, VolatilityParameters
from funding_pipeline.market.simulation.premium import Stress
from funding_pipeline.market.simulation.streams import Floats, Indices, Noise, decaying, plus

_CRASH_VOLATILITY_HOURS = 24.0
_CRISIS_VOLATILITY_HOURS = 48.0


@dataclass(frozen=True)
class Reference:
    """One coin's path, hourly: log price at the hour's end, standard deviation of the hour's return
    given its volatility, and `wildness`, its volatility over the coin's average."""

    log_price: Floats
    hour_sd: Floats
    wildness: Floats


@dataclass(frozen=True)
class Shock:
    """Student's t noise of unit variance, as Gaussian noise times a random scale."""

    gaussian: Floats
    scale: Floats

    @property
    def value(self) -> Floats:
        """The noise itself."""
        return self.gaussian * self.scale


def draw_shock(noise: Noise, freedom: float, name: str) -> Shock:
    """Student's t with `freedom` degrees: Gaussian over the root of a gamma, scaled to unit variance."""
    gamma = noise.generator("return", name, "scale").standard_gamma(freedom / 2.0, noise.hours)
    return Shock(noise.normal("return", name), np.sqrt((freedom / 2.0 - 1.0) / gamma))


def references(
    parameters: SimulationParameters, noise: Noise, *, btc: Shock, stress: Stress, season: Floats
) -> dict[str, Reference]:
    """Reference path of every coin; `season`: volatility by hour relative to the average."""
    volatility, terms = parameters.volatility, parameters.coins["BTC"]
    market = noise.mixture(volatility.scales, "volatility", "market")
    crash = decaying(stress.crash * parameters.stress.crash_log_volatility, hours=_CRASH_VOLATILITY_HOURS)
    wildness = _wildness(volatility, market, season=season, extra=crash)
    sd = terms.own_sd * wildness
    returns = sd * btc.value - parameters.stress.crash_return * stress.crash
    common = _Common(returns, sd * btc.scale, market, crash, season, _altcoins(volatility, noise))
    out = {"BTC": Reference(_log_price(terms.first_price, returns), sd * btc.scale, wildness)}
    for coin in parameters.coins:
        if coin != "BTC":
            out[coin] = _altcoin(parameters, noise, coin, common=common, crisis=stress.crisis[coin])
    return out


@dataclass(frozen=True)
class _Common:
    """What every altcoin takes from the market: BTC's returns, volatility scores, the altcoin factor."""

    btc_returns: Floats
    btc_hour_sd: Floats
    volatility_score: Floats
    crash: Floats
    season: Floats
    altcoins: Shock


def _altcoins(volatility: VolatilityParameters, noise: Noise) -> Shock:
    return draw_shock(noise, volatility.tail_freedom, "altcoins")


def _altcoin(
    parameters: SimulationParameters, noise: Noise, coin: str, *, common: _Common, crisis: Floats
) -> Reference:
    """Path of one coin: beta times BTC and a residual of its own volatility."""
    volatility, terms = parameters.volatility, parameters.coins[coin]
    shots = (crisis > 0.0).astype(np.float64) * parameters.stress.crisis_log_volatility
    extra = plus([common.crash, decaying(shots, hours=_CRISIS_VOLATILITY_HOURS)])
    score = _coin_volatility(volatility, noise, common.volatility_score, coin)
    wildness = _wildness(volatility, score, season=common.season, extra=extra)
    own = draw_shock(noise, volatility.tail_freedom, coin)
    residual, scale = _residual(volatility, common.altcoins, own)
    returns = terms.beta * common.btc_returns + terms.own_sd * wildness * residual
    hour_sd = np.hypot(terms.beta * common.btc_hour_sd, terms.own_sd * wildness * scale)
    return Reference(_log_price(terms.first_price, returns), hour_sd, wildness)


def season(volatility: VolatilityParameters, *, hour_of_day: Indices, weekday: Indices) -> Floats:
    """Volatility by hour of day and day of week (Monday 0), relative to its root mean square."""
    by_hour = np.array(volatility.by_hour)
    by_day = np.where(np.arange(7) >= 5, volatility.weekend, 1.0)
    level = math.sqrt(float(np.mean(by_hour**2) * np.mean(by_day**2)))
    relative: Floats = by_hour[hour_of_day] * by_day[weekday] / level
    return relative


def _wildness(volatility: VolatilityParameters, score: Floats, *, season: Floats, extra: Floats) -> Floats:
    """exp(log-volatility) with mean square one over the score, times the season and any stress."""
    wildness: Floats = season * np.exp(volatility.log_sd * score - volatility.log_sd**2 + extra)
    return wildness


def _coin_volatility(volatility: VolatilityParameters, noise: Noise, market: Floats, coin: str) -> Floats:
    own = noise.mixture(volatility.scales, "volatility", coin)
    return plus([math.sqrt(volatility.shared) * market, math.sqrt(1.0 - volatility.shared) * own])


def _residual(volatility: VolatilityParameters, altcoins: Shock, own: Shock) -> tuple[Floats, Floats]:
    """Unit-variance residual of an altcoin over BTC, and its scale given both random scales."""
    rho = volatility.altcoin_correlation
    value = plus([math.sqrt(rho) * altcoins.value, math.sqrt(1.0 - rho) * own.value])
    scale: Floats = np.sqrt(rho * altcoins.scale**2 + (1.0 - rho) * own.scale**2)
    return value, scale


def _log_price(first_price: float, returns: Floats) -> Floats:
    log_price: Floats = math.log(first_price) + np.cumsum(returns)
    return log_price
