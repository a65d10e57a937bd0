"""Orders on Binance's futures: `/fapi/v1/order`, `openOrder`, `openOrders`, `allOrders`, `allOpenOrders`.

What lives here: reading an order's parameters, and an order as the venue shows it. What does not: what
becomes of it (`engine`), fills (`statements`).

A crossing post-only order (GTX) is refused at once (-5022) and leaves nothing behind. What an
immediate-or-cancel or market order could not fill is EXPIRED, not CANCELED.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from funding_pipeline.core.trading import OrderKind, Side, TimeInForce
from funding_pipeline.testnet.dialects.binance.parameters import (
    DAY_MS,
    Parameters,
    decimal,
    fixed,
    flag,
    known,
    listed,
    market_id,
    plain,
    required,
    whole,
    window,
)
from funding_pipeline.testnet.dialects.binance.refusals import RefusedError, in_venue_words, missing
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Account, Instrument, Order, Rejected, Ticket

LONGEST_SEARCH_MS = 7 * DAY_MS
KINDS: Mapping[str, OrderKind] = {"MARKET": "market", "LIMIT": "limit"}
SIDES: Mapping[str, Side] = {"BUY": "buy", "SELL": "sell"}
TIMES_IN_FORCE: Mapping[str, TimeInForce] = {"GTC": "gtc", "IOC": "ioc", "GTX": "post_only"}
_SPELLED: Mapping[TimeInForce, str] = {engine: venue for venue, engine in TIMES_IN_FORCE.items()}
_CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")


def create(exchange: Exchange, account: Account, parameters: Parameters) -> Any:
    """POST /fapi/v1/order. With `newOrderRespType=RESULT` the answer tells what was filled at once."""
    instrument = listed(exchange, parameters)
    ticket = _ticket(instrument, parameters)
    try:
        order = exchange.place(account, ticket)
    except Rejected as rejected:
        raise _refused(rejected, instrument, ticket) from rejected
    if parameters.get("newOrderRespType", "ACK") == "ACK":
        return {**_acknowledged(order), "status": "NEW", "executedQty": "0", "cumQty": "0", "cumQuote": "0"}
    return _acknowledged(order)


def cancel(exchange: Exchange, account: Account, parameters: Parameters) -> Any:
    """DELETE /fapi/v1/order, by `orderId` or `origClientOrderId`.

    Raises RefusedError(-2011) where it is not open.
    """
    wanted = required(parameters, "symbol")
    order_id, client_id = _identity(parameters)
    try:
        order = exchange.find_order(account, order_id=order_id, client_id=client_id)
        if market_id(order.ticket.symbol) != wanted or order.status != "open":
            raise Rejected("unknown_order")
        return _acknowledged(exchange.cancel(account, order_id=order.order_id))
    except Rejected as rejected:
        if rejected.reason == "unknown_order":
            raise RefusedError(-2011, "Unknown order sent.") from rejected
        raise


def find(exchange: Exchange, account: Account, parameters: Parameters) -> Any:
    """GET /fapi/v1/order, open or done. Raises Rejected("unknown_order"), which is -2013."""
    wanted = required(parameters, "symbol")
    order_id, client_id = _identity(parameters)
    order = exchange.find_order(account, order_id=order_id, client_id=client_id)
    if market_id(order.ticket.symbol) != wanted:
        raise Rejected("unknown_order")
    return shown(order)


def find_open(exchange: Exchange, account: Account, parameters: Parameters) -> Any:
    """GET /fapi/v1/openOrder: the same, while it is open."""
    found = find(exchange, account, parameters)
    if found["status"] not in ("NEW", "PARTIALLY_FILLED"):
        raise Rejected("unknown_order")
    return found


def open_orders(exchange: Exchange, account: Account, parameters: Parameters) -> Any:
    """GET /fapi/v1/openOrders: of one symbol, or all."""
    wanted = listed(exchange, parameters).symbol if parameters.get("symbol") else None
    return [shown(order) for order in exchange.orders(account, symbol=wanted, is_open=True)]


def all_orders(exchange: Exchange, account: Account, parameters: Parameters) -> Any:
    """GET /fapi/v1/allOrders: open and done, ascending; seven days at most, the last ones if not told."""
    page = window(parameters, default=500, most=1000)
    instrument = known(exchange, parameters)
    start, end = week(page.start, page.end, exchange.now())
    found = [
        order for order in exchange.orders(account, symbol=instrument.symbol) if start <= order.created <= end
    ]
    return [shown(order) for order in (found[-page.limit :] if page.start is None else found[: page.limit])]


def cancel_all(exchange: Exchange, account: Account, parameters: Parameters) -> Any:
    """DELETE /fapi/v1/allOpenOrders of one symbol."""
    instrument = listed(exchange, parameters)
    for order in exchange.orders(account, symbol=instrument.symbol, is_open=True):
        exchange.cancel(account, order_id=order.order_id)
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


def shown(order: Order) -> dict[str, Any]:
    """An order as a query shows it."""
    return {**_common(order), "time": order.created}


def week(start: int | None, end: int | None, now: int) -> tuple[int, int]:
    """The seven days that a query is about. Raises RefusedError(-4165) for more."""
    if start is None:
        last = now if end is None else end
        return last - LONGEST_SEARCH_MS, last
    last = min(start + LONGEST_SEARCH_MS, now) if end is None else end
    if last - start > LONGEST_SEARCH_MS:
        raise RefusedError(-4165, "Invalid time interval")
    return start, last


def _acknowledged(order: Order) -> dict[str, Any]:
    return {**_common(order), "cumQty": plain(order.filled)}


def _common(order: Order) -> dict[str, Any]:
    ticket = order.ticket
    kind = ticket.kind.upper()
    return {
        "orderId": order.order_id,
        "symbol": market_id(ticket.symbol),
        "status": _status(order),
        "clientOrderId": ticket.client_id or f"testnet_{order.order_id}",
        "price": "0" if ticket.kind == "market" or ticket.price is None else plain(ticket.price),
        "avgPrice": fixed(order.average, 8),
        "origQty": plain(ticket.quantity),
        "executedQty": plain(order.filled),
        "cumQuote": fixed(order.filled * order.average, 5),
        "timeInForce": "GTC" if ticket.kind == "market" else _SPELLED[ticket.time_in_force],
        "type": kind,
        "reduceOnly": ticket.reduce_only,
        "closePosition": False,
        "side": ticket.side.upper(),
        "positionSide": "BOTH",
        "stopPrice": "0",
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": kind,
        "priceMatch": "NONE",
        "selfTradePreventionMode": "NONE",
        "goodTillDate": 0,
        "updateTime": order.updated,
    }


def _status(order: Order) -> str:
    if order.status == "open":
        return "PARTIALLY_FILLED" if order.filled else "NEW"
    if order.status == "cancelled":
        at_once = order.ticket.kind == "market" or order.ticket.time_in_force == "ioc"
        return "EXPIRED" if at_once else "CANCELED"
    return "EXPIRED_IN_MATCH" if order.status == "rejected" else order.status.upper()


def _ticket(instrument: Instrument, parameters: Parameters) -> Ticket:
    kind = KINDS.get(required(parameters, "type"))
    if kind is None:
        raise RefusedError(
            -4120,
            "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead.",
        )
    if parameters.get("positionSide", "BOTH") != "BOTH":
        raise RefusedError(-4061, "Order's position side does not match user's setting.")
    quantity = decimal(parameters, "quantity")
    if quantity is None:
        raise missing("quantity")
    return Ticket(
        symbol=instrument.symbol,
        side=_side(parameters),
        kind=kind,
        quantity=_positive(quantity),
        price=_limit_price(parameters) if kind == "limit" else None,
        time_in_force=_time_in_force(parameters) if kind == "limit" else "gtc",
        reduce_only=flag(parameters, "reduceOnly"),
        client_id=_client_id(parameters),
    )


def _side(parameters: Parameters) -> Side:
    side = SIDES.get(required(parameters, "side"))
    if side is None:
        raise RefusedError(-1117, "Invalid side.")
    return side


def _positive(quantity: Decimal) -> Decimal:
    if quantity <= 0:
        raise RefusedError(-4003, "Quantity less than or equal to zero.")
    return quantity


def _limit_price(parameters: Parameters) -> Decimal:
    price = decimal(parameters, "price")
    if price is None:
        raise missing("price")
    if price <= 0:
        raise RefusedError(-4001, "Price less than 0.")
    return price


def _time_in_force(parameters: Parameters) -> TimeInForce:
    told = TIMES_IN_FORCE.get(required(parameters, "timeInForce"))
    if told is None:
        raise RefusedError(-1115, "Invalid timeInForce.")
    return told


def _client_id(parameters: Parameters) -> str | None:
    client_id = parameters.get("newClientOrderId")
    if client_id is not None and not _CLIENT_ID.fullmatch(client_id):
        raise RefusedError(-4015, "Client order id is not valid.")
    return client_id


def _identity(parameters: Parameters) -> tuple[int | None, str | None]:
    order_id, client_id = whole(parameters, "orderId"), parameters.get("origClientOrderId")
    if order_id is None and not client_id:
        raise RefusedError(
            -1102, "Param 'orderId' or 'origClientOrderId' must be sent, but both were empty/null!"
        )
    return order_id, None if order_id is not None else client_id


def _refused(rejected: Rejected, instrument: Instrument, ticket: Ticket) -> RefusedError:
    """The code that tells what is wrong with price or quantity, where the venue has several."""
    if rejected.reason == "below_minimum":
        if ticket.quantity < instrument.min_quantity:
            return RefusedError(-4004, "Quantity less than min quantity.")
        least = plain(instrument.min_notional)
        return RefusedError(
            -4164, f"Order's notional must be no smaller than {least} (unless you choose reduce only)."
        )
    if rejected.reason == "off_grid" and ticket.price is not None and ticket.price % instrument.tick:
        return RefusedError(-4014, "Price not increased by tick size.")
    if rejected.reason == "price_bound" and ticket.kind == "limit":
        high = ticket.side == "buy"
        return (
            RefusedError(-4016, "Limit price can't be higher than the cap.")
            if high
            else RefusedError(-4024, "Limit price can't be lower than the floor.")
        )
    return in_venue_words(rejected)
