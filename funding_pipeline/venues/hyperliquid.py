"""What is special to Hyperliquid: wallet signatures, hourly funding on the oracle price, errors in a 200.

What lives here: the fields that differ, orders, and the look-up by client id. What does not: the ccxt
class with everything off that spends money (`hyperliquid_client`); paging, retries, assembling frames.

Keys. `walletAddress` is the account, `privateKey` signs. The venue knows no permissions: the wallet's
own key can do everything, withdrawals among it. An API wallet ("agent", approved once by the wallet on
the venue's site) trades and cannot move money out of the account, because transfers and withdrawals are
signed by another scheme that binds the signer's own account. Live trading should use an agent's key
with the master's address; an agent's key needs no other setting here.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar

from funding_pipeline.core.errors import VenueAnswerError
from funding_pipeline.core.trading import Balance, InstrumentModes, MarginMode, OrderRequest, Underlying
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
from funding_pipeline.venues.hyperliquid_client import frugal_class
from funding_pipeline.venues.spelling import HOUR_MS, decimal_of, from_ms, info_of, number_of

SETTLEMENT_LAG_MS = 60_000
"""A settlement's row is stamped some milliseconds after the hour (1704290400031 for 14:00:00)."""
_STAND_IN = "UNREADABLE"
"""An order names its coin by its place in the listing, so a row that cannot be read keeps its place."""
_STAND_IN_ROW: Json = {
    "name": _STAND_IN,
    "szDecimals": 0,
    "maxLeverage": 1,
    "isDelisted": True,
    "markPx": "1",
}
_CLIENT_ID = re.compile(r"^0x(?P<canonical>[0-9a-f]{24})00000000$")
_SIZES = Rows(None, numbers=("order.origSz", "order.sz"))
# In the order of asking; the venue's documented texts, which come inside a 200.
_REASONS = (
    ("Insufficient margin", "insufficient_margin"),
    ("does not have sufficient margin", "insufficient_margin"),
    ("Post only order would have immediately matched", "would_take"),
    ("Reduce only order would increase position", "reduce_only"),
    ("Order must have minimum value", "below_minimum"),
    ("Order has zero size", "below_minimum"),
    ("must be greater than minimum amount precision", "below_minimum"),  # ccxt, before it sends
    ("Price must be divisible by tick size", "off_grid"),
    ("Order has invalid price", "off_grid"),
    ("Order has invalid size", "off_grid"),
    ("uplicate cloid", "duplicate_client_id"),
    ("never placed, already canceled, or filled", "unknown_order"),
    ("unknownOid", "unknown_order"),
    ("leverage", "leverage"),
)


