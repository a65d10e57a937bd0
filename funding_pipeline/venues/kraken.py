"""What is special to Kraken: hourly relative rates stamped at the hour's start, a whole history per answer.

What lives here: Kraken's multi-collateral perpetuals (`PF_XBTUSD` is BTC, settled in USD) for reading. What
does not: inverse (`PI_`) and dated contracts, or any private call; this venue is not traded on.

Requests that loading markets costs: one, `instruments`. Kraken does not tell its time.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

from funding_pipeline.venues.dialect import CandleKind, EstimatedRate, Json, SettledRate, VenueDialect
from funding_pipeline.venues.spelling import HOUR_MS, from_ms

HOURLY_SINCE_MS = int(datetime(2022, 10, 1, tzinfo=UTC).timestamp() * 1000)
"""Before 29 September 2022 a rate applied for four hours; those rows are left out."""


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
        """Linear perpetuals on crypto, settled in USD."""
        info: Json = market.get("info") or {}
        return super().serves(market) and market.get("settle") == "USD" and not info.get("tradfi")

    # --- funding
    def settled_rate(self, row: Json, market: Json) -> SettledRate:
        """The client has moved the row to the end of its hour."""
        rate = row.get("fundingRate")
        return SettledRate(from_ms(row["timestamp"]), None if rate is None else float(rate), 1.0)

    def estimated_rate(self, row: Json, market: Json, interval_hours: float | None) -> EstimatedRate:
        """The rate of the running hour, paid at the next full one (no time is told).

        Dollars per coin over the index, by which Kraken makes its relative rate; ccxt divides by the mark.
        `fundingRatePrediction` (ccxt's nextFundingRate) is about the hour after.
        """
        info: Json = row.get("info") or {}
        dollars, index = info.get("fundingRate"), info.get("indexPrice")
        if dollars is None or not index or float(index) <= 0:
            return EstimatedRate(None, None, 1.0)
        return EstimatedRate(None, float(dollars) / float(index), 1.0)

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
    hourly = [row for row in rows if row["timestamp"] >= HOURLY_SINCE_MS]
    settled = [(row["timestamp"] + HOUR_MS, row["fundingRate"]) for row in hourly]
    return [(at, rate) for at, rate in settled if start_ms <= at <= end_ms]
