"""What is special to Gate: sizes in contracts, seconds everywhere, look-up by client id that soon forgets.

What lives here: Gate's USDT perpetuals (`/api/v4/futures/usdt`) as ccxt's `gate` class shows them. What
does not: making calls, paging, or assembling values (`client`, `pager`, `public`, `private`).

Requests that loading markets costs: one, `GET /futures/usdt/contracts`. ccxt alone would ask seven (spot,
margin, delivery, options, BTC-settled swaps, currencies, and the account's detail where keys are set).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from funding_pipeline.core.errors import VenueAnswerError
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
    decimal_of,
    hours_of,
    info_of,
    moment_of,
    nearest_minute,
    number_of,
    positive_of,
)

SETTLE = "usdt"
_PAGE = 100
FINISHED_PAGE = 1000
"""Most finished orders that Gate lists per call."""
_LABEL = re.compile(r'"label"\s*:\s*"(\w+)"')
_REASONS: Mapping[str, str] = {
    "INSUFFICIENT_AVAILABLE": "insufficient_margin",
    "BALANCE_NOT_ENOUGH": "insufficient_margin",
    "MARGIN_BALANCE_NOT_ENOUGH": "insufficient_margin",
    "FUTURES_BALANCE_NOT_ENOUGH": "insufficient_margin",
    "ORDER_POC_IMMEDIATE": "would_take",
    "POC_FILL_IMMEDIATELY": "would_take",
    # REDUCE_EXCEEDED ("empty position") is unknown to ccxt, which raises a bare ExchangeError for it.
    "REDUCE_EXCEEDED": "reduce_only",
    "INCREASE_POSITION": "reduce_only",
    "POSITION_EMPTY": "reduce_only",
    "SIZE_TOO_SMALL": "below_minimum",
    "AMOUNT_TOO_LITTLE": "below_minimum",
    "ERR_QUOTA_LOWER_LIMIT": "below_minimum",
    "INVALID_PRECISION": "off_grid",
    "ORDER_NOT_FOUND": "unknown_order",
    "CLIENT_ID_NOT_FOUND": "unknown_order",
    "ORDER_FINISHED": "unknown_order",
    "ORDER_CLOSED": "unknown_order",
    "ORDER_CANCELLED": "unknown_order",
    "LEVERAGE_TOO_HIGH": "leverage",
    "LEVERAGE_TOO_LOW": "leverage",
    "RISK_LIMIT_EXCEEDED": "leverage",
}


class GateVenue(VenueDialect):
    """Gate's USDT-settled perpetuals, classic (not unified) account, one-way positions.

    The estimate is `funding_rate`, which applies at `funding_next_apply`. `funding_rate_indicative` (ccxt's
    nextFundingRate) was about the settlement after that; Gate has deprecated it and repeats the number.

    Settled history reaches back 180 days on the live venue ("from time exceeds 180-day limit" beyond), and
    a request without an end is silently cut to 30 days from its start, so an end is always sent.

    Gate does not refuse a client id that was used before: the later order takes the name, and both live.
    Nothing may be sent again before `fetch_order_by_client_id` has told that the first never arrived.
    """

    name: ClassVar[str] = "gate"
    ccxt_id: ClassVar[str] = "gate"
    can_trade: ClassVar[bool] = True
    candle_page: ClassVar[int] = 1999  # 2,000 by the venue; ccxt asks one fewer
    funding_page: ClassVar[int] = 1000
    statement_page: ClassVar[int] = 1000
    has_open_interest_history: ClassVar[bool] = True
    has_progressive_tiers: ClassVar[bool] = True  # `deduction`, since July 2025
    answers: ClassVar[Mapping[str, Rows]] = {
        "{settle}/contracts": Rows("", "name"),
        "{settle}/funding_rate": Rows("", time="t", unit="s"),
        "{settle}/candlesticks": Rows("", time="t", unit="s"),
        "{settle}/contract_stats": Rows("", time="time", unit="s"),
        **dict.fromkeys(("{settle}/trades", "{settle}/tickers", "{settle}/risk_limit_tiers"), Rows("")),
        "{settle}/order_book": Rows("bids", are_rows=False),
        # of the account
        "{settle}/positions": Rows("", "contract", numbers=("size",)),
        "{settle}/positions/{contract}": Rows(
            None, needs=("leverage", "cross_leverage_limit"), numbers=("leverage", "cross_leverage_limit")
        ),
        "{settle}/orders": Rows("", "contract", numbers=("size", "left")),
        "{settle}/price_orders": Rows("", "initial.contract", numbers=("initial.size",)),
        "{settle}/orders?finished": Rows("", may_miss=False, numbers=("size", "left")),
        "{settle}/orders/{order_id}": Rows(None, needs=("id", "status"), numbers=("size", "left")),
        "{settle}/my_trades_timerange": Rows(
            "", about="contract", may_miss=False, numbers=("size", "price", "create_time")
        ),
        "{settle}/account_book": Rows(
            "", "text", about="contract", may_miss=False, numbers=("change", "time")
        ),
        "{settle}/accounts": Rows(None, "currency", numbers=("total", "unrealised_pnl")),
        "accounts": Rows(None, needs=("balances",)),
    }
    needed: ClassVar[tuple[str, ...]] = ("quanto_multiplier", "order_price_round", "funding_interval")
    kinds: ClassVar[Mapping[str, Underlying]] = {
        "crypto": "crypto",
        "stocks": "stock",
        "etf": "fund",
        **dict.fromkeys(("metals", "commodities"), "commodity"),
        "forex": "forex",
        "indices": "index",
    }
    statuses: ClassVar[frozenset[str]] = frozenset({"trading"})
    closing_statuses: ClassVar[tuple[str, ...]] = ("in_delisting",)
    conditional_lists: ClassVar[tuple[Mapping[str, Any], ...]] = ({"trigger": True},)

    def client_class(self) -> type:
        """ccxt's gate without its broker header (sent with every request) and without currencies.

        Two readings are completed: an ending that ccxt has no word for (`reduce_only`, `poc`, whatever comes)
        is a cancellation, and the leverage of a cross position is its limit (ccxt says 0).
        """
        import ccxt.async_support as ccxt

        class Gate(ccxt.gate):  # type: ignore[misc,name-defined,unused-ignore]
            def describe(self) -> Any:
                description = super().describe()
                description["headers"].pop("X-Gate-Channel-Id", None)
                description["has"]["fetchCurrencies"] = False
                return description

            def parse_order(self, order: Json, market: Any = None) -> Any:
                parsed = super().parse_order(order, market)
                is_known = parsed["status"] in ("closed", "canceled") or order.get("status") != "finished"
                return parsed if is_known else {**parsed, "status": "canceled"}

            async def fetch_balance(self, params: Any = None) -> Any:
                """Of the unified account where the collateral is there; the swap account then reads 0."""
                own = await super().fetch_balance(params or {})
                if _margin_mode(own) == 0:
                    return own
                unified = await self.privateUnifiedGetAccounts()
                return {**{currency: {} for currency in unified["balances"]}, "info": unified}

            def parse_position(self, position: Json, market: Any = None) -> Any:
                parsed = super().parse_position(position, market)
                return {**parsed, "leverage": _leverage(position)}

        return Gate

    def client_options(self) -> Json:
        """USDT swaps only. `unifiedAccount` is set, or ccxt asks for the account's detail before it acts."""
        return {
            **super().client_options(),
            "fetchMarkets": {"types": ["swap"]},
            "swap": {"fetchMarkets": {"settlementCurrencies": [SETTLE]}},
            "unifiedAccount": False,
        }

    def answer_key(self, path: str, params: Mapping[str, Any]) -> str:
        """Looking for one order among the finished ones is not listing those that rest."""
        is_finished = path == "{settle}/orders" and params.get("status") == "finished"
        return f"{path}?finished" if is_finished else path

    def next_page(self, path: str, params: Mapping[str, Any], body: Any) -> Json | None:
        """Positions and resting orders, 100 a page, by place."""
        lists = ("{settle}/orders", "{settle}/price_orders")
        is_open = path in lists and params.get("status") == "open"
        if not (is_open or path == "{settle}/positions") or len(body) < _PAGE:
            return None
        return {"limit": _PAGE, "offset": int(params.get("offset") or 0) + _PAGE}

    def underlying(self, market: Json) -> tuple[Underlying, str]:
        """`is_pre_market`, then `contract_type`, empty for coins."""
        info = info_of(market)
        if info.get("is_pre_market") not in (None, "", False):
            return "pre_market", "is_pre_market"
        return self.kind_of(info.get("contract_type"))

    def status(self, market: Json) -> str | None:
        """`status`, absent before 2025; a contract `in_delisting` only takes orders that close."""
        info = info_of(market)
        if info.get("in_delisting") not in (None, False):
            return "in_delisting"
        return self.not_trading(info["status"]) if "status" in info else None

    def delists_at(self, market: Json) -> datetime | None:
        """`delisting_time`, seconds; of a contract that was never announced to end it is in the past."""
        seconds = number_of(info_of(market).get("delisting_time"))
        return None if seconds is None else moment_of(seconds * 1000)

    def funding_bounds(self, market: Json, rate: Json | None) -> FundingBounds:
        """`funding_rate_limit`, of either sign."""
        limit = positive_of(info_of(market).get("funding_rate_limit"))
        return FundingBounds(None, None) if limit is None else FundingBounds.of(-limit, limit)

    # --- funding
    def settled_rate(self, row: Json, market: Json) -> SettledRate:
        """The settlement at its nominal moment: Gate's stamp 00:00:01 is the settlement of 00:00:00."""
        return SettledRate(nearest_minute(row["timestamp"]), number_of(row.get("fundingRate")))

    def interval_hours(self, market: Json, rate: Json | None) -> float | None:
        """From `funding_interval`, seconds. ccxt's own `interval` has no name for 2 h and says 7200000."""
        stated = [info_of(source).get("funding_interval") for source in (rate, market)]
        return next((hours_of(seconds, per_hour=3600) for seconds in stated if seconds is not None), None)

    # --- open interest
    def open_interest(self, row: Json, market: Json) -> float | None:
        """Contracts times contract size. Checked on 2,851,725 x 10 x 0.34619 = 9,872,386.78 USD."""
        contracts, size = number_of(row.get("openInterestAmount")), positive_of(market.get("contractSize"))
        return None if contracts is None or size is None else contracts * size

    def open_interest_request(self, start_ms: int, end_ms: int) -> tuple[int, Json]:
        """From the start on; the endpoint knows no end."""
        return start_ms, {}

    async def fetch_open_interest(self, client: Any, symbol: str) -> Json:
        """From the ticker's `total_size`, contracts: ccxt has no fetch_open_interest for Gate."""
        ticker = await client.fetch_ticker(symbol)
        return {
            "openInterestAmount": ticker["info"].get("total_size"),
            "timestamp": None,
            "info": ticker["info"],
        }

    # --- statements
    def payments_request(self, start_ms: int, end_ms: int) -> tuple[int, Json]:
        """`to` in seconds, as Gate takes it: ccxt would hand `until` on as it is."""
        return start_ms, {"to": -(-end_ms // 1000)}

    def balance(self, currency: str, account: Json, answer: Json) -> Balance:
        """`total` is the wallet; unrealised profit comes on top of it."""
        found = super().balance(currency, account, answer)
        unified = info_of(answer).get("balances")
        if isinstance(unified, dict):
            free, equity = (decimal_of(unified[currency].get(name)) for name in ("available", "equity"))
            return replace(found, free=free, equity=equity)
        told = [item for item in answer.get("info") or [] if item.get("currency") == currency]
        if found.wallet is None or not told or told[0].get("unrealised_pnl") is None:
            return found
        return replace(found, equity=found.wallet + Decimal(str(told[0]["unrealised_pnl"])))

    def adl_rank(self, position: Json) -> float | None:
        """`adl_ranking` runs from 1 (first) to 5 (last); 6 is no position."""
        ranking = int(position["info"].get("adl_ranking") or 6)
        return (5 - ranking) / 4 if 1 <= ranking <= 5 else None

    def position_amount(self, position: Json) -> Decimal | None:
        """`size`, contracts, signed in both position modes."""
        return decimal_of(info_of(position).get("size"))

    # --- orders
    def client_id(self, canonical: str) -> str:
        """`text` must start with `t-`; 28 characters may follow."""
        return f"t-{canonical}"

    def canonical_client_id(self, venue_form: str | None) -> str | None:
        """None for orders of the web page, the app, liquidations (`web`, `api`, `liq-...`)."""
        if venue_form is None or not venue_form.startswith("t-"):
            return None
        return super().canonical_client_id(venue_form[2:])

    def rejection_reason(self, error: Exception) -> str | None:
        """From the `label` of the body that ccxt puts into its message.

        ccxt itself refuses a leverage above 100, though Gate has contracts of 125."""
        if "setLeverage() leverage should be" in str(error):
            return "leverage"
        found = _LABEL.search(str(error))
        return _REASONS.get(found.group(1)) if found else None

    def payment_amount(self, row: Json) -> Decimal:
        """`change` of the account book: negative was paid. From the text, so that no digit is lost."""
        return Decimal(str(row["info"]["change"]))

    async def cancel_by_client_id(self, client: Any, symbol: str, client_id: str) -> None:
        """Gate takes the text in the place of the id."""
        await client.cancel_order(client_id, symbol)

    async def fetch_order_by_client_id(self, client: Any, symbol: str, client_id: str) -> Json:
        """By `text` while Gate still knows it, else among the finished orders, newest first.

        Gate forgets the text of a finished order (after a minute; users report at once), and after ten
        minutes forgets a cancelled order that had no fill: then OrderNotFound means that nothing traded.
        """
        import ccxt.async_support as ccxt

        try:
            found: Json = await client.fetch_order("", symbol, {"clientOrderId": client_id})
            return found
        except ccxt.OrderNotFound:
            finished = await client.fetch_closed_orders(symbol, None, FINISHED_PAGE)
        matching = [order for order in finished if order.get("clientOrderId") == client_id]
        if not matching:
            raise ccxt.OrderNotFound(f"gate: no order of {symbol} with client id {client_id}")
        return max(matching, key=lambda order: int(order["timestamp"] or 0))

    # --- account
    async def modes(self, client: Any, symbol: str) -> InstrumentModes:
        """In hedge mode the venue has no single position to ask for."""
        is_dual = await _is_dual(client)
        if is_dual is not False:
            return InstrumentModes(self.name, symbol, None, None, None if is_dual is None else False)
        position = (await client.fetch_position(symbol))["info"]
        mode: MarginMode = "cross" if _is_cross(position) else "isolated"
        return InstrumentModes(self.name, symbol, Decimal(_leverage(position)), mode, is_one_way=True)

    async def set_leverage(self, client: Any, symbol: str, leverage: int) -> None:
        """In the mode that holds: at Gate a leverage by itself means isolated margin."""
        position = (await client.fetch_position(symbol))["info"]
        await _set_leverage(client, symbol, leverage, is_cross=_is_cross(position))

    async def set_margin_mode(self, client: Any, symbol: str, mode: MarginMode) -> None:
        """By setting the leverage that holds in the other mode (ccxt has no call for it)."""
        position = (await client.fetch_position(symbol))["info"]
        if _is_cross(position) != (mode == "cross"):
            await _set_leverage(client, symbol, _leverage(position), is_cross=mode == "cross")

    async def key_permissions(self, client: Any) -> KeyPermissions:
        """From `/account/main_keys`, which lists the main account's keys (masked) with their permissions.

        A key without the `account` permission, or of a sub-account, may not ask: nothing is known then.
        Documented names (wallet, spot, futures, ...) include none for withdrawals, so its absence proves
        nothing and stays None; a name that speaks of withdrawals and is not read-only means True.
        """
        import ccxt.async_support as ccxt

        try:
            answer = await client.privateAccountGetMainKeys()
        except ccxt.PermissionDenied:
            return KeyPermissions(None, None)
        keys = answer if isinstance(answer, list) else [answer]
        own = [key for key in keys if _is_own(str(key.get("key", "")), client.apiKey)]
        if len(own) != 1:
            return KeyPermissions(None, None)
        writable = {str(item.get("name")) for item in own[0].get("perms") or [] if not item.get("read_only")}
        may_withdraw = True if any("withdraw" in name for name in writable) else None
        return KeyPermissions("futures" in writable, may_withdraw)

    async def prepare_account(self, client: Any, symbols: Sequence[str]) -> None:
        """One-way positions. Asked first: setting the mode that holds is an error (NO_CHANGE) at Gate."""
        if await _is_dual(client):
            await client.set_position_mode(False)

    def raw_params(self, call: str) -> Mapping[str, Any]:
        """Swap accounts and tiers, by name."""
        return {"type": "swap"} if call in ("fetch_balance", "fetch_leverage_tiers") else {}


def _margin_mode(balance: Json) -> int:
    """`margin_mode` of the swap account: 0 classic, else a unified account; absent before there were any."""
    info = balance.get("info")
    account = info[0] if isinstance(info, list) and info else info
    stated = number_of(account.get("margin_mode", 0)) if isinstance(account, dict) else None
    if stated is None:
        raise VenueAnswerError("gate: the kind of account cannot be read")
    return int(stated)


async def _is_dual(client: Any) -> bool | None:
    """Whether the account is in hedge mode; None: not stated."""
    account = await client.privateFuturesGetSettleAccounts({"settle": SETTLE})
    stated, mode = account.get("in_dual_mode"), account.get("position_mode")
    if stated is None and mode is None:
        return None
    return stated is True or mode in ("dual", "dual_plus")


def _is_cross(position: Json) -> bool:
    return float(position["leverage"]) == 0


def _leverage(position: Json) -> int:
    """The leverage of a position as Gate shows it; a cross limit of 0 is the contract's maximum."""
    shown = position["cross_leverage_limit"] if _is_cross(position) else position["leverage"]
    return int(float(shown)) or int(float(position["leverage_max"]))


async def _set_leverage(client: Any, symbol: str, leverage: int, *, is_cross: bool) -> None:
    params = {"cross_leverage_limit": str(leverage)} if is_cross else {"marginMode": "isolated"}
    await client.set_leverage(leverage, symbol, params)


def _is_own(shown: str, api_key: str) -> bool:
    """Whether a key as Gate shows it (`c5dcfbf1f3a7*****`) is this one."""
    prefix = shown.split("*", 1)[0]
    return len(prefix) >= 6 and api_key.startswith(prefix)
