"""Hyperliquid as a dialect: two paths, the checks on signed actions, refusals in the venue's words.

What lives here: routing, nonces, and the record of what a client tried to spend. What does not: the
answers themselves (`public_info`, `account_info`, `actions`).

Money actions. ccxt approves a fee for its own builder, signs up for its own referral code and attaches
the builder to every order unless it is stopped. The venue would take the money; the testnet accepts
these actions and writes them down in `spent`, so that a test can say that there are none.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from funding_pipeline.testnet.dialects.hyperliquid.account_info import AccountInfo
from funding_pipeline.testnet.dialects.hyperliquid.actions import Actions, RefusedError
from funding_pipeline.testnet.dialects.hyperliquid.public_info import PublicInfo
from funding_pipeline.testnet.dialects.hyperliquid.signing import (
    address_of,
    l1_signer,
    new_private_key,
    user_signer,
)
from funding_pipeline.testnet.dialects.hyperliquid.spelling import BadBodyError, Json
from funding_pipeline.testnet.dialects.hyperliquid.universe import (
    Universe,
    optional_whole,
    record,
    text,
    whole,
)
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Account, Rejected
from funding_pipeline.testnet.http import Answer, Request

DAY_MS = 86_400_000
KEPT_NONCES = 100
BUILDER_FEE_FIELDS = (
    ("hyperliquidChain", "string"),
    ("maxFeeRate", "string"),
    ("builder", "address"),
    ("nonce", "uint64"),
)
_PLAIN = {"Content-Type": "text/plain; charset=utf-8"}
_NOT_UNDERSTOOD = Answer(422, b"Failed to deserialize the JSON body into the target type", _PLAIN)


class HyperliquidDialect:
    """Answers POST /info and POST /exchange of api.hyperliquid.xyz.

    `spent`: every approveBuilderFee and setReferrer action, and every builder attached to an order.
    """

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.spent: list[Json] = []
        universe = Universe(exchange)
        self._public = PublicInfo(exchange, universe)
        self._accounts = AccountInfo(exchange, universe, self._public)
        self._actions = Actions(exchange, universe)

    @property
    def hosts(self) -> tuple[str, ...]:
        """The main network's API; its test network signs with another source and is not served."""
        return ("api.hyperliquid.xyz",)

    def new_credentials(self, token: bytes) -> tuple[str, str, str]:
        """The wallet's address, its private key, and no passphrase."""
        private_key = new_private_key(token)
        return address_of(private_key), private_key, ""

    def show_credentials(self, account: Account) -> Mapping[str, str]:
        """The account is the wallet itself; agents (API wallets) are not simulated."""
        return {"walletAddress": account.key, "privateKey": account.secret}

    def answer(self, request: Request) -> Answer:
        """404 for another path, 405 for a GET, 400 and 422 in plain text for a body that is none."""
        if request.path not in ("/info", "/exchange"):
            return Answer(404, b"", _PLAIN)
        if request.method != "POST":
            return Answer(405, b"", {**_PLAIN, "Allow": "POST"})
        try:
            body = request.json()
        except Rejected:
            return Answer(400, b"Failed to parse the request body as JSON", _PLAIN)
        if not isinstance(body, dict):
            return _NOT_UNDERSTOOD
        try:
            return self._info(body) if request.path == "/info" else self._exchange(body)
        except BadBodyError:
            return _NOT_UNDERSTOOD

    # --- /info
    def _info(self, body: Json) -> Answer:
        kind = text(body, "type")
        try:
            if kind in self._public.requests:
                return Answer(200, self._public.requests[kind](body))
            if kind in self._accounts.requests:
                return Answer.of(self._accounts.requests[kind](body))
        except Rejected:  # an unknown coin: the book is null, the rest is an error with the body null
            return Answer(200 if kind == "l2Book" else 500, b"null")
        raise BadBodyError(kind)

    # --- /exchange
    def _exchange(self, body: Json) -> Answer:
        action, nonce, signature = record(body, "action"), whole(body, "nonce"), record(body, "signature")
        try:
            account = self._authenticated(body, action, nonce, signature)
            response = self._performed(account, action)
        except RefusedError as error:
            return _refused(str(error))
        except Rejected as error:
            return _refused(error.message)
        return Answer.of({"status": "ok", "response": response})

    def _authenticated(self, body: Json, action: Json, nonce: int, signature: Json) -> Account:
        wallet = self._signer(body, action, nonce, signature)
        try:
            account = self.exchange.account_by_key(wallet)
        except Rejected as error:
            raise RefusedError(f"User or API Wallet {wallet} does not exist.") from error
        if body.get("vaultAddress") is not None:
            raise RefusedError(f"Vault not registered: {body['vaultAddress']}")
        self._use_nonce(account, nonce)
        if optional_whole(body, "expiresAfter", nonce) < nonce:
            # Measured on the client's own clock, which may run years apart from the market's.
            raise RefusedError("Action already expired")
        return account

    def _signer(self, body: Json, action: Json, nonce: int, signature: Json) -> str:
        if action.get("type") == "approveBuilderFee":
            return user_signer(action, "ApproveBuilderFee", BUILDER_FEE_FIELDS, signature)
        expires = None if body.get("expiresAfter") is None else whole(body, "expiresAfter")
        return l1_signer(
            action, nonce=nonce, signature=signature, vault=body.get("vaultAddress"), expires_after=expires
        )

    def _use_nonce(self, account: Account, nonce: int) -> None:
        """Unused, above the lowest of the hundred highest, and from two days ago to a day ahead."""
        if nonce in account.nonces:
            raise RefusedError(f"Invalid nonce: duplicate nonce {nonce}")
        if len(account.nonces) >= KEPT_NONCES and nonce < min(account.nonces):
            raise RefusedError(f"Invalid nonce: nonce too low {nonce} < {min(account.nonces)}")
        try:
            # The window (T - 2 days, T + 1 day) is 36 hours on either side of a moment 12 hours before T.
            self.exchange.check_timestamp(nonce + DAY_MS // 2, DAY_MS * 3 // 2)
        except Rejected as error:
            now = self.exchange.now()
            bound = (
                f"too low {nonce} < {now - 2 * DAY_MS}"
                if nonce < now
                else f"too high {nonce} > {now + DAY_MS}"
            )
            raise RefusedError(f"Invalid nonce: nonce {bound}") from error
        account.nonces.add(nonce)
        account.last_nonce = max(account.last_nonce, nonce)
        if len(account.nonces) > KEPT_NONCES:
            account.nonces.discard(min(account.nonces))

    def _performed(self, account: Account, action: Json) -> Any:
        kind = text(action, "type")
        if kind in ("approveBuilderFee", "setReferrer"):
            self.spent.append(action)
            return {"type": "default"}
        if kind not in self._actions.performers:
            raise BadBodyError(kind)
        if action.get("builder") is not None:
            self.spent.append({"type": "builder", **record(action, "builder")})
        return self._actions.performers[kind](account, action)


def _refused(message: str) -> Answer:
    return Answer(200, orjson.dumps({"status": "err", "response": message}))
