"""What is special to Bitget: a history that is paged by number, capitals for mark candles, sizes in coins.

What lives here: Bitget's USDT perpetuals for reading, by the classic endpoints (`/api/v2/mix`). What does
not: any private call; this venue is not traded on.

Requests that loading markets costs: one, `contracts?productType=USDT-FUTURES`. ccxt alone would ask nine
(six product types, spot, margin, currencies), and the account's settings before each call where keys are set.
"""

from collections.abc import Mapping
from datetime import datetime
from itertools import count
from typing import Any, ClassVar

from funding_pipeline.core.trading import Underlying
from funding_pipeline.venues.answers import Rows
from funding_pipeline.venues.dialect import CandleKind, FundingBounds, Json, VenueDialect
from funding_pipeline.venues.spelling import hours_of, info_of, is_moment, moment_of

PRODUCT = "USDT-FUTURES"
HISTORY_PAGE = 100
_INTERVALS = ("fundingRateInterval", "ratePeriod", "fundInterval")


class BitgetVenue(VenueDialect):
    """Bitget's USDT-settled perpetuals, public data only.

    The classic endpoints (v2) are asked throughout, not the unified account's (v3): both are public, but the
    unified candles have half the page, and ccxt decides by the account's settings where keys are set.

    The estimate is `fundingRate` of `current-fund-rate`, which settles at `nextUpdate`; one request tells
    all. ccxt's usual source for it, the tickers, tells neither the time nor the interval.
    """

    name: ClassVar[str] = "bitget"
    ccxt_id: ClassVar[str] = "bitget"
    # 1,000 for the last two months, but 200 before: ccxt then silently keeps the last 200 of a longer window.
    candle_page: ClassVar[int] = 200
    funding_page: ClassVar[int] = 100_000  # of the client below, which walks the pages itself

    answers: ClassVar[Mapping[str, Rows]] = {
        "v2/mix/market/contracts": Rows("data", "symbol"),
        "v2/mix/market/current-fund-rate": Rows("data", "symbol"),
        "v2/mix/market/history-fund-rate": Rows("data", time="fundingTime", about="symbol"),
        **{
            f"v2/mix/market/{kind}candles": Rows("data", time=0)
            for kind in ("", "history-", "history-mark-", "history-index-")
        },
        "v2/mix/market/fills": Rows("data"),
        "v2/mix/market/query-position-lever": Rows("data"),
        "v2/mix/market/open-interest": Rows("data.openInterestList"),
        "v2/mix/market/merge-depth": Rows("data.bids", are_rows=False),
    }
    needed: ClassVar[tuple[str, ...]] = ("priceEndStep", "sizeMultiplier", "fundInterval")
    statuses: ClassVar[frozenset[str]] = frozenset({"normal"})

    def client_class(self) -> type:
        """ccxt's bitget for one product type, whose settled history covers the window that is asked for.

        `history-fund-rate` knows no times: pages by number, newest first. ccxt would give the first page
        whatever `since` says. A settlement during the walk shifts rows to later pages, so none is missed.
        The window is sent all the same: kept bodies of one are then told from those of another.
        """
        import ccxt.async_support as ccxt

        class Bitget(ccxt.bitget):  # type: ignore[misc,name-defined,unused-ignore]
            def describe(self) -> Any:
                description = super().describe()
                description["has"]["fetchCurrencies"] = False
                description["has"]["fetchFundingIntervals"] = False  # the rates' own rows tell them
                return description

            async def public_mix_get_v2_mix_market_contracts(self, params: Any = None) -> Any:
                if (params or {}).get("productType") != PRODUCT:
                    return {"data": []}
                return await super().public_mix_get_v2_mix_market_contracts(params)

            async def fetch_funding_rate_history(
                self, symbol: Any = None, since: Any = None, limit: Any = None, params: Any = None
            ) -> Any:
                asked = dict(params or {})
                until = asked.pop("until", None)
                found: dict[int, Json] = {}
                odd: list[Json] = []  # rows without a time, for whoever reports them
                for page in count(1):
                    numbered = {**asked, **_window(since, until), "pageNo": page}
                    rows = await super().fetch_funding_rate_history(symbol, None, HISTORY_PAGE, numbered)
                    odd += [row for row in rows if not is_moment(row["timestamp"])]
                    dated = [row for row in rows if is_moment(row["timestamp"])]
                    new = {row["timestamp"]: row for row in dated if row["timestamp"] not in found}
                    found |= new
                    if not new or (since is not None and min(new) < since):
                        break
                return [*odd, *(found[at] for at in sorted(found) if _is_within(at, since, until))]

        return Bitget

    def client_options(self) -> Json:
        """Swaps only; `uta` is set, or ccxt would ask for the account's settings where keys are set."""
        return {**super().client_options(), "fetchMarkets": {"types": ["swap"]}, "uta": False}

    def serves(self, market: Json) -> bool:
        """Perpetuals settled in USDT."""
        return super().serves(market) and market.get("settle") == "USDT"

    def underlying(self, market: Json) -> tuple[Underlying, str]:
        """`isRwa`: a share, fund, metal or currency, which of them is not stated."""
        word = info_of(market).get("isRwa")
        return ("crypto", "") if word in (None, "", "NO") else ("other", f"isRwa {word}")

    def status(self, market: Json) -> str | None:
        """`symbolStatus`: listed (not open yet), maintain, limit_open, restrictedAPI and off do not trade."""
        return self.not_trading(info_of(market).get("symbolStatus"))

    def delists_at(self, market: Json) -> datetime | None:
        """`limitOpenTime`, after which nothing is opened, or `offTime`; -1 for none."""
        stated = [moment_of(info_of(market).get(name)) for name in ("limitOpenTime", "offTime")]
        return min(filter(None, stated), default=None)

    def funding_bounds(self, market: Json, rate: Json | None) -> FundingBounds:
        """From the rate's row."""
        return FundingBounds.of(info_of(rate).get("minFundingRate"), info_of(rate).get("maxFundingRate"))

    def interval_hours(self, market: Json, rate: Json | None) -> float | None:
        """From the rate's row, or the contract's `fundInterval`: hours as text."""
        for source in (rate, market):
            stated = [info_of(source)[name] for name in _INTERVALS if info_of(source).get(name) is not None]
            if stated:
                return hours_of(stated[0])
        return None

    def candle_request(self, kind: CandleKind, start_ms: int, end_ms: int) -> tuple[int, Json]:
        """Mark and index by name in capitals, as documented: ccxt writes them small, and an unknown name
        gives trade candles."""
        since, params = super().candle_request(kind, start_ms, end_ms)
        return since, params if kind == "trade" else {**params, "kLineType": kind.upper()}

    def raw_params(self, call: str) -> Mapping[str, Any]:
        """Which of two endpoints tells the estimates."""
        return {"method": "publicMixGetV2MixMarketCurrentFundRate"} if call == "fetch_funding_rates" else {}


def _window(since: int | None, until: int | None) -> Json:
    told = {"startTime": since, "endTime": until}
    return {name: moment for name, moment in told.items() if moment is not None}


def _is_within(at: int, since: int | None, until: int | None) -> bool:
    return (since is None or at >= since) and (until is None or at <= until)
