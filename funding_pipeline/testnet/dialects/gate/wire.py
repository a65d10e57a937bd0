"""How Gate writes things: errors, signatures, parameters, numbers, contracts.

What lives here: the venue's spelling, shared by the endpoints. What does not: any endpoint.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from urllib.parse import unquote

from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Account, Instrument, Rejected, RejectionReason
from funding_pipeline.testnet.http import Answer, Request

WINDOW_MS = 60_000
"""Most that a request's `Timestamp` may differ from the venue's clock."""
SETTLE = "usdt"
_TEXT = re.compile(r"t-[0-9A-Za-z_.-]{1,28}")

# Statuses and labels as the venue's list of labels has them; those marked (?) have no recorded body.
_ERRORS: Mapping[RejectionReason, tuple[int, str, str]] = {
    "insufficient_margin": (400, "INSUFFICIENT_AVAILABLE", "insufficient available balance"),
    "would_take": (400, "ORDER_POC_IMMEDIATE", "order would match immediately"),
    "reduce_only": (400, "REDUCE_EXCEEDED", "empty position"),
    "below_minimum": (400, "SIZE_TOO_SMALL", "order size below the minimum"),
    "off_grid": (400, "INVALID_PRECISION", "price or size off the contract's grid"),  # (?)
    "price_bound": (400, "PRICE_TOO_DEVIATED", "order price too far from the mark price"),
    "duplicate_client_id": (400, "REPEATED_CREATION", "text used before"),  # never sent: see `orders`
    "unknown_order": (404, "ORDER_NOT_FOUND", "ORDER_NOT_FOUND"),
    "unknown_symbol": (400, "CONTRACT_NOT_FOUND", "contract not found"),
    "halted": (400, "CONTRACT_NO_COUNTER", "no counterparty"),  # (?)
    "delisted": (400, "CONTRACT_IN_DELISTING", "contract is in delisting"),
    "leverage": (400, "LEVERAGE_TOO_HIGH", "leverage too high"),
    "margin_mode": (400, "POSITION_HOLDING", "not allowed while a position or order is open"),
    "position_mode": (400, "POSITION_DUAL_MODE", "position is in dual mode"),
    "not_authenticated": (401, "INVALID_KEY", "Invalid key provided"),
    "bad_signature": (401, "INVALID_SIGNATURE", "Signature mismatch"),
    "bad_timestamp": (403, "REQUEST_EXPIRED", "gap between request Timestamp and server time exceeds 60"),
    "bad_passphrase": (401, "INVALID_KEY", "Invalid key provided"),
    "bad_request": (400, "INVALID_PARAM_VALUE", "Invalid request parameter"),
}


class GateError(Exception):
    """An error in the venue's own words."""

    def __init__(self, status: int, label: str, message: str) -> None:
        super().__init__(message)
        self.status, self.label, self.message = status, label, message

    @classmethod
    def of(cls, rejected: Rejected) -> "GateError":
        """The venue's words for the engine's reason; the engine's detail is kept where it has one."""
        status, label, message = _ERRORS[rejected.reason]
        detail = "" if rejected.message == rejected.reason else f": {rejected.message}"
        return cls(status, label, message + detail)

    @classmethod
    def invalid(cls, name: str, value: object) -> "GateError":
        """A parameter that the venue does not take."""
        return cls(400, "INVALID_PARAM_VALUE", f"Invalid request parameter `{name}` value: {value}")

    def answer(self) -> Answer:
        """The body with `label` and `message`."""
        return Answer.of({"label": self.label, "message": self.message}, self.status)


def authenticate(exchange: Exchange, request: Request) -> Account:
    """The account that signed this request; raises GateError or Rejected.

    SIGN is HMAC-SHA512 over method, path, query (not percent-encoded), SHA-512 of the body and timestamp,
    by line. The timestamp is judged before the key, so a stale request with a wrong key is "expired".
    """
    headers = {name: request.headers.get(name) for name in ("KEY", "Timestamp", "SIGN")}
    for name, value in headers.items():
        if not value:
            raise GateError(400, "MISSING_REQUIRED_HEADER", f"Missing required header: {name}")
    key, stamp, given = (str(value) for value in headers.values())
    if not stamp.isdigit():
        raise Rejected("bad_timestamp")
    exchange.check_timestamp(int(stamp) * 1000, WINDOW_MS)
    account = exchange.account_by_key(key)
    body = hashlib.sha512(request.body).hexdigest()
    signed = "\n".join((request.method.upper(), request.path, unquote(request.raw_query), body, stamp))
    expected = hmac.new(account.secret.encode(), signed.encode(), hashlib.sha512).hexdigest()
    if not hmac.compare_digest(expected.encode(), given.encode()):
        raise Rejected("bad_signature")
    return account


def whole(
    query: Mapping[str, str], name: str, default: int, *, least: int = 0, most: int | None = None
) -> int:
    """An integer parameter; raises GateError where it is none or out of bounds."""
    value = query.get(name)
    if value is None or value == "":
        return default
    try:
        number = int(value)
    except ValueError as error:
        raise GateError.invalid(name, value) from error
    if number < least or (most is not None and number > most):
        raise GateError.invalid(name, value)
    return number


def number(value: object, name: str) -> Decimal:
    """A decimal parameter from JSON text or number; raises GateError."""
    try:
        found = Decimal(str(value))
    except InvalidOperation as error:
        raise GateError.invalid(name, value) from error
    if not found.is_finite():
        raise GateError.invalid(name, value)
    return found


def client_text(value: object) -> str | None:
    """The order's `text`: `t-` and up to 28 of 0-9 A-Z a-z _ - . ; raises GateError."""
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not _TEXT.fullmatch(value):
        raise GateError.invalid("text", value)
    return value


def contracts(quantity: Decimal, instrument: Instrument) -> int:
    """Quoted base units as contracts, the part of a contract dropped (as without X-Gate-Size-Decimal)."""
    return int(quantity / instrument.contract_size)


def seconds(milliseconds: int) -> float:
    """Milliseconds as Gate's seconds with a fraction."""
    return milliseconds / 1000


def contract_name(instrument: Instrument) -> str:
    """BTC_USDT."""
    return f"{instrument.quoted}_{instrument.quote}"


def instrument_of(exchange: Exchange, contract: str | None) -> Instrument:
    """The instrument of a contract's name; raises GateError."""
    if not contract:
        raise GateError(400, "MISSING_REQUIRED_PARAM", "Missing required parameter: contract")
    for instrument in exchange.quotes.instruments():
        if contract_name(instrument) == contract:
            return instrument
    raise GateError(400, "CONTRACT_NOT_FOUND", f"contract {contract} not found")


def user_number(account: Account) -> int:
    """The account's numeric user id, always the same."""
    return int.from_bytes(hashlib.sha256(account.account_id.encode()).digest()[:3]) + 1_000_000
