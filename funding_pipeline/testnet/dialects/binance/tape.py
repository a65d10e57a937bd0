"""Trades and tickers of Binance's futures.

What lives here: `/fapi/v1/aggTrades`, `trades`, `ticker/24hr`, `ticker/price`, `ticker/bookTicker`. What
does not: candles and book (`prices`), the account's own trades (`statements`).
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from funding_pipeline.testnet.dialects.binance.parameters import (
    DAY_MS,
    HOUR_MS,
    Parameters,
    digits,
    fixed,
    listed,
    market_id,
    window,
)
from funding_pipeline.testnet.dialects.binance.refusals import RefusedError
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Instrument, PublicTrade

DEFAULT_TRADES, MOST_TRADES = 500, 1000


def aggregate_trades(exchange: Exchange, parameters: Parameters) -> Any:
    """GET /fapi/v1/aggTrades: from `startTime` on, within an hour of it, or the newest; ascending.

    Raises RefusedError(-1127) where start and end are more than an hour apart. Of a window, only its newest
    thousand trades exist here.
    """
    page = window(parameters, default=DEFAULT_TRADES, most=MOST_TRADES)
    if page.start is not None and page.end is not None and page.end - page.start > HOUR_MS:
        raise RefusedError(-1127, "More than 1 hours between startTime and endTime.")
    instrument = listed(exchange, parameters)
    until = exchange.now() if page.end is None else min(page.end, exchange.now())
    if page.start is None:
        found = exchange.quotes.trades(instrument.symbol, until, page.limit)
    else:
        known = exchange.quotes.trades(instrument.symbol, until, MOST_TRADES)
        found = tuple(trade for trade in known if trade.time >= page.start)[: page.limit]
    return [_aggregate(instrument, trade) for trade in found]


def recent_trades(exchange: Exchange, parameters: Parameters) -> Any:
    """GET /fapi/v1/trades: the newest, ascending."""
    page = window(parameters, default=DEFAULT_TRADES, most=MOST_TRADES)
    instrument = listed(exchange, parameters)
    found = exchange.quotes.trades(instrument.symbol, exchange.now(), page.limit)
    return [_single(instrument, trade) for trade in found]


def day_ticker(exchange: Exchange, parameters: Parameters) -> Any:
    """GET /fapi/v1/ticker/24hr: one symbol, or all."""
    return _one_or_all(exchange, parameters, _day)


def price_ticker(exchange: Exchange, parameters: Parameters) -> Any:
    """GET /fapi/v1/ticker/price: one symbol, or all."""
    return _one_or_all(exchange, parameters, _price)


def book_ticker(exchange: Exchange, parameters: Parameters) -> Any:
    """GET /fapi/v1/ticker/bookTicker: one symbol, or all."""
    return _one_or_all(exchange, parameters, _best)


def _one_or_all(
    exchange: Exchange, parameters: Parameters, row: Callable[[Exchange, Instrument], dict[str, Any]]
) -> Any:
    if parameters.get("symbol"):
        return row(exchange, listed(exchange, parameters))
    return [row(exchange, instrument) for instrument in exchange.instruments()]


def _aggregate(instrument: Instrument, trade: PublicTrade) -> dict[str, Any]:
    return {
        "T": trade.time,
        "a": trade.trade_id,
        "f": trade.trade_id,
        "l": trade.trade_id,
        "m": trade.side == "sell",  # whether the buyer was the maker
        "p": fixed(trade.price, digits(instrument.tick)),
        "q": fixed(trade.quantity, digits(instrument.step)),
    }


def _single(instrument: Instrument, trade: PublicTrade) -> dict[str, Any]:
    return {
        "id": trade.trade_id,
        "isBuyerMaker": trade.side == "sell",
        "price": fixed(trade.price, digits(instrument.tick)),
        "qty": fixed(trade.quantity, digits(instrument.step)),
        "quoteQty": fixed(trade.price * trade.quantity, 2),
        "time": trade.time,
    }


def _day(exchange: Exchange, instrument: Instrument) -> dict[str, Any]:
    now, symbol = exchange.now(), instrument.symbol
    last = exchange.quotes.last(symbol, now)
    bars = exchange.quotes.candles(symbol, "trade", now - DAY_MS, now + 1)
    opened = Decimal(str(bars["open"][0])) if bars.height else last
    high = max([last, *(Decimal(str(value)) for value in bars["high"])])
    low = min([last, *(Decimal(str(value)) for value in bars["low"])])
    volume = Decimal(str(float(bars["volume"].sum())))
    quote = Decimal(str(float((bars["volume"] * (bars["open"] + bars["close"]) / 2).sum())))
    places = digits(instrument.tick)
    return {
        "closeTime": now,
        "count": bars.height,
        "firstId": now - DAY_MS,
        "highPrice": fixed(high, places),
        "lastId": now,
        "lastPrice": fixed(last, places),
        "lastQty": fixed(instrument.step, digits(instrument.step)),
        "lowPrice": fixed(low, places),
        "openPrice": fixed(opened, places),
        "openTime": now - DAY_MS,
        "priceChange": fixed(last - opened, places),
        "priceChangePercent": fixed((last / opened - 1) * 100, 3),
        "quoteVolume": fixed(quote, 2),
        "symbol": market_id(symbol),
        "volume": fixed(volume, digits(instrument.step)),
        "weightedAvgPrice": fixed(quote / volume if volume else last, places),
    }


def _price(exchange: Exchange, instrument: Instrument) -> dict[str, Any]:
    now = exchange.now()
    last = exchange.quotes.last(instrument.symbol, now)
    return {
        "price": fixed(last, digits(instrument.tick)),
        "symbol": market_id(instrument.symbol),
        "time": now,
    }


def _best(exchange: Exchange, instrument: Instrument) -> dict[str, Any]:
    book = exchange.quotes.book(instrument.symbol, exchange.now())
    bid, ask = book.bids[0], book.asks[0]
    price_places, quantity_places = digits(instrument.tick), digits(instrument.step)
    return {
        "askPrice": fixed(ask.price, price_places),
        "askQty": fixed(ask.quantity, quantity_places),
        "bidPrice": fixed(bid.price, price_places),
        "bidQty": fixed(bid.quantity, quantity_places),
        "symbol": market_id(instrument.symbol),
        "time": book.time,
    }
