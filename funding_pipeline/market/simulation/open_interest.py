"""Raw `open_interest`: Bybit's, hourly, in coins."""

import math

import numpy as np
import polars as pl

from funding_pipeline.market.simulation.frames import block, table_of
from funding_pipeline.market.simulation.grid import WARM_UP_HOURS
from funding_pipeline.market.simulation.paths import MarketPaths
from funding_pipeline.market.simulation.streams import Floats, ar1

_VENUE = "bybit"
# Correlation of hourly changes with the coin's hourly return: 0.10 to 0.36 recorded.
_RETURN_LINK = 0.2


def open_interest(paths: MarketPaths) -> pl.DataFrame:
    """One row per coin and hour from the start to the end (exclusive)."""
    return table_of("open_interest", (_coin_block(paths, coin) for coin in paths.parameters.coins))


def _coin_block(paths: MarketPaths, coin: str) -> pl.DataFrame:
    shown = slice(WARM_UP_HOURS - 1, -1)
    return block(
        "open_interest",
        {
            "venue": _VENUE,
            "symbol": paths.parameters.symbol(_VENUE, coin),
            "observed_at": paths.grid.ends[shown],
            "open_interest_base": _level(paths, coin)[shown],
        },
    )


def _level(paths: MarketPaths, coin: str) -> Floats:
    """Log AR(1) whose hourly and long-run standard deviations are the recorded ones."""
    terms, reference = paths.parameters.coins[coin], paths.references[coin]
    returns = np.diff(reference.log_price, prepend=reference.log_price[:1])
    standard = np.clip(returns / np.maximum(reference.hour_sd, 1e-12), -4.0, 4.0)
    own = paths.noise.normal("open interest", coin)
    shocks = _RETURN_LINK * standard + math.sqrt(1.0 - _RETURN_LINK**2) * own
    hours = 2.0 * (terms.open_interest_log_sd / terms.open_interest_hourly_sd) ** 2
    level: Floats = terms.open_interest * np.exp(terms.open_interest_log_sd * ar1(shocks, hours=hours))
    return level
