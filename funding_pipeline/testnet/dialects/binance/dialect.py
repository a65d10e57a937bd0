"""Binance's futures API: which address is answered by what, and who may ask.

What lives here: the table of paths. What does not: the answers (the modules beside this one).
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from funding_pipeline.testnet.dialects.binance import (
    account,
    algo_orders,
    funding,
    listing,
    orders,
    positions,
    prices,
    security,
    statements,
    tape,
)
from funding_pipeline.testnet.dialects.binance.parameters import Parameters
from funding_pipeline.testnet.dialects.binance.refusals import RefusedError, in_venue_words, no_such_path
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Account, Rejected
from funding_pipeline.testnet.http import Answer, Request
from funding_pipeline.testnet.rendering import RenderedBars, RenderedFunding

FUTURES_HOST, WALLET_HOST = "fapi.binance.com", "api.binance.com"
Route = tuple[str, str]
Public = Callable[[Exchange, Parameters], Any]
Private = Callable[[Exchange, Account, Parameters], Any]

PUBLIC: Mapping[Route, Public] = {
    ("GET", "/fapi/v1/ping"): listing.ping,
    ("GET", "/fapi/v1/time"): listing.server_time,
    ("GET", "/fapi/v1/exchangeInfo"): listing.exchange_info,
    ("GET", "/fapi/v1/premiumIndex"): funding.premium_index,
    ("GET", "/fapi/v1/fundingInfo"): funding.funding_info,
    ("GET", "/fapi/v1/depth"): prices.depth,
    ("GET", "/fapi/v1/openInterest"): prices.open_interest,
    ("GET", "/futures/data/openInterestHist"): prices.open_interest_history,
    ("GET", "/fapi/v1/aggTrades"): tape.aggregate_trades,
    ("GET", "/fapi/v1/trades"): tape.recent_trades,
    ("GET", "/fapi/v1/ticker/24hr"): tape.day_ticker,
    ("GET", "/fapi/v1/ticker/price"): tape.price_ticker,
    ("GET", "/fapi/v2/ticker/price"): tape.price_ticker,
    ("GET", "/fapi/v1/ticker/bookTicker"): tape.book_ticker,
}
PRIVATE: Mapping[Route, Private] = {
    ("POST", "/fapi/v1/order"): orders.create,
    ("GET", "/fapi/v1/order"): orders.find,
    ("DELETE", "/fapi/v1/order"): orders.cancel,
    ("GET", "/fapi/v1/openOrder"): orders.find_open,
    ("GET", "/fapi/v1/openOrders"): orders.open_orders,
    ("GET", "/fapi/v1/allOrders"): orders.all_orders,
    ("GET", "/fapi/v1/openAlgoOrders"): algo_orders.open_algo_orders,
    ("DELETE", "/fapi/v1/allOpenOrders"): orders.cancel_all,
    ("GET", "/fapi/v2/account"): account.account_information,
    ("GET", "/fapi/v3/account"): account.account_information,
    ("GET", "/fapi/v2/positionRisk"): positions.position_risk_v2,
    ("GET", "/fapi/v3/positionRisk"): positions.position_risk,
    ("GET", "/fapi/v1/leverageBracket"): positions.leverage_brackets,
    ("POST", "/fapi/v1/leverage"): positions.set_leverage,
    ("POST", "/fapi/v1/marginType"): positions.set_margin_type,
    ("GET", "/fapi/v1/positionSide/dual"): account.position_mode,
    ("POST", "/fapi/v1/positionSide/dual"): account.set_position_mode,
    ("GET", "/fapi/v1/symbolConfig"): positions.symbol_config,
    ("GET", "/fapi/v1/commissionRate"): account.commission_rate,
    ("GET", "/fapi/v1/accountConfig"): account.account_config,
    ("GET", "/fapi/v1/adlQuantile"): positions.adl_quantile,
    ("GET", "/fapi/v1/userTrades"): statements.user_trades,
    ("GET", "/fapi/v1/income"): statements.income,
}
WALLET: Mapping[Route, Private] = {
    ("GET", "/sapi/v1/account/apiRestrictions"): account.api_restrictions,
    ("GET", "/sapi/v1/capital/config/getall"): account.nothing_listed,
    ("GET", "/sapi/v1/margin/allPairs"): account.nothing_listed,
}


class BinanceDialect:
    """`fapi.binance.com`, and of `api.binance.com` only what tells a key's permissions."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        bars = RenderedBars(exchange.quotes, prices.candle_row)
        settled = RenderedFunding(exchange.quotes, funding.funding_row)
        self._rendered: Mapping[Route, Callable[[Parameters], bytes]] = {
            ("GET", "/fapi/v1/klines"): partial(self._candles, bars, "trade"),
            ("GET", "/fapi/v1/markPriceKlines"): partial(self._candles, bars, "mark"),
            ("GET", "/fapi/v1/indexPriceKlines"): partial(self._candles, bars, "index"),
            ("GET", "/fapi/v1/fundingRate"): partial(funding.funding_rates, exchange, settled),
        }

    @property
    def hosts(self) -> tuple[str, ...]:
        """The futures API and the host of the wallet API."""
        return FUTURES_HOST, WALLET_HOST

    def answer(self, request: Request) -> Answer:
        """Answer one request; every refusal is in the venue's words."""
        try:
            return self._answer(request)
        except RefusedError as refused:
            return refused.answer()
        except Rejected as rejected:
            return in_venue_words(rejected).answer()

    def new_credentials(self, token: bytes) -> tuple[str, str, str]:
        """Key and secret of 64 characters; Binance has no passphrase."""
        return security.new_credentials(token)

    def show_credentials(self, account: Account) -> Mapping[str, str]:
        """`apiKey` and `secret`."""
        return security.shown(account)

    def _answer(self, request: Request) -> Answer:
        route = (request.method, request.path)
        on_wallet = request.host.split(":")[0].lower() == WALLET_HOST
        if not on_wallet and route in self._rendered:
            return Answer(200, self._rendered[route](security.sent(request)))
        if not on_wallet and route in PUBLIC:
            return Answer.of(PUBLIC[route](self.exchange, security.sent(request)))
        private = (WALLET if on_wallet else PRIVATE).get(route)
        if private is None:
            return no_such_path(request.path, request.method)
        sender, parameters = security.authenticate(self.exchange, request)
        return Answer.of(private(self.exchange, sender, parameters))

    def _candles(self, bars: RenderedBars, kind: Any, parameters: Parameters) -> bytes:
        return prices.candles(self.exchange, bars, parameters, kind)
