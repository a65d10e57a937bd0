"""Conditional orders on Binance's futures, which live beside the plain ones: `/fapi/v1/openAlgoOrders`.

What lives here: the list. What does not: placing them; the testnet has only those that its fault API makes.
"""

from typing import Any

from funding_pipeline.testnet.dialects.binance.parameters import Parameters, listed, market_id, plain
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Account, ConditionalOrder


def open_algo_orders(exchange: Exchange, account: Account, parameters: Parameters) -> Any:
    """GET /fapi/v1/openAlgoOrders: of one symbol, or all."""
    wanted = listed(exchange, parameters).symbol if parameters.get("symbol") else None
    waiting = account.conditional.values()
    return [_shown(order) for order in waiting if wanted in (None, order.ticket.symbol)]


def _shown(order: ConditionalOrder) -> dict[str, Any]:
    ticket = order.ticket
    return {
        "algoId": order.order_id,
        "clientAlgoId": ticket.client_id or f"testnet_{order.order_id}",
        "algoType": "CONDITIONAL",
        "orderType": "STOP_MARKET",
        "symbol": market_id(ticket.symbol),
        "side": ticket.side.upper(),
        "positionSide": "BOTH",
        "timeInForce": "GTC",
        "quantity": plain(ticket.quantity),
        "algoStatus": "NEW",
        "actualOrderId": "",
        "triggerPrice": plain(order.trigger),
        "price": "0",
        "icebergQuantity": None,
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "workingType": "CONTRACT_PRICE",
        "priceMatch": "NONE",
        "closePosition": False,
        "priceProtect": False,
        "reduceOnly": ticket.reduce_only,
        "createTime": order.created,
        "updateTime": order.created,
        "triggerTime": 0,
        "goodTillDate": 0,
    }
