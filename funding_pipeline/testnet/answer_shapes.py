"""Shapes of answers that real venues give at times: without the list, without the order, with a new word.

What lives here: one change each of an answer's JSON, the same for every venue. What does not: which answers
are changed (`faults`).

Refusals are left as they are: they have no list, no order and no ending.
"""

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from funding_pipeline.testnet.http import Answer

ORDER_ENTRY: Mapping[str, str] = {
    "binance": "/fapi/v1/order",
    "bybit": "/v5/order/create",
    "gate": "/futures/usdt/orders",
    "hyperliquid": "/exchange",
    "okx": "/api/v5/trade/order",
}
"""Part of the path to which a venue's orders are posted."""
UNHEARD_OF = "supersededByVenue"
"""A word for an order's ending that no client knows."""
_STATUS_FIELDS = frozenset({"status", "orderStatus", "state", "finish_as"})
_ENDINGS = ("filled", "canceled", "cancelled", "rejected", "expired", "expired_in_match", "finished")
_GATE_ENDINGS = frozenset({"ioc", "poc", "stp", "reduce_only", "liquidated", "auto_deleveraged"})


def null_answer(body: Any) -> Any:
    """`result` or `data` null, or the whole body null."""
    for name in ("result", "data"):
        if isinstance(body, dict) and name in body:
            return {**body, name: None}
    return None


def silent_ack(body: Any) -> Any:
    """An acknowledgement without its order; answers that are none stay."""
    if isinstance(body, dict) and isinstance(body.get("response"), dict):  # Hyperliquid
        is_order = body["response"].get("type") == "order"
        return {**body, "response": {"type": "default"}} if is_order else body
    if isinstance(body, dict) and "result" in body:
        return {**body, "result": {}}
    if isinstance(body, dict) and "data" in body:
        return {**body, "data": []}
    return {}


def unknown_ending(body: Any) -> Any:
    """Every order in the body that has ended, with a status that nobody knows; its quantities stay."""
    if isinstance(body, list):
        return [unknown_ending(item) for item in body]
    if not isinstance(body, dict):
        return body
    return {
        name: UNHEARD_OF if name in _STATUS_FIELDS and _is_ending(value) else unknown_ending(value)
        for name, value in body.items()
    }


SHAPES: Mapping[str, Callable[[Any], Any]] = {
    "null_answer": null_answer,
    "silent_ack": silent_ack,
    "unknown_ending": unknown_ending,
}


def reshape(answer: Answer, kind: str) -> Answer:
    """The answer in the shape of `kind`."""
    body = None if answer.status >= 400 else orjson.loads(answer.body)
    if answer.status >= 400 or _is_refusal(body):
        return answer
    return Answer(answer.status, orjson.dumps(SHAPES[kind](body)), answer.headers)


def _is_refusal(body: Any) -> bool:
    """Of the whole request, or of the one order in it."""
    if not isinstance(body, dict):
        return False
    if body.get("retCode", 0) != 0 or body.get("code", "0") not in ("0", 200) or body.get("status") == "err":
        return True
    response = body.get("response")
    data = response.get("data") if isinstance(response, dict) else None
    return isinstance(data, dict) and any("error" in item for item in data.get("statuses", ()))


def _is_ending(value: Any) -> bool:
    """`partially_filled` is none; Hyperliquid has many words in ...Canceled and ...Rejected."""
    if not isinstance(value, str) or value.lower().startswith("partially"):
        return False
    return value.lower().endswith(_ENDINGS) or value in _GATE_ENDINGS
