"""Binance USDT-M and USDC-M perpetuals: what is special to this venue.

What lives here: which of ccxt's `binanceusdm` answers mean what, and the venue's limits. What does
not: calls, paging and retries (`client`, `pager`), or the testnet's side (`testnet.dialects.binance`).

Facts of the live venue that this module relies on:
- `GET /fapi/v1/fundingRate`: ascending from `startTime`, 100 rows unless `limit` (up to 1,000) is sent;
  500 requests per 5 minutes and address, together with `/fapi/v1/fundingInfo`.
- Settlements are stamped up to some tens of milliseconds late (1600156800010): the minute is nominal.
- `/fapi/v1/fundingInfo` lists only symbols whose cap, floor or interval was changed; the others settle
  every 8 h. A symbol goes from 8 h to 4 h or 1 h, and back, without notice.
- `lastFundingRate` of `/fapi/v1/premiumIndex` is, despite its name, the estimate for `nextFundingTime`.
- Candles: ascending from `startTime`, by opening time; ccxt never asks for more than 1,000.
- Open interest is kept for 30 days, hourly, 500 rows per request; an older `startTime` is error -1130.
- Fills: seven days per request, 1,000 rows. Funding payments: the last three months.
- Positions (third version of the endpoint) tell margins and the ADL queue, but not the leverage.
- Leverage brackets, and the rates of commission, are told to a key's owner only.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any, ClassVar

from funding_pipeline.core.trading import Balance, InstrumentModes, MarginMode, Underlying
from funding_pipeline.venues.answers import Rows
from funding_pipeline.venues.dialect import (
    FundingBounds,
    Json,
    KeyPermissions,
    SettledRate,
    VenueDialect,
)
from funding_pipeline.venues.spelling import (
    HOUR_MS,
    decimal_of,
    hours_of,
    info_of,
    moment_of,
    nearest_minute,
    number_of,
    positive_of,
)

DEFAULT_INTERVAL_HOURS = 8.0
_DELIVERING = ("PERPETUAL_DELIVERING", "PERPETUAL DELIVERING")
_CRYPTO_CONTRACTS = (None, "PERPETUAL", *_DELIVERING)
FIRST_IN_ADL_QUEUE = 4
OPEN_INTEREST_KEPT_MS = (30 * 24 - 1) * HOUR_MS  # an hour less, for requests under way
# 500 requests per 5 minutes are one per 600 ms; a unit of ccxt's cost is 50 ms on this venue.
_FUNDING_COST = 12
_FUNDING_PATHS = frozenset({"fundingRate", "fundingInfo"})
_CODE = re.compile(r'"code"\s*:\s*"?(-?\d+)')

_REASONS: Mapping[int, str] = {
    -2018: "insufficient_margin",
    -2019: "insufficient_margin",
    -4050: "insufficient_margin",
    -4051: "insufficient_margin",
    -5022: "would_take",
    -2022: "reduce_only",
    -2024: "reduce_only",
    -2026: "reduce_only",
    -4118: "reduce_only",
    -4003: "below_minimum",
    -4004: "below_minimum",
    -4164: "below_minimum",
    -1111: "off_grid",
    -4014: "off_grid",
    -4023: "off_grid",
    -4116: "duplicate_client_id",
    -2011: "unknown_order",
    -2013: "unknown_order",
    -2027: "leverage",
    -2028: "leverage",
    -4028: "leverage",
}

_MARGIN_MODES: Mapping[str, MarginMode] = {"CROSSED": "cross", "ISOLATED": "isolated"}


class BinanceVenue(VenueDialect):
    """Linear perpetuals of Binance; one way, one collateral per instrument."""

    name: ClassVar[str] = "binance"
    ccxt_id: ClassVar[str] = "binanceusdm"
    can_trade: ClassVar[bool] = True
    candle_page: ClassVar[int] = 1000
    funding_page: ClassVar[int] = 1000
    book_levels: ClassVar[int] = 50  # the venue takes 5, 10, 20, 50, 100, 500 and 1000 only
    has_open_interest_history: ClassVar[bool] = True
    has_progressive_tiers: ClassVar[bool] = True  # `cum` of a bracket is its deduction
    open_interest_page: ClassVar[int] = 500
    statement_page: ClassVar[int] = 1000
    statement_hours: ClassVar[int] = 167  # less than seven days, so that overlapping windows fit
    answers: ClassVar[Mapping[str, Rows]] = {
        "exchangeInfo": Rows("symbols", "symbol"),
        "fundingInfo": Rows("", "symbol"),
        "premiumIndex": Rows("", "symbol"),
        "fundingRate": Rows("", time="fundingTime", about="symbol"),
        **dict.fromkeys(("klines", "markPriceKlines", "indexPriceKlines"), Rows("", time=0)),
        "openInterestHist": Rows("", time="timestamp", about="symbol"),
        **dict.fromkeys(("aggTrades", "trades"), Rows("")),
        "depth": Rows("bids", are_rows=False),
        # of the account
        "account": Rows("assets", "asset", may_miss=False, numbers=("walletBalance", "marginBalance")),
        "positionRisk": Rows("", "symbol", numbers=("positionAmt",)),
        "symbolConfig": Rows("", about="symbol", may_miss=False, numbers=("leverage",)),
        "positionSide/dual": Rows(None, needs=("dualSidePosition",)),
        "openOrders": Rows("", "symbol", numbers=("origQty", "executedQty")),
        "openAlgoOrders": Rows("", "symbol", numbers=("quantity",)),
        "order": Rows(None, needs=("orderId", "status"), numbers=("origQty", "executedQty")),
        "userTrades": Rows("", about="symbol", may_miss=False, numbers=("qty", "price", "time")),
        "income": Rows("", about="symbol", may_miss=False, numbers=("income", "time")),
    }
    kinds: ClassVar[Mapping[str, Underlying]] = {
        "COIN": "crypto",
        "INDEX": "index",
        "PREMARKET": "pre_market",
        **dict.fromkeys(("EQUITY", "KR_EQUITY", "HK_EQUITY", "STOCK"), "stock"),
        **dict.fromkeys(("COMMODITY", "METAL"), "commodity"),
        "ETF": "fund",
        **dict.fromkeys(("FOREX", "FX"), "forex"),
    }
    statuses: ClassVar[frozenset[str]] = frozenset({"TRADING"})
    conditional_lists: ClassVar[tuple[Mapping[str, Any], ...]] = ({"trigger": True},)

    def client_class(self) -> type:
        """ccxt's class, held to the venue's limits on funding requests and on history."""
        return _client_class()

    def client_options(self) -> Json:
        """One request loads the markets: no currencies and margin pairs (api.binance.com), no other types.

        Open orders of all symbols may be asked for; a margin mode that is set already is no error; the
        broker's prefix is left out of client order ids (each of ours is sent anyway).
        """
        return {
            "defaultType": "swap",
            "defaultSubType": "linear",
            "adjustForTimeDifference": False,
            "fetchCurrencies": False,
            "fetchMargins": False,
            "fetchMarkets": {"types": ["linear"], "loadAllOptions": False},
            "fetchOpenOrders": {"warnWithoutSymbol": False},
            "setMarginMode": {"throwMarginModeAlreadySet": False},
            # an empty prefix would make ccxt fall back to its own
            "broker": {"swap": "own-", "future": "own-"},
        }

    def answer_key(self, path: str, params: Mapping[str, Any]) -> str:
        """Some answers are a list where no symbol is named, and one row where one is."""
        return f"{path}?symbol" if path == "premiumIndex" and "symbol" in params else path

    def odd_field(self, market: Json) -> str | None:
        """Coins, and steps of the filters: else ccxt takes the id for the coin and decimals for steps."""
        info = info_of(market)
        for name in ("baseAsset", "quoteAsset", "marginAsset"):
            if name in info and not (isinstance(info[name], str) and info[name]):
                return f"{name} {info[name]!r}"
        if "baseAsset" not in info:
            return "no baseAsset"
        filters = [item for item in info.get("filters") or () if isinstance(item, dict)]
        for kind, step in (("PRICE_FILTER", "tickSize"), ("LOT_SIZE", "stepSize")):
            stated = next((item.get(step) for item in filters if item.get("filterType") == kind), None)
            if positive_of(stated) is None:
                return f"{kind} {step} {stated!r}"
        return None

    def underlying(self, market: Json) -> tuple[Underlying, str]:
        """`underlyingType`, and `contractType` for what is no coin; the sub-types name sectors of coins."""
        info = info_of(market)
        kind, word = self.kind_of(info.get("underlyingType"))
        contract, sectors = info.get("contractType"), info.get("underlyingSubType")
        if kind == "crypto" and isinstance(sectors, list):
            named = {str(sector).replace("-", "").replace("_", "").upper() for sector in sectors}
            if "PREMARKET" in named:
                return "pre_market", "Pre-Market"
        if kind == "crypto" and contract not in _CRYPTO_CONTRACTS:
            return "other", str(contract)
        return kind, word

    def status(self, market: Json) -> str | None:
        """`status`; a perpetual in delivery has a contract type of its own."""
        info = info_of(market)
        contract = str(info.get("contractType"))
        if "DELIVERING" in contract:
            return f"status {contract}"
        return self.not_trading(info.get("status", info.get("contractStatus")))

    def delists_at(self, market: Json) -> datetime | None:
        """`deliveryDate`, which is in 2100 for a perpetual without an announced end."""
        return moment_of(info_of(market).get("deliveryDate"))

    def funding_bounds(self, market: Json, rate: Json | None) -> FundingBounds:
        """From the row of `fundingInfo`, which lists the symbols whose bounds or interval were changed."""
        info = info_of(rate)
        return FundingBounds.of(info.get("adjustedFundingRateFloor"), info.get("adjustedFundingRateCap"))

    def settled_rate(self, row: Json, market: Json) -> SettledRate:
        """The settlement at its nominal minute: stamps are milliseconds late. The row has no interval."""
        return SettledRate(nearest_minute(row["timestamp"]), number_of(row.get("fundingRate")))

    def interval_hours(self, market: Json, rate: Json | None) -> float | None:
        """Hours, from ccxt's fetch_funding_intervals row of the symbol.

        None for `rate` means that the list does not have the symbol, and it then settles every 8 h. A row
        of fetch_funding_rate does not say: None.
        """
        if rate is None:
            return DEFAULT_INTERVAL_HOURS
        return hours_of(info_of(rate).get("fundingIntervalHours"))

    def balance(self, currency: str, account: Json, answer: Json) -> Balance:
        """ccxt's total is the margin balance, which has unrealised profit in it: that is the equity."""
        assets = (answer.get("info") or {}).get("assets") or []
        told: Json = next((asset for asset in assets if asset.get("asset") == currency), {})
        return Balance(
            self.name,
            currency,
            wallet=decimal_of(told.get("walletBalance")),
            free=decimal_of(told.get("availableBalance", account.get("free"))),
            equity=decimal_of(told.get("marginBalance", account.get("total"))),
        )

    def adl_rank(self, position: Json) -> float | None:
        """The venue counts from 0 (last) to 4 (first)."""
        told = (position.get("info") or {}).get("adl")
        return None if told is None else min(float(told) / FIRST_IN_ADL_QUEUE, 1.0)

    def rejection_reason(self, error: Exception) -> str | None:
        """By the `code` in the body, which ccxt's message carries; leverage above 125 it refuses itself."""
        found = _CODE.search(str(error))
        if found is None and "leverage should be between" in str(error):
            return "leverage"
        return None if found is None else _REASONS.get(int(found[1]))

    def position_amount(self, position: Json) -> Decimal | None:
        """`positionAmt`, signed. ccxt takes the side from the notional, which is 0 beside a mark of 0."""
        return decimal_of(info_of(position).get("positionAmt"))

    async def modes(self, client: Any, symbol: str) -> InstrumentModes:
        """Leverage and margin mode of the symbol; the position mode is the whole account's."""
        stated, account = await asyncio.gather(
            client.fetch_margin_mode(symbol, {"subType": "linear"}), client.fetch_position_mode()
        )
        info = stated["info"]
        return InstrumentModes(
            self.name,
            symbol,
            decimal_of(info.get("leverage")),
            _MARGIN_MODES.get(str(info.get("marginType"))),
            not account["hedged"],
        )

    async def cancel_by_client_id(self, client: Any, symbol: str, client_id: str) -> None:
        """In one request. Raises ccxt.OrderNotFound (-2011) where the order is unknown or done."""
        await client.cancel_order("", symbol, {"origClientOrderId": client_id})

    async def fetch_order_by_client_id(self, client: Any, symbol: str, client_id: str) -> Json:
        """Open or done. The venue forgets an order that was cancelled unfilled after three days."""
        order: Json = await client.fetch_order("", symbol, {"origClientOrderId": client_id})
        return order

    async def key_permissions(self, client: Any) -> KeyPermissions:
        """From `/sapi/v1/account/apiRestrictions`; the venue's own testnets do not have it."""
        from ccxt import NotSupported

        try:
            told = await client.sapi_get_account_apirestrictions()
        except NotSupported:
            return KeyPermissions(None, None)
        return KeyPermissions(_flag(told, "enableFutures"), _flag(told, "enableWithdrawals"))

    async def prepare_account(self, client: Any, symbols: Sequence[str]) -> None:
        """One-way mode, for all symbols at once. Setting what is set already would be error -4059."""
        mode = await client.fetch_position_mode()
        if mode.get("hedged"):
            await client.set_position_mode(False)


