"""The testnet's OKX: REST v5 of www.okx.com, linear swaps settled in USDT, in net mode.

What lives here: routing a request to its handler. What does not: the handlers (a module per subject),
matching and margin (`engine`).
"""

from collections.abc import Mapping

from funding_pipeline.testnet.dialects.okx.account import AccountData
from funding_pipeline.testnet.dialects.okx.algo_orders import AlgoOrders
from funding_pipeline.testnet.dialects.okx.authentication import authenticate, new_credentials
from funding_pipeline.testnet.dialects.okx.market import MarketData
from funding_pipeline.testnet.dialects.okx.public import PublicData
from funding_pipeline.testnet.dialects.okx.statements import Statements
from funding_pipeline.testnet.dialects.okx.trading import Trading
from funding_pipeline.testnet.dialects.okx.wire import OkxError, refusal
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Account, Rejected
from funding_pipeline.testnet.http import Answer, Request

_ROOT = "/api/v5/"


class OkxDialect:
    """OKX's dialect over one exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self._public = {**PublicData(exchange).routes(), **MarketData(exchange).routes()}
        self._private = {
            **AccountData(exchange).routes(),
            **Trading(exchange).routes(),
            **AlgoOrders(exchange).routes(),
            **Statements(exchange).routes(),
        }

    @property
    def hosts(self) -> tuple[str, ...]:
        """Hosts of OKX's REST interface."""
        return ("www.okx.com", "aws.okx.com")

    def answer(self, request: Request) -> Answer:
        """Answer one request. Anything unknown gets OKX's 404, a refusal its code."""
        try:
            return self._answer(request)
        except OkxError as refused:
            return refused.answer()
        except Rejected as rejected:
            return refusal(rejected).answer()

    def new_credentials(self, token: bytes) -> tuple[str, str, str]:
        """Key, secret and passphrase of a new account."""
        return new_credentials(token)

    def show_credentials(self, account: Account) -> Mapping[str, str]:
        """By ccxt's names; `password` is the passphrase."""
        return {"apiKey": account.key, "secret": account.secret, "password": account.passphrase}

    def _answer(self, request: Request) -> Answer:
        path = request.path.removeprefix(_ROOT)
        if request.method == "GET" and path in self._public:
            return self._public[path](request.query)
        handler = self._private.get((request.method, path))
        if handler is None:
            raise self._not_found(path)
        account = authenticate(self.exchange, request)
        return handler(account, request.query if request.method == "GET" else request.json())

    def _not_found(self, path: str) -> OkxError:
        known = {*self._public, *(name for _, name in self._private)}
        if path in known:
            return OkxError("50115", "Invalid request method.", 405)
        return OkxError("404", "Not Found", 404)
