"""What is special to Kraken: hourly relative rates stamped at the hour's start, a whole history per answer.

What lives here: Kraken's multi-collateral perpetuals (`PF_XBTUSD` is BTC, settled in USD) for reading. What
does not: inverse (`PI_`) and dated contracts, or any private call; this venue is not traded on.

Requests that loading markets costs: one, `instruments`. Kraken does not tell its time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

from funding_pipeline.core.trading import Underlying
from funding_pipeline.venues.answers import Rows
from funding_pipeline.venues.dialect import (
    CandleKind,
    EstimatedRate,
    FundingBounds,
    Json,
    SettledRate,
    VenueDialect,
)
from funding_pipeline.venues.spelling import HOUR_MS, from_ms, info_of, is_moment, number_of, positive_of

HOURLY_SINCE_MS = int(datetime(2022, 10, 1, tzinfo=UTC).timestamp() * 1000)
"""Before 29 September 2022 a rate applied for four hours; those rows are left out."""

_CLASSES: Mapping[str, Underlying] = {
    **dict.fromkeys(("stock", "equit", "share"), "stock"),
    **dict.fromkeys(("etf", "fund"), "fund"),
    **dict.fromkeys(("commodit", "metal", "energy"), "commodity"),
    **dict.fromkeys(("forex", "fx", "currenc"), "forex"),
    **dict.fromkeys(("index", "indices"), "index"),
    **dict.fromkeys(("pre-", "ipo"), "pre_market"),
}
"""Parts of the words for what is no coin."""


@dataclass(frozen=True)
class Window:
    """Settled rates in [start, end], by time: settlement in ms and rate."""

    start_ms: int
    end_ms: int
    rates: list[tuple[int, float | None]]


class KrakenVenue(VenueDialect):
    """Kraken's linear perpetuals (PF_), public data only.

    `relativeFundingRate` is the fraction of notional per hour; `fundingRate` is dollars per coin. Funding
    accrues over the hour and is paid at its end. The documentation calls a row's `timestamp` that of the
    period to which the rate applies, and a rate is fixed when its hour begins: so it is settled an hour
    after its stamp. Taking the stamp for the settlement would charge it to another hour's positions.
    """

    name: ClassVar[str] = "kraken"
    ccxt_id: ClassVar[str] = "krakenfutures"
    candle_page: ClassVar[int] = 2000
    funding_page: ClassVar[int] = 100_000  # one answer has everything: eleven years of hours
    answers: ClassVar[Mapping[str, Rows]] = {
        "instruments": Rows("instruments", "symbol"),
        "tickers": Rows("tickers", "symbol"),
        "historicalfundingrates": Rows("rates", time="timestamp", unit="iso"),
        "{price_type}/{symbol}/{interval}": Rows("candles", time="time"),
        "market/{symbol}/executions": Rows("elements"),
        "history": Rows("history"),
        "orderbook": Rows("orderBook.bids", are_rows=False),
    }
    needed: ClassVar[tuple[str, ...]] = ("contractSize", "tickSize")
    states_settlement: ClassVar[bool] = False

    def client_class(self) -> type:
        """ccxt's krakenfutures with rates at their settlement, and only those of the window asked for.

        The endpoint knows no times and gives a contract's whole history (tens of thousands of rows), so that
        of the last window is kept: questions about a part of it cost no further request.
        """
        import ccxt.async_support as ccxt

        class Kraken(ccxt.krakenfutures):  # type: ignore[misc,name-defined,unused-ignore]
            def __init__(self, config: Any = None) -> None:
                super().__init__(config or {})
                self.kept: dict[str, Window] = {}

            async def fetch_funding_rate_history(
                self, symbol: Any, since: Any = None, limit: Any = None, params: Any = None
            ) -> Any:
                start, end = since or 0, (params or {}).get("until", self.milliseconds())
                kept = self.kept.get(symbol)
                if kept is None or not kept.start_ms <= start <= end <= kept.end_ms:
                    rows = await super().fetch_funding_rate_history(symbol)
                    kept = self.kept[symbol] = Window(start, end, _settled(rows, start, end))
                return [
                    {"symbol": symbol, "timestamp": at, "fundingRate": rate, "info": {}}
                    for at, rate in kept.rates
                    if start <= at <= end
                ]

        return Kraken

    def serves(self, market: Json) -> bool:
        """Linear perpetuals settled in USD."""
        return super().serves(market) and market.get("settle") == "USD"

    def underlying(self, market: Json) -> tuple[Underlying, str]:
        """`category` where it names a class of assets (for coins it names their sector), then `tradfi`."""
        info = info_of(market)
        word = str(info.get("category") or "")
        for part, kind in _CLASSES.items():
            if part in word.lower():
                return kind, word
        return ("crypto", "") if info.get("tradfi") in (None, False) else ("other", "tradfi")

    def status(self, market: Json) -> str | None:
        """`tradeable`."""
        return None if info_of(market).get("tradeable") is True else "not tradeable"

    def funding_bounds(self, market: Json, rate: Json | None) -> FundingBounds:
        """`maxRelativeFundingRate`, of either sign; pre-listing contracts have a floor of their own."""
        info = info_of(market)
        cap = positive_of(info.get("maxRelativeFundingRate"))
        if cap is None:
            return FundingBounds(None, None)
        floor = number_of(info.get("minRelativeFundingRate"))
        return FundingBounds.of(-cap if floor is None or not floor else floor, cap)

    # --- funding
    def settled_rate(self, row: Json, market: Json) -> SettledRate:
        """The client has moved the row to the end of its hour."""
        return SettledRate(from_ms(row["timestamp"]), number_of(row.get("fundingRate")), 1.0)

    def estimated_rate(self, row: Json, market: Json, interval_hours: float | None) -> EstimatedRate:
        """The rate of the running hour, paid at the next full one (no time is told).

        Dollars per coin over the index, by which Kraken makes its relative rate; ccxt divides by the mark.
        `fundingRatePrediction` (ccxt's nextFundingRate) is about the hour after.
        """
        dollars = number_of(info_of(row).get("fundingRate"))
        index = positive_of(info_of(row).get("indexPrice"))
        return EstimatedRate(None, None if dollars is None or index is None else dollars / index, 1.0)

    def interval_hours(self, market: Json, rate: Json | None) -> float | None:
        """One."""
        return 1.0

    # --- candles, open interest
    def candle_request(self, kind: CandleKind, start_ms: int, end_ms: int) -> tuple[int, Json]:
        """`to` in seconds, as Kraken takes it; ccxt knows no `until` here and would send it on as it is."""
        since, params = start_ms, {"to": (end_ms - 1) // 1000}
        return since, params if kind == "trade" else {**params, "price": kind}

    async def fetch_open_interest(self, client: Any, symbol: str) -> Json:
        """From the ticker's `openInterest`, coins: ccxt has no fetch_open_interest for Kraken."""
        ticker = await client.fetch_ticker(symbol)
        info = ticker["info"]
        return {"openInterestAmount": info.get("openInterest"), "timestamp": None, "info": info}


def _settled(rows: list[Json], start_ms: int, end_ms: int) -> list[tuple[int, float | None]]:
    """Settlement in ms and rate of each hour that is settled in [start, end], by time."""
    dated = [row for row in rows if is_moment(row["timestamp"])]
    hourly = [row for row in dated if row["timestamp"] >= HOURLY_SINCE_MS]
    settled = [(row["timestamp"] + HOUR_MS, row["fundingRate"]) for row in hourly]
    return [(at, rate) for at, rate in settled if start_ms <= at <= end_ms]
