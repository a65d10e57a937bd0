"""How Hyperliquid spells numbers, orders and fills in JSON.

What lives here: values of the engine to JSON. What does not: which of them are asked for.
"""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from funding_pipeline.core.trading import Side
from funding_pipeline.testnet.engine.values import (
    ConditionalOrder,
    EngineFill,
    EnginePayment,
    Instrument,
    Level,
    Order,
)

Json = dict[str, Any]

PRICE_AND_SIZE_DECIMALS = 6
SIGNIFICANT_FIGURES = 5
SETTLEMENT_LAG_MS = 31
"""Rows of a settlement are stamped a little after the hour, as on the venue."""
NO_HASH = "0x" + "0" * 64
_CANCELLATIONS = {
    "liquidation": "liquidatedCanceled",
    "reduce_only": "reduceOnlyCanceled",
    "delisted": "delistedCanceled",
    "refused": "perpMarginRejected",
}
_TIME_IN_FORCE = {"post_only": "Alo", "ioc": "Ioc", "gtc": "Gtc"}


class BadBodyError(Exception):
    """The body is JSON, but not a request that the venue knows: HTTP 422."""


def number(value: Decimal, places: int = 10) -> str:
    """Decimal text without exponent, with one decimal at least: 108.04, 100.0, 0.0."""
    text = format(round(value, places).normalize(), "f")
    text = text if "." in text else text + ".0"
    return "0.0" if text == "-0.0" else text


def usd(value: Decimal) -> str:
    """An amount of USDC: six decimals."""
    return number(value, 6)


def size_decimals(instrument: Instrument) -> int:
    """`szDecimals`: decimals of a quantity."""
    exponent = instrument.step.normalize().as_tuple().exponent
    return max(0, -int(exponent))


def is_on_grid(price: Decimal) -> bool:
    """At most five significant figures; whole numbers are always allowed."""
    return (
        price == price.to_integral_value() or len(price.normalize().as_tuple().digits) <= SIGNIFICANT_FIGURES
    )


def levels_json(levels: tuple[Level, ...], side: Side, most: int) -> list[Json]:
    """A side of the book, best first, on the venue's grid of five significant figures.

    The engine's tick may be finer: its levels are put together at the next worse price, as the venue does.
    """
    found: dict[Decimal, tuple[Decimal, int]] = {}
    for level in levels:
        price = _grid_price(level.price, side)
        quantity, count = found.get(price, (Decimal(0), 0))
        found[price] = (quantity + level.quantity, count + 1)
    rows = [{"px": number(px), "sz": number(sz), "n": count} for px, (sz, count) in found.items()]
    return rows[:most]


def _grid_price(price: Decimal, side: Side) -> Decimal:
    if is_on_grid(price):
        return price
    place = Decimal(1).scaleb(min(price.adjusted() - SIGNIFICANT_FIGURES + 1, 0))
    return price.quantize(place, ROUND_FLOOR if side == "buy" else ROUND_CEILING)


def decimals(value: Decimal) -> int:
    """Decimals that are not zero at the end."""
    return max(0, -int(value.normalize().as_tuple().exponent))


def side_letter(side: Side) -> str:
    """B for a bid, A for an ask."""
    return "B" if side == "buy" else "A"


def order_json(order: Order, coin: str) -> Json:
    """An order as `orderStatus`, `historicalOrders` and `frontendOpenOrders` give it."""
    ticket = order.ticket
    return {
        "coin": coin,
        "side": side_letter(ticket.side),
        "limitPx": number(ticket.price or Decimal(0)),
        "sz": number(order.left),
        "oid": order.order_id,
        "timestamp": order.created,
        "triggerCondition": "N/A",
        "isTrigger": False,
        "triggerPx": "0.0",
        "children": [],
        "isPositionTpsl": False,
        "reduceOnly": ticket.reduce_only,
        "orderType": "Market" if ticket.price is None else "Limit",  # a forced close has no price
        "origSz": number(ticket.quantity),
        "tif": _TIME_IN_FORCE[ticket.time_in_force],
        "cloid": ticket.client_id,
    }


def conditional_json(order: ConditionalOrder, coin: str) -> Json:
    """A trigger order as `frontendOpenOrders` gives it."""
    ticket = order.ticket
    condition = f"Price {'above' if order.trigger_above else 'below'} {number(order.trigger)}"
    return {
        "coin": coin,
        "side": side_letter(ticket.side),
        "limitPx": number(order.trigger),
        "sz": number(ticket.quantity),
        "oid": order.order_id,
        "timestamp": order.created,
        "triggerCondition": condition,
        "isTrigger": True,
        "triggerPx": number(order.trigger),
        "children": [],
        "isPositionTpsl": False,
        "reduceOnly": ticket.reduce_only,
        "orderType": "Stop Market",
        "origSz": number(ticket.quantity),
        "tif": None,
        "cloid": ticket.client_id,
    }


def order_with_status(order: Order, coin: str) -> Json:
    """An order and what became of it."""
    return {"order": order_json(order, coin), "status": _status(order), "statusTimestamp": order.updated}


def _status(order: Order) -> str:
    if order.status in ("open", "filled"):
        return order.status
    if order.ticket.time_in_force == "ioc" and not order.filled:
        return "iocCancelRejected"
    return _CANCELLATIONS.get(order.cancel_reason, "canceled")


def fill_json(fill: EngineFill, coin: str, user: str) -> Json:
    """A fill of the account."""
    found: Json = {
        "coin": coin,
        "px": number(fill.price),
        "sz": number(fill.quantity),
        "side": side_letter(fill.side),
        "time": fill.time,
        "startPosition": number(fill.position_before),
        "dir": _direction(fill),
        "closedPnl": usd(fill.pnl),
        "hash": f"0x{fill.fill_id:064x}",
        "oid": fill.order_id,
        "crossed": not fill.is_maker,
        "fee": usd(fill.fee),
        "tid": fill.fill_id,
        "liquidationMarkPx": None,
        "cloid": fill.client_id,
        "feeToken": "USDC",
        "twapId": None,
    }
    if fill.kind == "liquidation":
        found["liquidation"] = {"liquidatedUser": user, "markPx": number(fill.price), "method": "market"}
    return found


def _direction(fill: EngineFill) -> str:
    if fill.kind in ("adl", "settlement"):
        return "Auto-Deleveraging" if fill.kind == "adl" else "Settlement"
    before = fill.position_before
    after = before + (fill.quantity if fill.side == "buy" else -fill.quantity)
    if before * after < 0:
        return "Long > Short" if before > 0 else "Short > Long"
    verb = "Open" if abs(after) > abs(before) else "Close"
    return f"{verb} {'Long' if before + after > 0 else 'Short'}"


def payment_json(payment: EnginePayment, coin: str) -> Json:
    """Funding of one settlement: `usdc` below zero was paid. Every hash is zero, as on the venue."""
    delta = {
        "type": "funding",
        "coin": coin,
        "usdc": usd(payment.amount),
        "szi": number(payment.quantity),
        "fundingRate": number(payment.rate, 12),
        "nSamples": None,
    }
    return {"time": payment.time + SETTLEMENT_LAG_MS, "hash": NO_HASH, "delta": delta}
