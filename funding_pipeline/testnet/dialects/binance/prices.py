"""Prices on Binance's futures: candles, book, trades, 24 h tickers, open interest.

What lives here: `/fapi/v1/klines` and its kin, `depth`, `aggTrades`, `trades`, `ticker/*`, `openInterest`
and `/futures/data/openInterestHist`. What does not: funding (`funding`).
"""

from collections.abc import Mapping
from typing import Any

import polars as pl

from funding_pipeline.testnet.dialects.binance.parameters import (
    DAY_MS,
    HOUR_MS,
    Parameters,
    digits,
    listed,
    required,
    whole,
    window,
)
from funding_pipeline.testnet.dialects.binance.refusals import RefusedError, invalid
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Level
from funding_pipeline.testnet.quotes import CandleKind
from funding_pipeline.testnet.rendering import RenderedBars, json_array
from funding_pipeline.testnet.rendering import fixed as fixed_column

INTERVAL_HOURS: Mapping[str, int] = {"1h": 1, "2h": 2, "4h": 4, "8h": 8, "1d": 24}
DEPTH_LIMITS = (5, 10, 20, 50, 100, 500, 1000)
DEFAULT_ROWS, MOST_CANDLES = 500, 1500
PRICE_DIGITS = 8  # of mark and index candles


def candles(exchange: Exchange, rendered: RenderedBars, parameters: Parameters, kind: CandleKind) -> bytes:
    """GET /fapi/v1/klines, markPriceKlines, indexPriceKlines (this one by `pair`): ascending.

    From `startTime`, or the newest where it is not sent. Raises RefusedError(-1120) for an interval that this
    market does not have (shorter than an hour).
    """
    page = window(parameters, default=DEFAULT_ROWS, most=MOST_CANDLES)
    instrument = listed(exchange, parameters, "pair" if kind == "index" else "symbol")
    hours = INTERVAL_HOURS.get(required(parameters, "interval"))
    if hours is None:
        raise RefusedError(-1120, "Invalid interval.")
    now = exchange.now()
    rows = rendered.page(
        instrument.symbol,
        kind,
        start=page.start or 0,
        end=now if page.end is None else page.end,
        now=now,
        limit=page.limit,
        keep="newest" if page.start is None else "oldest",
        hours=hours,
    )
    return json_array(rows)


def candle_row(bars: pl.DataFrame) -> pl.Series:
    """Rows of twelve: times are numbers, values text; mark and index candles have no volume.

    The number of trades and the takers' share are not in the market: one trade per unit, and a half.
    """
    is_trade = bars["kind"][0] == "trade"
    places = _places(float(bars["tick"][0])) if is_trade else PRICE_DIGITS
    prices = [fixed_column(pl.col(name), places) for name in ("open", "high", "low", "close")]
    volume, quote = pl.col("volume"), pl.col("volume") * (pl.col("open") + pl.col("close")) / 2
    zero = pl.lit("0")
    fields = [
        fixed_column(volume, 3) if is_trade else zero,
        fixed_column(quote, 5) if is_trade else zero,
        (volume.ceil() if is_trade else pl.lit(3600)).cast(pl.Int64).cast(pl.String),
        fixed_column(volume / 2, 3) if is_trade else zero,
        fixed_column(quote / 2, 5) if is_trade else zero,
    ]
    row = pl.format(
        '[{},"{}","{}","{}","{}","{}",{},"{}",{},"{}","{}","0"]',
        pl.col("open_time"),
        *prices,
        fields[0],
        pl.col("close_time") - 1,
        *fields[1:],
    )
    return bars.select(row.alias("row"))["row"]


def depth(exchange: Exchange, parameters: Parameters) -> Any:
    """GET /fapi/v1/depth. Raises RefusedError(-4021) for a depth that the venue does not have."""
    limit = whole(parameters, "limit")
    levels = DEFAULT_ROWS if limit is None else limit
    if levels not in DEPTH_LIMITS:
        raise RefusedError(-4021, f"{levels} is not valid depth limit.")
    instrument = listed(exchange, parameters)
    now = exchange.now()
    book = exchange.quotes.book(instrument.symbol, now)
    places = digits(instrument.tick), digits(instrument.step)
    return {
        "lastUpdateId": book.time,
        "E": now,
        "T": book.time,
        "bids": _levels(book.bids[:levels], places),
        "asks": _levels(book.asks[:levels], places),
    }


def open_interest(exchange: Exchange, parameters: Parameters) -> Any:
    """GET /fapi/v1/openInterest, in coins."""
    instrument = listed(exchange, parameters)
    now = exchange.now()
    amount = exchange.quotes.open_interest(instrument.symbol, now)
    return {
        "openInterest": f"{amount:.{digits(instrument.step)}f}",
        "symbol": required(parameters, "symbol"),
        "time": now,
    }


def open_interest_history(exchange: Exchange, parameters: Parameters) -> Any:
    """GET /futures/data/openInterestHist: 30 days back at most; of more than `limit`, the newest; ascending.

    Raises RefusedError(-1130) for an older start, and for periods shorter than an hour, which are not here.
    """
    page = window(parameters, default=30, most=500)
    hours = INTERVAL_HOURS.get(required(parameters, "period"))
    if hours is None:
        raise invalid("period")
    instrument = listed(exchange, parameters)
    now = exchange.now()
    oldest = now - 30 * DAY_MS
    if page.start is not None and page.start < oldest:
        raise invalid("startTime")
    start, end = page.start or oldest, min(now, now if page.end is None else page.end)
    history = exchange.quotes.open_interest_history(instrument.symbol, start, end)
    kept = history.filter(pl.col("time") % (hours * HOUR_MS) == 0).tail(page.limit)
    return [_held(exchange, instrument.symbol, parameters, *row) for row in kept.iter_rows()]


def _held(
    exchange: Exchange, symbol: str, parameters: Parameters, time: int, amount: float
) -> dict[str, Any]:
    value = amount * float(exchange.quotes.mark(symbol, time))
    return {
        "sumOpenInterest": f"{amount:.8f}",
        "sumOpenInterestValue": f"{value:.8f}",
        "symbol": required(parameters, "symbol"),
        "timestamp": time,
    }


def _levels(levels: tuple[Level, ...], places: tuple[int, int]) -> list[list[str]]:
    price_places, quantity_places = places
    return [[f"{level.price:.{price_places}f}", f"{level.quantity:.{quantity_places}f}"] for level in levels]


def _places(tick: float) -> int:
    return len(f"{tick:.12f}".rstrip("0").split(".")[1])
