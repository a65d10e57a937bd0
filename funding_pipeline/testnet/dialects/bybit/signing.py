"""Who asks: key, time stamp and HMAC signature of a v5 request.

What lives here: the check. The signed text is `timestamp + key + recv_window + payload`, the payload
being the query as sent (GET) or the body as sent (POST); the signature is HMAC-SHA256 in hexadecimal.
"""

import hashlib
import hmac

from funding_pipeline.testnet.dialects.bybit.errors import BybitRefusal
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Account, Rejected
from funding_pipeline.testnet.http import Request

_DEFAULT_WINDOW = "5000"
_HEADERS = ("X-BAPI-API-KEY", "X-BAPI-TIMESTAMP", "X-BAPI-SIGN")


def authenticate(exchange: Exchange, request: Request) -> Account:
    """The account that signed. Raises Rejected: not_authenticated, bad_timestamp or bad_signature."""
    key, stamp, signature = (request.headers.get(name, "") for name in _HEADERS)
    if not (key and stamp and signature):
        raise BybitRefusal(
            10001, "empty value: apiTimestamp[] apiKey[] apiSignature[]: openapi sign params error!"
        )
    account = exchange.account_by_key(key)
    window = request.headers.get("X-BAPI-RECV-WINDOW", _DEFAULT_WINDOW)
    if not (stamp.isdecimal() and window.isdecimal()):
        raise Rejected("bad_timestamp")
    exchange.check_timestamp(int(stamp), int(window))
    payload = request.body if request.method == "POST" else request.raw_query.encode()
    signed = (stamp + key + window).encode() + payload
    expected = hmac.new(account.secret.encode(), signed, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), signature.encode()):
        raise Rejected("bad_signature")
    return account
