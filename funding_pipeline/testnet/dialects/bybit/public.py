"""Market data without a key: instruments, tickers, books, trades, open interest, margin tiers.

What lives here: the venue's bodies and page limits. What does not: candles and funding history, which
are rendered in one go (`history`).
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from funding_pipeline.testnet.clock import HOUR_MS
from funding_pipeline.testnet.dialects.bybit.errors import BybitRefusal
from funding_pipeline.testnet.dialects.bybit.texts import (
    Params,
    asked_instrument,
    float_text,
    id_text,
    integer_of,
    limit_of,
    listing,
    native_symbol,
    page,
    require_linear,
)
from funding_pipeline.testnet.dialects.numbers import plain_text
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Instrument, Level, MarginTier

_CATEGORIES = ("linear", "inverse", "spot", "option")
_INTEREST_HOURS = {"1h": 1, "4h": 4, "1d": 24}
_TIERED_SYMBOLS_PER_PAGE = 15
_ENDLESS = Decimal(10) ** 12  # the venue has no tier without an end
_MOST_STEPS, _MOST_TICKS = 1_000_000, 10_000_000


def server_time(exchange: Exchange, params: Params) -> Mapping[str, Any]:
    """`/v5/market/time`."""
    now = exchange.now()
    return {"timeSecond": str(now // 1000), "timeNano": str(now * 1_000_000)}


def instruments_info(exchange: Exchange, params: Params) -> Mapping[str, Any]:
    """`/v5/market/instruments-info`: up to 1,000 (default 500). Categories other than linear are empty."""
    category = params.get("category")
    if category not in _CATEGORIES:
        raise BybitRefusal(10001, "params error: Illegal category")
    if category != "linear" or params.get("status", "Trading") != "Trading":
        return {"category": category, "list": [], "nextPageCursor": ""}
    asked = [asked_instrument(exchange, params)] if params.get("symbol") else exchange.instruments()
    rows, cursor = page(asked, params, default=500, most=1000)
    return listing([_instrument(exchange, item) for item in rows], cursor)


def _instrument(exchange: Exchange, terms: Instrument) -> Mapping[str, Any]:
    interval = exchange.quotes.interval_hours(terms.symbol, exchange.now())
    most = plain_text(terms.step * _MOST_STEPS)
    return {
        "symbol": native_symbol(terms.symbol),
        "contractType": "LinearPerpetual",
        "status": "Trading",
        "baseCoin": terms.quoted,
        "quoteCoin": terms.quote,
        "launchTime": str(terms.listed_at),
        "deliveryTime": "0",
        "deliveryFeeRate": "",
        "priceScale": str(max(0, -int(terms.tick.normalize().as_tuple().exponent))),
        "leverageFilter": {
            "minLeverage": "1",
            "maxLeverage": f"{terms.tiers[0].max_leverage}.00",
            "leverageStep": "0.01",
        },
        "priceFilter": {
            "minPrice": plain_text(terms.tick),
            "maxPrice": plain_text(terms.tick * _MOST_TICKS),
            "tickSize": plain_text(terms.tick),
        },
        "lotSizeFilter": {
            "maxOrderQty": most,
            "minOrderQty": plain_text(terms.min_quantity),
            "qtyStep": plain_text(terms.step),
            "postOnlyMaxOrderQty": most,
            "maxMktOrderQty": most,
            "minNotionalValue": plain_text(terms.min_notional),
        },
        "unifiedMarginTrade": True,
        "fundingInterval": round(interval * 60),
        "settleCoin": terms.settle,
        "copyTrading": "none",
        "upperFundingRate": plain_text(terms.rate_cap),
        "lowerFundingRate": plain_text(-terms.rate_cap),
        "isPreListing": False,
    }


def tickers(exchange: Exchange, params: Params) -> Mapping[str, Any]:
    """`/v5/market/tickers`: one instrument or all."""
    require_linear(params)
    asked = [asked_instrument(exchange, params)] if params.get("symbol") else exchange.instruments()
    rows = [_ticker(exchange, item.symbol, exchange.now()) for item in asked]
    return {"category": "linear", "list": rows}


def _ticker(exchange: Exchange, symbol: str, now: int) -> Mapping[str, Any]:
    quotes = exchange.quotes
    mark, index, last = quotes.mark(symbol, now), quotes.index(symbol, now), quotes.last(symbol, now)
    interest, book = quotes.open_interest(symbol, now), quotes.book(symbol, now)
    return {
        "symbol": native_symbol(symbol),
        "lastPrice": plain_text(last),
        "indexPrice": plain_text(index),
        "markPrice": plain_text(mark),
        **_last_day(exchange, symbol, now, last),
        "openInterest": plain_text(interest),
        "openInterestValue": plain_text(interest * mark),
        "fundingRate": plain_text(quotes.estimate(symbol, now)),
        "nextFundingTime": str(quotes.next_settlement(symbol, now)),
        "fundingIntervalHour": float_text(quotes.interval_hours(symbol, now)),
        "predictedDeliveryPrice": "",
        "basisRate": "",
        "basis": "",
        "deliveryFeeRate": "",
        "deliveryTime": "0",
        **_best(book.bids, "bid1"),
        **_best(book.asks, "ask1"),
    }


def _last_day(exchange: Exchange, symbol: str, now: int, last: Decimal) -> Mapping[str, str]:
    bars = exchange.quotes.candles(symbol, "trade", now - 24 * HOUR_MS, now + 1)
    if bars.is_empty():
        quiet = dict.fromkeys(
            ("prevPrice24h", "highPrice24h", "lowPrice24h", "prevPrice1h"), plain_text(last)
        )
        return {**quiet, "price24hPcnt": "0", "volume24h": "0", "turnover24h": "0"}
    before = float(bars["open"][0])
    return {
        "prevPrice24h": float_text(before),
        "price24hPcnt": f"{float(last) / before - 1:.6f}",
        "highPrice24h": float_text(float(bars["high"].max())),  # type: ignore[arg-type]
        "lowPrice24h": float_text(float(bars["low"].min())),  # type: ignore[arg-type]
        "prevPrice1h": float_text(float(bars["open"][-1])),
        "volume24h": float_text(float(bars["volume"].sum())),
        "turnover24h": float_text(float((bars["volume"] * bars["close"]).sum())),
    }


def _best(levels: Sequence[Level], name: str) -> Mapping[str, str]:
    if not levels:
        return {f"{name}Price": "", f"{name}Size": ""}
    return {f"{name}Price": plain_text(levels[0].price), f"{name}Size": plain_text(levels[0].quantity)}


def order_book(exchange: Exchange, params: Params) -> Mapping[str, Any]:
    """`/v5/market/orderbook`: 1 to 500 levels, 25 by default; this market has 50."""
    symbol = asked_instrument(exchange, params).symbol
    book = exchange.quotes.book(symbol, exchange.now())
    levels = limit_of(params, default=25, most=500)
    return {
        "s": native_symbol(symbol),
        "b": [[plain_text(level.price), plain_text(level.quantity)] for level in book.bids[:levels]],
        "a": [[plain_text(level.price), plain_text(level.quantity)] for level in book.asks[:levels]],
        "ts": book.time,
        "u": book.time // 1000,
        "seq": book.time,
        "cts": book.time,
    }


def recent_trades(exchange: Exchange, params: Params) -> Mapping[str, Any]:
    """`/v5/market/recent-trade`: newest first, up to 1,000 (default 500)."""
    symbol = asked_instrument(exchange, params).symbol
    limit = limit_of(params, default=500, most=1000)
    rows = [
        {
            "execId": id_text(trade.trade_id),
            "symbol": native_symbol(symbol),
            "price": plain_text(trade.price),
            "size": plain_text(trade.quantity),
            "side": trade.side.capitalize(),
            "time": str(trade.time),
            "isBlockTrade": False,
        }
        for trade in reversed(exchange.quotes.trades(symbol, exchange.now(), limit))
    ]
    return {"category": "linear", "list": rows}


def open_interest(exchange: Exchange, params: Params) -> Mapping[str, Any]:
    """`/v5/market/open-interest` in coins, newest first, up to 200 (default 50); hourly or coarser here."""
    symbol = asked_instrument(exchange, params).symbol
    hours = _INTEREST_HOURS.get(str(params.get("intervalTime")))
    if hours is None:
        raise BybitRefusal(10001, "Invalid period!")
    now = exchange.now()
    end = min(integer_of(params, "endTime", now), now)
    # Asked without a start, 200 rows at most are shown: no need to look further back.
    start = integer_of(params, "startTime", 0) or end - 200 * hours * HOUR_MS
    told = exchange.quotes.open_interest_history(symbol, start, end)
    rows = [
        {"openInterest": f"{amount:.8f}", "timestamp": str(time)}
        for time, amount in told.select("time", "open_interest").reverse().iter_rows()
        if time % (hours * HOUR_MS) == 0
    ]
    shown, cursor = page(rows, params, default=50, most=200)
    return {
        "symbol": native_symbol(symbol),
        "category": "linear",
        "list": list(shown),
        "nextPageCursor": cursor,
    }


def risk_limits(exchange: Exchange, params: Params) -> Mapping[str, Any]:
    """`/v5/market/risk-limit`: the tiers of one instrument, or of fifteen per page."""
    require_linear(params)
    if params.get("symbol"):
        return listing(_tiers(asked_instrument(exchange, params)))
    shown, cursor = page(
        exchange.instruments(), params, default=_TIERED_SYMBOLS_PER_PAGE, most=_TIERED_SYMBOLS_PER_PAGE
    )
    return listing([tier for item in shown for tier in _tiers(item)], cursor)


def _tiers(terms: Instrument) -> list[Mapping[str, Any]]:
    return [_tier(terms, number, tier) for number, tier in enumerate(terms.tiers, 1)]


def _tier(terms: Instrument, number: int, tier: MarginTier) -> Mapping[str, Any]:
    # The documentation's example shows percent (0.5); the live answers are fractions (0.005).
    return {
        "id": number,
        "symbol": native_symbol(terms.symbol),
        "riskLimitValue": plain_text(_ENDLESS if tier.cap is None else tier.cap),
        "maintenanceMargin": plain_text(tier.maintenance_rate),
        "initialMargin": plain_text(round(1 / Decimal(tier.max_leverage), 8)),
        "isLowestRisk": int(number == 1),
        "maxLeverage": f"{tier.max_leverage}.00",
        "mmDeduction": plain_text(tier.deduction) if tier.deduction else "",
    }
