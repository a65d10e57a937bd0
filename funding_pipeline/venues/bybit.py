"""Bybit: linear perpetuals settled in USDT, v5 REST on a unified trading account.

What lives here: what is special to Bybit. What does not: calls, paging and assembling values, which are
the same for every venue.

Facts of the venue that calls above have to respect:
- funding history (200), candles (1,000) and open interest (200) come newest first inside [start, end]:
  a window with more rows than a page silently loses its OLDEST rows, so windows are cut to a page;
- order history, fills and funding payments answer at most seven days per request, and the last seven
  days where no time is given; an order that was cancelled without a fill is told for 24 hours only;
- `create` answers with an id only; a crossing post-only order is accepted and then cancelled with
  EC_PostOnlyWillTakeLiquidity, so the order has to be looked up after it was sent;
- the margin mode is the whole account's, not an instrument's;
- errors come with HTTP status 200 and a `retCode`.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any, ClassVar

from funding_pipeline.core.errors import CredentialsError, VenueAnswerError
from funding_pipeline.core.trading import Balance, InstrumentModes, MarginMode, Underlying
from funding_pipeline.venues.answers import Rows
from funding_pipeline.venues.dialect import FundingBounds, Json, KeyPermissions, VenueDialect
from funding_pipeline.venues.spelling import decimal_of, hours_of, info_of, moment_of, positive_of

_CODE = re.compile(r'"ret_?[cC]ode"\s*:\s*"?(-?\d+)')
_MESSAGE = re.compile(r'"ret_?[mM]sg"\s*:\s*"([^"]*)"')

_REASONS: Mapping[str, str] = {
    **dict.fromkeys(
        ("110004", "110006", "110007", "110012", "110014", "110044", "110045", "110051", "110052", "110053"),
        "insufficient_margin",
    ),
    "110017": "reduce_only",
    **dict.fromkeys(("110030", "110072"), "duplicate_client_id"),
    **dict.fromkeys(("110001", "110008", "110010"), "unknown_order"),
    "110094": "below_minimum",
    **dict.fromkeys(("110013", "110016", "110046"), "leverage"),
}
# 10001 is "parameter error" in general; only its text tells which parameter.
_TEXTS: Sequence[tuple[str, str]] = (
    ("minimum limit", "below_minimum"),
    ("minimum amount precision", "below_minimum"),
    ("lower limit", "below_minimum"),
    ("qty invalid", "off_grid"),
    ("price invalid", "off_grid"),
)
# "Server timeout" and "internal system error": the request may have been carried out all the same.
_UNDECIDED = frozenset({"10000", "10016", "5004"})
_RAW_PARAMS: Mapping[str, Mapping[str, Any]] = {
    "fetch_funding_history": {"limit": 100},
    "fetch_my_trades": {"limit": 100},
    "fetch_open_orders": {"limit": 50},
}
_MARGIN_MODES: Mapping[str, MarginMode] = {"REGULAR_MARGIN": "cross", "ISOLATED_MARGIN": "isolated"}
_PAGED = frozenset({"v5/order/realtime", "v5/position/list"})
_FILLS = ("Trade", "AdlTrade", "BustTrade", "Delivery")


@cache
def _client_class() -> type:
    """ccxt's class without its broker id, private extra requests and made-up fees; see each method."""
    import ccxt.async_support as ccxt

    class Bybit(ccxt.bybit):  # type: ignore[misc]
        """ccxt's Bybit; see `_client_class`."""

        def describe(self) -> Any:
            """With keys set, ccxt would ask for every coin's withdrawal networks before the markets.

            Fees: the venue tells them to a key only; ccxt makes up 0.01 % and 0.06 or 0.075 %.
            """
            unknown = {"trading": {"maker": None, "taker": None}}
            ours = {"has": {"fetchCurrencies": False}, "fees": unknown}
            return self.deep_extend(super().describe(), ours)

        def sign(self, *args: Any, **kwargs: Any) -> Any:
            """Without `Referer: CCXT`, which names a broker; an empty `brokerId` option brings it back."""
            signed = super().sign(*args, **kwargs)
            (signed["headers"] or {}).pop("Referer", None)
            return signed

        async def fetch_future_markets(self, params: Any = None) -> Any:
            """Without the fees that ccxt makes up."""
            markets = await super().fetch_future_markets(params or {})
            return [{**market, "maker": None, "taker": None} for market in markets]

        def handle_errors(self, status: int, reason: Any, url: Any, *rest: Any) -> Any:
            """ccxt takes for a certain refusal what is none: a server's timeout, a proxy's page in JSON."""
            _method, _headers, body, response, *_sent = rest
            code = self.safe_string_2(response, "retCode", "ret_code")
            if code in _UNDECIDED:
                raise ccxt.RequestTimeout(f"{self.id} {body}")
            if code is None and response is not None:
                if status >= 400:
                    return None  # the HTTP status tells
                raise ccxt.ExchangeNotAvailable(f"{self.id} an answer without retCode: {body}")
            return super().handle_errors(status, reason, url, *rest)

        async def fetch_positions(self, symbols: Any = None, params: Any = None) -> Any:
            """Of both settle currencies, and with the margin mode, which is the whole account's.

            Those settled in USDC are not traded, and share the collateral of those that are."""
            ask = super().fetch_positions
            asked = (ask(symbols, {**(params or {}), "settleCoin": coin}) for coin in ("USDT", "USDC"))
            account, *found = await asyncio.gather(self.privateGetV5AccountInfo(), *asked)
            mode = self.parse_margin_mode_type(account["result"].get("marginMode"))
            return [{**position, "marginMode": mode} for positions in found for position in positions]

        async def fetch_balance(self, params: Any = None) -> Any:
            """Every coin of the account: ccxt leaves out what is of a type that it does not know."""
            answer = await self.privateGetV5AccountWalletBalance({"accountType": "UNIFIED"})
            return {**{coin["coin"]: {} for coin in _coins({"info": answer})}, "info": answer}

        async def fetch_my_trades(
            self, symbol: Any = None, since: Any = None, limit: Any = None, params: Any = None
        ) -> Any:
            """Of every kind that changes a position: ccxt asks for `Trade` and misses ADL and liquidation."""
            ask = super().fetch_my_trades
            asked = [ask(symbol, since, limit, {**(params or {}), "execType": kind}) for kind in _FILLS]
            return [row for rows in await asyncio.gather(*asked) for row in rows]

        def parse_income(self, income: Any, market: Any = None) -> Any:
            """With the funding rate: the venue's `feeRate` has the sign of the fee, not of the rate."""
            parsed = super().parse_income(income, market)
            return {**parsed, "rate": _funding_rate(income)}

        def parse_market_leverage_tiers(self, info: Any, market: Any = None) -> Any:
            """Rates as fractions: the venue's documentation has percent (0.5), its answers fractions."""
            tiers = super().parse_market_leverage_tiers(info, market)
            for tier in tiers:
                if _is_percent(tier["info"]):
                    tier["maintenanceMarginRate"] = float(Decimal(tier["info"]["maintenanceMargin"]) / 100)
            return tiers

    return Bybit


