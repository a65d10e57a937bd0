"""What POST /exchange does for a known wallet: orders, cancellations, leverage.

What lives here: actions by their `type` and the venue's texts for refusals. What does not: whose
action it is (`dialect`, `signing`).

A refusal of one order comes INSIDE an answer with status 200 and "ok", in the place of that order; only
what is wrong with the whole request is an "err". Limit orders are all there is: a market order is an
immediate-or-cancel limit at a worse price. Not here, as on a venue that does not know them: trigger and
TWAP orders, transfers, withdrawals, vaults.
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from funding_pipeline.core.trading import OrderKind, TimeInForce
from funding_pipeline.testnet.dialects.hyperliquid.spelling import (
    PRICE_AND_SIZE_DECIMALS,
    BadBodyError,
    Json,
    decimals,
    is_on_grid,
    number,
    size_decimals,
)
from funding_pipeline.testnet.dialects.hyperliquid.universe import (
    Universe,
    flag,
    positive_decimal,
    record,
    records,
    text,
    whole,
)
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Account, Instrument, Order, Rejected, Ticket

PRICE_BOUND = Decimal("0.8")
_CLOID = re.compile(r"^0x[0-9a-fA-F]{32}$")
_TIME_IN_FORCE: Mapping[str, TimeInForce] = {"Alo": "post_only", "Ioc": "ioc", "Gtc": "gtc"}
_NO_MATCH = "Order could not immediately match against any resting orders."
# The duplicate's and the halt's texts are not documented; the others are.
TEXTS: Mapping[str, str] = {
    "insufficient_margin": "Insufficient margin to place order.",
    "reduce_only": "Reduce only order would increase position.",
    "below_minimum": "Order must have minimum value of $10.",
    "off_grid": "Price must be divisible by tick size.",
    "price_bound": "Order price cannot be more than 80% away from the reference price",
    "duplicate_client_id": "Order has duplicate cloid.",
    "unknown_order": "Order was never placed, already canceled, or filled.",
    "unknown_symbol": "Invalid asset.",
    "halted": "Trading is halted.",
    "delisted": "Asset is delisted.",
    "leverage": "Invalid leverage value.",
    "position_mode": "Hedge mode is not available.",
    "margin_mode": "Cannot switch leverage type with open position.",
}


class RefusedError(Exception):
    """The whole action is refused; the message is the venue's text."""