def _flag(body: Json, key: str) -> bool | None:
    value = body.get(key)
    return value if isinstance(value, bool) else None


@cache
def _client_class() -> type:
    """ccxt's class, held to what the venue allows and keeps."""
    import ccxt.async_support as ccxt

    class BinanceClient(ccxt.binanceusdm):  # type: ignore[misc]
        """Paces funding requests, of which ccxt's throttle would let 6,000 pass in 5 minutes, not 500."""

        def __init__(self, config: Json | None = None) -> None:
            super().__init__(config or {})
            if not self.apiKey:  # the brackets are told to a key's owner only
                self.has["fetchLeverageTiers"] = False

        def calculate_rate_limiter_cost(
            self, api: Any, method: Any, path: Any, params: Any, config: Any = None
        ) -> Any:
            if path in _FUNDING_PATHS:
                return _FUNDING_COST
            return super().calculate_rate_limiter_cost(api, method, path, params, config or {})

        def parse_market(self, market: Json) -> Any:
            """A perpetual that is being delivered keeps its symbol: ccxt makes a dated future of it."""
            contract = str(market.get("contractType"))
            if contract not in _DELIVERING:
                return super().parse_market(market)
            parsed = super().parse_market({**market, "contractType": "PERPETUAL"})
            return parsed and {**parsed, "active": False, "info": market}

        async def fetch_positions(self, symbols: Any = None, params: Any = None) -> Any:
            """Whatever their entry price: ccxt leaves out those without one (moved there, or adopted)."""
            await self.load_markets()
            await self.load_leverage_brackets(False, {})
            rows = await self.fapiPrivateV3GetPositionRisk(params or {})
            return [self.parse_position_risk(row) for row in rows]

        async def fetch_open_interest_history(
            self, symbol: str, timeframe: str = "1h", since: Any = None, limit: Any = None, params: Any = None
        ) -> Any:
            """No error for what is kept no more: its rows are left out."""
            # the next whole hour, so that a replay asks the same however much later its clock is
            oldest = -((OPEN_INTEREST_KEPT_MS - self.milliseconds()) // HOUR_MS) * HOUR_MS
            asked = dict(params or {})
            if asked.get("until", oldest) < oldest:
                return []
            start = None if since is None else max(since, oldest)
            return await super().fetch_open_interest_history(symbol, timeframe, start, limit, asked)

    return BinanceClient
