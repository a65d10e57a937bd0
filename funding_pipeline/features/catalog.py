"""What every feature means: formula, unit, window, and what is known when. Data, not code.

All are known at as_of: settlements, bars and snapshots enter only with known_at <= as_of. Rates are
fractions of notional per hour, positive where longs pay. Null means "unknown".
"""

from collections.abc import Mapping

from funding_pipeline.features.cross_section import (
    CROSS_WINDOWS_HOURS,
    MEDIAN_WINDOWS_HOURS,
    OFFSET_WINDOWS_HOURS,
)
from funding_pipeline.features.funding import RATE_WINDOWS_HOURS, SPREAD_WINDOWS_HOURS
from funding_pipeline.features.liquidity import OPEN_INTEREST_WINDOWS_HOURS
from funding_pipeline.features.prices import (
    BASIS_WINDOWS_HOURS,
    MOMENTUM_WINDOWS_HOURS,
    VOLATILITY_WINDOWS_HOURS,
)

_RATE = "fraction of notional per hour"
KEYS = ("as_of", "venue", "symbol", "base")
# How far back the longest window reaches: what a caller has to load before the first as_of.
LOOKBACK_HOURS = max(*RATE_WINDOWS_HOURS, *MOMENTUM_WINDOWS_HOURS, *VOLATILITY_WINDOWS_HOURS) + 24


def _per_window(name: str, windows: tuple[int, ...], text: str) -> dict[str, str]:
    return {name.format(w): text.format(w) for w in windows}


def _funding() -> dict[str, str]:
    return {
        "rate_last_per_hour": f"newest settled rate / its interval; {_RATE}",
        **_per_window(
            "rate_{}h_per_hour", RATE_WINDOWS_HOURS, f"sum(rate) / sum(interval) over {{}} h; {_RATE}"
        ),
        **_per_window(
            "rate_std_{}h_per_hour",
            SPREAD_WINDOWS_HOURS,
            f"time-weighted standard deviation of rate per hour over {{}} h; {_RATE}",
        ),
        **_per_window(
            "rate_absolute_{}h_per_hour", SPREAD_WINDOWS_HOURS, f"mean |rate| over {{}} h; {_RATE}"
        ),
        **_per_window(
            "plateau_share_{}h",
            SPREAD_WINDOWS_HOURS,
            "share of the time over {} h at the bare interest of 0.01 % per 8 h; 0 to 1",
        ),
        **_per_window(
            "repeated_share_{}h",
            SPREAD_WINDOWS_HOURS,
            "share of the time over {} h at exactly the rate of the settlement before; 0 to 1",
        ),
        **_per_window(
            "positive_share_{}h",
            SPREAD_WINDOWS_HOURS,
            "share of the time over {} h with a rate above zero; 0 to 1",
        ),
        "history_hours": "hours of settlements known within the longest window (2160 h); hours",
        "interval_hours": "interval of the newest settlement; hours",
        "hours_since_settlement": "as_of less the newest settlement; hours",
        "hours_to_settlement": "interval less hours since settlement; hours",
        "same_sign_hours": "how long the newest rate's sign has held, at most 2160; hours",
        "estimated_rate_per_hour": f"venue's newest own estimate, not a payment; {_RATE}",
    }


def _cross_section() -> dict[str, str]:
    return {
        **_per_window(
            "base_rate_{}h_per_hour",
            CROSS_WINDOWS_HOURS,
            f"mean of rate over {{}} h of the base's instruments; {_RATE}",
        ),
        **_per_window(
            "base_gap_{}h_per_hour",
            CROSS_WINDOWS_HOURS,
            f"own rate over {{}} h less the base's mean; {_RATE}",
        ),
        **_per_window(
            "base_median_gap_{}h_per_hour",
            MEDIAN_WINDOWS_HOURS,
            f"own rate over {{}} h less the median over the base's instruments; {_RATE}",
        ),
        **_per_window(
            "venue_gap_{}h_per_hour",
            OFFSET_WINDOWS_HOURS,
            f"mean base gap over {{}} h of the venue's other instruments; {_RATE}",
        ),
        **_per_window(
            "market_rate_{}h_per_hour",
            (24, 168, 720),
            f"mean over bases of the base's rate over {{}} h; {_RATE}",
        ),
        "base_instruments": "instruments of the base known at as_of; count",
        "base_dispersion_168h_per_hour": f"standard deviation over the base's instruments, 168 h; {_RATE}",
        "base_rank_168h": "rank of own 168 h rate within the base; 0 lowest to 1 highest",
        "base_estimated_rate_per_hour": f"mean of the venues' own newest estimates for the base; {_RATE}",
    }


def _market() -> dict[str, str]:
    return {
        "basis": "newest close / cross-venue median close of the base - 1; fraction",
        **_per_window("basis_{}h", BASIS_WINDOWS_HOURS, "mean basis over {} h; fraction"),
        **_per_window(
            "base_premium_{}h",
            BASIS_WINDOWS_HOURS,
            "mean over {} h of perpetual over spot and index - 1; fraction",
        ),
        **_per_window("momentum_{}h", MOMENTUM_WINDOWS_HOURS, "log return of the base over {} h"),
        **_per_window(
            "volatility_{}h_per_sqrt_hour",
            VOLATILITY_WINDOWS_HOURS,
            "root mean square of hourly log returns of the base over {} h",
        ),
        **_per_window(
            "open_interest_change_{}h", OPEN_INTEREST_WINDOWS_HOURS, "log change of open interest over {} h"
        ),
        **_per_window(
            "base_open_interest_change_{}h",
            OPEN_INTEREST_WINDOWS_HOURS,
            "mean over the base's instruments of the log change of open interest over {} h",
        ),
        "book_spread_bp": "newest bid-ask spread, at most 2 h old; basis points",
        "book_imbalance": "newest (bid - ask) / (bid + ask) of resting quantity; -1 to 1",
        "book_impact_100k_bp": "newest mean impact of buying and selling 100,000 USD; basis points",
        "taker_imbalance_1h": "(taker buys - sells) / (buys + sells) over 1 h, USD; -1 to 1",
    }


FEATURE_DOCS: Mapping[str, str] = {**_funding(), **_cross_section(), **_market()}
FEATURE_COLUMNS: tuple[str, ...] = tuple(FEATURE_DOCS)
