"""Keys of test accounts and the check of OKX's signed requests.

What lives here: the four headers and what they must be. What does not: what an account may do.

Signature: base64(HMAC-SHA256(secret, timestamp + METHOD + path with query + body)), timestamp in ISO
8601 with milliseconds, at most 30 s away. The passphrase is a third secret, sent as it is.
"""

import base64
import hmac
from collections.abc import Mapping
from datetime import datetime

from funding_pipeline.testnet.dialects.okx.wire import OkxError
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Account, Rejected
from funding_pipeline.testnet.http import Request

_WINDOW_MS = 30_000
_HEADERS: Mapping[str, str] = {
    "OK-ACCESS-KEY": "50103",
    "OK-ACCESS-PASSPHRASE": "50104",
    "OK-ACCESS-SIGN": "50106",
    "OK-ACCESS-TIMESTAMP": "50107",
}


def authenticate(exchange: Exchange, request: Request) -> Account:
    """The account that signed the request; OkxError or Rejected, in the order in which OKX checks."""
    for name, code in _HEADERS.items():
        if not request.headers.get(name):
            raise OkxError(code, f'Request header "{name}" can\'t be empty.', 401)
    account = exchange.account_by_key(request.headers["OK-ACCESS-KEY"])
    stamp = request.headers["OK-ACCESS-TIMESTAMP"]
    exchange.check_timestamp(_milliseconds(stamp), _WINDOW_MS)
    if not _is_same(request.headers["OK-ACCESS-PASSPHRASE"], account.passphrase.encode()):
        raise Rejected("bad_passphrase")
    if not _is_same(request.headers["OK-ACCESS-SIGN"], _signature(account, request, stamp)):
        raise Rejected("bad_signature")
    return account


def new_credentials(token: bytes) -> tuple[str, str, str]:
    """Key (in the form of a UUID), secret and passphrase, each derived from `token` on its own."""
    key, secret, passphrase = (
        hmac.digest(token, label, "sha256").hex() for label in (b"key", b"secret", b"passphrase")
    )
    dashed = "-".join((key[:8], key[8:12], key[12:16], key[16:20], key[20:32]))
    return dashed, secret[:32].upper(), f"Pass!{passphrase[:16]}"


def _is_same(given: str, expected: bytes) -> bool:
    """In constant time; a header may hold bytes that are no text."""
    return hmac.compare_digest(given.encode(errors="surrogateescape"), expected)


def _signature(account: Account, request: Request, stamp: str) -> bytes:
    query = f"?{request.raw_query}" if request.raw_query else ""
    signed = f"{stamp}{request.method.upper()}{request.path}{query}".encode() + request.body
    return base64.b64encode(hmac.digest(account.secret.encode(), signed, "sha256"))


def _milliseconds(stamp: str) -> int:
    try:
        moment = datetime.fromisoformat(stamp)
        if moment.tzinfo is None:
            raise ValueError(stamp)
    except ValueError:
        raise OkxError("50112", "Invalid OK-ACCESS-TIMESTAMP", 401) from None
    return round(moment.timestamp() * 1000)
