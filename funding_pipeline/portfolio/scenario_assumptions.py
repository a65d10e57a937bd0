"""The size of each break that neutral books have met, with its source. Assumptions, all in one place.

What does not live here: the losses that follow for a book (`scenarios`), and margin.
"""

from dataclasses import dataclass

import numpy as np

from funding_pipeline.portfolio.legs import Bools, Floats, Universe

MAJORS = frozenset({"BTC", "ETH"})
_BITCOIN = frozenset({"BTC"})


@dataclass(frozen=True)
class ScenarioAssumptions:
    """Sizes of the breaks. Fractions of 1 unless the name says otherwise; sources beside each.

    `crash_btc_fraction`, `crash_other_fraction`, `crash_most_fraction`: 2025-10-10, BTC -11 % in 20 minutes,
    other coins -40 to -80 %: a coin falls by its beta times BTC's fall, at least the second, at most the
    third. `adl_unearned_share`: of that fall, what comes after auto-deleveraging has closed the winning
    shorts and before their hedges are closed 30 minutes later (an assumption: half).
    `stressed_spread_multiple`: half-spreads then, depth was down by 90 %; `least_half_spread_fraction` is
    the half-spread in calm times that is multiplied at least.
    `failure_btc_fraction`, `failure_other_fraction`: adverse move of a naked hedge in the hour until it is
    closed: the largest inside any hour of 2022-11-06..14 (FTX) on Binance were BTC 9.4 %, ETH 11.1 %, DOGE
    15.5 %, XRP 18.7 %, SOL 28.5 %. `failure_recovery_fraction`: of the venue's collateral, paid back in time.
    `currency_break_fraction`: USDC 0.87 (2023-03), USDe 0.65 (2025-10); `other_break_fraction` for a
    stablecoin without a break on record, USDT among them. `coin_collateral_fraction` for one that is no
    dollar. `dollar_marked_venues`: price their contracts in dollars whatever the collateral is worth.
    `funding_major_fraction`, `funding_other_fraction`: eight hourly settlements at the cap (+-0.30 % BTC and
    ETH, +-2 % others) after an unannounced change of the interval; the most on record over 8 h in 2021 to
    2024 is 8.25 % (SOL, 2022-11).
    `delisting_off_fraction`: a coin is settled that far from the market, against the book (Hyperliquid
    settled JELLY at a fifth of its price, 2025-03-26); `delisting_least_share`: one such coin is taken to be
    an even share of the coins of the venue outside BTC and ETH, and at least this share.
    """

    crash_btc_fraction: float = 0.11
    crash_other_fraction: float = 0.40
    crash_most_fraction: float = 0.80
    adl_unearned_share: float = 0.50
    stressed_spread_multiple: float = 10.0
    least_half_spread_fraction: float = 1e-4
    failure_btc_fraction: float = 0.10
    failure_other_fraction: float = 0.20
    failure_recovery_fraction: float = 0.0
    currency_break_fraction: tuple[tuple[str, float], ...] = (("USDC", 0.13), ("USDE", 0.35))
    other_break_fraction: float = 0.13
    coin_collateral_fraction: float = 0.40
    dollar_marked_venues: frozenset[str] = frozenset({"hyperliquid", "dydx"})
    funding_major_fraction: float = 8 * 0.003
    funding_other_fraction: float = 8 * 0.02
    delisting_off_fraction: float = 0.80
    delisting_least_share: float = 0.10

    def crash(self, universe: Universe, *, beta: Floats) -> Floats:
        """Fall of each leg's price in the crash, positive; NaN beta counts as 1."""
        known = np.where(np.isfinite(beta), beta, 1.0)
        by_beta = np.maximum(self.crash_btc_fraction * known, self.crash_other_fraction)
        fall = np.where(in_bases(universe, _BITCOIN), self.crash_btc_fraction, by_beta)
        return np.asarray(np.minimum(fall, self.crash_most_fraction), dtype=np.float64)

    def failure_hour(self, universe: Universe, *, beta: Floats) -> Floats:
        """Adverse move of each leg's price within an hour, positive; NaN beta counts as 1."""
        known = np.where(np.isfinite(beta), beta, 1.0)
        by_beta = np.maximum(self.failure_btc_fraction * known, self.failure_other_fraction)
        return np.where(in_bases(universe, _BITCOIN), self.failure_btc_fraction, by_beta)

    def break_of(self, currency: str) -> float:
        """What a dollar's worth of `currency` loses when it breaks."""
        known = dict(self.currency_break_fraction)
        is_dollar = "USD" in currency.upper()
        return known.get(
            currency.upper(), self.other_break_fraction if is_dollar else self.coin_collateral_fraction
        )


def in_bases(universe: Universe, bases: frozenset[str]) -> Bools:
    """True for the legs of some bases."""
    return np.array([leg.base in bases for leg in universe.legs], dtype=np.bool_)
