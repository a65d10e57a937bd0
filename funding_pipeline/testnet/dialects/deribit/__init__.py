"""Deribit's dialect of the local testnet: public JSON-RPC over HTTP GET, linear USDC perpetuals.

What lives here: the table of methods and the envelope. What does not: the methods (`present`, `history`),
private calls (there are none, an account cannot be made here), and inverse perpetuals (the engine's
instruments are linear).
"""

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from funding_pipeline.testnet.dialects.deribit.history import HistoryMethods
from funding_pipeline.testnet.dialects.deribit.present import PresentMethods
from funding_pipeline.testnet.dialects.deribit.wire import Query, RpcError
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Account, Rejected
from funding_pipeline.testnet.http import Answer, Request

PREFIX = "/api/v2/public/"


class DeribitDialect:
    """Deribit's public methods over one Exchange; pure and synchronous."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        present, self._history = PresentMethods(exchange), HistoryMethods(exchange)
        self._methods: Mapping[str, Callable[[Query], Any]] = {
            "get_time": lambda query: exchange.now(),
            "get_currencies": present.currencies,
            "get_instruments": present.instruments,
            "ticker": present.ticker,
            "get_book_summary_by_instrument": present.summary,
            "get_book_summary_by_currency": present.summaries,
            "get_order_book": present.order_book,
            "get_last_trades_by_instrument": self._history.trades,
            "get_last_trades_by_instrument_and_time": self._history.trades,
            "get_tradingview_chart_data": self._history.chart,
            "get_funding_rate_value": self._history.funding_value,
        }

    @property
    def hosts(self) -> tuple[str, ...]:
        """Host names of the real exchange."""
        return ("www.deribit.com",)

    def answer(self, request: Request) -> Answer:
        """Answer one request: `result` or `error` in the venue's envelope."""
        try:
            return self._dispatch(request)
        except RpcError as error:
            return Answer.of({**self._envelope(), "error": error.body}, error.status)
        except Rejected as rejected:
            return Answer.of({**self._envelope(), "error": RpcError.invalid(rejected.message).body}, 400)

    def new_credentials(self, token: bytes) -> NoReturn:
        """Raises Rejected: only public data of this venue are served."""
        raise Rejected("bad_request", "deribit: no accounts, only public data are served")

    def show_credentials(self, account: Account) -> Mapping[str, str]:
        """Nothing: there are no accounts."""
        return {}

    def _dispatch(self, request: Request) -> Answer:
        if request.path.startswith("/api/v2/private/"):
            raise RpcError(13009, "unauthorized", status=401)
        name = request.path.removeprefix(PREFIX)
        if name == "get_funding_rate_history":
            return self._rows(self._history.funding_history(request.query))
        if not request.path.startswith(PREFIX) or name not in self._methods:
            raise RpcError(-32601, "Method not found")
        return Answer.of({**self._envelope(), "result": self._methods[name](request.query)})

    def _envelope(self) -> dict[str, Any]:
        stamp = self.exchange.now() * 1000
        return {"jsonrpc": "2.0", "usIn": stamp, "usOut": stamp, "usDiff": 0, "testnet": False}

    def _rows(self, rows: bytes) -> Answer:
        """An answer around rows that are JSON text already."""
        envelope = Answer.of(self._envelope()).body
        return Answer(200, envelope[:-1] + b',"result":' + rows + b"}")
