"""What can be special to a venue, with what most venues have in common as the default.

What lives here: the base class that a venue's module derives from. What does not: making calls
(`client`), paging (`pager`), or assembling frames and values (`public`, `private`).

Everything takes and gives plain values, so that a recorded body can be replayed through it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, Literal

from funding_pipeline.core.trading import Balance, InstrumentModes, MarginMode, OrderRequest, Underlying
from funding_pipeline.venues.answers import Rows
from funding_pipeline.venues.spelling import decimal_of, from_ms, info_of, moment_of, number_of, positive_of

Json = dict[str, Any]
CandleKind = Literal["trade", "mark", "index"]


@dataclass(frozen=True)
class SettledRate:
    """One settlement as the venue tells it: `rate` is a fraction of notional per settlement.

    `interval_hours` is None where the venue does not say (it is then inferred from the gaps)."""

    settled_at: datetime
    rate: float | None
    interval_hours: float | None = None


@dataclass(frozen=True)
class EstimatedRate:
    """The venue's estimate of the coming settlement. `settles_at` is None where the venue does not say."""

    settles_at: datetime | None
    rate: float | None
    interval_hours: float | None


@dataclass(frozen=True)
class KeyPermissions:
    """What the venue says an API key may do; None: it does not say."""

    may_trade: bool | None
    may_withdraw: bool | None


@dataclass(frozen=True)
class FundingBounds:
    """Lowest and highest rate of one settlement, fraction of notional; None: not stated."""

    floor: Decimal | None
    cap: Decimal | None

    @classmethod
    def of(cls, floor: Any, cap: Any) -> "FundingBounds":
        """From the venue's numbers; a floor above zero, a cap below it, or all of the notional is none."""
        low, high = decimal_of(floor), decimal_of(cap)
        return cls(
            low if low is not None and -1 < low < 0 else None,
            high if high is not None and 0 < high < 1 else None,
        )

    def limit(self, rate: float) -> float:
        """The rate that will be paid: venues limit an estimate before they charge it."""
        if self.cap is not None and rate > float(self.cap):
            return float(self.cap)
        return float(self.floor) if self.floor is not None and rate < float(self.floor) else rate


