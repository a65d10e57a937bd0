"""Bybit's v5 REST dialect: linear perpetuals of a unified trading account, one-way mode.

What lives here: which path is answered by whom, and the envelope around every answer. What does not:
the answers themselves (`public`, `orders`, `account`, `statements`), signatures (`signing`), and what
anything means for money (the engine).
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar

from funding_pipeline.testnet.dialects.bybit import account, orders, public, statements
from funding_pipeline.testnet.dialects.bybit.errors import code_and_message
from funding_pipeline.testnet.dialects.bybit.history import History
from funding_pipeline.testnet.dialects.bybit.signing import authenticate
from funding_pipeline.testnet.dialects.bybit.texts import Params
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Account, Rejected
from funding_pipeline.testnet.http import Answer, Request

__all__ = ["BybitDialect"]

_Public = Callable[[Exchange, Params], Any]
_PUBLIC: Mapping[str, _Public] = {
    "/v5/market/time": public.server_time,
    "/v5/market/instruments-info": public.instruments_info,
    "/v5/market/tickers": public.tickers,
    "/v5/market/orderbook": public.order_book,
    "/v5/market/recent-trade": public.recent_trades,
    "/v5/market/open-interest": public.open_interest,
    "/v5/market/risk-limit": public.risk_limits,
}
_Private = Callable[[Exchange, Account, Params], Any]
_PRIVATE: Mapping[tuple[str, str], _Private] = {
    ("GET", "/v5/user/query-api"): account.key_information,
    ("GET", "/v5/account/info"): account.account_information,
    ("GET", "/v5/account/wallet-balance"): account.wallet_balance,
    ("GET", "/v5/account/fee-rate"): account.fee_rates,
    ("POST", "/v5/account/set-margin-mode"): account.set_margin_mode,
    ("GET", "/v5/asset/coin/query-info"): account.coins,
    ("GET", "/v5/position/list"): account.positions,
    ("POST", "/v5/position/set-leverage"): account.set_leverage,
    ("POST", "/v5/position/switch-mode"): account.switch_position_mode,
    ("POST", "/v5/order/create"): orders.create,
    ("POST", "/v5/order/cancel"): orders.cancel,
    ("POST", "/v5/order/cancel-all"): orders.cancel_all,
    ("GET", "/v5/order/realtime"): orders.realtime,
    ("GET", "/v5/order/history"): orders.history,
    ("GET", "/v5/execution/list"): statements.executions,
    ("GET", "/v5/account/transaction-log"): statements.transaction_log,
}
_KEY_LENGTH, _SECRET_LENGTH = 9, 18  # bytes of the token; in hexadecimal as long as Bybit's own


class BybitDialect:
    """Answers for api.bybit.com. Errors come with status 200 and a `retCode`, as on the venue."""

    hosts: ClassVar[tuple[str, ...]] = ("api.bybit.com", "api.bytick.com")

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        past = History(exchange)
        self._public: Mapping[str, _Public] = {
            **_PUBLIC,
            "/v5/market/funding/history": past.funding,
            "/v5/market/kline": partial(past.klines, kind="trade"),
            "/v5/market/mark-price-kline": partial(past.klines, kind="mark"),
            "/v5/market/index-price-kline": partial(past.klines, kind="index"),
        }

    def answer(self, request: Request) -> Answer:
        """The venue's answer: the result in its envelope, or `retCode` and `retMsg` of a refusal."""
        try:
            found, result = self._result(request)
        except Rejected as rejected:
            code, message = code_and_message(rejected)
            return self._envelope({}, code=code, message=message)
        if not found:
            return self._envelope({}, code=10017, message="Route not found.", status=404)
        return self._envelope(result)

    def rate_limited(self) -> Answer:
        """What the venue says to too many requests: a refusal inside a 200."""
        return self._envelope({}, code=10006, message="Too many visits. Exceeded the API Rate Limit.")

    def new_credentials(self, token: bytes) -> tuple[str, str, str]:
        """Key of 18 and secret of 36 hexadecimal digits; Bybit has no passphrase."""
        return token[:_KEY_LENGTH].hex(), token[-_SECRET_LENGTH:].hex(), ""

    def show_credentials(self, account: Account) -> Mapping[str, str]:
        """By ccxt's names."""
        return {"apiKey": account.key, "secret": account.secret}

    def _result(self, request: Request) -> tuple[bool, Any]:
        ask = self._public.get(request.path) if request.method == "GET" else None
        if ask is not None:
            return True, ask(self.exchange, request.query)
        private = _PRIVATE.get((request.method, request.path))
        if private is None:
            return False, None
        holder = authenticate(self.exchange, request)
        params = request.json() if request.method == "POST" else request.query
        if not isinstance(params, Mapping):
            raise Rejected("bad_request", "params error: body is not an object")
        return True, private(self.exchange, holder, params)

    def _envelope(self, result: Any, *, code: int = 0, message: str = "OK", status: int = 200) -> Answer:
        body = {
            "retCode": code,
            "retMsg": message,
            "result": result,
            "retExtInfo": {},
            "time": self.exchange.now(),
        }
        return Answer.of(body, status)
