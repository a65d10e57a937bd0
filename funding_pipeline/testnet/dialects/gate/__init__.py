"""Gate's dialect of the local testnet: `/api/v4`, USDT perpetuals, classic account.

What lives here: the table of endpoints and the credentials. What does not: what an endpoint answers
(`market_data`, `contracts`, `orders`, `account`), or how Gate spells things (`wire`).

Not as on the real venue: sizes are integers whether or not `X-Gate-Size-Decimal` is sent (no contract has
decimal sizes here), fill-or-kill and trigger orders, hedge mode and other products are refused. The fault API
makes trigger orders, hedge mode and a unified account.
"""

from collections.abc import Callable, Mapping

from funding_pipeline.testnet.dialects.gate.account import AccountEndpoints
from funding_pipeline.testnet.dialects.gate.contracts import ContractEndpoints
from funding_pipeline.testnet.dialects.gate.market_data import MarketEndpoints
from funding_pipeline.testnet.dialects.gate.orders import OrderEndpoints
from funding_pipeline.testnet.dialects.gate.price_orders import PriceOrderEndpoints
from funding_pipeline.testnet.dialects.gate.wire import GateError, authenticate
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Account, Rejected
from funding_pipeline.testnet.http import Answer, Request

PREFIX = "/api/v4/"
Public = Callable[[Request, str], Answer]
Private = Callable[[Account, Request, str], Answer]
_NAMED = "{}"
"""Stands for a contract or an order in a path."""


class GateDialect:
    """Gate's REST endpoints over one Exchange; pure and synchronous."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self._public = _public_routes(MarketEndpoints(exchange), ContractEndpoints(exchange))
        self._private = {
            **_private_routes(OrderEndpoints(exchange), AccountEndpoints(exchange)),
            ("GET", "futures/usdt/price_orders"): PriceOrderEndpoints(exchange).by_status,
        }

    @property
    def hosts(self) -> tuple[str, ...]:
        """Host names of the real exchange."""
        return ("api.gateio.ws",)

    def answer(self, request: Request) -> Answer:
        """Answer one request; errors are `{"label", "message"}` with the venue's HTTP status."""
        try:
            return self._dispatch(request)
        except Rejected as rejected:
            return GateError.of(rejected).answer()
        except GateError as error:
            return error.answer()

    def new_credentials(self, token: bytes) -> tuple[str, str, str]:
        """A key of 32 hex digits and a secret of 64, as Gate's; no passphrase."""
        return token[:16].hex(), (token[16:] + token[:16]).hex(), ""

    def show_credentials(self, account: Account) -> Mapping[str, str]:
        """By ccxt's names."""
        return {"apiKey": account.key, "secret": account.secret}

    def _dispatch(self, request: Request) -> Answer:
        if not request.path.startswith(PREFIX):
            raise _not_found()
        path = request.path.removeprefix(PREFIX)
        for template, name in _readings(path):
            route = (request.method.upper(), template)
            if route in self._public:
                return self._public[route](request, name)
            if route in self._private:
                return self._private[route](authenticate(self.exchange, request), request, name)
        raise _not_found()


def _readings(path: str) -> list[tuple[str, str]]:
    """A path as it stands, and with its fourth segment as a name: futures/usdt/orders/{}."""
    parts = path.rstrip("/").split("/")
    as_it_is = [("/".join(parts), "")]
    if len(parts) < 4:
        return as_it_is
    return [*as_it_is, ("/".join([*parts[:3], _NAMED, *parts[4:]]), parts[3])]


def _public_routes(market: MarketEndpoints, contracts: ContractEndpoints) -> dict[tuple[str, str], Public]:
    nothing: Public = lambda request, name: Answer.of([])  # noqa: E731
    return {
        ("GET", "spot/time"): market.time,
        ("GET", "futures/usdt/contracts"): contracts.contracts,
        ("GET", "futures/usdt/contracts/{}"): contracts.contract,
        ("GET", "futures/usdt/tickers"): contracts.tickers,
        ("GET", "futures/usdt/funding_rate"): market.funding_rate,
        ("GET", "futures/usdt/candlesticks"): market.candlesticks,
        ("GET", "futures/usdt/order_book"): market.order_book,
        ("GET", "futures/usdt/trades"): market.trades,
        ("GET", "futures/usdt/contract_stats"): contracts.contract_stats,
        ("GET", "futures/usdt/risk_limit_tiers"): contracts.risk_limit_tiers,
        # What an unmodified ccxt client asks while it loads markets; the testnet lists none of these.
        ("GET", "futures/btc/contracts"): nothing,
        ("GET", "delivery/usdt/contracts"): nothing,
        ("GET", "options/underlyings"): nothing,
        ("GET", "margin/currency_pairs"): nothing,
        ("GET", "spot/currency_pairs"): nothing,
        ("GET", "spot/currencies"): nothing,
    }


def _private_routes(orders: OrderEndpoints, account: AccountEndpoints) -> dict[tuple[str, str], Private]:
    return {
        ("POST", "futures/usdt/orders"): orders.create,
        ("GET", "futures/usdt/orders"): orders.by_status,
        ("DELETE", "futures/usdt/orders"): orders.cancel_all,
        ("GET", "futures/usdt/orders_timerange"): orders.by_time,
        ("GET", "futures/usdt/orders/{}"): orders.single,
        ("DELETE", "futures/usdt/orders/{}"): orders.cancel,
        ("GET", "futures/usdt/my_trades"): orders.fills,
        ("GET", "futures/usdt/my_trades_timerange"): orders.fills,
        ("GET", "futures/usdt/accounts"): account.balance,
        ("GET", "futures/usdt/account_book"): account.book,
        ("GET", "unified/accounts"): account.unified,
        ("GET", "futures/usdt/positions"): account.positions,
        ("GET", "futures/usdt/positions/{}"): account.position,
        ("POST", "futures/usdt/positions/{}/leverage"): account.leverage,
        ("POST", "futures/usdt/dual_mode"): account.dual_mode,
        ("GET", "futures/usdt/fee"): account.contract_fees,
        ("GET", "wallet/fee"): account.fees,
        ("GET", "account/detail"): account.detail,
        ("GET", "account/main_keys"): account.main_keys,
    }


def _not_found() -> GateError:
    return GateError(404, "NOT_FOUND", "Request API not found")


__all__ = ["GateDialect"]
