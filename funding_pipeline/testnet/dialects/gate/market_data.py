"""Gate's public endpoints: contracts, funding, candles, book, trades, statistics, tiers.

What lives here: parameters, page limits and answers. What does not: prices (`quotes`), private calls.
"""

from collections.abc import Mapping
from typing import Any

import polars as pl

from funding_pipeline.testnet.clock import HOUR_MS
from funding_pipeline.testnet.dialects.gate.wire import (
    GateError,
    contract_name,
    contracts,
    instrument_of,
    seconds,
    whole,
)
from funding_pipeline.testnet.dialects.numbers import plain_text
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Instrument, Level
from funding_pipeline.testnet.http import Answer, Request
from funding_pipeline.testnet.quotes import CandleKind
from funding_pipeline.testnet.rendering import RenderedBars, RenderedFunding, plain

DAY_MS = 24 * HOUR_MS
STAMP_DELAY_MS = 1000
"""The real venue stamps a settlement of 00:00:00 with 00:00:01."""
HISTORY_PAGE = 1000
HISTORY_CLAMP_MS = 30 * DAY_MS
"""What a history request without an end is cut to, silently."""
CANDLE_PAGE = 2000
BOOK_LEVELS = 300
_HOURS: Mapping[str, int] = {"1h": 1, "2h": 2, "4h": 4, "8h": 8, "1d": 24}


class MarketEndpoints:
    """Public endpoints; each takes the request and the name in its path (or an empty text)."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._bars = RenderedBars(exchange.quotes, render_bars)
        self._funding = RenderedFunding(exchange.quotes, render_settlements)

    def time(self, request: Request, name: str) -> Answer:
        """The venue's clock, ms."""
        return Answer.of({"server_time": self._exchange.now()})

    def funding_rate(self, request: Request, name: str) -> Answer:
        """Settlements, newest first, at most 1,000 of the newest in [from, to]; default the last 30 days."""
        query, now = request.query, self._exchange.now()
        instrument = instrument_of(self._exchange, query.get("contract"))
        limit = whole(query, "limit", 100, least=1, most=HISTORY_PAGE)
        start = whole(query, "from", 0) * 1000
        end = whole(query, "to", 0) * 1000
        if not end:
            end = min(start + HISTORY_CLAMP_MS, now) if start else now
        if not start:
            start = end - HISTORY_CLAMP_MS
        page = self._funding.array(
            instrument.symbol,
            start=start - STAMP_DELAY_MS,
            end=end - STAMP_DELAY_MS,
            now=now,
            limit=limit,
            keep="newest",
            order="descending",
        )
        return Answer(200, page)

    def candlesticks(self, request: Request, name: str) -> Answer:
        """Bars opening in [from, to], both inclusive, ascending. `limit` excludes `from` and `to`."""
        query, now = request.query, self._exchange.now()
        kind, contract = _kind(query.get("contract") or "")
        instrument = instrument_of(self._exchange, contract)
        hours = _HOURS.get(query.get("interval", ""), 0)
        if not hours:
            raise GateError.invalid("interval", query.get("interval", ""))
        start, end, limit = _window(query, now, hours * HOUR_MS)
        page = self._bars.array(
            instrument.symbol, kind, start=start, end=end, now=now, limit=limit, keep="newest", hours=hours
        )
        return Answer(200, page)

    def order_book(self, request: Request, name: str) -> Answer:
        """Levels best first; sizes in contracts, times in seconds with a fraction."""
        query, now = request.query, self._exchange.now()
        instrument = instrument_of(self._exchange, query.get("contract"))
        levels = whole(query, "limit", 10, least=1, most=BOOK_LEVELS)
        book = self._exchange.quotes.book(instrument.symbol, now)
        body: dict[str, Any] = {"current": seconds(now), "update": seconds(book.time)}
        if query.get("with_id") == "true":
            body["id"] = book.time
        body["asks"] = _levels(book.asks, instrument)[:levels]
        body["bids"] = _levels(book.bids, instrument)[:levels]
        return Answer.of(body)

    def trades(self, request: Request, name: str) -> Answer:
        """Public trades, newest first; the size is signed by the taker's side."""
        query, now = request.query, self._exchange.now()
        instrument = instrument_of(self._exchange, query.get("contract"))
        limit = whole(query, "limit", 100, least=1, most=1000)
        start, end = whole(query, "from", 0) * 1000, whole(query, "to", 0) * 1000
        found = self._exchange.quotes.trades(instrument.symbol, min(end, now) if end else now, limit)
        rows = [
            {
                "id": trade.trade_id,
                "create_time": seconds(trade.time),
                "create_time_ms": seconds(trade.time),
                "contract": contract_name(instrument),
                "size": max(contracts(trade.quantity, instrument), 1) * (1 if trade.side == "buy" else -1),
                "price": plain_text(trade.price),
            }
            for trade in reversed(found)
            if trade.time >= start
        ]
        return Answer.of(rows)


def render_bars(frame: pl.DataFrame) -> pl.Series:
    """Gate's bar: `v` in contracts and `sum` in quote units on trade candles only."""
    amount = (pl.col("volume") / pl.col("contract_size")).floor().cast(pl.Int64)
    turnover = plain(pl.col("volume") * pl.col("close"), 4)
    traded = _joined(',"v":', amount, ',"sum":"', turnover, '"')
    prices = [part for key, name in _BAR.items() for part in (f',"{key}":"', plain(pl.col(name)), '"')]
    extra = pl.when(pl.col("kind") == "trade").then(traded).otherwise(pl.lit(""))
    bar = _joined('{"t":', pl.col("open_time") // 1000, *prices, extra, "}")
    return frame.select(bar.alias("bar")).to_series()


_BAR: Mapping[str, str] = {"o": "open", "h": "high", "c": "close", "l": "low"}


def render_settlements(frame: pl.DataFrame) -> pl.Series:
    """Gate's settlement: `t` in whole seconds, one late; `r` is the rate."""
    stamp = (pl.col("time") + STAMP_DELAY_MS) // 1000
    row = _joined('{"t":', stamp, ',"r":"', plain(pl.col("rate"), 12), '"}')
    return frame.select(row.alias("row")).to_series()


def _joined(*parts: pl.Expr | str) -> pl.Expr:
    return pl.concat_str([pl.lit(part) if isinstance(part, str) else part for part in parts])


def _kind(contract: str) -> tuple[CandleKind, str]:
    if contract.startswith("mark_"):
        return "mark", contract.removeprefix("mark_")
    if contract.startswith("index_"):
        return "index", contract.removeprefix("index_")
    return "trade", contract


def _window(query: Mapping[str, str], now: int, step: int) -> tuple[int, int, int]:
    """First and last open time and the number of bars asked for, ms."""
    limit = whole(query, "limit", 0, most=CANDLE_PAGE)
    start, end = whole(query, "from", 0) * 1000, whole(query, "to", 0) * 1000
    if limit and start:
        raise GateError(400, "INVALID_PARAM_VALUE", "limit is not allowed together with from and to")
    if not start:
        return 0, min(end, now) if end else now, limit or 100
    end = end or now
    if (end - start) // step + 1 > CANDLE_PAGE:
        raise GateError(400, "INVALID_PARAM_VALUE", "Too many candlesticks: at most 2000 points per request")
    return start, end, CANDLE_PAGE


def _levels(side: tuple[Level, ...], instrument: Instrument) -> list[dict[str, Any]]:
    rows = [{"s": contracts(level.quantity, instrument), "p": plain_text(level.price)} for level in side]
    return [row for row in rows if row["s"]]
