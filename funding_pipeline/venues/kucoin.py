"""What is special to KuCoin: two hosts, sizes in lots, milliseconds for intervals, mark candles elsewhere.

What lives here: KuCoin's linear perpetuals for reading (`XBTUSDTM` is BTC; majors settle at 04, 12 and 20
UTC). What does not: any private call; this venue is not traded on.

Requests that loading markets costs: one, `contracts/active`. ccxt alone would ask for currencies as well.
Nothing read here takes a key, neither the futures host (`/api/v1`) nor the unified one (`/api/ua`).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from funding_pipeline.core.trading import Underlying
from funding_pipeline.venues.answers import Rows
from funding_pipeline.venues.dialect import CandleKind, FundingBounds, Json, VenueDialect
from funding_pipeline.venues.spelling import HOUR_MS, hours_of, info_of, moment_of, number_of, positive_of

_CONTRACT_INTERVALS = ("currentFundingRateGranularity", "fundingRateGranularity")
_RATE_INTERVALS = ("currentGranularity", "granularity")


class KucoinVenue(VenueDialect):
    """KuCoin's USDT and USDC perpetuals, public data only.

    The estimate is `nextFundingRate` of the unified endpoint, which settles at `fundingTime` (the futures
    host calls the same number `value`); one request tells all. What ccxt calls nextFundingTimestamp there is
    when an interval was last changed, and `fundingFeeRate` of the contracts lags behind: neither is read.

    The settled history has no stated page: a hundred rows are asked for at a time.
    """

    name: ClassVar[str] = "kucoin"
    ccxt_id: ClassVar[str] = "kucoinfutures"
    candle_page: ClassVar[int] = 200  # of the futures host (mark and index: 1,500)
    funding_page: ClassVar[int] = 100
    book_levels: ClassVar[int] = 100  # ccxt takes 20 or 100 and refuses the rest
    has_open_interest_history: ClassVar[bool] = True
    open_interest_page: ClassVar[int] = 200
    answers: ClassVar[Mapping[str, Rows]] = {
        "contracts/active": Rows("data", "symbol"),
        "market/funding-rate": Rows("data", "symbol"),
        "contract/funding-rates": Rows("data", time="timepoint", about="symbol"),
        "kline/query": Rows("data", time=0),
        "market/kline": Rows("data.list", time=0, unit="s"),
        "market/open-interest": Rows("data", time="ts", about="symbol"),
        "trade/history": Rows("data"),
        "contracts/risk-limit/{symbol}": Rows("data"),
        "level2/depth100": Rows("data.bids", are_rows=False),
    }
    needed: ClassVar[tuple[str, ...]] = ("multiplier", "tickSize", "lotSize", *_CONTRACT_INTERVALS)
    kinds: ClassVar[Mapping[str, Underlying]] = {
        "CRYPTO": "crypto",
        **dict.fromkeys(("STOCK", "EQUITY"), "stock"),
        "ETF": "fund",
        **dict.fromkeys(("COMMODITY", "METAL"), "commodity"),
        "FOREX": "forex",
        "INDEX": "index",
    }
    statuses: ClassVar[frozenset[str]] = frozenset({"Open"})

    def client_class(self) -> type:
        """ccxt's kucoinfutures without currencies, and with leverage tiers that are told in USDT.

        The tiers of the unified account (fetch_leverage_tiers) are sizes whose unit is not told; the risk
        limits of a contract (fetch_market_leverage_tiers) are notional.
        """
        import ccxt.async_support as ccxt

        class Kucoin(ccxt.kucoinfutures):  # type: ignore[misc,name-defined,unused-ignore]
            def describe(self) -> Any:
                description = super().describe()
                description["has"]["fetchCurrencies"] = False
                description["has"]["fetchLeverageTiers"] = False
                description["fees"]["trading"] |= {
                    "maker": None,
                    "taker": None,
                }  # else 10 bp where not stated
                return description

        return Kucoin

    def client_options(self) -> Json:
        """Contracts only; `uta` and `hf` are set, or ccxt would ask the account for them."""
        return {
            **super().client_options(),
            "fetchMarkets": {"types": ["swap"], "fetchTickersFees": False},
            "uta": False,
            "hf": True,
        }

    def underlying(self, market: Json) -> tuple[Underlying, str]:
        """`marketStage` (NORMAL, PRE_MARKET), then `assetClass`."""
        info = info_of(market)
        stage = info.get("marketStage")
        if stage not in (None, "", "NORMAL"):
            return ("pre_market" if stage == "PRE_MARKET" else "other"), str(stage)
        return self.kind_of(info.get("assetClass"))

    def status(self, market: Json) -> str | None:
        """`status`: Init, BeingSettled, Settled, Paused, Closed and CancelOnly do not trade."""
        return self.not_trading(info_of(market).get("status"))

    def delists_at(self, market: Json) -> datetime | None:
        """`expireDate` or `settleDate`, null for a perpetual without an announced end."""
        stated = [moment_of(info_of(market).get(name)) for name in ("expireDate", "settleDate")]
        return min(filter(None, stated), default=None)

    def funding_bounds(self, market: Json, rate: Json | None) -> FundingBounds:
        """From the rate's row, or the contract's."""
        source = info_of(rate) if "fundingRateCap" in info_of(rate) else info_of(market)
        return FundingBounds.of(source.get("fundingRateFloor"), source.get("fundingRateCap"))

    def interval_hours(self, market: Json, rate: Json | None) -> float | None:
        """From the rate's or the contract's granularity, milliseconds. ccxt has no name for 2 hours."""
        for source, names in ((rate, _RATE_INTERVALS), (market, _CONTRACT_INTERVALS)):
            stated = [info_of(source)[name] for name in names if info_of(source).get(name) is not None]
            if stated:
                return hours_of(stated[0], per_hour=HOUR_MS)
        return None

    def candle_request(self, kind: CandleKind, start_ms: int, end_ms: int) -> tuple[int, Json]:
        """`to` in milliseconds for trades; `endAt` in seconds for mark and index (the unified host).

        ccxt knows no `until` here and would send it on as it is."""
        if kind == "trade":
            return start_ms, {"to": end_ms - 1}
        return start_ms, {"endAt": (end_ms - 1) // 1000, "price": kind}

    def open_interest(self, row: Json, market: Json) -> float | None:
        """Lots times contract size: 8,053,960 lots of 0.01 ETH are 80,539.6 ETH."""
        lots, size = number_of(row.get("openInterestAmount")), positive_of(market.get("contractSize"))
        return None if lots is None or size is None else lots * size