class BybitVenue(VenueDialect):
    """Bybit, instruments settled in USDT."""

    name: ClassVar[str] = "bybit"
    ccxt_id: ClassVar[str] = "bybit"
    can_trade: ClassVar[bool] = True
    candle_page: ClassVar[int] = 1000
    funding_page: ClassVar[int] = 200
    has_open_interest_history: ClassVar[bool] = True
    has_progressive_tiers: ClassVar[bool] = True  # `mmDeduction`
    open_interest_page: ClassVar[int] = 200
    statement_page: ClassVar[int] = 100
    answers: ClassVar[Mapping[str, Rows]] = {
        "v5/market/instruments-info": Rows("result.list", "symbol"),
        "v5/market/tickers": Rows("result.list", "symbol"),
        "v5/market/funding/history": Rows("result.list", time="fundingRateTimestamp", about="symbol"),
        **{
            f"v5/market/{kind}": Rows("result.list", time=0)
            for kind in ("kline", "mark-price-kline", "index-price-kline")
        },
        "v5/market/open-interest": Rows("result.list", time="timestamp"),
        "v5/market/recent-trade": Rows("result.list"),
        "v5/market/risk-limit": Rows("result.list"),
        "v5/market/orderbook": Rows("result.b", are_rows=False),
        # of the account
        "v5/position/list": Rows("result.list", "symbol", numbers=("size",)),
        "v5/order/realtime": Rows("result.list", "symbol", numbers=("qty", "cumExecQty")),
        **dict.fromkeys(
            ("v5/order/realtime?orderLinkId", "v5/order/history?orderLinkId"),
            Rows("result.list", may_miss=False, numbers=("qty", "cumExecQty")),
        ),
        "v5/execution/list": Rows(
            "result.list",
            about="symbol",
            may_miss=False,
            numbers=("execQty", "execPrice", "execFee", "execTime"),
        ),
        "v5/account/wallet-balance": Rows(
            "result.list.0.coin", "coin", may_miss=False, numbers=("walletBalance", "equity")
        ),
        "v5/account/info": Rows(None, needs=("result.marginMode",)),
    }
    needed: ClassVar[tuple[str, ...]] = ("priceFilter.tickSize", "lotSizeFilter.qtyStep")
    kinds: ClassVar[Mapping[str, Underlying]] = {
        **dict.fromkeys(("innovation", "adventure", "crypto"), "crypto"),
        **dict.fromkeys(("stock", "xstocks"), "stock"),
        "etf": "fund",
        "commodity": "commodity",
        "forex": "forex",
        "index": "index",
    }
    statuses: ClassVar[frozenset[str]] = frozenset({"Trading"})
    statement_hours: ClassVar[int] = 167  # a week is refused as soon as a window is widened by a second

    def client_class(self) -> type:
        """ccxt's `bybit` with what must be off turned off (broker id, coin networks)."""
        return _client_class()

    def client_options(self) -> Json:
        """Only linear markets: two requests instead of eleven."""
        return {
            "defaultType": "swap",
            "defaultSubType": "linear",
            "defaultSettle": "USDT",
            "adjustForTimeDifference": False,
            "fetchMarkets": {"types": ["linear"], "usePrivateInstrumentsInfo": False},
        }

    def answer_key(self, path: str, params: Mapping[str, Any]) -> str:
        """Looking for one order is not listing those that rest."""
        return f"{path}?orderLinkId" if "orderLinkId" in params else path

    def next_page(self, path: str, params: Mapping[str, Any], body: Any) -> Json | None:
        """By cursor, which the last page may have too."""
        if path not in _PAGED or len(body["result"]["list"]) < int(params.get("limit") or 20):
            return None
        cursor = body["result"].get("nextPageCursor")
        return {"cursor": cursor} if cursor else None

    def serves(self, market: Json) -> bool:
        """Perpetuals settled in USDT.

        Those settled in USDC are left out: asked without a symbol, the venue states open orders of one settle
        currency, and ccxt labels every funding payment USDT.
        """
        return super().serves(market) and market.get("settle") == "USDT"

    def underlying(self, market: Json) -> tuple[Underlying, str]:
        """`isPreListing`, then `symbolType`, which is empty, `innovation` or `adventure` for coins."""
        info = info_of(market)
        if info.get("isPreListing") not in (None, "", False):
            return "pre_market", "isPreListing"
        word = info.get("symbolType")
        return self.kind_of(word.lower() if isinstance(word, str) else word)

    def status(self, market: Json) -> str | None:
        """`status`: PreLaunch, Settling, Delivering and Closed do not trade."""
        return self.not_trading(info_of(market).get("status"))

    def delists_at(self, market: Json) -> datetime | None:
        """`deliveryTime`, 0 for a perpetual without an announced end."""
        return moment_of(info_of(market).get("deliveryTime"))

    def funding_bounds(self, market: Json, rate: Json | None) -> FundingBounds:
        """From the listing row."""
        info = info_of(market)
        return FundingBounds.of(info.get("lowerFundingRate"), info.get("upperFundingRate"))

    def interval_hours(self, market: Json, rate: Json | None) -> float | None:
        """From the ticker (`fundingIntervalHour`), else from the market (`fundingInterval`, MINUTES).

        ccxt's own `interval` is made from the markets loaded at the start: a silent change is missed.
        """
        stated = info_of(rate).get("fundingIntervalHour")
        if stated not in (None, ""):
            return hours_of(stated)
        return hours_of(info_of(market).get("fundingInterval"), per_hour=60)

    def rejection_reason(self, error: Exception) -> str | None:
        """From `retCode`; ccxt has one class (InvalidOrder) for most of them."""
        text = str(error)
        code, message = _CODE.search(text), _MESSAGE.search(text)
        if code is not None and code[1] in _REASONS:
            return _REASONS[code[1]]
        lowered = (message[1] if message else text).lower()  # ccxt's own checks have no code
        return next((reason for part, reason in _TEXTS if part in lowered), None)

    def payment_amount(self, row: Json) -> Decimal:
        """Positive received. Bybit books funding as a fee (`execFee`): positive when the account PAYS."""
        return -super().payment_amount(row)

    def balance(self, currency: str, account: Json, answer: Json) -> Balance:
        """Free is equity less margins: ccxt takes it from the wallet, which does not know of losses."""
        told = next((coin for coin in _coins(answer) if coin.get("coin") == currency), None)
        if told is None:
            return super().balance(currency, account, answer)
        wallet, equity = decimal_of(told.get("walletBalance")), decimal_of(told.get("equity"))
        held = [decimal_of(told.get(name)) or 0 for name in ("totalPositionIM", "totalOrderIM", "locked")]
        free = None if equity is None else max(equity - sum(held), Decimal(0))
        return Balance(self.name, currency, wallet, free, equity)

    def adl_rank(self, position: Json) -> float | None:
        """From `adlRankIndicator`, 0 to 5."""
        rank = (position.get("info") or {}).get("adlRankIndicator")
        return None if rank in (None, "") else int(rank) / 5

    def position_amount(self, position: Json) -> Decimal | None:
        """`size` with the sign of `side`, which is empty (or None) where nothing is held."""
        info = info_of(position)
        size, sign = decimal_of(info.get("size")), {"Buy": 1, "Sell": -1}.get(str(info.get("side")))
        if size is None or size == 0:
            return size
        return None if sign is None else sign * abs(size)

    async def modes(self, client: Any, symbol: str) -> InstrumentModes:
        """Of the instrument's position rows, two of them in hedge mode; the margin mode is the account's."""
        asked = {"category": "linear", "symbol": client.market(symbol)["id"]}
        account, answer = await asyncio.gather(
            client.privateGetV5AccountInfo(), client.privateGetV5PositionList(asked)
        )
        rows = answer["result"]["list"]
        leverages = {decimal_of(row.get("leverage")) for row in rows}
        mode = account["result"]["marginMode"]
        return InstrumentModes(
            self.name,
            symbol,
            leverages.pop() if len(leverages) == 1 else None,
            _MARGIN_MODES.get(mode),
            all(str(row.get("positionIdx")) == "0" for row in rows) if rows else None,
        )

    async def cancel_by_client_id(self, client: Any, symbol: str, client_id: str) -> None:
        """In one request; raises ccxt.OrderNotFound where the order is done or unknown (110001)."""
        await client.cancel_order(None, symbol, {"orderLinkId": client_id})

    async def fetch_order_by_client_id(self, client: Any, symbol: str, client_id: str) -> Json:
        """Asked of open and recent orders first, then of the history of the last seven days.

        `/order/realtime` asked by id also knows the last 500 orders that are done; the history alone
        would miss an order for some seconds after it was sent.
        """
        import ccxt.async_support as ccxt

        wanted = {"orderLinkId": client_id}
        for ask in (client.fetch_open_orders, client.fetch_canceled_and_closed_orders):
            for order in await ask(symbol, params=wanted):
                if order.get("clientOrderId") != client_id:
                    raise VenueAnswerError(f"bybit: {symbol}: the answer is about another order")
                found: Json = order
                return found
        raise ccxt.OrderNotFound(f"bybit {symbol}: no order with client id {client_id}")

    async def key_permissions(self, client: Any) -> KeyPermissions:
        """From `/v5/user/query-api`: `permissions.Wallet` holds `Withdraw` where the key may withdraw."""
        result = (await client.privateGetV5UserQueryApi()).get("result") or {}
        permissions = result.get("permissions")
        if not isinstance(permissions, dict):
            return KeyPermissions(None, None)
        rights = {right for name in ("ContractTrade", "Derivatives") for right in permissions.get(name) or []}
        return KeyPermissions(
            may_trade=bool(rights & {"Order", "DerivativesTrade"}) and str(result.get("readOnly")) == "0",
            may_withdraw="Withdraw" in (permissions.get("Wallet") or []),
        )

    async def prepare_account(self, client: Any, symbols: Sequence[str]) -> None:
        """One-way mode for every instrument settled in USDT; idempotent. Raises CredentialsError for a
        classic account, whose balances and orders have other rules."""
        import ccxt.async_support as ccxt

        if not any(await client.is_unified_enabled()):
            raise CredentialsError("bybit: the account is not a unified trading account; upgrade it first")
        with suppress(ccxt.NoChange):  # 110025: one-way already
            await client.set_position_mode(False)

    def raw_params(self, call: str) -> Mapping[str, Any]:
        """`size`, which ccxt sends for funding payments, is ignored by the venue: `limit` is what counts.

        Orders come 20 per page without a limit, fills and payments 50.
        """
        return _RAW_PARAMS.get(call, {})


def _is_percent(tier: Json) -> bool:
    """The unit of a raw tier: initial margin x highest leverage is 1 for fractions, 100 for percent."""
    initial, leverage = positive_of(tier.get("initialMargin")), positive_of(tier.get("maxLeverage"))
    return bool(initial and leverage and initial * leverage > 10)


def _funding_rate(income: Json) -> float | None:
    """Rate of a payment: positive where a long (`side` Buy) pays (`execFee` > 0) or a short receives.

    That `side` is the position's is taken from the transaction log, where a long that pays has `Buy`.
    """
    fee, rate = decimal_of(income.get("execFee")), decimal_of(income.get("feeRate"))
    if fee is None or rate is None or income.get("side") not in ("Buy", "Sell"):
        return None
    is_positive = (fee > 0) == (income["side"] == "Buy")
    return float(abs(rate) if is_positive else -abs(rate))


def _coins(answer: Json) -> Sequence[Json]:
    """Coins of the unified account in ccxt's fetch_balance."""
    accounts = ((answer.get("info") or {}).get("result") or {}).get("list") or [{}]
    found: Sequence[Json] = accounts[0].get("coin") or []
    return found
