"""Conditional orders on OKX, which live beside the plain ones: `/trade/orders-algo-pending`.

What lives here: the list. What does not: placing them; the testnet has only those that its fault API makes.
"""

from collections.abc import Mapping

from funding_pipeline.testnet.dialects.okx.trading import PrivateHandler
from funding_pipeline.testnet.dialects.okx.wire import (
    Parameters,
    Row,
    contracts,
    family,
    inst_id,
    page_size,
    parameter_error,
    success,
    text,
)
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Account, ConditionalOrder
from funding_pipeline.testnet.http import Answer

_KINDS = frozenset({"conditional", "oco", "chase", "trigger", "move_order_stop", "iceberg", "twap"})
_EMPTY = (
    "activePx", "activePxType", "actualPx", "callbackRatio", "callbackSpread", "ccy", "moveTriggerPx",
    "ordId", "pxLimit", "pxSpread", "pxVar", "slOrdPx", "slTriggerPx", "slTriggerPxType", "szLimit", "tag",
    "tgtCcy", "timeInterval", "tpOrdPx", "tpTriggerPx", "tpTriggerPxType", "triggerTime",
)  # fmt: skip


class AlgoOrders:
    """Handlers of `/api/v5/trade/orders-algo*`."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def routes(self) -> Mapping[tuple[str, str], PrivateHandler]:
        """Method and path below `/api/v5/` to handler."""
        return {("GET", "trade/orders-algo-pending"): self.pending}

    def pending(self, account: Account, query: Parameters) -> Answer:
        """Waiting orders of the kinds that `ordType` names, newest first; those here are of kind trigger."""
        kinds = set(str(query.get("ordType") or "").split(","))
        if not kinds <= _KINDS:
            raise parameter_error("ordType")
        waiting = list(account.conditional.values())[::-1] if "trigger" in kinds else []
        rows = [self._row(account, order) for order in waiting]
        wanted = {name: query[name] for name in ("instType", "instId", "algoId") if query.get(name)}
        found = [row for row in rows if all(row[name] == value for name, value in wanted.items())]
        return success(found[: page_size(query, 100)])

    def _row(self, account: Account, order: ConditionalOrder) -> Row:
        ticket, exchange = order.ticket, self._exchange
        instrument, position = exchange.instrument(ticket.symbol), exchange.position(account, ticket.symbol)
        now = exchange.now()
        return {
            **dict.fromkeys(_EMPTY, ""),
            "actualSide": "",
            "actualSz": "0",
            "algoClOrdId": ticket.client_id or "",
            "algoId": str(order.order_id),
            "cTime": str(order.created),
            "clOrdId": "",
            "ctVal": text(instrument.contract_size),
            "instId": inst_id(instrument),
            "instType": "SWAP",
            "last": text(exchange.quotes.last(ticket.symbol, now)),
            "lever": str(position.leverage),
            "notionalUsd": text(ticket.quantity * exchange.quotes.mark(ticket.symbol, now)),
            "ordPx": "-1",
            "ordType": "trigger",
            "posSide": "net",
            "reduceOnly": "true" if ticket.reduce_only else "false",
            "side": ticket.side,
            "state": "live",
            "sz": contracts(instrument, ticket.quantity),
            "tdMode": position.margin_mode,
            "triggerPx": text(order.trigger),
            "triggerPxType": "last",
            "uTime": str(order.created),
            "uly": family(instrument),
        }
