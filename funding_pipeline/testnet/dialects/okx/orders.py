"""One order of OKX: reading it from a request, writing it as an answer.

What lives here: fields and their spelling. What does not: placing or finding orders (`trading`).
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Literal

from funding_pipeline.core.trading import OrderKind, Side, TimeInForce
from funding_pipeline.testnet.dialects.okx.wire import (
    Parameters,
    Row,
    contracts,
    inst_id,
    parameter_error,
    text,
)
from funding_pipeline.testnet.engine.values import EngineFill, Instrument, Order, Position, Ticket

WOULD_TAKE = "would_take"
"""Reason noted on a post-only order that was accepted and cancelled."""

_LARGEST = Decimal("1e15")  # sizes and prices beyond it leave the arithmetic's digits
_CLIENT_ID = re.compile(r"[A-Za-z0-9]{1,32}")
_TYPES: Mapping[str, tuple[OrderKind, TimeInForce]] = {
    "market": ("market", "gtc"),
    "optimal_limit_ioc": ("market", "gtc"),
    "limit": ("limit", "gtc"),
    "post_only": ("limit", "post_only"),
    "ioc": ("limit", "ioc"),
}
_CANCEL_SOURCES: Mapping[str, str] = {"requested": "1", WOULD_TAKE: "31", "ioc": "14", "no_liquidity": "14"}
_CATEGORIES: Mapping[str, str] = {
    "trade": "normal",
    "liquidation": "full_liquidation",
    "adl": "adl",
    "settlement": "delivery",
}


def order_row(instrument: Instrument, order: Order, fills: Sequence[EngineFill], position: Position) -> Row:
    """The order with what became of it; `fills`: its own, oldest first."""
    last = fills[-1] if fills else None
    return {
        **_terms(instrument, order),
        **_last_fill(instrument, last),
        "category": _CATEGORIES[last.kind if last else "trade"],
        "lever": str(position.leverage),
        "pnl": text(sum((fill.pnl for fill in fills), Decimal(0))),
        "tdMode": position.margin_mode,
        **dict.fromkeys(("slOrdPx", "slTriggerPx", "slTriggerPxType", "source", "tag", "ccy"), ""),
        **dict.fromkeys(("tpOrdPx", "tpTriggerPx", "tpTriggerPxType", "tgtCcy"), ""),
    }


def _terms(instrument: Instrument, order: Order) -> Row:
    ticket = order.ticket
    return {
        "accFillSz": contracts(instrument, order.filled),
        "avgPx": text(order.average) if order.filled else "",
        "cTime": str(order.created),
        "cancelSource": _CANCEL_SOURCES.get(order.cancel_reason, "") if order.status == "cancelled" else "",
        "clOrdId": ticket.client_id or "",
        "fee": text(-order.fee),
        "feeCcy": instrument.settle,
        "instId": inst_id(instrument),
        "instType": "SWAP",
        "ordId": str(order.order_id),
        "ordType": _order_type(ticket),
        "posSide": "net",
        "px": text(ticket.price) if ticket.kind == "limit" else "",
        "rebate": "0",
        "rebateCcy": instrument.settle,
        "reduceOnly": "true" if ticket.reduce_only else "false",
        "side": ticket.side,
        "state": _state(order),
        "sz": contracts(instrument, ticket.quantity),
        "uTime": str(order.updated),
    }


def _last_fill(instrument: Instrument, fill: EngineFill | None) -> Row:
    return {
        "fillPx": text(fill.price) if fill else "",
        "fillSz": contracts(instrument, fill.quantity) if fill else "0",
        "fillTime": str(fill.time) if fill else "",
        "tradeId": str(fill.fill_id) if fill else "",
    }


def _state(order: Order) -> Literal["live", "partially_filled", "filled", "canceled"]:
    if order.status == "open":
        return "partially_filled" if order.filled else "live"
    return "filled" if order.status == "filled" else "canceled"


def _order_type(ticket: Ticket) -> str:
    if ticket.kind == "market":
        return "market"
    return ticket.time_in_force if ticket.time_in_force != "gtc" else "limit"


def ticket_of(instrument: Instrument, fields: Parameters) -> Ticket:
    """What a client asks for, contracts turned into coins; OkxError 51000 names the field that is wrong."""
    side, kind = fields.get("side"), _TYPES.get(str(fields.get("ordType")))
    if side not in ("buy", "sell"):
        raise parameter_error("side")
    if kind is None:
        raise parameter_error("ordType")
    if fields.get("posSide") not in (None, "", "net"):
        raise parameter_error("posSide")
    client_id = fields.get("clOrdId") or None
    if client_id is not None and not _CLIENT_ID.fullmatch(str(client_id)):
        raise parameter_error("clOrdId")
    chosen: Side = side
    return Ticket(
        symbol=instrument.symbol,
        side=chosen,
        kind=kind[0],
        quantity=_decimal(fields, "sz") * instrument.contract_size,
        price=_decimal(fields, "px") if kind[0] == "limit" else None,
        time_in_force=kind[1],
        reduce_only=str(fields.get("reduceOnly", "false")).lower() == "true",
        client_id=None if client_id is None else str(client_id),
    )


def _decimal(fields: Parameters, name: str) -> Decimal:
    try:
        value = Decimal(str(fields[name]))
    except (KeyError, InvalidOperation):
        raise parameter_error(name) from None
    if not (value.is_finite() and -_LARGEST < value < _LARGEST):
        raise parameter_error(name)
    return value
