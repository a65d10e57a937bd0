"""Gate's order endpoints: create, cancel, look up, lists, fills.

What lives here: what an order and a fill look like at Gate, and how long it remembers them. What does not:
matching and margin (the engine).

Gate does not refuse a `text` that was used before ("the latter one will override", its staff say): both
orders live and the text means the later one. The engine wants each client id once, so a repeated text is
known to it as `t-...#2`, `t-...#3`; `#` cannot come from a client.
"""

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from funding_pipeline.core.trading import Side, TimeInForce
from funding_pipeline.testnet.dialects.gate.wire import (
    GateError,
    client_text,
    contract_name,
    contracts,
    instrument_of,
    number,
    seconds,
    user_number,
    whole,
)
from funding_pipeline.testnet.dialects.numbers import plain_text
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Account, EngineFill, Instrument, Order, Rejected, Ticket
from funding_pipeline.testnet.http import Answer, Request

Row = TypeVar("Row")
TEXT_KNOWN_MS = 60_000
"""How long a finished order is still found by its text."""
UNFILLED_KNOWN_MS = 600_000
"""How long a finished order without any fill is known at all."""
PAGE = 1000
_TIME_IN_FORCE: dict[str, TimeInForce] = {"gtc": "gtc", "ioc": "ioc", "poc": "post_only"}
_TIF_NAMES = {ours: theirs for theirs, ours in _TIME_IN_FORCE.items()}
_FINISHED_AS = {
    "requested": "cancelled",
    "ioc": "ioc",
    "no_liquidity": "ioc",
    "reduce_only": "reduce_only",
    "liquidation": "liquidated",
    "refused": "stp",
}
_FORCED_AS = {"liquidation": "liquidated", "adl": "auto_deleveraged", "settlement": "position_closed"}


