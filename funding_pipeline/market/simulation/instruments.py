"""Calibrated terms per instrument: its premium's distribution, its basis and its turnover.

Recorded history of 2023-07-01 to 2025-07-01, hourly closes (Hyperliquid: closes of 8 h bars). A row:
mean, persistent and one-close standard deviation of the price against the median of Binance, Bybit
and Gate, in bp, beyond what the premium explains; median USD turned over per hour.
"""

from funding_pipeline.market.simulation.marginals import PREMIUMS
from funding_pipeline.market.simulation.parameters import InstrumentParameters

# fmt: off
_ROWS: dict[str, dict[str, tuple[float, float, float, float]]] = {
    "binance": {
        "BTC": (0.16, 0.68, 0.62, 4.29e8),
        "ETH": (0.15, 0.53, 0.74, 2.32e8),
        "SOL": (-0.02, 0.68, 1.15, 8.51e7),
        "XRP": (0.13, 0.68, 1.29, 2.62e7),
        "DOGE": (0.01, 0.83, 1.18, 2.38e7),
        "BNB": (2.40, 3.46, 1.29, 1.29e7),
        "AVAX": (0.42, 0.80, 1.67, 9.22e6),
    },
    "bybit": {
        "BTC": (0.36, 1.33, 0.79, 1.94e8),
        "ETH": (0.16, 1.18, 0.79, 7.01e7),
        "SOL": (0.46, 1.38, 1.41, 3.93e7),
        "XRP": (0.33, 1.09, 1.16, 1.05e7),
        "DOGE": (0.31, 1.19, 1.18, 7.85e6),
        "BNB": (-0.25, 1.10, 1.36, 1.74e6),
        "AVAX": (0.17, 1.05, 1.78, 3.07e6),
    },
    "gate": {
        "BTC": (-0.73, 1.89, 0.56, 2.94e7),
        "ETH": (-0.74, 2.42, 0.57, 2.3e7),
        "SOL": (-0.62, 1.31, 2.18, 3.08e6),
        "XRP": (-0.68, 1.59, 2.12, 7.17e5),
        "DOGE": (-0.55, 1.93, 1.68, 1.16e6),
        "BNB": (-0.83, 2.25, 2.17, 2.16e5),
        "AVAX": (-1.38, 1.34, 5.40, 1.99e5),
    },
    "hyperliquid": {
        "BTC": (1.93, 3.24, 2.61, 1.57e7),
        "ETH": (1.44, 2.68, 2.93, 1.2e7),
        "SOL": (2.04, 3.11, 4.79, 4.61e6),
        "XRP": (1.58, 2.83, 5.24, 1.36e5),
        "DOGE": (2.32, 4.05, 4.03, 3.55e5),
        "BNB": (1.07, 2.75, 3.69, 1.92e5),
        "AVAX": (1.54, 3.75, 5.26, 2.81e5),
    },
    "deribit": {
        "BTC": (2.19, 5.97, 1.21, 1.43e7),
        "ETH": (1.44, 5.53, 1.30, 5.87e6),
        "SOL": (2.30, 5.94, 10.14, 1.69e5),
        "XRP": (2.28, 5.72, 10.01, 2.03e4),
        "DOGE": (1.91, 8.69, 28.97, 6.52e3),
        "BNB": (1.73, 6.16, 21.49, 8.7e3),
        "AVAX": (1.06, 10.49, 37.18, 3.03e3),
    },
}
# fmt: on

INSTRUMENTS = {
    (venue, coin): InstrumentParameters(
        premium=PREMIUMS[venue, coin],
        basis_mean=mean,
        basis_slow_sd=slow,
        basis_fast_sd=fast,
        turnover_usd=turnover,
    )
    for venue, rows in _ROWS.items()
    for coin, (mean, slow, fast, turnover) in rows.items()
}
