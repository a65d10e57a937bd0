"""Gate's price-triggered orders, which live beside the plain ones: `futures/usdt/price_orders`.

What lives here: the list. What does not: placing them; the testnet has only those that its fault API makes.
"""

from typing import Any

from funding_pipeline.testnet.dialects.gate.wire import (
    GateError,
    contract_name,
    contracts,
    instrument_of,
    user_number,
    whole,
)
from funding_pipeline.testnet.dialects.numbers import plain_text
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Account, ConditionalOrder
from funding_pipeline.testnet.http import Answer, Request

_AT_OR_ABOVE, _AT_OR_BELOW = 1, 2


class PriceOrderEndpoints:
    """Each takes the account, the request and the name in its path."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def by_status(self, account: Account, request: Request, name: str) -> Answer:
        """Waiting orders, newest first; none here is ever finished."""
        status, wanted = request.query.get("status"), request.query.get("contract")
        if status not in ("open", "finished"):
            raise GateError.invalid("status", status)
        symbol = instrument_of(self._exchange, wanted).symbol if wanted else None
        waiting = list(account.conditional.values())[::-1] if status == "open" else []
        rows = [self._row(account, o) for o in waiting if symbol in (None, o.ticket.symbol)]
        offset = whole(request.query, "offset", 0)
        return Answer.of(rows[offset : offset + whole(request.query, "limit", 100, least=1, most=1000)])

    def _row(self, account: Account, order: ConditionalOrder) -> dict[str, Any]:
        ticket, instrument = order.ticket, self._exchange.instrument(order.ticket.symbol)
        sign = 1 if ticket.side == "buy" else -1
        return {
            "user": user_number(account),
            "trigger": {
                "strategy_type": 0,
                "price_type": 0,
                "price": plain_text(order.trigger),
                "rule": _AT_OR_ABOVE if order.trigger_above else _AT_OR_BELOW,
                "expiration": 0,
            },
            "initial": {
                "contract": contract_name(instrument),
                "size": sign * contracts(ticket.quantity, instrument),
                "price": "0",
                "tif": "ioc",
                "text": ticket.client_id or "api",
                "iceberg": 0,
                "is_close": False,
                "is_reduce_only": ticket.reduce_only,
                "auto_size": "",
            },
            "id": order.order_id,
            "trade_id": 0,
            "status": "open",
            "reason": "",
            "create_time": order.created // 1000,
            "finish_time": order.created // 1000,
            "is_stop_order": False,
            "stop_trigger": {"rule": 0, "trigger_price": "", "order_price": ""},
            "me_order_id": 0,
            "order_type": "",
        }
