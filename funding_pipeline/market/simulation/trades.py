"""Raw `trades`: a few trades per instrument in the minute that begins with each book snapshot."""

import numpy as np
import polars as pl

from funding_pipeline.market.simulation.books import Snapshots, contracts, snapshots, unit_size
from funding_pipeline.market.simulation.frames import block, table_of
from funding_pipeline.market.simulation.grid import Times
from funding_pipeline.market.simulation.paths import MarketPaths
from funding_pipeline.market.simulation.premium import Instrument

# Trades end this long before the mark, outside every venue's settlement window but OKX's.
_LAST_SECONDS = 15.0


def trades(paths: MarketPaths) -> pl.DataFrame:
    """One row per trade, oldest first per instrument; `side` is the taker's, the price the side's best."""
    return table_of("trades", (_trade_block(paths, instrument) for instrument in paths.prices))


def _trade_block(paths: MarketPaths, instrument: Instrument) -> pl.DataFrame:
    venue, coin = instrument
    books = paths.parameters.books
    seen = snapshots(paths, instrument)
    shape = (len(seen.hour), books.trades)
    buys = paths.noise.generator("trades", venue, coin, "side").random(shape) < 0.5
    # A taker's buy pays the best ask of the snapshot, a sale gets the best bid.
    price = np.where(buys, seen.best_ask[:, None], seen.best_bid[:, None])
    scale = paths.parameters.instruments[instrument].turnover_usd / books.reference_turnover_usd
    drawn = paths.noise.generator("trades", venue, coin, "size").standard_normal(shape)
    usd = books.trade_usd * scale**books.trade_power * np.exp(books.trade_log_sd * drawn)
    return block(
        "trades",
        {
            "venue": venue,
            "symbol": paths.parameters.symbol(venue, coin),
            "traded_at": _moments(paths, instrument, seen).ravel(),
            "side": pl.Series(np.where(buys, "buy", "sell").ravel()),
            "price": price.ravel(),
            "qty": contracts(paths, instrument, usd / price).ravel(),
            "id": pl.Series(np.arange(buys.size) + 1).cast(pl.String),
            "contract_size": np.full(buys.size, unit_size(paths, instrument)),
        },
    )


def _moments(paths: MarketPaths, instrument: Instrument, seen: Snapshots) -> Times:
    """Sorted moments between a snapshot and shortly before the mark, to the millisecond."""
    books = paths.parameters.books
    drawn = paths.noise.generator("trades", *instrument, "time").random((len(seen.hour), books.trades))
    after = np.sort(drawn, axis=1) * (books.seconds_before - _LAST_SECONDS) * 1e3
    moments: Times = seen.observed_at[:, None] + after.astype("timedelta64[ms]")
    return moments
