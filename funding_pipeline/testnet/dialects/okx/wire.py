"""OKX's envelope, error codes, numbers and instrument names.

What lives here: how OKX writes things, the same for every endpoint. What does not: endpoints.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from funding_pipeline.testnet.dialects.numbers import plain_text
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Instrument, Rejected, RejectionReason
from funding_pipeline.testnet.http import Answer

_LARGEST = 2**62  # times and ids beyond it fit no column

Parameters = Mapping[str, Any]
Row = dict[str, Any]


class OkxError(Exception):
    """A request that OKX answers with `code`; `status` is 200 for all but the gate's own checks."""

    def __init__(self, code: str, message: str, status: int = 200) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status

    def answer(self) -> Answer:
        """The body: the gate (status other than 200) leaves `data` out, as in the recorded 50103."""
        body: Row = {"msg": self.message, "code": self.code}
        return Answer.of(body if self.status != 200 else {**body, "data": []}, self.status)


# How OKX spells a refusal of the whole request.
_REQUEST_CODES: Mapping[RejectionReason, tuple[str, str, int]] = {
    "not_authenticated": ("50111", "Invalid OK-ACCESS-KEY", 401),
    "bad_signature": ("50113", "Invalid Sign", 401),
    "bad_timestamp": ("50102", "Timestamp request expired", 401),
    "bad_passphrase": ("50105", "Request header OK-ACCESS-PASSPHRASE incorrect.", 401),
    "bad_request": ("50002", "JSON syntax error", 400),
    "unknown_symbol": ("51001", "Instrument ID doesn't exist", 200),
    "unknown_order": ("51603", "Order does not exist", 200),
    "leverage": ("59102", "Leverage exceeds the maximum limit. Please lower the leverage.", 200),
    "insufficient_margin": (
        "59108",
        "Low leverage and insufficient margin, please adjust the leverage.",
        200,
    ),
    "position_mode": ("59000", "Setting failed. Cancel any open orders and close positions first.", 200),
    "margin_mode": ("59000", "Setting failed. Cancel any open orders and close positions first.", 200),
}

# How it spells a refusal of one order, inside an answer with status 200.
_ORDER_CODES: Mapping[RejectionReason, tuple[str, str]] = {
    "insufficient_margin": ("51008", "Order failed. Insufficient USDT margin in account"),
    "reduce_only": (
        "51169",
        "Order failed because you don't have any positions in this direction to reduce.",
    ),
    "below_minimum": ("51020", "Your order should meet or exceed the minimum order amount."),
    "off_grid": ("51121", "Order quantity must be a multiple of the lot size."),
    "price_bound": ("51006", "Order price is not within the price limit"),
    "duplicate_client_id": ("51016", "Duplicated client order ID"),
    "unknown_symbol": ("51001", "Instrument ID doesn't exist."),
    "unknown_order": (
        "51400",
        "Cancellation failed as the order has been filled, canceled or does not exist.",
    ),
    "halted": ("51022", "Contract suspended."),
    "delisted": ("51027", "Contract expired."),
    "leverage": ("51004", "Order failed. The position would exceed the maximum under current leverage."),
    "margin_mode": ("51000", "Parameter tdMode error"),
    "position_mode": ("51000", "Parameter posSide error"),
    "bad_request": ("51000", "Parameter error"),
}


def refusal(rejected: Rejected) -> OkxError:
    """A refusal of the engine as one of the whole request."""
    code, message, status = _REQUEST_CODES.get(rejected.reason, ("51000", rejected.message, 200))
    return OkxError(code, message, status)


def order_refusal(rejected: Rejected) -> OkxError:
    """The same as one of a single order."""
    code, message = _ORDER_CODES.get(rejected.reason, ("51000", f"Parameter error: {rejected.message}"))
    return OkxError(code, message)


def parameter_error(name: str) -> OkxError:
    """OKX names the parameter that it cannot use, and nothing more."""
    return OkxError("51000", f"Parameter {name} error")


def success(data: list[Any]) -> Answer:
    """The usual envelope."""
    return Answer.of({"code": "0", "msg": "", "data": data})


def success_array(rows: bytes) -> Answer:
    """The usual envelope around rows that are JSON already."""
    return Answer(200, b'{"code":"0","msg":"","data":' + rows + b"}")


def text(number: Decimal | None) -> str:
    """A number as OKX sends it: a string, no exponent, no trailing zeros; empty where there is none."""
    return "" if number is None else plain_text(number)


def family(instrument: Instrument) -> str:
    """Underlying and instrument family, `BTC-USDT`; index candles go by it."""
    return f"{instrument.quoted}-{instrument.quote}"


def inst_id(instrument: Instrument) -> str:
    """`BTC-USDT-SWAP`."""
    return f"{family(instrument)}-SWAP"


def contracts(instrument: Instrument, quantity: Decimal) -> str:
    """Quoted base units as a number of contracts."""
    return text(quantity / instrument.contract_size)


def find(exchange: Exchange, name: str | None) -> Instrument:
    """The instrument with this `instId`; OkxError 51001 for one not listed, 50014 for none."""
    if not name:
        raise OkxError("50014", "Parameter instId can not be empty.", 400)
    for instrument in exchange.instruments():
        if inst_id(instrument) == name:
            return instrument
    raise refusal(Rejected("unknown_symbol"))


def find_family(exchange: Exchange, name: str | None) -> Instrument:
    """The instrument of this underlying, e.g. for `BTC-USDT`."""
    return find(exchange, f"{name}-SWAP" if name else None)


def whole(parameters: Parameters, name: str, default: int) -> int:
    """A whole number from a query or body; OkxError 51000 where it is none."""
    value = parameters.get(name)
    if value in (None, ""):
        return default
    try:
        found = int(str(value))
    except ValueError:
        raise parameter_error(name) from None
    if abs(found) > _LARGEST:
        raise parameter_error(name)
    return found


def page_size(parameters: Parameters, most: int, default: int | None = None) -> int:
    """`limit`, cut to the venue's maximum as OKX does: a client that asks for more loses the older rows."""
    return max(1, min(whole(parameters, "limit", default or most), most))


def fields_of(body: Any) -> Parameters:
    """A JSON object; OkxError 50002 for anything else."""
    if not isinstance(body, Mapping):
        raise refusal(Rejected("bad_request"))
    return body
