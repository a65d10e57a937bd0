"""Candles and settled funding, newest first, as the venue pages them.

What lives here: Bybit's rows and windows. What does not: rendering and slicing (`rendering`).
"""

from collections.abc import Mapping
from typing import Any

import orjson
import polars as pl

from funding_pipeline.testnet.clock import HOUR_MS
from funding_pipeline.testnet.dialects.bybit.errors import BybitRefusal
from funding_pipeline.testnet.dialects.bybit.texts import (
    Params,
    asked_instrument,
    integer_of,
    limit_of,
    native_symbol,
)
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.quotes import CandleKind
from funding_pipeline.testnet.rendering import RenderedBars, RenderedFunding, json_array, plain

# The venue has 1, 3, 5, 15, 30, 60, 120, 240, 360, 720, D, W, M; this market has hours and days.
_HOURS: Mapping[str, int] = {"60": 1, "120": 2, "240": 4, "D": 24}


class History:
    """The pages of one exchange's past."""

    def __init__(self, exchange: Exchange) -> None:
        self._bars = RenderedBars(exchange.quotes, _bar_rows)
        self._funding = RenderedFunding(exchange.quotes, _funding_rows)

    def klines(self, exchange: Exchange, params: Params, *, kind: CandleKind) -> Mapping[str, Any]:
        """`/v5/market/kline` and its mark and index sisters: `start` and `end` include the bars that open
        then; up to 1,000 (default 200), and of more the NEWEST are kept."""
        symbol = asked_instrument(exchange, params).symbol
        hours = _HOURS.get(str(params.get("interval")))
        if hours is None:
            raise BybitRefusal(10001, "Invalid period!")
        now, limit = exchange.now(), limit_of(params, default=200, most=1000)
        start = integer_of(params, "start", 0)
        until_full = start + (limit - 1) * hours * HOUR_MS if start else now
        end = integer_of(params, "end", until_full)
        rows = self._bars.page(
            symbol,
            kind,
            start=start,
            end=end,
            now=now,
            limit=limit,
            keep="newest",
            order="descending",
            hours=hours,
        )
        return {
            "symbol": native_symbol(symbol),
            "category": "linear",
            "list": orjson.Fragment(json_array(rows)),
        }

    def funding(self, exchange: Exchange, params: Params) -> Mapping[str, Any]:
        """`/v5/market/funding/history`: 1 to 200 rows (default 200); of more in the window the NEWEST are
        kept. A start without an end is an error."""
        symbol = asked_instrument(exchange, params).symbol
        now, start = exchange.now(), integer_of(params, "startTime", 0)
        end = integer_of(params, "endTime", 0)
        if start and not end:
            raise BybitRefusal(10001, "params error: endTime is required with startTime")
        rows = self._funding.page(
            symbol,
            start=start,
            end=end or now,
            now=now,
            limit=limit_of(params, default=200, most=200),
            keep="newest",
            order="descending",
        )
        return {"category": "linear", "list": orjson.Fragment(json_array(rows))}


def _bar_rows(bars: pl.DataFrame) -> pl.Series:
    """`["start","open","high","low","close"]`, with volume and turnover where bars are of trades."""
    columns = [plain(pl.col(name)) for name in ("open", "high", "low", "close")]
    if bars["kind"][0] == "trade":
        columns += [plain(pl.col("volume"), 6), plain(pl.col("volume") * pl.col("close"), 6)]
    fields = pl.concat_str(pl.col("open_time").cast(pl.String), *columns, separator='","')
    return bars.select(pl.concat_str(pl.lit('["'), fields, pl.lit('"]'))).to_series()


def _funding_rows(settled: pl.DataFrame) -> pl.Series:
    head = f'{{"symbol":"{native_symbol(settled["symbol"][0])}","fundingRate":"'
    return settled.select(
        pl.concat_str(
            pl.lit(head),
            plain(pl.col("rate"), 10),
            pl.lit('","fundingRateTimestamp":"'),
            pl.col("time").cast(pl.String),
            pl.lit('"}'),
        )
    ).to_series()
