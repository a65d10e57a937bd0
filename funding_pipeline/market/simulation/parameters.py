"""Shape of the simulation's parameters. The calibrated values are in `calibration` and `marginals`.

Premiums and funding are in basis points per 8 h (1 bp = 1e-4) unless a name says otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from funding_pipeline.market.simulation.streams import Floats, TimeScale

_TAILS = (0.5, 0.9, 0.99, 0.999)


@dataclass(frozen=True)
class PremiumMarginal:
    """Distribution of one instrument's premium, as its settled funding shows it.

    `below` and `plateau`: shares of settlements below, and exactly at, the interest rate. `shortfall`
    and `excess`: quantiles 50, 90, 99 and 99.9 % of the distance to the interest rate among the
    settlements below and above it, in bp per 8 h. Outside the plateau funding moves one for one with
    the premium, so that these are also distances of the premium to the plateau's edges.
    """

    below: float
    plateau: float
    shortfall: tuple[float, float, float, float]
    excess: tuple[float, float, float, float]

    def premium(
        self, score: Floats, *, interest: float, dampener: float, plateau_kept: float = 1.0
    ) -> Floats:
        """Premium with a standard normal `score`: linear between the quantiles, and beyond the last.

        `plateau_kept` under one narrows the plateau and leaves the quantiles of the tails in place.
        """
        scores, values = self._knots(interest, dampener, plateau_kept)
        inside = np.interp(score, scores, values)
        under = np.minimum(score - scores[0], 0.0) * (values[1] - values[0]) / (scores[1] - scores[0])
        over = np.maximum(score - scores[-1], 0.0) * (values[-1] - values[-2]) / (scores[-1] - scores[-2])
        total: Floats = inside + under + over
        return total

    def _knots(self, interest: float, dampener: float, plateau_kept: float) -> tuple[Floats, Floats]:
        floor, ceiling = interest - dampener, interest + dampener
        above, given = 1.0 - self.below - self.plateau, self.plateau * (1.0 - plateau_kept) / 2.0
        low = [(self.below * (1.0 - q), floor - d) for q, d in zip(_TAILS, self.shortfall, strict=True)]
        high = [(1.0 - above * (1.0 - q), ceiling + d) for q, d in zip(_TAILS, self.excess, strict=True)]
        edges = [(self.below + given, floor), (1.0 - above - given, ceiling)]
        knots = low[::-1] + edges + high
        scores = [NormalDist().inv_cdf(probability) for probability, _ in knots]
        return np.array(scores), np.array([value for _, value in knots])


@dataclass(frozen=True)
class Shortening:
    """How a venue shortens an interval after a settlement at the cap, and when it goes back.

    `steps_hours`: each capped settlement goes one step down; back to 8 h at the first 8 h mark after
    `calm_hours` without a capped settlement.
    """

    steps_hours: tuple[int, ...]
    calm_hours: int


@dataclass(frozen=True)
class VenueParameters:
    """One venue: mechanics (facts), loadings of its premiums and its price noise (measured).

    `interest` and `dampener` in bp per 8 h; `major_cap` (BTC, ETH) and `cap` in bp per settlement,
    null: none. `common_share`: variance share of a premium's score that all venues have in common,
    `venue_share`: that all coins of this venue share; the rest is the instrument's own, on `own_scales`.
    `plateau_kept`: the hourly premium's share on the plateau over the interval's, whose averaging
    brings premiums from either side onto it. `basis_pass_through`: what part of the premium's
    deviation from the other venues is in the price.
    """

    settle: str
    interval_hours: int
    interest: float
    dampener: float
    major_cap: float | None
    cap: float | None
    shortening: Shortening | None
    rate_decimals: int
    common_share: float
    venue_share: float
    own_scales: tuple[TimeScale, ...]
    plateau_kept: float
    basis_pass_through: float
    candles: tuple[str, ...]
    announces_estimate: bool


@dataclass(frozen=True)
class CoinParameters:
    """One coin: price level, hourly returns and open interest.

    `first_price` USD; `tick` quote units; `beta` to BTC; `own_sd`: standard deviation of the hourly
    return (BTC) or of its residual over BTC; `crowd_share`: the market's part of the score that all
    venues have in common; `gate_contract`: base units per contract on Gate,
    which counts contracts.
    """

    first_price: float
    tick: float
    beta: float
    own_sd: float
    crowd_share: float
    gate_contract: float
    open_interest: float
    open_interest_log_sd: float
    open_interest_hourly_sd: float


@dataclass(frozen=True)
class InstrumentParameters:
    """One coin on one venue: premium, price against the cross-venue reference, hourly turnover.

    `basis_mean`, `basis_slow_sd` (persistent) and `basis_fast_sd` (one close only) in bp of price;
    `turnover_usd`: median per hour.
    """

    premium: PremiumMarginal
    basis_mean: float
    basis_slow_sd: float
    basis_fast_sd: float
    turnover_usd: float


@dataclass(frozen=True)
class CrowdParameters:
    """The latent crowd: time scales of the market's, a coin's and a venue's part of every score.

    `return_link`: correlation of the market crowd's shocks with BTC's return shocks.
    """

    market_scales: tuple[TimeScale, ...]
    coin_scales: tuple[TimeScale, ...]
    venue_scales: tuple[TimeScale, ...]
    return_link: float


@dataclass(frozen=True)
class VolatilityParameters:
    """Hourly returns: stochastic log-volatility, seasonality, tails and the altcoins' common factor.

    `log_sd`: standard deviation of the log-volatility; `shared`: the market's part of an altcoin's.
    `tail_freedom`: degrees of freedom of Student's t. `by_hour`: relative volatility by UTC hour.
    """

    log_sd: float
    shared: float
    scales: tuple[TimeScale, ...]
    tail_freedom: float
    by_hour: tuple[float, ...]
    weekend: float
    altcoin_correlation: float


@dataclass(frozen=True)
class StressParameters:
    """Market-wide crashes and crises of one coin, both as shots that fade.

    A crash of size s (exponential, mean 1, at most `crash_most`) takes `crash_score` x s from the market
    crowd, which is back after some `crash_hours`, adds `crash_log_volatility` x s, and moves BTC by
    -`crash_return` x s in its hour.
    A crisis takes a Pareto premium (least `crisis_least_bp`, exponent `crisis_tail`, at most
    `crisis_most_bp`) off one coin on every venue, times a log-normal factor of the venue.
    """

    crashes_per_year: float
    crash_most: float
    crash_score: float
    crash_log_volatility: float
    crash_return: float
    crash_hours: float
    crises_per_coin_year: float
    crisis_least_bp: float
    crisis_most_bp: float
    crisis_tail: float
    crisis_rise_hours: float
    crisis_fade_hours: float
    crisis_aftermath_hours: float
    crisis_aftermath_share: float
    crisis_venue_log_sd: float
    crisis_log_volatility: float


@dataclass(frozen=True)
class BookParameters:
    """Books and trades, measured on two instruments and scaled to the others by hourly turnover.

    At `reference_turnover_usd`: `spread_bp` (median, at least one tick), `gap_bp` between levels,
    `top_usd` at the best price, `density_usd_per_bp` behind it, `trade_usd` (median); each scales with
    turnover to the power beside it. `size_log_sd` and `trade_log_sd`: spread of the log sizes.
    """

    levels: int
    every_hours: int
    seconds_before: int
    reference_turnover_usd: float
    spread_bp: float
    gap_bp: float
    spread_power: float
    top_usd: float
    density_usd_per_bp: float
    depth_power: float
    size_log_sd: float
    trades: int
    trade_usd: float
    trade_power: float
    trade_log_sd: float


@dataclass(frozen=True)
class SimulationParameters:
    """Everything that the simulation is calibrated to."""

    venues: Mapping[str, VenueParameters]
    reference_venues: tuple[str, ...]
    coins: Mapping[str, CoinParameters]
    instruments: Mapping[tuple[str, str], InstrumentParameters]
    crowd: CrowdParameters
    volatility: VolatilityParameters
    stress: StressParameters
    books: BookParameters
    volume_log_sd: float
    volume_scales: tuple[TimeScale, ...]

    def symbol(self, venue: str, coin: str) -> str:
        """Unified name of the linear perpetual."""
        settle = self.venues[venue].settle
        return f"{coin}/{settle}:{settle}"
