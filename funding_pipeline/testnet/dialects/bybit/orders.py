"""Orders: create, cancel, open and recent, history.

What lives here: Bybit's order bodies and its way of accepting a crossing post-only order and cancelling
it afterwards. What does not: matching (the engine).
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from funding_pipeline.core.trading import OrderStatus, Side, TimeInForce
from funding_pipeline.testnet.dialects.bybit.conditional_orders import UNUSED, conditional_rows
from funding_pipeline.testnet.dialects.bybit.errors import BybitRefusal
from funding_pipeline.testnet.dialects.bybit.texts import (
    Params,
    asked_instrument,
    asked_symbol,
    decimal_of,
    id_number,
    id_text,
    listing,
    native_symbol,
    page,
    require_linear,
    seven_days,
)
from funding_pipeline.testnet.dialects.numbers import plain_text
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Account, Order, Rejected, Ticket

_SIDES: Mapping[str, Side] = {"Buy": "buy", "Sell": "sell"}
_TIMES: Mapping[str, TimeInForce] = {"GTC": "gtc", "IOC": "ioc", "PostOnly": "post_only"}
_WRITTEN_TIMES = {ours: theirs for theirs, ours in _TIMES.items()}
_STATUSES: Mapping[OrderStatus, str] = {
    "open": "New",
    "filled": "Filled",
    "cancelled": "Cancelled",
    "rejected": "Rejected",
}
_CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{1,36}")
_CONDITIONAL = ("triggerPrice", "takeProfit", "stopLoss", "trailingStop")
_RECENT_DONE = 500
_UNFILLED_KEPT_MS = 24 * 3_600_000
_WOULD_TAKE = "EC_PostOnlyWillTakeLiquidity"
_BY_CLIENT = "EC_PerCancelRequest"


def create(exchange: Exchange, account: Account, params: Params) -> Mapping[str, Any]:
    """`/v5/order/create`: answers with the ids only, even of a post-only order that would take, which the
    venue accepts and cancels when it reaches the book."""
    ticket = _ticket(exchange, params)
    try:
        order = exchange.place(account, ticket)
    except Rejected as rejected:
        if rejected.reason != "would_take":
            raise
        order = exchange.keep_cancelled(account, ticket, _WOULD_TAKE)
    return _ids(order)


def _ticket(exchange: Exchange, params: Params) -> Ticket:
    symbol = asked_instrument(exchange, params).symbol
    if any(params.get(name) for name in _CONDITIONAL):
        raise BybitRefusal(10001, "params error: conditional orders are not available here")
    if params.get("positionIdx", 0) not in (0, "0"):
        raise BybitRefusal(10001, "position idx not match position mode")
    side, client_id = _SIDES.get(str(params.get("side"))), params.get("orderLinkId") or None
    if side is None:
        raise BybitRefusal(10001, "params error: Side invalid")
    if client_id is not None and not (isinstance(client_id, str) and _CLIENT_ID.fullmatch(client_id)):
        raise BybitRefusal(10001, "params error: OrderLinkId invalid")
    is_market = params.get("orderType") == "Market"
    if not is_market and params.get("orderType") != "Limit":
        raise BybitRefusal(10001, "params error: OrderType invalid")
    return Ticket(
        symbol=symbol,
        side=side,
        kind="market" if is_market else "limit",
        quantity=_quantity(exchange, symbol, params),
        price=None if is_market else decimal_of(params, "price"),
        time_in_force="ioc" if is_market else _time_in_force(params),
        reduce_only=params.get("reduceOnly") is True,
        client_id=client_id,
    )


def _quantity(exchange: Exchange, symbol: str, params: Params) -> Decimal:
    quantity = decimal_of(params, "qty")
    if quantity < exchange.instrument(symbol).min_quantity:
        raise BybitRefusal(10001, "The number of contracts exceeds minimum limit allowed")
    return quantity


def _time_in_force(params: Params) -> TimeInForce:
    found = _TIMES.get(str(params.get("timeInForce") or "GTC"))
    if found is None:
        raise BybitRefusal(10001, "params error: TimeInForce invalid")
    return found


def cancel(exchange: Exchange, account: Account, params: Params) -> Mapping[str, Any]:
    """`/v5/order/cancel`, by order id or by client id (the order id counts where both are sent)."""
    require_linear(params)
    return _ids(_cancelled(exchange, account, **_named(params)))


def _cancelled(exchange: Exchange, account: Account, **named: Any) -> Order:
    order = exchange.cancel(account, **named)
    order.cancel_reason = _BY_CLIENT
    return order


def cancel_all(exchange: Exchange, account: Account, params: Params) -> Mapping[str, Any]:
    """`/v5/order/cancel-all`: of one instrument, or of all settled in `settleCoin`."""
    symbol = asked_symbol(exchange, params)
    _require_scope(params)
    waiting = list(exchange.orders(account, symbol=symbol, is_open=True))
    return {"list": [_ids(_cancelled(exchange, account, order_id=item.order_id)) for item in waiting]}


def realtime(exchange: Exchange, account: Account, params: Params) -> Mapping[str, Any]:
    """`/v5/order/realtime`: open orders, newest first, up to 50 (default 20).

    Asked by id, or with `openOnly=1`, it also tells the last 500 orders that are done. Conditional orders are
    among them unless `orderFilter` asks for one kind.
    """
    symbol = asked_symbol(exchange, params)
    _require_scope(params)
    is_named = bool(params.get("orderId") or params.get("orderLinkId"))
    rows = list(exchange.orders(account, symbol=symbol, is_open=True))
    if is_named or str(params.get("openOnly", "0")) == "1":
        done = list(exchange.orders(account, symbol=symbol, is_open=False))[-_RECENT_DONE:]
        rows = sorted(done if not is_named else rows + done, key=lambda order: order.order_id)
    wanted = params.get("orderFilter") or ""
    plain = [_row(order) for order in _matching(rows, params)] if wanted in ("", "Order") else []
    is_asked = wanted == "StopOrder" or (not wanted and str(params.get("openOnly", "0")) != "1")
    waiting = conditional_rows(account, symbol, params) if is_asked else []
    found = sorted(plain + waiting, key=lambda row: id_number(row["orderId"]))
    shown, cursor = page(found[::-1], params, default=20, most=50)
    return listing(shown, cursor)


def history(exchange: Exchange, account: Account, params: Params) -> Mapping[str, Any]:
    """`/v5/order/history`: orders that are done, newest first, up to 50 (default 20), of at most seven days.

    Orders cancelled without a fill are told for 24 hours only.
    """
    symbol = asked_symbol(exchange, params)
    require_linear(params)
    now = exchange.now()
    start, end = seven_days(params, now)
    rows = [
        order
        for order in exchange.orders(account, symbol=symbol, is_open=False)
        if start <= order.created <= end and (order.filled or now - order.updated <= _UNFILLED_KEPT_MS)
    ]
    return _listed(_matching(rows, params), params)


def _require_scope(params: Params) -> None:
    require_linear(params)
    if not any(params.get(name) for name in ("symbol", "settleCoin", "baseCoin")):
        raise BybitRefusal(10001, "params error: symbol, settleCoin or baseCoin is required")


def _named(params: Params) -> dict[str, Any]:
    if params.get("orderId"):
        return {"order_id": id_number(str(params["orderId"]))}
    if params.get("orderLinkId"):
        return {"client_id": str(params["orderLinkId"])}
    raise BybitRefusal(10001, "params error: orderId or orderLinkId is required")


def _matching(rows: Sequence[Order], params: Params) -> list[Order]:
    wanted_id, wanted_link = params.get("orderId"), params.get("orderLinkId")
    if wanted_id:
        rows = [order for order in rows if id_text(order.order_id) == wanted_id]
    elif wanted_link:
        rows = [order for order in rows if order.ticket.client_id == wanted_link]
    if params.get("orderStatus"):
        rows = [order for order in rows if _status(order) == params["orderStatus"]]
    return list(rows)


def _listed(rows: Sequence[Order], params: Params) -> Mapping[str, Any]:
    shown, cursor = page(rows[::-1], params, default=20, most=50)
    return listing([_row(order) for order in shown], cursor)


def _ids(order: Order) -> dict[str, str]:
    return {"orderId": id_text(order.order_id), "orderLinkId": order.ticket.client_id or ""}


def _status(order: Order) -> str:
    return "PartiallyFilled" if order.status == "open" and order.filled else _STATUSES[order.status]


def _row(order: Order) -> dict[str, Any]:
    ticket, is_open = order.ticket, order.status == "open"
    left = order.left if is_open else Decimal(0)
    settle = ticket.symbol.rsplit(":", 1)[1]
    return {
        **_ids(order),
        **UNUSED,
        "symbol": native_symbol(ticket.symbol),
        "side": ticket.side.capitalize(),
        "orderType": ticket.kind.capitalize(),
        "orderStatus": _status(order),
        "price": plain_text(ticket.price if ticket.price is not None else order.average),
        "qty": plain_text(ticket.quantity),
        "timeInForce": "IOC" if ticket.kind == "market" else _WRITTEN_TIMES[ticket.time_in_force],
        "reduceOnly": ticket.reduce_only,
        "avgPrice": plain_text(order.average) if order.filled else "",
        "leavesQty": plain_text(left),
        "leavesValue": plain_text(left * (ticket.price or order.average)),
        "cumExecQty": plain_text(order.filled),
        "cumExecValue": plain_text(order.filled * order.average),
        "cumExecFee": plain_text(order.fee),
        "cumFeeDetail": {settle: plain_text(order.fee)} if order.filled else {},
        "cancelType": "CancelByUser" if order.cancel_reason == _BY_CLIENT else "UNKNOWN",
        "rejectReason": _reject_reason(order),
        "createdTime": str(order.created),
        "updatedTime": str(order.updated),
    }


def _reject_reason(order: Order) -> str:
    if order.status not in ("cancelled", "rejected"):
        return "EC_NoError"
    if order.cancel_reason in (_WOULD_TAKE, _BY_CLIENT):
        return order.cancel_reason
    return "EC_NoImmediateQtyToFill" if order.ticket.time_in_force == "ioc" else "EC_Others"