class OrderEndpoints:
    """Private endpoints of orders; each takes the account, the request and the name in its path."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def create(self, account: Account, request: Request, name: str) -> Answer:
        """Place an order; the answer is the order as it stands then. HTTP 201."""
        body = request.json()
        if not isinstance(body, dict):
            raise GateError(400, "INVALID_REQUEST_BODY", "body is not an object")
        given = body.get("contract")
        instrument = instrument_of(self._exchange, given if isinstance(given, str) else None)
        ticket = self._ticket(account, instrument, body)
        try:
            order = self._exchange.place(account, ticket)
        except Rejected as rejected:
            flat = not self._exchange.position(account, instrument.symbol).quantity
            if rejected.reason == "reduce_only" and not flat:
                raise GateError(400, "INCREASE_POSITION", rejected.message) from rejected
            raise
        return Answer.of(self._order(account, order), 201)

    def single(self, account: Account, request: Request, name: str) -> Answer:
        """One order by id, or by text while Gate remembers that."""
        return Answer.of(self._order(account, self._find(account, name)))

    def cancel(self, account: Account, request: Request, name: str) -> Answer:
        """Cancel by id or text; ORDER_NOT_FOUND where it is done."""
        found = self._find(account, name)
        return Answer.of(self._order(account, self._exchange.cancel(account, order_id=found.order_id)))

    def cancel_all(self, account: Account, request: Request, name: str) -> Answer:
        """Cancel every open order of a contract, or of one side of it (`bid`, `ask`)."""
        instrument = instrument_of(self._exchange, request.query.get("contract"))
        side = {"bid": "buy", "ask": "sell"}.get(request.query.get("side", ""))
        chosen = [
            order
            for order in self._exchange.orders(account, symbol=instrument.symbol, is_open=True)
            if side is None or order.ticket.side == side
        ]
        gone = [self._exchange.cancel(account, order_id=order.order_id) for order in chosen]
        return Answer.of([self._order(account, order) for order in gone])

    def by_status(self, account: Account, request: Request, name: str) -> Answer:
        """Open or finished orders, newest first."""
        status = request.query.get("status")
        if status not in ("open", "finished"):
            raise GateError.invalid("status", status)
        found = self._known(account, request, is_open=status == "open")
        last = whole(request.query, "last_id", 0)
        return Answer.of(self._page(account, request, (o for o in found if not last or o.order_id < last)))

    def by_time(self, account: Account, request: Request, name: str) -> Answer:
        """Orders created in [from, to], newest first."""
        start = whole(request.query, "from", 0) * 1000
        end = whole(request.query, "to", 0) * 1000 or self._exchange.now()
        found = self._known(account, request, is_open=None)
        return Answer.of(self._page(account, request, (o for o in found if start <= o.created < end + 1000)))

    def fills(self, account: Account, request: Request, name: str) -> Answer:
        """Fills in [from, to], newest first."""
        query = request.query
        wanted, order = query.get("contract"), query.get("order")
        symbol = instrument_of(self._exchange, wanted).symbol if wanted else None
        end = whole(query, "to", 0) * 1000
        found = self._exchange.fills(
            account,
            symbol=symbol,
            start=whole(query, "from", 0) * 1000,
            end=end + 999 if end else None,
        )
        rows = [fill for fill in reversed(found) if order is None or str(fill.order_id) == order]
        return Answer.of([self._fill(account, fill) for fill in _paged(rows, request)])

    def _ticket(self, account: Account, instrument: Instrument, body: dict[str, Any]) -> Ticket:
        size = number(body.get("size", 0), "size")
        price = number(body.get("price") or "0", "price")
        tif = str(body.get("tif") or "gtc")
        reduce_only = bool(body.get("reduce_only"))
        if body.get("close"):
            size, reduce_only = self._closing(account, instrument), True
        if size != int(size) or not size:
            raise GateError.invalid("size", body.get("size"))
        if tif not in _TIME_IN_FORCE or (not price and tif != "ioc"):
            raise GateError.invalid("tif", tif)
        side: Side = "buy" if size > 0 else "sell"
        return Ticket(
            symbol=instrument.symbol,
            side=side,
            kind="limit" if price else "market",
            quantity=abs(size) * instrument.contract_size,
            price=price or None,
            time_in_force=_TIME_IN_FORCE[tif],
            reduce_only=reduce_only,
            client_id=self._client_id(account, client_text(body.get("text"))),
        )

    def _closing(self, account: Account, instrument: Instrument) -> Decimal:
        held = self._exchange.position(account, instrument.symbol).quantity
        if not held:
            raise GateError(400, "POSITION_EMPTY", "empty position")
        return Decimal(-contracts(held, instrument))

    def _client_id(self, account: Account, given: str | None) -> str | None:
        if given is None:
            return None
        before = sum(shown_text(order) == given for order in self._exchange.orders(account))
        return given if not before else f"{given}#{before + 1}"

    def _find(self, account: Account, name: str) -> Order:
        now = self._exchange.now()
        if name.startswith("t-"):
            named = [order for order in self._exchange.orders(account) if shown_text(order) == name]
            if named and (named[-1].status == "open" or now - named[-1].updated <= TEXT_KNOWN_MS):
                return named[-1]
            raise GateError(404, "CLIENT_ID_NOT_FOUND", f"Order with client ID {name} not found")
        if not re.fullmatch(r"[0-9]{1,18}", name):
            raise GateError.invalid("order_id", name)
        order = self._exchange.find_order(account, order_id=int(name))
        if not is_known(order, now):
            raise Rejected("unknown_order")
        return order

    def _known(self, account: Account, request: Request, *, is_open: bool | None) -> Iterable[Order]:
        wanted, now = request.query.get("contract"), self._exchange.now()
        symbol = instrument_of(self._exchange, wanted).symbol if wanted else None
        found = self._exchange.orders(account, symbol=symbol, is_open=is_open)
        return [order for order in reversed(found) if is_known(order, now)]

    def _page(self, account: Account, request: Request, orders: Iterable[Order]) -> list[dict[str, Any]]:
        return [self._order(account, order) for order in _paged(list(orders), request)]

    def _order(self, account: Account, order: Order) -> dict[str, Any]:
        ticket = order.ticket
        instrument = self._exchange.instrument(ticket.symbol)
        sign = 1 if ticket.side == "buy" else -1
        forced = self._forced(order)
        body = {
            "id": order.order_id,
            "user": user_number(account),
            "contract": contract_name(instrument),
            "create_time": seconds(order.created),
            "size": sign * contracts(ticket.quantity, instrument),
            "left": sign * contracts(order.left, instrument),
            "iceberg": 0,
            "price": plain_text(ticket.price) if ticket.kind == "limit" and ticket.price is not None else "0",
            "fill_price": plain_text(round(order.average, 12)),
            "tif": "ioc" if ticket.kind == "market" else _TIF_NAMES[ticket.time_in_force],
            "text": shown_text(order) or "api",
            "is_reduce_only": ticket.reduce_only,
            "is_close": False,
            "is_liq": forced == "liquidation",
            "mkfr": plain_text(instrument.maker_fee),
            "tkfr": plain_text(instrument.taker_fee),
            "refr": "0",
            "refu": 0,
            "status": "open" if order.status == "open" else "finished",
        }
        if order.status != "open":
            body["finish_time"] = seconds(order.updated)
            body["finish_as"] = _FORCED_AS.get(forced, finished_as(order))
        return body

    def _forced(self, order: Order) -> str:
        """What made the venue close a position by this order; `trade` where the account sent it."""
        if order.ticket.client_id or not order.ticket.reduce_only:
            return "trade"
        fills = self._exchange.fills_of(order)
        return fills[0].kind if fills else "trade"

    def _fill(self, account: Account, fill: EngineFill) -> dict[str, Any]:
        instrument = self._exchange.instrument(fill.symbol)
        signed = fill.quantity if fill.side == "buy" else -fill.quantity
        closing = min(abs(fill.position_before), fill.quantity) if fill.position_before * signed < 0 else 0
        close_size = contracts(Decimal(closing), instrument)
        return {
            "id": fill.fill_id,
            "trade_id": str(fill.fill_id),
            "create_time": seconds(fill.time),
            "contract": contract_name(instrument),
            "order_id": str(fill.order_id),
            "size": contracts(signed, instrument),
            "close_size": close_size if signed > 0 else -close_size,
            "price": plain_text(fill.price),
            "role": "maker" if fill.is_maker else "taker",
            "text": (fill.client_id or "api").partition("#")[0],
            "fee": plain_text(fill.fee),
            "point_fee": "0",
        }


def shown_text(order: Order) -> str | None:
    """The client's `text` of an order, without the engine's counter."""
    given = order.ticket.client_id
    return None if given is None else given.partition("#")[0]


def is_known(order: Order, now: int) -> bool:
    """Whether Gate still knows the order: done and without any fill, it is gone after ten minutes."""
    return order.status == "open" or bool(order.filled) or now - order.updated <= UNFILLED_KNOWN_MS


def finished_as(order: Order) -> str:
    """Gate's word for how an order ended."""
    if order.status == "filled":
        return "filled"
    return _FINISHED_AS.get(order.cancel_reason, "cancelled")


def _paged(rows: Sequence[Row], request: Request) -> Sequence[Row]:
    """The page that `limit` (at most 1,000, default 100) and `offset` ask for."""
    offset = whole(request.query, "offset", 0)
    return rows[offset : offset + whole(request.query, "limit", 100, least=1, most=PAGE)]
