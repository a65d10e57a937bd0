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
        "BTC": (0.19, 0.66, 0.57, 4.29e8),
        "ETH": (0.15, 0.49, 0.67, 2.32e8),
        "SOL": (-0.04, 0.68, 1.12, 8.51e7),
        "XRP": (0.12, 0.67, 1.24, 2.62e7),
        "DOGE": (-0.00, 0.82, 1.24, 2.38e7),
        "BNB": (2.46, 3.46, 1.26, 1.29e7),
        "AVAX": (0.47, 0.78, 1.65, 9.22e6),
    },
    "bybit": {
        "BTC": (0.38, 1.30, 0.70, 1.94e8),
        "ETH": (0.14, 1.16, 0.68, 7.01e7),
        "SOL": (0.44, 1.36, 1.35, 3.93e7),
        "XRP": (0.34, 1.06, 1.12, 1.05e7),
        "DOGE": (0.32, 1.16, 1.28, 7.85e6),
        "BNB": (-0.34, 1.10, 1.33, 1.74e6),
        "AVAX": (0.09, 1.03, 1.75, 3.07e6),
    },
    "gate": {
        "BTC": (-0.83, 1.88, 0.36, 2.94e7),
        "ETH": (-0.75, 2.39, 0.30, 2.3e7),
        "SOL": (-0.56, 1.27, 2.10, 3.08e6),
        "XRP": (-0.65, 1.51, 2.06, 7.17e5),
        "DOGE": (-0.61, 1.90, 1.75, 1.16e6),
        "BNB": (-0.83, 2.24, 2.10, 2.16e5),
        "AVAX": (-1.44, 1.36, 5.37, 1.99e5),
    },
    "okx": {
        "BTC": (2.18, 3.70, 0.86, 1.93e8),
        "ETH": (2.00, 3.94, 0.93, 1.64e8),
        "SOL": (1.85, 4.26, 1.50, 3.18e7),
        "XRP": (1.38, 4.52, 1.62, 6.52e6),
        "DOGE": (1.79, 4.68, 1.63, 1.41e7),
        "BNB": (1.62, 3.95, 1.98, 1.86e6),
        "AVAX": (1.69, 4.86, 2.21, 1.86e6),
    },
    "hyperliquid": {
        "BTC": (1.77, 3.20, 2.55, 1.57e7),
        "ETH": (1.05, 2.43, 2.89, 1.2e7),
        "SOL": (1.83, 3.31, 4.72, 4.61e6),
        "XRP": (1.95, 2.80, 5.22, 1.36e5),
        "DOGE": (2.62, 4.75, 4.32, 3.55e5),
        "BNB": (1.42, 2.99, 3.61, 1.92e5),
        "AVAX": (1.61, 3.54, 5.14, 2.81e5),
    },
    "deribit": {
        "BTC": (2.22, 5.96, 1.13, 1.43e7),
        "ETH": (1.35, 5.54, 1.18, 5.87e6),
        "SOL": (2.27, 5.94, 10.12, 1.69e5),
        "XRP": (2.26, 5.77, 10.05, 2.03e4),
        "DOGE": (2.01, 8.61, 28.97, 6.52e3),
        "BNB": (1.76, 6.14, 21.48, 8.7e3),
        "AVAX": (1.01, 10.46, 37.17, 3.03e3),
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
