"""Funding of Binance's perpetuals: the estimate, what was settled, and whose interval is special.

What lives here: `/fapi/v1/premiumIndex`, `/fapi/v1/fundingRate`, `/fapi/v1/fundingInfo`. What does not:
what an account paid (`statements`).
"""

from typing import Any

import polars as pl

from funding_pipeline.testnet.dialects.binance.parameters import Parameters, fixed, listed, market_id, window
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Instrument
from funding_pipeline.testnet.rendering import RenderedFunding, json_array
from funding_pipeline.testnet.rendering import fixed as fixed_column

DEFAULT_INTERVAL_HOURS = 8.0
DEFAULT_ROWS = 100
MOST_ROWS = 1000


def premium_index(exchange: Exchange, parameters: Parameters) -> Any:
    """GET /fapi/v1/premiumIndex: one symbol, or all.

    `lastFundingRate` is the estimate for `nextFundingTime`, as on the live venue in spite of the name.
    """
    if parameters.get("symbol"):
        return _premium(exchange, listed(exchange, parameters))
    return [_premium(exchange, instrument) for instrument in exchange.instruments()]


def funding_info(exchange: Exchange, parameters: Parameters) -> Any:
    """GET /fapi/v1/fundingInfo: only symbols that differ from the usual 8 h are in the list."""
    now = exchange.now()
    rows = []
    for instrument in exchange.instruments():
        hours = exchange.quotes.interval_hours(instrument.symbol, now)
        if hours != DEFAULT_INTERVAL_HOURS:
            rows.append(_changed(instrument, hours, now))
    return rows


def funding_rates(exchange: Exchange, rendered: RenderedFunding, parameters: Parameters) -> bytes:
    """GET /fapi/v1/fundingRate: from `startTime` on, or the newest where it is not sent; ascending."""
    page = window(parameters, default=DEFAULT_ROWS, most=MOST_ROWS)
    instrument = listed(exchange, parameters)
    now = exchange.now()
    rows = rendered.page(
        instrument.symbol,
        start=page.start or 0,
        end=now if page.end is None else page.end,
        now=now,
        limit=page.limit,
        keep="newest" if page.start is None else "oldest",
    )
    return json_array(rows)


def funding_row(settled: pl.DataFrame) -> pl.Series:
    """Rows of `fundingRate`; `markPrice` is empty where it is not known, as on the venue's oldest rows."""
    name = market_id(str(settled["symbol"][0]))
    row = pl.concat_str(
        pl.lit('{"symbol":"' + name + '","fundingTime":'),
        pl.col("time").cast(pl.String),
        pl.lit(',"fundingRate":"'),
        fixed_column(pl.col("rate"), 8),
        pl.lit('","markPrice":"'),
        fixed_column(pl.col("mark"), 8).fill_null(""),
        pl.lit('"}'),
    )
    return settled.select(row.alias("row"))["row"]


def _premium(exchange: Exchange, instrument: Instrument) -> dict[str, Any]:
    now, symbol, quotes = exchange.now(), instrument.symbol, exchange.quotes
    index = fixed(quotes.index(symbol, now), 8)
    return {
        "estimatedSettlePrice": index,
        "indexPrice": index,
        "interestRate": fixed(instrument.interest_per_8h, 8),
        "lastFundingRate": fixed(quotes.estimate(symbol, now), 8),
        "markPrice": fixed(quotes.mark(symbol, now), 8),
        "nextFundingTime": quotes.next_settlement(symbol, now),
        "symbol": market_id(symbol),
        "time": now,
    }


def _changed(instrument: Instrument, hours: float, now: int) -> dict[str, Any]:
    return {
        "adjustedFundingRateCap": fixed(instrument.rate_cap, 8),
        "adjustedFundingRateFloor": fixed(-instrument.rate_cap, 8),
        "disclaimer": False,
        "fundingIntervalHours": int(hours),
        "symbol": market_id(instrument.symbol),
        "updateTime": now,
    }
