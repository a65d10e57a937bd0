"""How Binance spells a refusal: error code, text and HTTP status.

What lives here: the venue's codes for the engine's reasons, and the ones that only a dialect can find
(a missing parameter). What does not: deciding to refuse.

ccxt chooses its exception by `code`, and by the host: the futures host has a table of its own.
"""

from collections.abc import Mapping
from typing import Any

from funding_pipeline.testnet.engine.values import Rejected, RejectionReason
from funding_pipeline.testnet.http import Answer


class RefusedError(Exception):
    """A refusal in the venue's words."""

    def __init__(self, code: int, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status

    def answer(self) -> Answer:
        """The body as Binance sends it."""
        return Answer.of({"code": self.code, "msg": self.message}, self.status)


_BY_REASON: Mapping[RejectionReason, tuple[int, str, int]] = {
    "insufficient_margin": (-2019, "Margin is insufficient.", 400),
    "would_take": (
        -5022,
        "Due to the order could not be executed as maker, the Post Only order will be rejected. "
        "The order will not be recorded in the order history",
        400,
    ),
    "reduce_only": (-2022, "ReduceOnly Order is rejected.", 400),
    "below_minimum": (
        -4164,
        "Order's notional is too small (unless you choose reduce only).",
        400,
    ),
    "off_grid": (-1111, "Precision is over the maximum defined for this asset.", 400),
    "price_bound": (-4131, "The counterparty's best price does not meet the PERCENT_PRICE filter limit", 400),
    "duplicate_client_id": (-4116, "ClientOrderId is duplicated.", 400),
    "unknown_order": (-2013, "Order does not exist.", 400),
    "unknown_symbol": (-1121, "Invalid symbol.", 400),
    "halted": (-4140, "Invalid symbol status for opening position.", 400),
    "delisted": (-4141, "Symbol is closed.", 400),
    "leverage": (-2027, "Exceeded the maximum allowable position at current leverage.", 400),
    "margin_mode": (-4048, "Margin type cannot be changed if there exists position.", 400),
    "position_mode": (-4061, "Order's position side does not match user's setting.", 400),
    "not_authenticated": (-2015, "Invalid API-key, IP, or permissions for action.", 401),
    "bad_passphrase": (-2015, "Invalid API-key, IP, or permissions for action.", 401),
    "bad_signature": (-1022, "Signature for this request is not valid.", 400),
    "bad_timestamp": (-1021, "Timestamp for this request is outside of the recvWindow.", 400),
    "bad_request": (-1130, "Data sent for a parameter is not valid.", 400),
}


def in_venue_words(rejected: Rejected) -> RefusedError:
    """The engine's refusal with the venue's code."""
    code, message, status = _BY_REASON[rejected.reason]
    return RefusedError(code, message, status=status)


def missing(parameter: str) -> RefusedError:
    """A parameter that has to be sent and was not, or cannot be read."""
    return RefusedError(
        -1102, f"Mandatory parameter '{parameter}' was not sent, was empty/null, or malformed."
    )


def invalid(parameter: str) -> RefusedError:
    """A parameter out of its bounds."""
    return RefusedError(-1130, f"Data sent for parameter '{parameter}' is not valid.")


def no_such_path(path: str, method: str) -> Answer:
    """What the venue says to an address that it does not have."""
    body: dict[str, Any] = {"code": -5000, "msg": f"Path {path}, Method {method} is invalid"}
    return Answer.of(body, 404)