class Actions:
    """Performs actions; each returns the `response` of an answer that is ok."""

    def __init__(self, exchange: Exchange, universe: Universe) -> None:
        self._exchange, self._universe = exchange, universe
        self.performers: Mapping[str, Callable[[Account, Json], Json]] = {
            "order": self._orders,
            "cancel": self._cancels,
            "cancelByCloid": self._cancels_by_cloid,
            "updateLeverage": self._update_leverage,
            "scheduleCancel": self._schedule_cancel,
            "noop": lambda account, action: {"type": "default"},
        }

    # --- orders
    def _orders(self, account: Account, action: Json) -> Json:
        tickets = [self._ticket(order) for order in records(action, "orders")]
        statuses = [self._place(account, asset, ticket) for asset, ticket in tickets]
        return {"type": "order", "data": {"statuses": statuses}}

    def _ticket(self, order: Json) -> tuple[int, Ticket]:
        """Raises RefusedError for what the venue refuses before it looks at any order of the batch."""
        asset, price, size = whole(order, "a"), positive_decimal(order, "p"), positive_decimal(order, "s")
        instrument = self._instrument(asset)
        if decimals(size) > size_decimals(instrument) or size % instrument.step:
            raise RefusedError("Order has invalid size.")
        if not price or decimals(price) > PRICE_AND_SIZE_DECIMALS - size_decimals(instrument):
            raise RefusedError("Order has invalid price.")
        time_in_force = _time_in_force(order)
        # An IOC's price is a bound; nothing ever rests at it, so the engine's tick does not matter.
        kind: OrderKind = "market" if time_in_force == "ioc" else "limit"
        return asset, Ticket(
            symbol=instrument.symbol,
            side="buy" if flag(order, "b") else "sell",
            kind=kind,
            quantity=size,
            price=price,
            time_in_force=time_in_force,
            reduce_only=flag(order, "r"),
            client_id=_cloid(order, "c") if order.get("c") is not None else None,
        )

    def _place(self, account: Account, asset: int, ticket: Ticket) -> Json:
        try:
            self._check(ticket)
            order = self._exchange.place(account, ticket)
        except Rejected as error:
            return {"error": f"{self._text(error, ticket)} asset={asset}"}
        return _acknowledged(order, asset)

    def _check(self, ticket: Ticket) -> None:
        """Rules that the engine does not know: five significant figures, 80 % from the mark."""
        price = ticket.price or Decimal(0)
        if not is_on_grid(price):
            raise Rejected("off_grid")
        mark = self._exchange.quotes.mark(ticket.symbol, self._exchange.now())
        if abs(price - mark) > PRICE_BOUND * mark:
            raise Rejected("price_bound")

    def _text(self, error: Rejected, ticket: Ticket) -> str:
        if error.reason == "would_take":
            book = self._exchange.quotes.book(ticket.symbol, self._exchange.now())
            best = f"{number(book.bids[0].price)}@{number(book.asks[0].price)}"
            return f"Post only order would have immediately matched, bbo was {best}."
        if error.reason == "below_minimum" and not ticket.quantity:
            return "Order has zero size."
        return TEXTS.get(error.reason, error.message)

    def _instrument(self, asset: int) -> Instrument:
        try:
            return self._universe.of_asset(asset)
        except Rejected as error:
            raise RefusedError(f"{TEXTS['unknown_symbol']} asset={asset}") from error

    # --- cancellations
    def _cancels(self, account: Account, action: Json) -> Json:
        wanted = [(whole(item, "a"), whole(item, "o")) for item in records(action, "cancels")]
        return _cancelled([self._cancel(account, asset, order_id=oid) for asset, oid in wanted])

    def _cancels_by_cloid(self, account: Account, action: Json) -> Json:
        wanted = [(whole(item, "asset"), _cloid(item, "cloid")) for item in records(action, "cancels")]
        return _cancelled([self._cancel(account, asset, client_id=cloid) for asset, cloid in wanted])

    def _cancel(
        self, account: Account, asset: int, *, order_id: int | None = None, client_id: str | None = None
    ) -> Any:
        try:
            order = self._exchange.find_order(account, order_id=order_id, client_id=client_id)
            if order.ticket.symbol != self._instrument(asset).symbol:
                raise Rejected("unknown_order")
            self._exchange.cancel(account, order_id=order.order_id)
        except Rejected as error:
            return {"error": f"{TEXTS.get(error.reason, error.message)} asset={asset}"}
        return "success"

    def _schedule_cancel(self, account: Account, action: Json) -> Json:
        fills = self._exchange.fills(account)
        traded = sum((fill.price * fill.quantity for fill in fills), Decimal(0))
        raise RefusedError(
            "Cannot set scheduled cancel time until enough volume traded. "
            f"Required: $1000000. Traded: ${number(traded, 2)}."
        )

    # --- leverage
    def _update_leverage(self, account: Account, action: Json) -> Json:
        """Leverage and margin mode at once; the mode only while there is no position."""
        instrument = self._instrument(whole(action, "asset"))
        leverage, is_cross = whole(action, "leverage"), flag(action, "isCross")
        symbol, mode = instrument.symbol, "cross" if is_cross else "isolated"
        if not 1 <= leverage <= instrument.tiers[0].max_leverage:
            raise RefusedError(TEXTS["leverage"])
        try:
            if self._exchange.position(account, symbol).margin_mode != mode:
                self._exchange.set_margin_mode(account, symbol, "cross" if is_cross else "isolated")
            self._exchange.set_leverage(account, symbol, leverage)
        except Rejected as error:
            if error.reason == "leverage":
                name = "Cross" if is_cross else "Isolated"
                raise RefusedError(
                    f"{name} position does not have sufficient margin available to decrease leverage."
                ) from error
            raise RefusedError(TEXTS.get(error.reason, error.message)) from error
        return {"type": "default"}


def _time_in_force(order: Json) -> TimeInForce:
    kind = record(order, "t")
    if "trigger" in kind:
        raise RefusedError("Invalid TP/SL price.")
    tif = text(record(kind, "limit"), "tif")
    if tif not in _TIME_IN_FORCE:
        raise BadBodyError("tif")
    return _TIME_IN_FORCE[tif]


def _cloid(body: Json, name: str) -> str:
    value = text(body, name)
    if _CLOID.match(value) is None:
        raise BadBodyError(name)
    return value.lower()


def _acknowledged(order: Order, asset: int) -> Json:
    """What came of it, without symbol or side. Partly filled and resting is `resting`."""
    known: Json = {"oid": order.order_id}
    if order.ticket.client_id is not None:
        known["cloid"] = order.ticket.client_id
    if order.status == "open":
        return {"resting": known}
    if order.filled:
        return {"filled": {"totalSz": number(order.filled), "avgPx": number(order.average, 8), **known}}
    return {"error": f"{_NO_MATCH} asset={asset}"}


def _cancelled(statuses: list[Any]) -> Json:
    return {"type": "cancel", "data": {"statuses": statuses}}
