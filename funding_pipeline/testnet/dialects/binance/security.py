"""Who sent a request: the API key in a header, and an HMAC over everything that was sent.

What lives here: key, signature and time stamp. What does not: what an account may do.

The signature is the hexadecimal HMAC-SHA256, by the secret, of the query string and the body as sent,
without `signature`, which comes last.
"""

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import parse_qsl

from funding_pipeline.testnet.dialects.binance.parameters import Parameters, whole
from funding_pipeline.testnet.dialects.binance.refusals import RefusedError, missing
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Account, Rejected
from funding_pipeline.testnet.http import Request

DEFAULT_WINDOW_MS = 5_000
LONGEST_WINDOW_MS = 60_000


def authenticate(exchange: Exchange, request: Request) -> tuple[Account, Parameters]:
    """The sender's account and all parameters, of query and body.

    Raises RefusedError (-2014 no key, -1102 no time stamp, -1131 window) and Rejected (-2015 unknown key,
    -1022 signature, -1021 time).
    """
    key = header(request, "X-MBX-APIKEY")
    if not key:
        raise RefusedError(-2014, "API-key format invalid.", status=401)
    account = exchange.account_by_key(key)
    parameters = sent(request)
    check_signature(request, account.secret)
    stamp = whole(parameters, "timestamp")
    if stamp is None:
        raise missing("timestamp")
    exchange.check_timestamp(stamp, _window(parameters))
    return account, parameters


def header(request: Request, name: str) -> str:
    """A header's value whatever its case; empty where there is none."""
    return next((value for key, value in request.headers.items() if key.lower() == name.lower()), "")


def sent(request: Request) -> Parameters:
    """Parameters of the query string and of a form in the body."""
    body = request.body.decode("utf-8", "replace")
    return {**dict(parse_qsl(body, keep_blank_values=True)), **request.query}


def check_signature(request: Request, secret: str) -> None:
    """Raises RefusedError(-1102) without a signature and Rejected("bad_signature") for a wrong one."""
    whole_text = request.raw_query + request.body.decode("utf-8", "replace")
    signed, found, signature = whole_text.rpartition("signature=")
    if not found:
        raise missing("signature")
    expected = hmac.new(secret.encode(), signed.removesuffix("&").encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), signature.encode()):
        raise Rejected("bad_signature")


def new_credentials(token: bytes) -> tuple[str, str, str]:
    """Key and secret of 64 characters, as the venue's; no passphrase. The key does not tell the secret."""
    key = hmac.new(token, b"binance key", hashlib.sha256).hexdigest()
    secret = hmac.new(token, b"binance secret", hashlib.sha256).hexdigest()
    return key, secret, ""


def shown(account: Account) -> Mapping[str, str]:
    """The credentials by ccxt's names."""
    return {"apiKey": account.key, "secret": account.secret}


def _window(parameters: Parameters) -> int:
    asked = whole(parameters, "recvWindow")
    if asked is None:
        return DEFAULT_WINDOW_MS
    if not 0 < asked <= LONGEST_WINDOW_MS:
        raise RefusedError(-1131, f"recvWindow must be less than {LONGEST_WINDOW_MS}")
    return asked
