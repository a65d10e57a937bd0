"""What is special to Deribit: hourly sums of continuous funding, sizes in coins or dollars, no mark candles.

What lives here: Deribit's perpetuals for reading, linear (`BTC_USDC-PERPETUAL`) and inverse
(`BTC-PERPETUAL`, `ETH-PERPETUAL`). What does not: any private call; this venue is not traded on.

Requests that loading markets costs: one, `get_instruments?kind=future` (all kinds: thousands of options).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from funding_pipeline.core.trading import Underlying
from funding_pipeline.venues.answers import Rows
from funding_pipeline.venues.dialect import (
    CandleKind,
    EstimatedRate,
    Json,
    SettledRate,
    VenueDialect,
)
from funding_pipeline.venues.spelling import HOUR_MS, from_ms, info_of, moment_of, number_of, positive_of

INVERSE = ("BTC", "ETH")
"""Coins whose perpetuals settle in themselves."""


class DeribitVenue(VenueDialect):
    """Deribit's perpetuals, public data only.

    Funding accrues continuously; the history has one row an hour with the sum over that hour
    (`interest_1h`) and over eight (`interest_8h`, which overlaps with its neighbours and is what ccxt gives).
    """

    name: ClassVar[str] = "deribit"
    ccxt_id: ClassVar[str] = "deribit"
    candle_kinds: ClassVar[tuple[CandleKind, ...]] = ("trade",)  # `price=mark` silently gives trade candles
    candle_page: ClassVar[int] = 5000
    funding_page: ClassVar[int] = 744
    answers: ClassVar[Mapping[str, Rows]] = {
        "get_instruments": Rows("result", "instrument_name"),
        "get_funding_rate_history": Rows("result", time="timestamp"),
        "get_book_summary_by_instrument": Rows("result"),
        "get_last_trades_by_instrument": Rows("result.trades"),
        "get_last_trades_by_instrument_and_time": Rows("result.trades"),
        "get_order_book": Rows("result.bids", are_rows=False),
        "get_tradingview_chart_data": Rows("result.ticks", are_rows=False),
    }
    needed: ClassVar[tuple[str, ...]] = ("tick_size", "min_trade_amount", "contract_size")
    kinds: ClassVar[Mapping[str, Underlying]] = {
        **dict.fromkeys(("crypto", "cryptocurrency", "coin"), "crypto"),
        **dict.fromkeys(("stock", "equity"), "stock"),
        "etf": "fund",
        **dict.fromkeys(("commodity", "metal"), "commodity"),
        **dict.fromkeys(("forex", "fx"), "forex"),
        "index": "index",
    }

    def client_class(self) -> type:
        """ccxt's deribit, asking for futures only and reading sizes and the present rate as they are.

        ccxt gives amounts as Deribit does (coins, or dollars of an inverse perpetual) beside a contract size
        of 0.001 or 10 that they are not counted in; and as the rate of now the sum of the last 8 hours.
        """
        import ccxt.async_support as ccxt

        class Deribit(ccxt.deribit):  # type: ignore[misc,name-defined,unused-ignore]
            def describe(self) -> Any:
                description = super().describe()
                description["has"]["fetchCurrencies"] = False
                return description

            async def fetch_markets(self, params: Any = None) -> Any:
                markets = await super().fetch_markets({"kind": "future", **(params or {})})
                return [{**market, "contractSize": 1.0} if market["swap"] else market for market in markets]

            async def fetch_funding_rate(self, symbol: str, params: Any = None) -> Any:
                ticker = await self.fetch_ticker(symbol, params or {})
                about = ticker["info"].get("instrument_name")
                if about != self.market(symbol)["id"]:
                    raise ccxt.BadResponse(f"deribit: the ticker is about {about!r}")
                return {**self.parse_funding_rate({}, self.market(symbol)), **_rate_of(ticker["info"])}

        return Deribit

    def serves(self, market: Json) -> bool:
        """Perpetuals settled in USDC, and the two that settle in their own coin."""
        if not market.get("swap"):
            return False
        if market.get("linear"):
            return market.get("settle") == "USDC"
        is_inverse = bool(market.get("inverse")) and market.get("settle") == market.get("base")
        return is_inverse and market.get("base") in INVERSE and market.get("quote") == "USD"

    def underlying(self, market: Json) -> tuple[Underlying, str]:
        """`underlying_type`, which rows of before 2026 do not have."""
        word = info_of(market).get("underlying_type")
        return self.kind_of(word.lower() if isinstance(word, str) else word)

    def status(self, market: Json) -> str | None:
        """`is_active`, and `state` where it is stated."""
        info = info_of(market)
        if info.get("state", "open") != "open":
            return f"state {info['state']!r}"
        return None if info.get("is_active") is True else "not active"

    def delists_at(self, market: Json) -> datetime | None:
        """`expiration_timestamp`, in the year 3000 for a perpetual without an announced end."""
        return moment_of(info_of(market).get("expiration_timestamp"))

    # --- funding
    def settled_rate(self, row: Json, market: Json) -> SettledRate:
        """`interest_1h`: the hour that ends at the row's time."""
        return SettledRate(from_ms(row["timestamp"]), number_of(info_of(row).get("interest_1h")), 1.0)

    def estimated_rate(self, row: Json, market: Json, interval_hours: float | None) -> EstimatedRate:
        """One hour of the present rate (`current_funding`, per 8 hours), for the hour that is running.

        The premium less its dampener: at mark 87,102.01 and index 87,047.20 Deribit shows 0.00012966.
        """
        rate = number_of(row.get("fundingRate"))
        return EstimatedRate(moment_of(row.get("fundingTimestamp")), None if rate is None else rate / 8, 1.0)

    def interval_hours(self, market: Json, rate: Json | None) -> float | None:
        """One: what the history's sums run over."""
        return 1.0

    # --- open interest
    def open_interest(self, row: Json, market: Json) -> float | None:
        """Coins; that of an inverse perpetual is told in dollars. ccxt calls either of them a value."""
        stated = number_of(info_of(row).get("open_interest"))
        mark = positive_of(info_of(row).get("mark_price"))
        if stated is None or market.get("linear"):
            return stated
        return None if mark is None else stated / mark


def _rate_of(ticker: Json) -> Json:
    """The present rate of a ticker, and the end of the hour in which it was taken."""
    at = number_of(ticker.get("timestamp"))
    return {
        "info": ticker,
        "timestamp": at,
        "fundingRate": ticker.get("current_funding"),
        "fundingTimestamp": None if at is None else (int(at) // HOUR_MS + 1) * HOUR_MS,
        "interval": "1h",
    }
