"""OKX's orders: place, cancel, look up.

What lives here: `/trade/order*` and how an order is written. What does not: fills (`statements`).

Quirks of the venue that are kept: an order carries its own margin mode; a refusal is inside a 200, with
`code` "1" outside and `sCode` inside; a post-only order that would take is accepted, then cancelled; an
order that was cancelled without a fill is forgotten after two hours.
"""

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from funding_pipeline.core.trading import MarginMode
from funding_pipeline.testnet.dialects.okx.orders import WOULD_TAKE, order_row, ticket_of
from funding_pipeline.testnet.dialects.okx.wire import (
    OkxError,
    Parameters,
    Row,
    fields_of,
    find,
    order_refusal,
    page_size,
    parameter_error,
    refusal,
    success,
    whole,
)
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Account, Instrument, Order, Rejected
from funding_pipeline.testnet.http import Answer

PrivateHandler = Callable[[Account, Any], Answer]

_FORGOTTEN_AFTER_MS = 2 * 3_600_000
_BATCH = 20
_PAGE = 100


class Trading:
    """Handlers of `/api/v5/trade/order*`."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def routes(self) -> Mapping[tuple[str, str], PrivateHandler]:
        """Method and path below `/api/v5/` to handler."""
        return {
            ("POST", "trade/order"): self.place,
            ("POST", "trade/batch-orders"): self.place_several,
            ("POST", "trade/cancel-order"): self.cancel,
            ("GET", "trade/order"): self.order,
            ("GET", "trade/orders-pending"): self.pending,
            ("GET", "trade/orders-history"): self.history,
            ("GET", "trade/orders-history-archive"): self.history,
        }

    # --- changes
    def place(self, account: Account, body: Any) -> Answer:
        """One order."""
        return self._results([self._placed(account, fields_of(body))])

    def place_several(self, account: Account, body: Any) -> Answer:
        """Up to twenty orders, each accepted or refused on its own; code "2": some were refused."""
        if not isinstance(body, list) or not 1 <= len(body) <= _BATCH:
            raise OkxError("51111", f"Maximum {_BATCH} orders can be placed in bulk.")
        return self._results([self._placed(account, fields_of(order)) for order in body])

    def cancel(self, account: Account, body: Any) -> Answer:
        """By `ordId`, or else by `clOrdId`."""
        fields = fields_of(body)
        named = {"clOrdId": str(fields.get("clOrdId") or ""), "ordId": str(fields.get("ordId") or "")}
        try:
            order_id, client_id = _identity(fields)
            order = self._exchange.cancel(account, order_id=order_id, client_id=client_id)
            named = {"clOrdId": order.ticket.client_id or "", "ordId": str(order.order_id)}
            return self._results([{**named, "sCode": "0", "sMsg": ""}])
        except Rejected as rejected:
            refused = order_refusal(rejected)
            return self._results([{**named, "sCode": refused.code, "sMsg": refused.message}])

    # --- look-ups
    def order(self, account: Account, query: Parameters) -> Answer:
        """One order, open or done; 51603 for one that never was or is forgotten."""
        order_id, client_id = _identity(query)
        order = self._exchange.find_order(account, order_id=order_id, client_id=client_id)
        if self._is_forgotten(order):
            raise refusal(Rejected("unknown_order"))
        return success([self._row(account, order)])

    def pending(self, account: Account, query: Parameters) -> Answer:
        """Open orders, newest first."""
        return success(self._page(account, query, is_open=True))

    def history(self, account: Account, query: Parameters) -> Answer:
        """Orders that are done, newest first."""
        if query.get("instType") not in ("SWAP", "SPOT", "MARGIN", "FUTURES", "OPTION"):
            raise parameter_error("instType")
        return success(self._page(account, query, is_open=False))

    # --- placing
    def _placed(self, account: Account, fields: Parameters) -> Row:
        row: Row = {
            "clOrdId": str(fields.get("clOrdId") or ""),
            "ordId": "",
            "tag": str(fields.get("tag") or ""),
            "ts": str(self._exchange.now()),
        }
        try:
            order = self._order(account, fields)
        except OkxError as refused:
            return {**row, "sCode": refused.code, "sMsg": refused.message}
        return {**row, "ordId": str(order.order_id), "sCode": "0", "sMsg": "Order placed"}

    def _order(self, account: Account, fields: Parameters) -> Order:
        instrument = find(self._exchange, fields.get("instId"))
        ticket = ticket_of(instrument, fields)
        try:
            self._choose_mode(account, instrument, fields.get("tdMode"))
            return self._exchange.place(account, ticket)
        except Rejected as rejected:
            if rejected.reason == WOULD_TAKE:
                return self._exchange.keep_cancelled(account, ticket, WOULD_TAKE)
            if rejected.reason == "off_grid" and not ticket.quantity % instrument.step:
                raise parameter_error("px") from rejected
            raise order_refusal(rejected) from rejected

    def _choose_mode(self, account: Account, instrument: Instrument, mode: Any) -> None:
        """The order's own margin mode. OKX would hold a second position in the other mode; one is enough
        here, so an order in the other mode than an open position is refused."""
        if mode not in ("cross", "isolated"):
            raise parameter_error("tdMode")
        chosen: MarginMode = mode
        if self._exchange.position(account, instrument.symbol).margin_mode != chosen:
            self._exchange.set_margin_mode(account, instrument.symbol, chosen)

    # --- writing
    def _results(self, rows: list[Row]) -> Answer:
        refused = sum(row["sCode"] != "0" for row in rows)
        code = "0" if not refused else "1" if refused == len(rows) else "2"
        message = {"0": "", "1": "All operations failed", "2": "Bulk operation partially succeeded."}[code]
        stamp = str(self._exchange.now() * 1000)  # microseconds
        return Answer.of({"code": code, "data": rows, "inTime": stamp, "msg": message, "outTime": stamp})

    def _is_forgotten(self, order: Order) -> bool:
        is_void = order.status in ("cancelled", "rejected") and not order.filled
        return is_void and order.updated < self._exchange.now() - _FORGOTTEN_AFTER_MS

    def _page(self, account: Account, query: Parameters, *, is_open: bool) -> list[Row]:
        """Rows newest first, between the order ids `before` and `after`, both excluded."""
        wanted = {name: query[name] for name in ("instType", "instId", "state") if query.get(name)}
        after, before = whole(query, "after", 2**63), whole(query, "before", -1)
        rows = (
            self._row(account, order)
            for order in reversed(self._exchange.orders(account, is_open=is_open))
            if before < order.order_id < after and not self._is_forgotten(order)
        )
        found = (row for row in rows if all(row[name] == value for name, value in wanted.items()))
        return list(islice(found, page_size(query, _PAGE)))

    def _row(self, account: Account, order: Order) -> Row:
        symbol = order.ticket.symbol
        position = self._exchange.position(account, symbol)
        return order_row(self._exchange.instrument(symbol), order, self._exchange.fills_of(order), position)


def _identity(fields: Parameters) -> tuple[int | None, str | None]:
    """`ordId` goes before `clOrdId`; one of them is needed."""
    order_id, client_id = fields.get("ordId"), fields.get("clOrdId")
    if order_id:
        return whole(fields, "ordId", 0), None
    if client_id:
        return None, str(client_id)
    raise OkxError("51003", "Either client order ID or order ID is required")
