"""OKX: what is special to its linear perpetuals settled in USDT.

What lives here: options of the ccxt client, the fields that differ, windows, error codes, account modes.
What does not: calls and paging (`client`, `pager`), or how a testnet answers (`testnet`).

Units: OKX counts contracts (`ctVal` coins each, BTC 0.01) in orders, fills, positions, open interest
AND in its margin tiers (`minSz`, `maxSz`), which ccxt passes on as notional.
Limits of the live venue: settled rates only of the last three months, payments and fills too; an order
cancelled without a fill is forgotten after two hours.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any, ClassVar

from funding_pipeline.core.errors import CredentialsError, VenueAnswerError
from funding_pipeline.core.trading import Balance, InstrumentModes, Underlying
from funding_pipeline.venues.answers import Rows
from funding_pipeline.venues.dialect import (
    CandleKind,
    EstimatedRate,
    FundingBounds,
    Json,
    KeyPermissions,
    SettledRate,
    VenueDialect,
)
from funding_pipeline.venues.spelling import (
    HOUR_MS,
    decimal_of,
    from_ms,
    hours_of,
    info_of,
    moment_of,
    number_of,
)

_ERROR_CODE = re.compile(r'"(?:sCode|code)"\s*:\s*"(\d+)"')

# Error codes of an order or of a leverage change, by our reasons. Those which ccxt gives a class of its
# own (InsufficientFunds, OrderNotFound) are here too: the table is what the venue's document says.
_CODES: Mapping[str, tuple[str, ...]] = {
    "insufficient_margin": ("51008", "51119", "51127", "51131"),
    "duplicate_client_id": ("51016",),
    "below_minimum": ("51007", "51020", "51100", "51120"),
    "off_grid": ("51121",),
    "reduce_only": ("51112", "51169", "51170", "51205"),
    "unknown_order": ("51400", "51401", "51402", "51603"),
    "leverage": ("51004", "59102", "59103", "59104", "59105", "59108"),
}
_PAGE = 100
_PRE_MARKET = ("pre_market", "rebase_contract")
_REASONS: Mapping[str, str] = {code: reason for reason, codes in _CODES.items() for code in codes}


@cache
def _client_class() -> type:
    """ccxt's class with its broker's mark impossible, and no call that this system does not need."""
    import ccxt.async_support as ccxt

    class OkxClient(ccxt.okx):  # type: ignore[misc]
        """ccxt's `okx`: same requests, parsers and errors."""

        async def fetch_currencies(self, params: Json | None = None) -> Json:
            """None: with keys ccxt asks for the chains of every coin, which only deposits need."""
            return {}

        def parse_market(self, market: Json) -> Any:
            """ccxt leaves `ctMult` out of the contract size; what it could multiply is then unknown."""
            parsed = super().parse_market(market)
            if parsed is not None and market.get("ctMult") not in (None, "", "1"):
                parsed["contractSize"] = None
            return parsed

        def sign(self, path: str, api: Any = ("public",), method: str = "GET", params: Any = None) -> Any:
            """Refuse an order without a client id: ccxt would put its broker id and tag on it.

            The option `brokerId` does not turn that off: `sign` falls back to a constant.
            """
            if method == "POST" and path in ("trade/order", "trade/batch-orders", "trade/order-algo"):
                for order in params if isinstance(params, list) else [params or {}]:
                    if not order.get("clOrdId") or order.get("tag"):
                        raise ccxt.ArgumentsRequired("okx: an order needs a client id and no tag")
            return super().sign(path, api, method, {} if params is None else params)

        def handle_errors(self, httpCode: int, *rest: Any) -> Any:
            """A body that is not OKX's, from something in between, is judged by its HTTP status."""
            response = rest[5]
            if httpCode >= 400 and not (isinstance(response, dict) and "code" in response):
                return None
            return super().handle_errors(httpCode, *rest)

        def create_order_request(self, symbol: str, *arguments: Any, **named: Any) -> Any:
            """An OKX order names its margin mode itself; use the one set here before (default: cross)."""
            request = super().create_order_request(symbol, *arguments, **named)
            mode = self.options.get("marginModes", {}).get(symbol)
            return request if mode is None else {**request, "tdMode": mode}

        async def set_margin_mode(
            self, marginMode: str, symbol: str | None = None, params: Json | None = None
        ) -> Any:
            """ccxt's call needs a leverage: where none is given the present one stays.

            The venue keeps a leverage per mode and NO mode per instrument: it is a field of each order,
            so the client remembers it.
            """
            asked = dict(params or {})
            if "lever" not in asked and "leverage" not in asked:
                present = await self.fetch_leverage(symbol, {"marginMode": marginMode})
                asked["lever"] = present["longLeverage"]
            answer = await super().set_margin_mode(marginMode, symbol, asked)
            self._remember(symbol, marginMode.lower())
            return answer

        async def fetch_positions(self, symbols: list[str] | None = None, params: Json | None = None) -> Any:
            """Learn the mode of what is held, so that orders go into the same position after a restart."""
            positions = await super().fetch_positions(symbols, params or {})
            for position in positions:
                self._remember(position["symbol"], position["marginMode"])
            return positions

        def _remember(self, symbol: str | None, mode: str) -> None:
            self.options.setdefault("marginModes", {})[symbol] = mode

        async def fetch_funding_history(
            self,
            symbol: str | None = None,
            since: int | None = None,
            limit: int | None = None,
            params: Json | None = None,
        ) -> Any:
            """ccxt sends no times, so the venue would answer with its newest page whatever `since` is."""
            asked = dict(params or {})
            until = asked.pop("until", None)
            asked |= {} if since is None else {"begin": str(since)}
            asked |= {} if until is None else {"end": str(until)}
            return await super().fetch_funding_history(symbol, since, limit, asked)

        async def fetch_market_leverage_tiers(self, symbol: str, params: Json | None = None) -> Any:
            """ccxt gives the venue's contracts as notional; here they become notional, at the mark of now."""
            tiers = await super().fetch_market_leverage_tiers(symbol, params or {})
            mark = (await self.fetch_mark_price(symbol, {"instType": "SWAP"}))["markPrice"]
            size = self.market(symbol)["contractSize"]
            if not mark or not size:
                raise ccxt.BadResponse(f"okx: no mark price or contract size of {symbol}")
            ends = ("minNotional", "maxNotional")
            return [tier | {end: tier[end] and tier[end] * size * mark for end in ends} for tier in tiers]

    return OkxClient