class VenueDialect:
    """Base of the venue modules; stateless. `market`, `row`: ccxt's unified structures with `info`."""

    name: ClassVar[str]
    """The venue's name in tables: binance, bybit, okx, hyperliquid, gate, ..."""
    ccxt_id: ClassVar[str]
    """The ccxt class: binanceusdm, bybit, ..."""
    can_trade: ClassVar[bool] = False
    """True where private calls are implemented and pass the conformance suite."""
    credentials: ClassVar[tuple[str, ...]] = ("apiKey", "secret")
    """What ccxt needs for private calls, by ccxt's names."""
    candle_kinds: ClassVar[tuple[CandleKind, ...]] = ("trade", "mark", "index")
    """Kinds that the venue REALLY has. ccxt silently returns trade candles for others (domain trap)."""
    candle_page: ClassVar[int] = 1000
    """Most bars per request."""
    candles_kept: ClassVar[int | None] = None
    """How many of the newest bars of each length the venue keeps; None: all. Older history is asked for in
    bars of `coarse_hours`, which reach further back."""
    coarse_hours: ClassVar[int] = 8
    funding_page: ClassVar[int] = 100
    """Most settlements per request."""
    states_settlement: ClassVar[bool] = True
    """Whether the venue states when the coming settlement is; else it is the next whole interval."""
    has_public_trades: ClassVar[bool] = True
    """False where ccxt's fetch_trades is not the market's trades (Hyperliquid)."""
    book_levels: ClassVar[int] = 50
    concurrency: ClassVar[int] = 4
    """Requests in flight at once; ccxt's own throttle spaces them."""
    has_open_interest_history: ClassVar[bool] = False
    """True where the venue keeps hourly open interest per instrument."""
    open_interest_page: ClassVar[int] = 100
    """Most rows of open-interest history per request."""
    has_progressive_tiers: ClassVar[bool] = False
    """True where a margin tier's maintenance rate counts for the notional above the tier's floor only. Else
    it counts for the whole position, which asks for more: also where the venue does not say."""
    statement_page: ClassVar[int] = 100
    """Most fills or funding payments per request; a `limit` in raw_params of the call goes before it."""
    statement_hours: ClassVar[int] = 168
    """Longest span of one request for fills or payments (a week at Binance and Bybit)."""

    answers: ClassVar[Mapping[str, Rows]] = {}
    """Where the list of each public answer is, by `answer_key`. An answer without its list is an error."""
    needed: ClassVar[tuple[str, ...]] = ()
    """Fields of a listing row (with dots) that are positive numbers where stated: of anything else ccxt makes
    another value, or none."""
    kinds: ClassVar[Mapping[str, Underlying]] = {}
    """The venue's words for what a contract is on; a word that is not here is `other`."""
    statuses: ClassVar[frozenset[str]] = frozenset()
    """The venue's words for an instrument that trades; empty: `active` of ccxt is taken."""

    closing_statuses: ClassVar[tuple[str, ...]] = ()
    """What `status` calls an instrument that does not trade and still takes orders that close."""

    conditional_lists: ClassVar[tuple[Mapping[str, Any], ...]] = ()
    """`params` of fetch_open_orders for the lists of conditional orders that a venue keeps beside the plain
    ones; empty: it lists them together."""

    def client_class(self) -> type:
        """The ccxt async class, or a subclass that turns off what must be off."""
        import ccxt.async_support as ccxt

        found: type = getattr(ccxt, self.ccxt_id)
        return found

    def client_options(self) -> Json:
        """`options` for ccxt's constructor: only swap markets, no broker or builder fee, no currencies."""
        return {"defaultType": "swap", "adjustForTimeDifference": False}

    def answer_key(self, path: str, params: Mapping[str, Any]) -> str:
        """The key of `answers` for a request: ccxt's path."""
        return path

    def next_page(self, path: str, params: Mapping[str, Any], body: Any) -> Json | None:
        """What to add to `params` for the page after `body`; None: it was the last, or pages go by time."""
        return None

    def serves(self, market: Json) -> bool:
        """Whether a ccxt market is a perpetual of this venue, of the form that this system reads.

        What it is on, and whether it trades, is judged by `underlying` and `status`."""
        return bool(market.get("swap")) and bool(market.get("linear"))

    # --- what a listing row states
    def odd_field(self, market: Json) -> str | None:
        """A field of `needed` that is stated and no positive number, with what it says; None: none."""
        for path in self.needed:
            value: Any = info_of(market)
            for key in path.split("."):
                value = value.get(key) if isinstance(value, dict) else None
            if value is not None and positive_of(value) is None:
                return f"{path} {value!r}"
        return None

    def underlying(self, market: Json) -> tuple[Underlying, str]:
        """What the contract is on, and the venue's own word for it; an unknown word is `other`."""
        return "crypto", ""

    def kind_of(self, word: Any) -> tuple[Underlying, str]:
        """`kinds` of a word; nothing stated is crypto, as bodies of before 2025 have no such field."""
        if word in (None, ""):
            return "crypto", ""
        return self.kinds.get(str(word), "other"), str(word)

    def status(self, market: Json) -> str | None:
        """The venue's word for what does not trade (settling, delisted, not open yet); None: it trades."""
        return None if market.get("active") is not False else "not active"

    def not_trading(self, word: Any) -> str | None:
        """`word` unless it is one of `statuses`."""
        return None if isinstance(word, str) and word in self.statuses else f"status {word!r}"

    def takes_orders(self, market: Json) -> bool:
        """Whether orders can be sent, if only those that close."""
        return self.status(market) in (None, *self.closing_statuses)

    def delists_at(self, market: Json) -> datetime | None:
        """When an instrument that still trades stops trading, where the venue has announced it."""
        return None

    def funding_bounds(self, market: Json, rate: Json | None) -> FundingBounds:
        """Floor and cap of a settlement's rate from the listing row, or the funding-rate row, if stated."""
        return FundingBounds(None, None)

    # --- funding
    def history_request(self, start_ms: int, end_ms: int) -> tuple[int, Json]:
        """`since` and `params` of fetch_funding_rate_history for rows in [start, end].

        The pager asks windows that the venue can answer in one page and walks forward."""
        return start_ms, {"until": end_ms}

    def settled_rate(self, row: Json, market: Json) -> SettledRate:
        """One item of ccxt's fetch_funding_rate_history.

        `settled_at` is the nominal moment, within a minute of the row's own time stamp."""
        return SettledRate(from_ms(row["timestamp"]), number_of(row.get("fundingRate")))

    def estimated_rate(self, row: Json, market: Json, interval_hours: float | None) -> EstimatedRate:
        """ccxt's fetch_funding_rate item: which field is the coming settlement differs by venue."""
        at = moment_of(row.get("fundingTimestamp"))
        return EstimatedRate(at, number_of(row.get("fundingRate")), interval_hours)

    def interval_hours(self, market: Json, rate: Json | None) -> float | None:
        """Hours between settlements now, from the market or the funding-rate row; None: not told."""
        return None

    # --- candles, trades, open interest
    def candle_request(self, kind: CandleKind, start_ms: int, end_ms: int) -> tuple[int, Json]:
        """`since` and `params` of fetch_ohlcv for bars opening in [start, end)."""
        params: Json = {"until": end_ms - 1}
        return start_ms, params if kind == "trade" else {**params, "price": kind}

    def open_interest(self, row: Json, market: Json) -> float | None:
        """Quoted base units, from ccxt's structure: venues answer in coins, contracts or USD."""
        return number_of(row.get("openInterestAmount"))

    def open_interest_request(self, start_ms: int, end_ms: int) -> tuple[int, Json]:
        """`since` and `params` of fetch_open_interest_history("1h") for rows in [start, end]."""
        return start_ms, {"until": end_ms}

    async def fetch_open_interest(self, client: Any, symbol: str) -> Json:
        """Open interest now, as ccxt's structure."""
        row: Json = await client.fetch_open_interest(symbol)
        return row

    # --- statements
    def fills_request(self, start_ms: int, end_ms: int) -> tuple[int, Json]:
        """`since` and `params` of fetch_my_trades for fills in [start, end]; the venue must get BOTH."""
        return start_ms, {"until": end_ms}

    def payments_request(self, start_ms: int, end_ms: int) -> tuple[int, Json]:
        """`since` and `params` of fetch_funding_history for payments in [start, end], as for fills."""
        return start_ms, {"until": end_ms}

    def balance(self, currency: str, account: Json, answer: Json) -> Balance:
        """One currency of ccxt's fetch_balance: `account` has free, used, total; `answer` is the whole."""
        wallet, free = account.get("total"), account.get("free")
        return Balance(
            self.name,
            currency,
            None if wallet is None else Decimal(str(wallet)),
            None if free is None else Decimal(str(free)),
            None,
        )

    def position_amount(self, position: Json) -> Decimal | None:
        """Signed, in contracts; None: not stated. Venues that trade read their own row."""
        counted, side = decimal_of(position.get("contracts")), position.get("side")
        if not counted or side not in ("long", "short"):
            return counted if counted == 0 else None
        return abs(counted) if side == "long" else -abs(counted)

    def adl_rank(self, position: Json) -> float | None:
        """0 (deleveraged last) to 1 (first) from ccxt's position; None: the venue does not say."""
        return None

    # --- orders
    def client_id(self, canonical: str) -> str:
        """The venue's form of a client order id of 24 lower-case hex digits."""
        return canonical

    def canonical_client_id(self, venue_form: str | None) -> str | None:
        """The other way round; None where the order is not one of ours."""
        if venue_form and len(venue_form) == 24 and all(c in "0123456789abcdef" for c in venue_form):
            return venue_form
        return None

    def order_params(self, request: OrderRequest) -> Json:
        """`params` of ccxt's create_order: the client id, time in force, reduce-only.

        A market order is immediate by itself: with IOC it would be another order type at OKX."""
        params: Json = {"clientOrderId": self.client_id(request.client_order_id)}
        if request.time_in_force == "post_only":
            params["postOnly"] = True
        elif request.time_in_force == "ioc" and request.kind == "limit":
            params["timeInForce"] = "IOC"
        if request.reduce_only:
            params["reduceOnly"] = True
        return params

    def rejection_reason(self, error: Exception) -> str | None:
        """A reason of OrderRejectedError from the venue's codes, where ccxt's class does not tell."""
        return None

    def payment_amount(self, row: Json) -> Decimal:
        """ccxt's fetch_funding_history item as cash: positive received. Bybit's sign is the other way."""
        return Decimal(str(row["amount"]))

    async def modes(self, client: Any, symbol: str) -> InstrumentModes:
        """Leverage, margin mode and position mode that hold for an instrument, also without a position."""
        raise NotImplementedError(self.name)

    async def set_leverage(self, client: Any, symbol: str, leverage: int) -> None:
        """Set it for both directions; where it is set already, ccxt may raise: see `is_already_set`."""
        await client.set_leverage(leverage, symbol)

    async def set_margin_mode(self, client: Any, symbol: str, mode: MarginMode) -> None:
        """Cross or isolated, keeping the leverage."""
        await client.set_margin_mode(mode, symbol)

    def is_already_set(self, error: Exception) -> bool:
        """Whether an error of set_leverage or set_margin_mode says that nothing is to be changed."""
        text = str(error).lower()
        return any(phrase in text for phrase in ("not modified", "no need to change", "no_change"))

    async def cancel_by_client_id(self, client: Any, symbol: str, client_id: str) -> None:
        """Cancel the order with this (venue-form) client id.

        Raises ccxt.OrderNotFound where the venue knows no such order, or where it is done.
        """
        raise NotImplementedError(self.name)

    async def fetch_order_by_client_id(self, client: Any, symbol: str, client_id: str) -> Json:
        """The order with this (venue-form) client id as a ccxt order, open or done.

        Raises ccxt.OrderNotFound when the venue knows no such order."""
        raise NotImplementedError(self.name)

    async def key_permissions(self, client: Any) -> KeyPermissions:
        """What the venue reports about the key; the default knows nothing."""
        return KeyPermissions(None, None)

    async def prepare_account(self, client: Any, symbols: Sequence[str]) -> None:
        """Bring the account into the modes this system trades in (one-way); idempotent."""

    def raw_params(self, call: str) -> Mapping[str, Any]:
        """Extra `params` for a ccxt call by name, e.g. {"type": "swap"} for fetch_balance."""
        return {}
