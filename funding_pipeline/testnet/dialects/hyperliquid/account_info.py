"""What POST /info tells about a user: collateral, positions, orders, fills, payments, fees.

What lives here: requests that name a `user`. What does not: anything signed. On this venue an account
is public: whoever knows the address may read all of it, so nothing is checked here; an address that
has no account is an empty one.

Limits as on the venue: 2,000 fills, 2,000 orders and 500 payments a page; pages from a start are
ascending, those without one newest first.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from funding_pipeline.testnet.dialects.hyperliquid.public_info import PublicInfo
from funding_pipeline.testnet.dialects.hyperliquid.spelling import (
    NO_HASH,
    SETTLEMENT_LAG_MS,
    BadBodyError,
    Json,
    conditional_json,
    fill_json,
    number,
    order_json,
    order_with_status,
    payment_json,
    usd,
)
from funding_pipeline.testnet.dialects.hyperliquid.universe import (
    Universe,
    address,
    optional_whole,
    text,
    whole,
)
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Account, Order, Position, Rejected

FILLS_PAGE = 2000
ORDERS_PAGE = 2000
PAYMENTS_PAGE = 500
ZERO = Decimal(0)


class AccountInfo:
    """Answers to requests about a user, as JSON values."""

    def __init__(self, exchange: Exchange, universe: Universe, public: PublicInfo) -> None:
        self._exchange, self._universe, self._public = exchange, universe, public
        self.requests: Mapping[str, Callable[[Json], Any]] = {
            "clearinghouseState": self._state,
            "activeAssetData": self._active_asset,
            "spotClearinghouseState": self._spot_state,
            "frontendOpenOrders": self._open_orders,
            "openOrders": lambda body: [_short(order) for order in self._open_orders(body)],
            "historicalOrders": self._orders,
            "orderStatus": self._order_status,
            "userFills": self._last_fills,
            "userFillsByTime": self._fills_by_time,
            "userFunding": self._payments,
            "userFees": self._fees,
            "userNonFundingLedgerUpdates": self._ledger,
            "userAbstraction": lambda body: "unifiedAccount" if self._is_unified(body) else "disabled",
            "userRole": lambda body: {"role": "missing" if self._account(body) is None else "user"},
            "extraAgents": lambda body: [],
        }

    def _account(self, body: Json) -> Account | None:
        try:
            return self._exchange.account_by_key(address(body))
        except Rejected:
            return None

    # --- collateral and positions
    def _is_unified(self, body: Json) -> bool:
        account = self._account(body)
        return account is not None and account.is_unified

    def _spot_state(self, body: Json) -> Json:
        """Empty, but for a unified account: its USDC without open profit, of which margins are on hold."""
        account, exchange = self._account(body), self._exchange
        if account is None or not account.is_unified:
            return {"balances": []}
        total = account.wallet
        held = max(total - exchange.available(account), ZERO)
        usdc = {"coin": "USDC", "token": 0, "total": usd(total), "hold": usd(held), "entryNtl": "0.0"}
        return {"balances": [usdc]}

    def _state(self, body: Json) -> Json:
        account, exchange = self._account(body), self._exchange
        positions = [] if account is None or body.get("dex") else list(exchange.positions(account))
        summary = self._summary(account, positions)
        return {
            "marginSummary": summary,
            "crossMarginSummary": summary,
            "crossMaintenanceMarginUsed": usd(
                ZERO if account is None else exchange.maintenance_margin(account)
            ),
            "withdrawable": usd(
                ZERO if account is None or account.is_unified else exchange.available(account)
            ),
            "assetPositions": [
                {"type": "oneWay", "position": self._position(account, position)}
                for position in positions
                if account is not None
            ],
            "time": exchange.now(),
        }

    def _summary(self, account: Account | None, positions: list[Position]) -> Json:
        if account is None:
            return dict.fromkeys(("accountValue", "totalNtlPos", "totalRawUsd", "totalMarginUsed"), "0.0")
        marks = [(position.quantity, self._mark(position.symbol)) for position in positions]
        equity = ZERO if account.is_unified else self._exchange.equity(account)
        return {
            "accountValue": usd(equity),
            "totalNtlPos": usd(sum((abs(quantity) * mark for quantity, mark in marks), ZERO)),
            "totalRawUsd": usd(equity - sum((quantity * mark for quantity, mark in marks), ZERO)),
            "totalMarginUsed": usd(self._exchange.initial_margin(account)),
        }

    def _position(self, account: Account, position: Position) -> Json:
        exchange, symbol = self._exchange, position.symbol
        margin = exchange.initial_margin(account, symbol)
        unrealised = exchange.unrealised(account, symbol)
        liquidation = exchange.liquidation_price(account, symbol)
        return {
            "coin": self._universe.coin(symbol),
            "szi": number(position.quantity),
            "leverage": self._leverage(position),
            "entryPx": number(position.entry, 8),
            "positionValue": usd(exchange.notional(account, symbol)),
            "unrealizedPnl": usd(unrealised),
            "returnOnEquity": number(unrealised / margin if margin else ZERO),
            "liquidationPx": None if liquidation is None else number(liquidation),
            "marginUsed": usd(margin),
            "maxLeverage": exchange.instrument(symbol).tiers[0].max_leverage,
            "cumFunding": self._funding(account, position),
        }

    def _leverage(self, position: Position) -> Json:
        leverage: Json = {"type": position.margin_mode, "value": position.leverage}
        if position.margin_mode == "isolated":
            leverage["rawUsd"] = usd(position.isolated_margin - position.quantity * position.entry)
        return leverage

    def _active_asset(self, body: Json) -> Json:
        """Leverage and mode that are set for a coin, and what could be traded with them."""
        item, account = self._universe.of_coin(text(body, "coin")), self._account(body)
        if account is None:
            raise Rejected("not_authenticated")
        position, mark = self._exchange.position(account, item.symbol), self._mark(item.symbol)
        room = self._exchange.available(account) * position.leverage
        return {
            "user": address(body),
            "coin": item.quoted,
            "leverage": self._leverage(position),
            "maxTradeSzs": [number(room / mark // item.step * item.step)] * 2,
            "availableToTrade": [usd(room)] * 2,
            "markPx": number(mark),
        }

    def _funding(self, account: Account, position: Position) -> Json:
        """Positive: paid. The venue turns the sign of `userFunding` round here."""

        def paid(since: int) -> str:
            payments = self._exchange.payments(account, symbol=position.symbol, start=since)
            return usd(-sum((payment.amount for payment in payments), ZERO))

        return {
            "allTime": paid(0),
            "sinceOpen": paid(position.opened),
            "sinceChange": paid(position.updated),
        }

    def _mark(self, symbol: str) -> Decimal:
        return self._exchange.quotes.mark(symbol, self._exchange.now())

    # --- orders
    def _order(self, order: Order) -> Json:
        return order_json(order, self._universe.coin(order.ticket.symbol))

    def _open_orders(self, body: Json) -> list[Json]:
        """Newest first; orders that wait for a trigger are among them."""
        account = self._account(body)
        if account is None or body.get("dex"):
            return []
        resting = [self._order(order) for order in self._exchange.orders(account, is_open=True)]
        waiting = [
            conditional_json(order, self._universe.coin(order.ticket.symbol))
            for order in account.conditional.values()
        ]
        return sorted(resting + waiting, key=lambda order: -int(order["oid"]))

    def _orders(self, body: Json) -> list[Json]:
        account = self._account(body)
        found = [] if account is None else self._exchange.orders(account)
        newest = list(reversed(found))[:ORDERS_PAGE]
        return [order_with_status(order, self._universe.coin(order.ticket.symbol)) for order in newest]

    def _order_status(self, body: Json) -> Json:
        """By order id or by cloid; what is not found is not an HTTP error here."""
        account, wanted = self._account(body), body.get("oid")
        if isinstance(wanted, bool) or not isinstance(wanted, int | str):
            raise BadBodyError("oid")
        try:
            if account is None:
                raise Rejected("unknown_order")
            order = (
                self._exchange.find_order(account, client_id=wanted.lower())
                if isinstance(wanted, str)
                else self._exchange.find_order(account, order_id=wanted)
            )
        except Rejected:
            return {"status": "unknownOid"}
        return {
            "status": "order",
            "order": order_with_status(order, self._universe.coin(order.ticket.symbol)),
        }

    # --- statements
    def _last_fills(self, body: Json) -> list[Json]:
        return self._fills(body, 0, None)[::-1][:FILLS_PAGE]

    def _fills_by_time(self, body: Json) -> list[Json]:
        end = optional_whole(body, "endTime", self._exchange.now())
        return self._fills(body, whole(body, "startTime"), end)[:FILLS_PAGE]

    def _fills(self, body: Json, start: int, end: int | None) -> list[Json]:
        account = self._account(body)
        found = [] if account is None else self._exchange.fills(account, start=start, end=end)
        return [fill_json(fill, self._universe.coin(fill.symbol), address(body)) for fill in found]

    def _payments(self, body: Json) -> list[Json]:
        """`startTime` must be there, as on the venue."""
        account = self._account(body)
        start = max(whole(body, "startTime") - SETTLEMENT_LAG_MS, 0)
        end = optional_whole(body, "endTime", self._exchange.now())
        found = [] if account is None else self._exchange.payments(account, start=start, end=end)
        return [payment_json(item, self._universe.coin(item.symbol)) for item in found[:PAYMENTS_PAGE]]

    def _ledger(self, body: Json) -> list[Json]:
        """Deposits: profit, fees and funding are no "non-funding ledger updates"."""
        account = self._account(body)
        start = optional_whole(body, "startTime", 0)
        end = optional_whole(body, "endTime", self._exchange.now())
        entries = [] if account is None else self._exchange.ledger(account, start=start, end=end)
        return [
            {"time": entry.time, "hash": NO_HASH, "delta": {"type": "deposit", "usdc": usd(entry.amount)}}
            for entry in entries
            if entry.kind == "deposit"
        ]

    def _fees(self, body: Json) -> Json:
        address(body)
        terms = self._universe.instruments[0]
        taker, maker = number(terms.taker_fee), number(terms.maker_fee)
        today = datetime.fromtimestamp(self._exchange.now() / 1000, UTC).date().isoformat()
        traded = number(self._public.day_volume_usd())
        return {
            "dailyUserVlm": [{"date": today, "userCross": "0.0", "userAdd": "0.0", "exchange": traded}],
            "feeSchedule": {
                "cross": taker,
                "add": maker,
                "tiers": {
                    "vip": [{"ntlCutoff": "5000000.0", "cross": "0.0004", "add": "0.00012"}],
                    "mm": [{"makerFractionCutoff": "0.005", "add": "-0.00001"}],
                },
                "referralDiscount": "0.04",
            },
            "userCrossRate": taker,
            "userAddRate": maker,
            "activeReferralDiscount": "0.0",
        }


def _short(order: Json) -> Json:
    kept = ("coin", "limitPx", "oid", "origSz", "side", "sz", "timestamp", "cloid", "reduceOnly")
    return {name: order[name] for name in kept}
