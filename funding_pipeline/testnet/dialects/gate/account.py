"""Gate's account endpoints: balance, account book, positions, leverage, fees, key details.

What lives here: their answers. What does not: orders and fills (`orders`).
"""

from decimal import Decimal
from typing import Any

from funding_pipeline.testnet.dialects.gate.wire import (
    GateError,
    contract_name,
    contracts,
    instrument_of,
    number,
    user_number,
    whole,
)
from funding_pipeline.testnet.dialects.numbers import plain_text
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Account, Instrument, LedgerEntry, Position
from funding_pipeline.testnet.http import Answer, Request

_BOOK_TYPES = {"deposit": "dnw", "realised_pnl": "pnl", "fee": "fee", "funding": "fund", "insurance": "pnl"}
_SHOWN_PERMISSIONS = ("account", "futures", "wallet")


class AccountEndpoints:
    """Private endpoints of the account; each takes the account, the request and the name in its path."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def balance(self, account: Account, request: Request, name: str) -> Answer:
        """The futures account; `total` is the wallet, without unrealised profit, and 0 where the account is
        unified: its collateral is in `unified`."""
        exchange = self._exchange
        body = {
            "user": user_number(account),
            "currency": account.settle,
            "total": "0" if account.is_unified else plain_text(account.wallet),
            "unrealised_pnl": plain_text(exchange.unrealised(account)),
            "position_margin": plain_text(exchange.initial_margin(account)),
            "order_margin": plain_text(exchange.order_margin(account)),
            "available": "0" if account.is_unified else plain_text(exchange.available(account)),
            "point": "0",
            "bonus": "0",
            "in_dual_mode": account.position_mode == "hedge",
            "position_mode": "single" if account.position_mode == "one_way" else "dual",
            "history": self._totals(account),
        }
        return Answer.of({**body, "margin_mode": 1} if account.is_unified else body)

    def unified(self, account: Account, request: Request, name: str) -> Answer:
        """The unified account, in one currency; an error where the account is a classic one."""
        if not account.is_unified:
            raise GateError(400, "USER_NOT_UNIFIED", "unified account is not activated")
        equity, free = self._exchange.equity(account), self._exchange.available(account)
        balance = {
            **dict.fromkeys(("borrowed", "negative_liab", "futures_pos_liab", "total_liab"), "0"),
            "available": plain_text(free),
            "freeze": plain_text(max(equity - free, Decimal(0))),
            "equity": plain_text(equity),
        }
        total = plain_text(equity)
        body = {
            "user_id": user_number(account),
            "locked": False,
            "balances": {account.settle: balance},
            "total": total,
            "unified_account_total": total,
            "unified_account_total_equity": total,
        }
        return Answer.of(body)

    def book(self, account: Account, request: Request, name: str) -> Answer:
        """Changes of the wallet, newest first; `type=fund` are funding payments, negative when paid."""
        query, wallet = request.query, Decimal(0)
        wanted, kind = query.get("contract"), query.get("type")
        symbol = instrument_of(self._exchange, wanted).symbol if wanted else None
        start, end = whole(query, "from", 0) * 1000, whole(query, "to", 0) * 1000
        rows: list[dict[str, Any]] = []
        for entry in self._exchange.ledger(account):
            wallet += entry.amount
            in_time = start <= entry.time and (not end or entry.time < end + 1000)
            if in_time and kind in (None, "", _BOOK_TYPES[entry.kind]) and symbol in (None, entry.symbol):
                rows.append(self._entry(entry, wallet))
        offset, limit = whole(query, "offset", 0), whole(query, "limit", 100, least=1, most=1000)
        return Answer.of(rows[::-1][offset : offset + limit])

    def positions(self, account: Account, request: Request, name: str) -> Answer:
        """Positions of every contract that was ever used, flat ones too unless `holding=true`."""
        only_held = request.query.get("holding") == "true"
        symbols = sorted({*account.positions, *(p.symbol for p in self._exchange.positions(account))})
        held = [self._exchange.position(account, symbol) for symbol in symbols]
        modes = ("single",) if account.position_mode == "one_way" else ("dual_long", "dual_short")
        shown = [self._position(account, p) for p in held if p.quantity or not only_held]
        return Answer.of([{**row, "mode": mode} for row in shown for mode in modes])

    def position(self, account: Account, request: Request, name: str) -> Answer:
        """One position, flat where there is none."""
        instrument = instrument_of(self._exchange, name)
        return Answer.of(self._position(account, self._exchange.position(account, instrument.symbol)))

    def leverage(self, account: Account, request: Request, name: str) -> Answer:
        """`leverage` > 0 is isolated; 0 is cross, and `cross_leverage_limit` is then the leverage."""
        instrument, query = instrument_of(self._exchange, name), request.query
        leverage = number(query.get("leverage", ""), "leverage")
        is_cross = leverage == 0
        if is_cross:
            leverage = number(query.get("cross_leverage_limit") or "10", "cross_leverage_limit")
        if leverage < 1 or leverage != int(leverage):
            raise GateError(400, "LEVERAGE_TOO_LOW", f"leverage {leverage} is no whole number from 1")
        mode = "cross" if is_cross else "isolated"
        self._exchange.set_margin_mode(account, instrument.symbol, "cross" if is_cross else "isolated")
        position = self._exchange.set_leverage(account, instrument.symbol, int(leverage))
        assert position.margin_mode == mode
        return Answer.of(self._position(account, position))

    def dual_mode(self, account: Account, request: Request, name: str) -> Answer:
        """To one-way; the mode that holds is NO_CHANGE, as at Gate. Nobody gets hedge mode by asking here."""
        wanted = request.query.get("dual_mode")
        if wanted != "false":
            raise GateError.invalid("dual_mode", wanted)
        if account.position_mode == "one_way":
            raise GateError(400, "NO_CHANGE", "No change is made")
        self._exchange.set_position_mode(account, "one_way")
        return self.balance(account, request, name)

    def fees(self, account: Account, request: Request, name: str) -> Answer:
        """The account's rates over all products."""
        first = self._exchange.instruments()[0]
        spot = "0.002"
        body = {
            "user_id": user_number(account),
            "taker_fee": spot,
            "maker_fee": spot,
            "gt_discount": False,
            "gt_taker_fee": spot,
            "gt_maker_fee": spot,
            "loan_fee": "0.18",
            "point_type": "0",
            "futures_taker_fee": plain_text(first.taker_fee),
            "futures_maker_fee": plain_text(first.maker_fee),
        }
        return Answer.of(body)

    def contract_fees(self, account: Account, request: Request, name: str) -> Answer:
        """The account's rates by contract."""
        wanted = request.query.get("contract")
        chosen = [instrument_of(self._exchange, wanted)] if wanted else self._exchange.instruments()
        rates = {
            contract_name(item): {
                "taker_fee": plain_text(item.taker_fee),
                "maker_fee": plain_text(item.maker_fee),
            }
            for item in chosen
        }
        return Answer.of(rates)

    def detail(self, account: Account, request: Request, name: str) -> Answer:
        """Who the account is: `key.mode` 1 is a classic account, 2 a unified one."""
        body = {
            "user_id": user_number(account),
            "ip_whitelist": [],
            "currency_pairs": [],
            "key": {"mode": 2 if account.is_unified else 1},
            "tier": 0,
            "tier_expire_time": "0001-01-01T00:00:00Z",
            "copy_trading_role": 0,
        }
        return Answer.of(body)

    def main_keys(self, account: Account, request: Request, name: str) -> Answer:
        """The account's key, masked, with what it may do.

        Gate documents no name of a permission to withdraw; `withdraw` here is this testnet's."""
        names = [*_SHOWN_PERMISSIONS, *(["withdraw"] if account.may_withdraw else [])]
        body = {
            "state": 1,
            "mode": 1,
            "name": account.account_id,
            "user_id": user_number(account),
            "perms": [{"name": item, "read_only": False} for item in names],
            "ip_whitelist": [],
            "currency_pairs": [],
            "key": f"{account.key[:12]}*****",
            "created_at": 1700000000,
            "update_at": 1700000000,
            "last_access": self._exchange.now() // 1000,
        }
        return Answer.of([body])

    def _totals(self, account: Account) -> dict[str, str]:
        names = ("dnw", "pnl", "fee", "fund", "refr", "point_dnw", "point_fee", "point_refr")
        sums = dict.fromkeys((*names, "bonus_dnw", "bonus_offset"), Decimal(0))
        for entry in self._exchange.ledger(account):
            sums[_BOOK_TYPES[entry.kind]] += entry.amount
        return {name: plain_text(amount) for name, amount in sums.items()}

    def _entry(self, entry: LedgerEntry, wallet: Decimal) -> dict[str, Any]:
        contract = contract_name(self._exchange.instrument(entry.symbol)) if entry.symbol else ""
        return {
            "time": entry.time // 1000,
            "change": plain_text(entry.amount),
            "balance": plain_text(wallet),
            "type": _BOOK_TYPES[entry.kind],
            "text": contract,
            "contract": contract,
            "id": str(entry.entry_id),
        }

    def _position(self, account: Account, position: Position) -> dict[str, Any]:
        exchange, now = self._exchange, self._exchange.now()
        symbol, is_cross = position.symbol, position.margin_mode == "cross"
        instrument = exchange.instrument(symbol)
        initial = plain_text(exchange.initial_margin(account, symbol))
        open_orders = exchange.orders(account, symbol=symbol, is_open=True)
        return {
            "user": user_number(account),
            "contract": contract_name(instrument),
            "size": contracts(position.quantity, instrument),
            "mode": "single",
            "leverage": "0" if is_cross else str(position.leverage),
            "cross_leverage_limit": str(position.leverage) if is_cross else "0",
            "leverage_max": str(instrument.tiers[0].max_leverage),
            "risk_limit": _risk_limit(instrument),
            "maintenance_rate": plain_text(instrument.tiers[0].maintenance_rate),
            "value": plain_text(exchange.notional(account, symbol)),
            "margin": initial,
            "initial_margin": initial,
            "maintenance_margin": plain_text(exchange.maintenance_margin(account, symbol)),
            "entry_price": plain_text(position.entry),
            "mark_price": plain_text(exchange.quotes.mark(symbol, now)),
            "liq_price": plain_text(exchange.liquidation_price(account, symbol) or 0),
            "unrealised_pnl": plain_text(exchange.unrealised(account, symbol)),
            "realised_pnl": plain_text(position.realised),
            "realised_point": "0",
            "history_pnl": "0",
            "history_point": "0",
            "last_close_pnl": "0",
            "adl_ranking": self._adl(account, position),
            "pending_orders": len(open_orders),
            "close_order": None,
            "open_time": position.opened // 1000,
            "update_time": position.updated // 1000,
            "update_id": len(account.fills),
            "trade_max_size": "0",
        }

    def _adl(self, account: Account, position: Position) -> int:
        """Gate counts the other way: 1 is first in the queue, 5 last, 6 no position."""
        if not position.quantity:
            return 6
        return min(6 - self._exchange.adl_rank(account, position.symbol), 5)


def _risk_limit(instrument: Instrument) -> str:
    cap = instrument.tiers[0].cap
    return plain_text(cap) if cap is not None else "1000000"
