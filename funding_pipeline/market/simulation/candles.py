"""Raw `candles`: hourly bars of trades and spot, closes of mark prices, the index at each hour.

Bars of one coin share the reference's excursions within the hour; mark and index have no open, high,
low or volume, as in the recorded history.
"""

import numpy as np
import polars as pl

from funding_pipeline.market.simulation.frames import block, table_of
from funding_pipeline.market.simulation.grid import WARM_UP_HOURS
from funding_pipeline.market.simulation.paths import MarketPaths
from funding_pipeline.market.simulation.premium import Instrument
from funding_pipeline.market.simulation.streams import Floats
from funding_pipeline.market.simulation.venue_prices import bars, excursions, to_tick

_HOUR = np.timedelta64(1, "h")
# Median hourly spot turnover over the perpetual's on the same venue: 0.16 to 0.22 on Binance and Gate.
_SPOT_TURNOVER = 0.18
# Spot closes stay this close to the reference (an assumption: arbitrage between spot markets is quick).
_SPOT_NOISE_BP = 1.0


def candles(paths: MarketPaths) -> pl.DataFrame:
    """One row per instrument, kind and hour; `open_time` from the start to the end (exclusive)."""
    reach = {coin: excursions(paths.references[coin], paths.noise, coin) for coin in paths.parameters.coins}
    blocks = []
    for (venue, coin), price in paths.prices.items():
        for kind in paths.parameters.venues[venue].candles:
            if kind == "trade":
                blocks.append(_bar_block(paths, (venue, coin), kind, close=price.close, reach=reach[coin]))
            elif kind == "spot":
                blocks.append(
                    _bar_block(paths, (venue, coin), kind, close=_spot(paths, venue, coin), reach=reach[coin])
                )
            elif kind == "mark":
                blocks.append(_mark_block(paths, (venue, coin), price.mark))
            else:
                blocks.append(_index_block(paths, (venue, coin)))
    return table_of("candles", blocks)


def _spot(paths: MarketPaths, venue: str, coin: str) -> Floats:
    noise = _SPOT_NOISE_BP * 1e-4 * paths.noise.normal("spot", venue, coin)
    return to_tick(np.exp(paths.references[coin].log_price + noise), paths.parameters.coins[coin].tick)


def volumes(paths: MarketPaths, instrument: Instrument, kind: str) -> Floats:
    """Hourly volume in the venue's own units: coins, or contracts on Gate.

    More when the market is wild and when the price moved, around the instrument's median turnover.
    """
    venue, coin = instrument
    parameters, reference = paths.parameters, paths.references[coin]
    moved = np.abs(np.diff(reference.log_price, prepend=reference.log_price[:1]))
    move = moved / parameters.coins[coin].own_sd
    own = paths.noise.mixture(parameters.volume_scales, "volume", kind, venue, coin)
    lift = np.exp(
        0.7 * np.log(reference.wildness) + 0.2 * np.log(0.1 + move) + parameters.volume_log_sd * own
    )
    usd = parameters.instruments[instrument].turnover_usd * (_SPOT_TURNOVER if kind == "spot" else 1.0)
    base = usd * lift / np.exp(reference.log_price)
    in_contracts = venue == "gate" and kind != "spot"
    volume: Floats = np.round(base / parameters.coins[coin].gate_contract) if in_contracts else base
    return volume


def _bar_block(
    paths: MarketPaths, instrument: Instrument, kind: str, *, close: Floats, reach: tuple[Floats, Floats]
) -> pl.DataFrame:
    venue, coin = instrument
    up, down = reach
    bar = bars(close, range_up=up, range_down=down, tick=paths.parameters.coins[coin].tick)
    shown = slice(WARM_UP_HOURS, None)
    symbol = paths.parameters.symbol(venue, coin)
    return block(
        "candles",
        {
            "venue": venue,
            "symbol": symbol if kind == "trade" else symbol.split(":")[0],
            "kind": kind,
            "timeframe": "1h",
            "open_time": (paths.grid.ends - _HOUR)[shown],
            "open": bar.open[shown],
            "high": bar.high[shown],
            "low": bar.low[shown],
            "close": bar.close[shown],
            "volume": volumes(paths, instrument, kind)[shown],
        },
    )


def _mark_block(paths: MarketPaths, instrument: Instrument, mark: Floats) -> pl.DataFrame:
    shown = slice(WARM_UP_HOURS, None)
    return _closes(paths, instrument, "mark", "1h", (paths.grid.ends - _HOUR)[shown], mark[shown])


def _index_block(paths: MarketPaths, instrument: Instrument) -> pl.DataFrame:
    """The index AT each hour from the start, which is the reference itself."""
    index = to_tick(
        np.exp(paths.references[instrument[1]].log_price), paths.parameters.coins[instrument[1]].tick
    )
    shown = slice(WARM_UP_HOURS - 1, -1)
    return _closes(paths, instrument, "index", "instant", paths.grid.ends[shown], index[shown])


def _closes(
    paths: MarketPaths,
    instrument: Instrument,
    kind: str,
    timeframe: str,
    open_time: np.typing.NDArray[np.datetime64],
    close: Floats,
) -> pl.DataFrame:
    venue, coin = instrument
    columns = {
        "venue": venue,
        "symbol": paths.parameters.symbol(venue, coin),
        "kind": kind,
        "timeframe": timeframe,
        "open_time": open_time,
        "close": close,
        **dict.fromkeys(("open", "high", "low", "volume")),
    }
    return block("candles", columns)