class OkxVenue(VenueDialect):
    """OKX v5, perpetual swaps quoted and settled in USDT."""

    name: ClassVar[str] = "okx"
    ccxt_id: ClassVar[str] = "okx"
    can_trade: ClassVar[bool] = True
    credentials: ClassVar[tuple[str, ...]] = ("apiKey", "secret", "password")
    candle_page: ClassVar[int] = 100  # mark and index candles; recent trade candles would allow 300
    funding_page: ClassVar[int] = 100
    has_open_interest_history: ClassVar[bool] = True
    statement_hours: ClassVar[int] = 90 * 24
    answers: ClassVar[Mapping[str, Rows]] = {
        "public/instruments": Rows("data", "instId"),
        "public/funding-rate": Rows("data", "instId"),
        "public/funding-rate-history": Rows("data", time="fundingTime", about="instId"),
        **{
            f"market/{age}{kind}candles": Rows("data", time=0)
            for age in ("", "history-")
            for kind in ("", "mark-price-", "index-")
        },
        "rubik/stat/contracts/open-interest-history": Rows("data", time=0),
        **dict.fromkeys(
            ("public/position-tiers", "public/mark-price", "public/open-interest", "market/trades"),
            Rows("data"),
        ),
        "market/books": Rows("data.0.bids", are_rows=False),
        # of the account
        "account/positions": Rows("data", "instId", numbers=("pos",)),
        "account/balance": Rows("data.0.details", "ccy", may_miss=False, numbers=("cashBal", "eq")),
        "account/config": Rows("data", may_miss=False, needs=("data.0.acctLv",)),
        "account/leverage-info": Rows("data", "instId", may_miss=False, numbers=("lever",)),
        "trade/order": Rows("data", may_miss=False, needs=("data.0.ordId",), numbers=("sz", "accFillSz")),
        "trade/orders-pending": Rows("data", "instId", numbers=("sz", "accFillSz")),
        "trade/orders-algo-pending": Rows("data", "instId"),
        "trade/fills-history": Rows(
            "data", about="instId", may_miss=False, numbers=("fillSz", "fillPx", "ts")
        ),
        **dict.fromkeys(
            ("account/bills", "account/bills-archive"),
            Rows("data", "instId", may_miss=False, numbers=("ts", "balChg")),
        ),
    }
    needed: ClassVar[tuple[str, ...]] = ("ctVal", "tickSz", "lotSz")
    kinds: ClassVar[Mapping[str, Underlying]] = {"1": "crypto", "3": "stock", "4": "commodity", "5": "forex"}
    statuses: ClassVar[frozenset[str]] = frozenset({"live"})
    conditional_lists: ClassVar[tuple[Mapping[str, Any], ...]] = tuple(
        {"trigger": True, "ordType": kind} for kind in ("conditional,oco", "trigger", "move_order_stop")
    )

    def client_class(self) -> type:
        """ccxt's class, less its broker's mark."""
        return _client_class()

    def client_options(self) -> Json:
        """One request for the markets (SWAP), and the plain order endpoint: one order, one answer."""
        return {
            **super().client_options(),
            "fetchMarkets": {"types": ["swap"]},
            "createOrder": "privatePostTradeOrder",
            "defaultMarginMode": "cross",
        }

    def next_page(self, path: str, params: Mapping[str, Any], body: Any) -> Json | None:
        """Resting orders, 100 a page, newest first; the next are those older than the last of this one."""
        identity = {"trade/orders-pending": "ordId", "trade/orders-algo-pending": "algoId"}.get(path)
        if identity is None or len(body["data"]) < _PAGE:
            return None
        return {"after": body["data"][-1][identity]}

    def serves(self, market: Json) -> bool:
        """Swaps settled in USDT; an instrument before its opening has no settle currency yet."""
        return super().serves(market) and market.get("settle") == "USDT"

    def underlying(self, market: Json) -> tuple[Underlying, str]:
        """`ruleType` (a pre-market contract is on a coin or share not yet listed), then `instCategory`."""
        info = info_of(market)
        rule = info.get("ruleType")
        if rule not in (None, "", "normal"):
            return ("pre_market" if rule in _PRE_MARKET else "other"), str(rule)
        return self.kind_of(info.get("instCategory"))

    def status(self, market: Json) -> str | None:
        """`state`: suspend, preopen, rebase, test and expired do not trade."""
        return self.not_trading(info_of(market).get("state"))

    def delists_at(self, market: Json) -> datetime | None:
        """`expTime`, empty for a swap without an announced end."""
        return moment_of(info_of(market).get("expTime"))

    def funding_bounds(self, market: Json, rate: Json | None) -> FundingBounds:
        """From the funding-rate row."""
        return FundingBounds.of(info_of(rate).get("minFundingRate"), info_of(rate).get("maxFundingRate"))

    # --- funding
    def history_request(self, start_ms: int, end_ms: int) -> tuple[int, Json]:
        """ccxt passes `until` on and the venue ignores it; `after` means older than, exclusive.

        Without it the venue answers with the NEWEST page after `since`, not with the next one.
        """
        return start_ms, {"after": str(end_ms + 1)}

    def settled_rate(self, row: Json, market: Json) -> SettledRate:
        """`realizedRate` is what was paid; `fundingRate` of the same row is the estimate before it."""
        return SettledRate(from_ms(row["timestamp"]), number_of(info_of(row).get("realizedRate")))

    def estimated_rate(self, row: Json, market: Json, interval_hours: float | None) -> EstimatedRate:
        """`fundingTime` is the coming settlement; `nextFundingRate` belongs to the one after it."""
        info = info_of(row)
        at = moment_of(info.get("fundingTime"))
        return EstimatedRate(at, number_of(info.get("fundingRate")), interval_hours)

    def interval_hours(self, market: Json, rate: Json | None) -> float | None:
        """From the coming settlement to the one after it."""
        info = info_of(rate)
        first, second = number_of(info.get("fundingTime")), number_of(info.get("nextFundingTime"))
        return None if first is None or second is None else hours_of(second - first, per_hour=HOUR_MS)

    # --- candles and open interest
    def candle_request(self, kind: CandleKind, start_ms: int, end_ms: int) -> tuple[int, Json]:
        """ccxt turns `until` into `after`, which is exclusive, as `end_ms` is."""
        params: Json = {"until": end_ms}
        return start_ms, params if kind == "trade" else {**params, "price": kind}

    def open_interest(self, row: Json, market: Json) -> float | None:
        """`oiCcy`, coins. ccxt's `openInterestAmount` is in contracts."""
        info = row["info"]
        return number_of(info[2] if isinstance(info, list) else info.get("oiCcy"))

    # --- orders
    def rejection_reason(self, error: Exception) -> str | None:
        """From the innermost code of the body: `sCode` of an order inside a 200, or `code`."""
        codes = _ERROR_CODE.findall(str(error))
        if "51000" in codes and "Parameter px" in str(error):
            return "off_grid"
        if "leverage should be between" in str(error):  # ccxt's own check, before anything is sent
            return "leverage"
        return next((_REASONS[code] for code in codes if code in _REASONS), None)

    def payment_amount(self, row: Json) -> Decimal:
        """Below zero was paid. Isolated margin: the balance is untouched, the position's own margin moves."""
        info = row["info"]
        change, own = decimal_of(info.get("balChg")), decimal_of(info.get("posBalChg"))
        if change is None:
            raise VenueAnswerError(f"okx: bill {info.get('billId')} states no change")
        return change or own or change

    def balance(self, currency: str, account: Json, answer: Json) -> Balance:
        """`cashBal` is the wallet; ccxt's total is `eq`, which has unrealised profit in it."""
        details = answer["info"]["data"][0]["details"]
        told: Json = next((row for row in details if row["ccy"] == currency), {})
        wallet, free, equity = (decimal_of(told.get(name)) for name in ("cashBal", "availEq", "eq"))
        return Balance(self.name, currency, wallet, free, equity)

    def adl_rank(self, position: Json) -> float | None:
        """`adl` has five lights; none is lit for the last in the queue."""
        lights = number_of(position["info"].get("adl"))
        return None if lights is None else lights / 5

    def position_amount(self, position: Json) -> Decimal | None:
        """`pos`, contracts: signed in one-way mode; else `posSide` has the sign."""
        info = info_of(position)
        size, side = decimal_of(info.get("pos")), info.get("posSide")
        return -abs(size) if size is not None and side == "short" else size

    async def modes(self, client: Any, symbol: str) -> InstrumentModes:
        """The venue keeps a leverage per margin mode; the mode is what orders will name."""
        mode = client.options.get("marginModes", {}).get(symbol, "cross")
        stated, configuration = await asyncio.gather(
            client.fetch_leverage(symbol, {"marginMode": mode}), _configuration(client)
        )
        leverages = {decimal_of(stated.get(side)) for side in ("longLeverage", "shortLeverage")} - {None}
        ways = {"net_mode": True, "long_short_mode": False}
        return InstrumentModes(
            self.name,
            symbol,
            leverages.pop() if len(leverages) == 1 else None,
            mode,
            ways.get(str(configuration.get("posMode"))),
        )

    async def set_leverage(self, client: Any, symbol: str, leverage: int) -> None:
        """For the margin mode that orders will use; each mode has its own."""
        mode = client.options.get("marginModes", {}).get(symbol, "cross")
        await client.set_leverage(leverage, symbol, {"marginMode": mode})

    async def cancel_by_client_id(self, client: Any, symbol: str, client_id: str) -> None:
        """OKX cancels by client id itself; OrderNotFound (51400) also where the order is done."""
        await client.cancel_order(None, symbol, {"clientOrderId": client_id})

    async def fetch_order_by_client_id(self, client: Any, symbol: str, client_id: str) -> Json:
        """Open, filled, or cancelled within two hours; older ones: OrderNotFound (51603)."""
        order: Json = await client.fetch_order(None, symbol, {"clientOrderId": client_id})
        return order

    # --- account
    async def key_permissions(self, client: Any) -> KeyPermissions:
        """`perm` of the account's configuration, e.g. `read_only,withdraw,trade`."""
        may = set(str((await _configuration(client)).get("perm") or "").split(","))
        if may == {""}:
            return KeyPermissions(None, None)
        return KeyPermissions("trade" in may, "withdraw" in may)

    async def prepare_account(self, client: Any, symbols: Sequence[str]) -> None:
        """Net (one-way) mode. CredentialsError in the spot account mode, which has no swaps."""
        configuration = await _configuration(client)
        if configuration.get("acctLv") == "1":
            raise CredentialsError("okx: the account is in spot mode; choose futures mode on the exchange")
        if configuration.get("posMode") != "net_mode":
            await client.set_position_mode(False)

    def raw_params(self, call: str) -> Mapping[str, Any]:
        """500 trades at most. Positions and orders of every kind: what is no swap is there all the same."""
        return {"limit": 500} if call == "fetch_trades" else {}


async def _configuration(client: Any) -> Json:
    answer = await client.private_get_account_config()
    configuration: Json = answer["data"][0]
    return configuration
