"""Deribit's public methods about the past: trades, candles, funding.

What lives here: parameters, page limits and answers. What does not: prices (`quotes`).
"""

from collections.abc import Mapping
from typing import Any

import polars as pl

from funding_pipeline.testnet.clock import HOUR_MS
from funding_pipeline.testnet.dialects.deribit.wire import Query, RpcError, instrument_of, name_of, whole
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Instrument, PublicTrade
from funding_pipeline.testnet.rendering import RenderedFunding, plain, seen_at

HISTORY_PAGE = 744
"""Most hourly rows of funding per request; which of more are kept is not documented: here the newest."""
CHART_PAGE = 5000
_RESOLUTIONS: Mapping[str, int] = {"60": 1, "120": 2, "1D": 24}


class HistoryMethods:
    """Public methods; each takes the decoded query and gives the `result`."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._funding = RenderedFunding(exchange.quotes, self._render_hours)

    def trades(self, query: Query) -> dict[str, Any]:
        """Public trades, newest first; amounts in coins."""
        instrument, now = instrument_of(self._exchange, query), self._exchange.now()
        count = whole(query, "count", 10)
        if not 1 <= count <= 1000:
            raise RpcError.invalid("count")
        start, end = whole(query, "start_timestamp", 0), whole(query, "end_timestamp", now)
        found = self._exchange.quotes.trades(instrument.symbol, min(end, now), count)
        kept = [trade for trade in reversed(found) if trade.time >= start]
        return {"trades": [self._trade(instrument, trade) for trade in kept], "has_more": len(found) == count}

    def chart(self, query: Query) -> dict[str, Any]:
        """Trade bars opening in [start, end], in columns. A `price` parameter is not looked at, as there."""
        instrument = instrument_of(self._exchange, query)
        hours = _RESOLUTIONS.get(query.get("resolution", ""), 0)
        if not hours:
            raise RpcError.invalid("resolution")
        seen = seen_at(self._exchange.quotes, self._exchange.now())
        end = min(whole(query, "end_timestamp"), seen)
        start = max(whole(query, "start_timestamp"), end - CHART_PAGE * hours * HOUR_MS + 1)
        bars = self._exchange.quotes.candles(instrument.symbol, "trade", start, end + 1, hours)
        columns = {name: bars[name].to_list() for name in ("open", "high", "low", "close", "volume")}
        cost = (bars["volume"] * bars["close"]).to_list()
        status = "ok" if bars.height else "no_data"
        return {"ticks": bars["open_time"].to_list(), **columns, "cost": cost, "status": status}

    def funding_value(self, query: Query) -> float:
        """What a position was charged over (start, end], as a rate."""
        instrument = instrument_of(self._exchange, query)
        start, end = whole(query, "start_timestamp"), whole(query, "end_timestamp")
        rows = self._exchange.quotes.settled(instrument.symbol, start + 1, min(end, self._exchange.now()))
        return float(rows["rate"].sum())

    def funding_history(self, query: Query) -> bytes:
        """Hourly rows with start <= time <= end, oldest first; at most 744, the newest of more."""
        instrument = instrument_of(self._exchange, query)
        return self._funding.array(
            instrument.symbol,
            start=whole(query, "start_timestamp"),
            end=whole(query, "end_timestamp"),
            now=self._exchange.now(),
            limit=HISTORY_PAGE,
            keep="newest",
        )

    def _trade(self, instrument: Instrument, trade: PublicTrade) -> dict[str, Any]:
        quotes, symbol = self._exchange.quotes, instrument.symbol
        return {
            "trade_seq": trade.trade_id,
            "trade_id": str(trade.trade_id),
            "timestamp": trade.time,
            "tick_direction": 0,
            "price": float(trade.price),
            "mark_price": float(quotes.mark(symbol, trade.time)),
            "index_price": float(quotes.index(symbol, trade.time)),
            "instrument_name": name_of(instrument),
            "direction": trade.side,
            "amount": float(trade.quantity),
        }

    def _render_hours(self, frame: pl.DataFrame) -> pl.Series:
        """`interest_8h` sums the last eight hours, so it reaches back before the rows that are new."""
        symbol, first, last = str(frame["symbol"][0]), int(frame["time"][0]), int(frame["time"][-1])
        hours = self._exchange.quotes.settled(symbol, first - 7 * HOUR_MS, last)
        sums = hours.select("time", pl.col("rate").rolling_sum(8, min_samples=1).alias("sum"))
        index = pl.col("index").fill_null(0.0)
        row = _joined(
            '{"timestamp":', pl.col("time"),
            ',"index_price":', plain(index),
            ',"prev_index_price":', plain(index.shift(1).fill_null(index)),
            ',"interest_8h":', plain(pl.col("sum"), 15),
            ',"interest_1h":', plain(pl.col("rate"), 15), "}",
        )  # fmt: skip
        return frame.join(sums, on="time", how="left").select(row.alias("row")).to_series()


def _joined(*parts: pl.Expr | str) -> pl.Expr:
    return pl.concat_str([pl.lit(part) if isinstance(part, str) else part for part in parts])
