"""How Bybit spells a refusal: `retCode` and `retMsg`.

What lives here: the codes. What does not: deciding to refuse. Sources: the codes that ccxt 4.5.90 maps
to its exceptions, and the venue's list of error codes.
"""

from collections.abc import Mapping

from funding_pipeline.testnet.engine.values import Rejected, RejectionReason

_CODES: Mapping[RejectionReason, tuple[int, str]] = {
    "insufficient_margin": (110007, "ab not enough for new order"),
    "would_take": (110079, "Post-only order would take liquidity"),  # never sent: see `orders.create`
    "reduce_only": (110017, "current position is zero, cannot fix reduce-only order qty"),
    "below_minimum": (110094, "Order does not meet minimum order value"),
    "off_grid": (10001, "Qty invalid"),
    "price_bound": (110003, "Order price exceeds the allowable range."),
    "duplicate_client_id": (110072, "OrderLinkedID is duplicate"),
    "unknown_order": (110001, "order not exists or too late to cancel"),
    "unknown_symbol": (10001, "params error: symbol invalid"),
    "halted": (110066, "Trading is currently not allowed."),
    "delisted": (110074, "This contract is not live"),
    "leverage": (110013, "cannot set leverage due to risk limit level"),
    "margin_mode": (3400045, "Set margin mode failed"),
    "position_mode": (10001, "position idx not match position mode"),
    "not_authenticated": (10003, "API key is invalid."),
    "bad_signature": (10004, "error sign! please check your signature generation algorithm."),
    "bad_timestamp": (
        10002,
        "invalid request, please check your server timestamp or recv_window param.",
    ),
    "bad_passphrase": (10004, "error sign!"),
    "bad_request": (10001, "params error"),
}


class BybitRefusal(Rejected):
    """A refusal with a code of its own, for what the engine has no reason for."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__("bad_request", message)
        self.code = code


def code_and_message(rejected: Rejected) -> tuple[int, str]:
    """`retCode` and `retMsg`. The venue's fixed text, but for parameter errors, which name the parameter."""
    if isinstance(rejected, BybitRefusal):
        return rejected.code, rejected.message
    code, message = _CODES[rejected.reason]
    if rejected.reason == "bad_request" and rejected.message != rejected.reason:
        return code, rejected.message
    return code, message