class HyperliquidVenue(VenueDialect):
    """Hyperliquid's own perpetuals in USDC; no spot and none of the builder-deployed exchanges (HIP-3).

    Funding is hourly (8-hourly until 2023-06) and charged on the oracle price; the rate is per hour
    already. Candles are trades' only, and the venue keeps the last 5,000 bars of each timeframe: hourly
    bars older than 208 days cannot be had from it.
    """

    name = "hyperliquid"
    ccxt_id = "hyperliquid"
    can_trade = True
    credentials = ("walletAddress", "privateKey")
    candle_kinds = ("trade",)
    has_progressive_tiers = True  # documented with a deduction per tier
    candle_page = 5000
    candles_kept = 5000
    funding_page = 500
    has_public_trades = False
    states_settlement = False
    book_levels = 20
    answers: ClassVar[Mapping[str, Rows]] = {
        "info metaAndAssetCtxs": Rows("0.universe", "name", beside="1", stand_in=_STAND_IN_ROW),
        "info meta": Rows("universe", are_rows=False),
        "info fundingHistory": Rows("", time="time", about="coin"),
        "info candleSnapshot": Rows("", time="t"),
        "info l2Book": Rows("levels.0", are_rows=False),
        # of the account
        "info clearinghouseState": Rows(
            "assetPositions",
            "position.coin",
            needs=("marginSummary.accountValue", "withdrawable"),
            numbers=("position.szi",),
        ),
        "info spotClearinghouseState": Rows("balances", "coin", may_miss=False, numbers=("total",)),
        "info frontendOpenOrders": Rows("", "coin", numbers=("origSz", "sz")),
        "info userFillsByTime": Rows("", "coin", may_miss=False, numbers=("sz", "px", "time")),
        "info userFunding": Rows("", "delta.coin", may_miss=False, numbers=("delta.usdc", "time")),
        "info activeAssetData": Rows(None, needs=("leverage.type", "leverage.value")),
        "info orderStatus": Rows(None, needs=("status",)),
    }
    statement_page = 1_000_000  # the client walks the venue's own pages, which hold all coins together
    statement_hours = 24 * 366

    def client_class(self) -> type:
        """A ccxt class that never approves a builder fee, sets a referrer or attaches a builder."""
        return frugal_class()

    def client_options(self) -> Json:
        """Only the perpetuals; `refSet` and `approvedBuilderFee` as ccxt's own code asks for them."""
        return {
            **super().client_options(),
            "fetchMarkets": {"types": ["swap"]},
            "builderFee": False,
            "approvedBuilderFee": False,
            "refSet": True,
        }

    def answer_key(self, path: str, params: Mapping[str, Any]) -> str:
        """One path for everything; `type` says what is asked."""
        return f"{path} {params.get('type')}"

    def serves(self, market: Json) -> bool:
        """Perpetuals settled in USDC."""
        name = str(info_of(market).get("name"))
        return super().serves(market) and market.get("settle") == "USDC" and not name.startswith(_STAND_IN)

    def underlying(self, market: Json) -> tuple[Underlying, str]:
        """A name with a colon is of a builder's exchange (HIP-3), where anything may be listed."""
        info = info_of(market)
        dex, colon, _ = str(info.get("name")).partition(":")
        if colon or info.get("hip3"):
            return "other", f"dex {dex}"
        return "crypto", ""

    def status(self, market: Json) -> str | None:
        """`isDelisted`; absent for what trades."""
        return None if info_of(market).get("isDelisted") in (None, False) else "delisted"

    def funding_bounds(self, market: Json, rate: Json | None) -> FundingBounds:
        """4 % an hour for every market, as documented."""
        return FundingBounds.of("-0.04", "0.04")

    # --- funding
    def history_request(self, start_ms: int, end_ms: int) -> tuple[int, Json]:
        """The venue answers at most 500 rows, ascending from `since`; the last row comes a little late."""
        return start_ms, {"until": end_ms + SETTLEMENT_LAG_MS - 1}

    def settled_rate(self, row: Json, market: Json) -> SettledRate:
        """Dated at the hour, not at the milliseconds after it when the row was written."""
        hour = int(row["timestamp"]) // HOUR_MS * HOUR_MS
        return SettledRate(from_ms(hour), number_of(row.get("fundingRate")))

    def estimated_rate(self, row: Json, market: Json, interval_hours: float | None) -> EstimatedRate:
        """ccxt makes `fundingTimestamp` from the local clock; the venue does not say when it settles."""
        return EstimatedRate(None, number_of(row.get("fundingRate")), interval_hours)

    def interval_hours(self, market: Json, rate: Json | None) -> float | None:
        """One hour for every market."""
        return 1.0

    # --- candles
    def candle_request(self, kind: CandleKind, start_ms: int, end_ms: int) -> tuple[int, Json]:
        """Raises VenueAnswerError for mark and index: the venue ignores `price` and sends trade candles."""
        if kind != "trade":
            raise VenueAnswerError(f"hyperliquid has no {kind} candles; it would answer with trade candles")
        return super().candle_request(kind, start_ms, end_ms)

    # --- account
    def balance(self, currency: str, account: Json, answer: Json) -> Balance:
        """ccxt's total is the account's value, open profit included; free is what may be withdrawn."""
        state = answer["info"]
        if "marginSummary" not in state:  # a unified account: a spot balance
            return super().balance(currency, account, answer)
        equity, free = decimal_of(state["marginSummary"]["accountValue"]), decimal_of(state["withdrawable"])
        profits = [decimal_of(item["position"]["unrealizedPnl"]) for item in state["assetPositions"]]
        known = [profit for profit in profits if profit is not None]
        is_known = len(known) == len(profits)
        wallet = equity - sum(known) if equity is not None and is_known else None
        return Balance(self.name, currency, wallet, free, equity)

    # --- orders
    def client_id(self, canonical: str) -> str:
        """A `cloid` has 32 hex digits: ours come first, then zeros."""
        return f"0x{canonical}00000000"

    def canonical_client_id(self, venue_form: str | None) -> str | None:
        """None for a cloid that does not end with our eight zeros."""
        match = _CLIENT_ID.match(venue_form or "")
        return None if match is None else match["canonical"]

    def order_params(self, request: OrderRequest) -> Json:
        """A market order is an IOC limit; its price is the worst to accept, so nothing is added to it."""
        params = super().order_params(request)
        if request.kind == "market" and request.price is not None:
            params["slippage"] = "0"
        return params

    def rejection_reason(self, error: Exception) -> str | None:
        """By the venue's text; it has no codes."""
        text = str(error)
        return next((reason for phrase, reason in _REASONS if phrase in text), None)

    def position_amount(self, position: Json) -> Decimal | None:
        """`szi`, signed."""
        entry = info_of(position).get("position")
        return decimal_of(entry.get("szi")) if isinstance(entry, dict) else None

    async def modes(self, client: Any, symbol: str) -> InstrumentModes:
        """One-way always."""
        now = await client.leverage_now(symbol)
        mode = now["type"] if now["type"] in ("cross", "isolated") else None
        return InstrumentModes(self.name, symbol, decimal_of(now["value"]), mode, is_one_way=True)

    async def set_leverage(self, client: Any, symbol: str, leverage: int) -> None:
        """The venue sets leverage and mode at once: the mode stays as it is."""
        kept = await client.leverage_now(symbol)
        await client.set_leverage(leverage, symbol, {"marginMode": kept["type"]})

    async def set_margin_mode(self, client: Any, symbol: str, mode: MarginMode) -> None:
        """The leverage stays as it is. Refused while there is a position in the other mode."""
        kept = await client.leverage_now(symbol)
        await client.set_margin_mode(mode, symbol, {"leverage": kept["value"]})

    async def cancel_by_client_id(self, client: Any, symbol: str, client_id: str) -> None:
        """The venue cancels by cloid: no look-up before."""
        await client.cancel_order("", symbol, {"clientOrderId": client_id})

    async def fetch_order_by_client_id(self, client: Any, symbol: str, client_id: str) -> Json:
        """The order; its average price from the account's fills, as the order's own answer has none."""
        order: Json = await client.fetch_order(None, symbol, {"clientOrderId": client_id})
        odd = _SIZES.odd_number(info_of(order))
        if odd is not None:
            raise VenueAnswerError(f"hyperliquid: order {client_id}: {odd}")
        if order.get("average") is None and Decimal(str(order.get("filled") or 0)) > 0:
            fills = await client.fetch_my_trades(symbol, order["timestamp"])
            order["average"] = _average_price([fill for fill in fills if fill["order"] == order["id"]])
        return order

    async def key_permissions(self, client: Any) -> KeyPermissions:
        """An agent's key cannot withdraw; of the wallet's own key the venue reports nothing."""
        signer = str(client.eth_get_address_from_private_key(client.privateKey)).lower()
        if signer == str(client.walletAddress).lower():
            return KeyPermissions(None, None)
        return KeyPermissions(may_trade=True, may_withdraw=False)

    async def prepare_account(self, client: Any, symbols: Sequence[str]) -> None:
        """Nothing to do: positions are one-way always, and leverage and mode are set per market."""


def _average_price(fills: Sequence[Json]) -> float | None:
    quantity = sum((Decimal(str(fill["amount"])) for fill in fills), Decimal(0))
    if not quantity:
        return None
    paid = sum((Decimal(str(f["amount"])) * Decimal(str(f["price"])) for f in fills), Decimal(0))
    return float(paid / quantity)
