"""The calibrated parameters, each with what it was measured on.

Unless a comment says otherwise: recorded history of 2023-07-01 to 2025-07-01, seven coins, hourly
closes or settlements. Where a value is an assumption the comment says so. The table of recorded
against simulated statistics is in docs/simulation.md and made by benchmarks/calibrate_simulation.py.
"""

from funding_pipeline.market.simulation.instruments import INSTRUMENTS
from funding_pipeline.market.simulation.parameters import (
    BookParameters,
    CoinParameters,
    CrowdParameters,
    Shortening,
    SimulationParameters,
    StressParameters,
    VenueParameters,
    VolatilityParameters,
)
from funding_pipeline.market.simulation.streams import TimeScale

# Own part of a score, fitted to the autocorrelation of pairwise differentials at 8, 24, 168 and 504 h:
# 0.50 0.32 0.12 0.06 among the centralised venues, 0.73 0.51 0.28 0.17 against Hyperliquid, 0.64 0.46 0.15
# 0.10 against Deribit; Deribit's slow part is smaller than that, so that slow rules earn no more than
# they did on the recorded history. common_share: fitted between the correlation of normal scores across
# venues (0.79 Binance-Bybit, 0.71 Binance-Gate, 0.69 Binance-Hyperliquid, 0.51 Binance-Deribit) and
# the standard deviation of the differentials' 168 h means (0.49, 1.58 and 2.04 bp).
_CENTRALISED = (TimeScale(2, 0.58), TimeScale(12, 0.16), TimeScale(60, 0.17), TimeScale(600, 0.09))
_HYPERLIQUID = (TimeScale(3, 0.27), TimeScale(24, 0.42), TimeScale(600, 0.31))
_DERIBIT = (TimeScale(3, 0.56), TimeScale(36, 0.37), TimeScale(600, 0.07))

# Caps: Binance's and Hyperliquid's are public; Bybit's and Gate's are the largest rates of 2021 to 2025
# (0.375 % on BTC and ETH; on SOL 2.5 % and 1.875 %). Shortened intervals are those of SOL in November
# 2022: Binance 8, 4, 2 h and back after 9 days, Gate 2 h for 19 days, Bybit 2 h for 44; `calm_hours` is
# that less about two days at the cap.
VENUES = {
    "binance": VenueParameters(
        settle="USDT",
        interval_hours=8,
        interest=1.0,
        dampener=5.0,
        major_cap=30.0,
        cap=200.0,
        shortening=Shortening(steps_hours=(4, 2), calm_hours=8 * 24),
        rate_decimals=8,
        common_share=0.86,
        venue_share=0.03,
        own_scales=_CENTRALISED,
        plateau_kept=0.55,
        basis_pass_through=0.15,
        candles=("trade", "mark", "spot"),
        announces_estimate=True,
    ),
    "bybit": VenueParameters(
        settle="USDT",
        interval_hours=8,
        interest=1.0,
        dampener=5.0,
        major_cap=37.5,
        cap=250.0,
        shortening=Shortening(steps_hours=(2,), calm_hours=42 * 24),
        rate_decimals=8,
        common_share=0.84,
        venue_share=0.03,
        own_scales=_CENTRALISED,
        plateau_kept=0.55,
        basis_pass_through=0.30,
        candles=("trade",),
        announces_estimate=True,
    ),
    "gate": VenueParameters(
        settle="USDT",
        interval_hours=8,
        interest=1.0,
        dampener=5.0,
        major_cap=37.5,
        cap=187.5,
        shortening=Shortening(steps_hours=(2,), calm_hours=17 * 24),
        rate_decimals=6,
        common_share=0.73,
        venue_share=0.05,
        own_scales=_CENTRALISED,
        plateau_kept=0.55,
        basis_pass_through=0.40,
        candles=("trade", "mark", "spot"),
        announces_estimate=True,
    ),
    # No dampener and no shortened interval in the record; common_share from the correlation of 0.66 with
    # Binance (0.79 between Binance and Bybit); caps are an assumption (OKX sets them per contract).
    "okx": VenueParameters(
        settle="USDT",
        interval_hours=8,
        interest=1.0,
        dampener=0.0,
        major_cap=37.5,
        cap=150.0,
        shortening=None,
        rate_decimals=10,
        common_share=0.62,
        venue_share=0.05,
        own_scales=_CENTRALISED,
        plateau_kept=1.0,
        basis_pass_through=0.30,
        candles=("trade", "mark", "spot"),
        announces_estimate=True,
    ),
    "hyperliquid": VenueParameters(
        settle="USDC",
        interval_hours=1,
        interest=1.0,
        dampener=5.0,
        major_cap=400.0,
        cap=400.0,
        shortening=None,
        rate_decimals=10,
        common_share=0.63,
        venue_share=0.10,
        own_scales=_HYPERLIQUID,
        plateau_kept=1.0,
        basis_pass_through=0.65,
        candles=("trade",),
        announces_estimate=False,
    ),
    # Continuous funding without interest, dampener 0.025 %; the rows are hourly sums.
    "deribit": VenueParameters(
        settle="USDC",
        interval_hours=1,
        interest=0.0,
        dampener=2.5,
        major_cap=None,
        cap=None,
        shortening=None,
        rate_decimals=12,
        common_share=0.35,
        venue_share=0.08,
        own_scales=_DERIBIT,
        plateau_kept=1.0,
        basis_pass_through=0.40,
        candles=("trade", "index"),
        announces_estimate=False,
    ),
}

