"""Bybit's conditional orders, which `/v5/order/realtime` lists among the others.

What lives here: their rows, and the fields that a plain order leaves empty. What does not: placing them;
the testnet has only those that its fault API makes.
"""

from collections.abc import Mapping
from typing import Any

from funding_pipeline.testnet.dialects.bybit.texts import Params, id_text, native_symbol
from funding_pipeline.testnet.dialects.numbers import plain_text
from funding_pipeline.testnet.engine.values import Account, ConditionalOrder

_EMPTY = (
    "slLimitPrice", "tpLimitPrice", "stopLoss", "takeProfit", "triggerPrice", "triggerBy", "tpTriggerBy",
    "slTriggerBy", "stopOrderType", "tpslMode", "orderIv", "blockTradeId", "isLeverage", "placeType",
    "smpOrderId", "extraFees",
)  # fmt: skip
UNUSED: Mapping[str, Any] = {
    **dict.fromkeys(_EMPTY, ""),
    "lastPriceOnCreated": "",
    "createType": "CreateByUser",
    "smpType": "None",
    "smpGroup": 0,
    "triggerDirection": 0,
    "positionIdx": 0,
    "closeOnTrigger": False,
    "slippageToleranceType": "UNKNOWN",
    "slippageTolerance": "0",
}
"""Conditional orders, margin trading, self-match prevention: as an order without any of them shows them."""


def conditional_rows(account: Account, symbol: str | None, params: Params) -> list[dict[str, Any]]:
    """Rows of waiting orders, of one instrument or all, by id where one is asked for; oldest first."""
    rows = [_row(o) for o in account.conditional.values() if symbol in (None, o.ticket.symbol)]
    for name in ("orderId", "orderLinkId", "orderStatus"):
        if params.get(name):
            rows = [row for row in rows if row[name] == params[name]]
    return rows


def _row(order: ConditionalOrder) -> dict[str, Any]:
    ticket = order.ticket
    return {
        **UNUSED,
        **dict.fromkeys(("leavesValue", "cumExecQty", "cumExecValue", "cumExecFee", "price"), "0"),
        "orderId": id_text(order.order_id),
        "orderLinkId": ticket.client_id or "",
        "symbol": native_symbol(ticket.symbol),
        "side": ticket.side.capitalize(),
        "orderType": "Market",
        "orderStatus": "Untriggered",
        "stopOrderType": "Stop",
        "triggerPrice": plain_text(order.trigger),
        "triggerDirection": 1 if order.trigger_above else 2,
        "triggerBy": "LastPrice",
        "qty": plain_text(ticket.quantity),
        "timeInForce": "IOC",
        "reduceOnly": ticket.reduce_only,
        "avgPrice": "",
        "leavesQty": plain_text(ticket.quantity),
        "cumFeeDetail": {},
        "cancelType": "UNKNOWN",
        "rejectReason": "EC_NoError",
        "createdTime": str(order.created),
        "updatedTime": str(order.created),
    }
