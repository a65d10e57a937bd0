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
        "BTC": (0.15, 0.67, 0.60, 4.29e8),
        "ETH": (0.16, 0.52, 0.72, 2.32e8),
        "SOL": (-0.02, 0.68, 1.15, 8.51e7),
        "XRP": (0.17, 0.67, 1.31, 2.62e7),
        "DOGE": (0.01, 0.82, 1.24, 2.38e7),
        "BNB": (2.43, 3.46, 1.28, 1.29e7),
        "AVAX": (0.43, 0.78, 1.66, 9.22e6),
    },
    "bybit": {
        "BTC": (0.36, 1.31, 0.74, 1.94e8),
        "ETH": (0.13, 1.17, 0.75, 7.01e7),
        "SOL": (0.33, 1.37, 1.38, 3.93e7),
        "XRP": (0.23, 1.06, 1.16, 1.05e7),
        "DOGE": (0.26, 1.18, 1.28, 7.85e6),
        "BNB": (-0.29, 1.09, 1.34, 1.74e6),
        "AVAX": (0.15, 1.02, 1.76, 3.07e6),
    },
    "gate": {
        "BTC": (-0.72, 1.88, 0.43, 2.94e7),
        "ETH": (-0.66, 2.40, 0.51, 2.3e7),
        "SOL": (-0.46, 1.24, 2.15, 3.08e6),
        "XRP": (-0.56, 1.55, 2.14, 7.17e5),
        "DOGE": (-0.55, 1.90, 1.74, 1.16e6),
        "BNB": (-0.82, 2.23, 2.13, 2.16e5),
        "AVAX": (-1.45, 1.35, 5.37, 1.99e5),
    },
    "hyperliquid": {
        "BTC": (1.50, 3.21, 2.53, 1.57e7),
        "ETH": (1.16, 2.55, 2.92, 1.2e7),
        "SOL": (1.81, 3.20, 4.77, 4.61e6),
        "XRP": (1.49, 2.76, 5.30, 1.36e5),
        "DOGE": (2.28, 4.17, 4.10, 3.55e5),
        "BNB": (1.26, 2.89, 3.66, 1.92e5),
        "AVAX": (1.44, 3.53, 5.23, 2.81e5),
    },
    "deribit": {
        "BTC": (2.41, 5.94, 1.18, 1.43e7),
        "ETH": (1.51, 5.49, 1.33, 5.87e6),
        "SOL": (2.41, 5.94, 10.13, 1.69e5),
        "XRP": (2.20, 5.76, 10.08, 2.03e4),
        "DOGE": (1.59, 8.53, 28.95, 6.52e3),
        "BNB": (1.98, 6.14, 21.49, 8.7e3),
        "AVAX": (0.65, 10.36, 37.17, 3.03e3),
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