# first_price: 2023-07-01. beta, own_sd: regression of Binance's hourly returns on BTC's. crowd_share:
# correlation of normal scores with other coins over that with the same coin elsewhere (BNB stands
# apart). gate_contract: Gate's contract sizes. Open interest: Bybit's, in coins. In order: first price,
# tick, beta, own_sd, crowd_share, gate_contract, open interest, its log_sd, its hourly_sd.
COINS = {
    "BTC": CoinParameters(30459.1, 0.1, 1.0, 0.0051, 0.82, 1e-4, 5.93e4, 0.10, 0.0087),
    "ETH": CoinParameters(1933.73, 0.01, 1.05, 0.0041, 0.82, 1e-2, 6.55e5, 0.30, 0.0083),
    "SOL": CoinParameters(18.72, 0.001, 1.38, 0.0071, 0.82, 1.0, 4.10e6, 0.18, 0.0131),
    "XRP": CoinParameters(0.4673, 0.0001, 1.09, 0.0077, 0.82, 10.0, 2.65e8, 0.24, 0.0100),
    "DOGE": CoinParameters(0.06678, 0.00001, 1.43, 0.0074, 0.82, 10.0, 1.44e9, 0.27, 0.0094),
    "BNB": CoinParameters(243.25, 0.01, 0.79, 0.0044, 0.22, 1e-3, 1.55e5, 0.35, 0.0130),
    "AVAX": CoinParameters(13.013, 0.001, 1.40, 0.0075, 0.82, 1.0, 2.38e6, 0.29, 0.0133),
}

CROWD = CrowdParameters(
    # Correlation of other coins on other venues at 24, 168, 336, 504 and 1008 h over that at 0 h:
    # 0.97 0.85 0.74 0.64 0.34.
    market_scales=(TimeScale(12, 0.03), TimeScale(1000, 0.97)),
    # The same coin on Binance and Bybit, less other coins on these two: 0.22 at 0 h, then 0.75 0.55 0.30 0.23
    # 0.18 of it at 8, 24, 168, 336 and 504 h.
    coin_scales=(TimeScale(3, 0.25), TimeScale(24, 0.25), TimeScale(100, 0.25), TimeScale(800, 0.25)),
    # Other coins on the same venue, less other coins on other venues: 0.04 at 0 h among the centralised.
    venue_scales=(TimeScale(12, 0.6), TimeScale(300, 0.4)),
    # Mean centralised score against BTC's return of the 720 h before: correlation 0.71.
    return_link=0.7,
)

VOLATILITY = VolatilityParameters(
    # Autocorrelation of absolute hourly returns at 1, 24 and 168 h: 0.28 0.16 0.12; kurtosis 11 to 60; BTC's
    # with a residual's absolute return: 0.30. by_hour, weekend: mean absolute return against its average.
    log_sd=0.56,
    shared=0.70,
    scales=(TimeScale(4, 0.45), TimeScale(48, 0.25), TimeScale(600, 0.30)),
    tail_freedom=6.0,
    by_hour=(
        *(0.80, 1.11, 1.13, 0.97, 0.85, 0.81, 0.84, 0.87, 0.90, 0.95, 0.87, 0.86),
        *(0.84, 0.95, 1.21, 1.37, 1.31, 1.15, 1.17, 1.08, 1.03, 0.99, 0.96, 0.99),
    ),
    weekend=0.72,
    altcoin_correlation=0.33,
)

STRESS = StressParameters(
    # Windows of 8 h in which all seven coins fell by more than 4 %: six episodes, about three a year, BTC
    # down 4 to 10 %; the mean centralised score was lower by 0.5 afterwards (0.1 to 1.6). The size of the
    # jump and of the volatility are assumptions within the recorded tails of hourly returns.
    crashes_per_year=3.0,
    crash_most=4.0,
    crash_score=0.5,
    crash_log_volatility=0.5,
    crash_return=0.015,
    crash_hours=36.0,
    # 2021 to 2025: five multi-venue episodes beyond -0.75 % per 8 h in 32.6 coin-years, the worst (SOL,
    # November 2022) at -10 % per 8 h. None of them after 2023-07.
    crises_per_coin_year=0.05,
    crisis_least_bp=80.0,
    crisis_most_bp=1000.0,
    crisis_tail=1.0,
    crisis_rise_hours=4.0,
    crisis_fade_hours=24.0,
    crisis_aftermath_hours=288.0,
    crisis_aftermath_share=0.05,
    crisis_venue_log_sd=0.2,
    crisis_log_volatility=1.0,
)

# Binance, BTC and ETH, 2024-08-08 23:54 to 24:00: the only recorded books. Both spreads are one tick; the
# powers are an assumption that brings thin instruments near the noise of their recorded closes.
BOOKS = BookParameters(
    levels=20,
    every_hours=8,
    seconds_before=60,
    reference_turnover_usd=3.15e8,
    spread_bp=0.02,
    gap_bp=0.075,
    spread_power=-0.6,
    top_usd=91_000.0,
    density_usd_per_bp=30_000.0,
    depth_power=0.8,
    size_log_sd=2.2,
    trades=4,
    trade_usd=430.0,
    trade_power=0.5,
    trade_log_sd=2.0,
)

CALIBRATED = SimulationParameters(
    venues=VENUES,
    reference_venues=("binance", "bybit", "gate"),
    coins=COINS,
    instruments=INSTRUMENTS,
    crowd=CROWD,
    volatility=VOLATILITY,
    stress=STRESS,
    books=BOOKS,
    # Log of hourly turnover: standard deviation 0.74 to 1.0, autocorrelation 0.75 at 1 h and 0.4 at 24 h.
    volume_log_sd=0.6,
    volume_scales=(TimeScale(0.5, 0.3), TimeScale(6, 0.3), TimeScale(200, 0.4)),
)
