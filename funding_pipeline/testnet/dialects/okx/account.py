"""OKX's account: configuration, balance, positions, leverage, fees.

What lives here: `/account/*` but bills, and the one asset endpoint that ccxt calls with keys. What does
not: statements (`statements`), orders (`trading`).
"""

import zlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from funding_pipeline.core.trading import MarginMode
from funding_pipeline.testnet.dialects.okx.trading import PrivateHandler
from funding_pipeline.testnet.dialects.okx.wire import (
    OkxError,
    Parameters,
    Row,
    contracts,
    fields_of,
    find,
    inst_id,
    parameter_error,
    success,
    text,
    whole,
)
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Account, Position
from funding_pipeline.testnet.http import Answer

ZERO = Decimal(0)


class AccountData:
    """Handlers of `/api/v5/account/*`."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def routes(self) -> Mapping[tuple[str, str], PrivateHandler]:
        """Method and path below `/api/v5/` to handler."""
        return {
            ("GET", "account/config"): self.configuration,
            ("POST", "account/set-position-mode"): self.set_position_mode,
            ("GET", "account/balance"): self.balance,
            ("GET", "account/positions"): self.positions,
            ("GET", "account/leverage-info"): self.leverage,
            ("POST", "account/set-leverage"): self.set_leverage,
            ("GET", "account/trade-fee"): self.fees,
            ("GET", "asset/currencies"): self.currencies,
        }

    def configuration(self, account: Account, query: Parameters) -> Answer:
        """Modes and what the key may do. `acctLv` 2: futures mode, margin in one currency."""
        number = str(zlib.crc32(account.account_id.encode()))
        empty = ("ip", "label", "levelTmp", "spotOffsetType")
        return success(
            [
                {
                    **dict.fromkeys(empty, ""),
                    "acctLv": "2",
                    "acctStpMode": "cancel_maker",
                    "autoLoan": False,
                    "ctIsoMode": "automatic",
                    "enableSpotBorrow": False,
                    "feeType": "0",
                    "greeksType": "PA",
                    "kycLv": "3",
                    "level": "Lv1",
                    "liquidationGear": "-1",
                    "mainUid": number,
                    "mgnIsoMode": "automatic",
                    "opAuth": "1",
                    "perm": "read_only,withdraw,trade" if account.may_withdraw else "read_only,trade",
                    "posMode": "net_mode" if account.position_mode == "one_way" else "long_short_mode",
                    "roleType": "0",
                    "settleCcy": account.settle,
                    "settleCcyList": [account.settle],
                    "spotBorrowAutoRepay": False,
                    "spotRoleType": "0",
                    "spotTraderInsts": [],
                    "traderInsts": [],
                    "type": "0",
                    "uid": number,
                }
            ]
        )

    def set_position_mode(self, account: Account, body: Any) -> Answer:
        """Net mode; the engine holds no two positions in one instrument."""
        mode = fields_of(body).get("posMode")
        if mode not in ("net_mode", "long_short_mode"):
            raise parameter_error("posMode")
        if mode != "net_mode":
            raise OkxError("50062", "This feature is currently unavailable.")
        self._exchange.set_position_mode(account, "one_way")
        return success([{"posMode": mode}])

    def balance(self, account: Account, query: Parameters) -> Answer:
        """`cashBal` is the wallet, `eq` has unrealised profit, `availEq` is free. One currency."""
        equity, free = self._exchange.equity(account), self._exchange.available(account)
        isolated = sum((p.isolated_margin for p in self._exchange.positions(account)), ZERO)
        stamp = str(self._exchange.now())
        unknown = ("availBal", "crossLiab", "interest", "isoLiab", "liab", "maxLoan", "mgnRatio", "uplLiab")
        wanted = str(query.get("ccy") or account.settle).split(",")
        detail = {
            **dict.fromkeys(unknown, ""),
            "availEq": text(free),
            "cashBal": text(account.wallet),
            "ccy": account.settle,
            "disEq": text(equity),
            "eq": text(equity),
            "eqUsd": text(equity),
            "frozenBal": text(max(equity - free, ZERO)),
            "isoEq": text(isolated),
            "notionalLever": "0",
            "ordFrozen": text(self._exchange.order_margin(account)),
            "twap": "0",
            "uTime": stamp,
            "upl": text(self._exchange.unrealised(account)),
        }
        total = {
            **dict.fromkeys(("adjEq", "imr", "mgnRatio", "mmr", "notionalUsd", "ordFroz"), ""),
            "details": [detail] if account.settle in wanted else [],
            "isoEq": text(isolated),
            "totalEq": text(equity),
            "uTime": stamp,
        }
        return success([total])

    def positions(self, account: Account, query: Parameters) -> Answer:
        """Open positions; `pos` in contracts, below zero when short."""
        names = str(query.get("instId") or "").split(",")
        held = [] if query.get("instType", "SWAP") != "SWAP" else self._exchange.positions(account)
        rows = [self._position(account, position) for position in held]
        return success([row for row in rows if names == [""] or row["instId"] in names])

    def leverage(self, account: Account, query: Parameters) -> Answer:
        """Leverage of instruments in a margin mode; the engine keeps one for both."""
        mode = _mode(query)
        rows = []
        for name in str(query.get("instId") or "").split(","):
            position = self._exchange.position(account, find(self._exchange, name).symbol)
            rows.append({"instId": name, "lever": str(position.leverage), "mgnMode": mode, "posSide": "net"})
        return success(rows)

    def set_leverage(self, account: Account, body: Any) -> Answer:
        """Also takes the instrument into the margin mode named, where nothing is open in the other one."""
        body = fields_of(body)
        mode, lever = _mode(body), whole(body, "lever", 0)
        instrument = find(self._exchange, body.get("instId"))
        if body.get("posSide") not in (None, "", "net"):
            raise parameter_error("posSide")
        self._exchange.set_margin_mode(account, instrument.symbol, mode)
        position = self._exchange.set_leverage(account, instrument.symbol, lever)
        told = {"lever": str(position.leverage), "mgnMode": mode, "posSide": "net"}
        return success([{"instId": inst_id(instrument), **told}])

    def fees(self, account: Account, query: Parameters) -> Answer:
        """Rates with OKX's sign: below zero is charged. `makerU`, `takerU` are those settled in USDT."""
        if query.get("instType") != "SWAP":
            raise parameter_error("instType")
        family = query.get("instFamily") or query.get("uly")
        listed = self._exchange.instruments()
        terms = find(self._exchange, f"{family}-SWAP") if family else listed[0]
        maker, taker = text(-terms.maker_fee), text(-terms.taker_fee)
        return success(
            [
                {
                    "category": "1",
                    "delivery": "",
                    "exercise": "",
                    "instType": "SWAP",
                    "level": "Lv1",
                    "maker": maker,
                    "makerU": maker,
                    "taker": taker,
                    "takerU": taker,
                    "ts": str(self._exchange.now()),
                }
            ]
        )

    def currencies(self, account: Account, query: Parameters) -> Answer:
        """The currency of settlement. Nothing can be deposited or withdrawn."""
        ccy = account.settle
        may = {"canDep": False, "canInternal": False, "canWd": False, "mainNet": True}
        fees = {"maxFee": "0", "maxWd": "0", "minFee": "0", "minWd": "0", "usedWdQuota": "0", "wdQuota": "0"}
        names = {"ccy": ccy, "chain": f"{ccy}-Testnet", "logoLink": "", "name": ccy, "wdTickSz": "3"}
        return success([{**may, **fees, **names}])

    def _position(self, account: Account, position: Position) -> Row:
        exchange, symbol = self._exchange, position.symbol
        instrument = exchange.instrument(symbol)
        now, is_cross = exchange.now(), position.margin_mode == "cross"
        profit, margin = exchange.unrealised(account, symbol), exchange.initial_margin(account, symbol)
        maintenance = exchange.maintenance_margin(account, symbol)
        behind = exchange.equity(account) if is_cross else margin + profit
        needed = exchange.maintenance_margin(account) if is_cross else maintenance
        cost = abs(position.quantity) * position.entry
        unknown = ("deltaBS", "deltaPA", "gammaBS", "gammaPA", "liab", "liabCcy", "optVal", "posCcy")
        return {
            **dict.fromkeys((*unknown, "availPos", "thetaBS", "thetaPA", "tradeId", "vegaBS", "vegaPA"), ""),
            "adl": str(exchange.adl_rank(account, symbol)),
            "avgPx": text(position.entry),
            "cTime": str(position.opened),
            "ccy": instrument.settle,
            "imr": text(margin) if is_cross else "",
            "instId": inst_id(instrument),
            "instType": "SWAP",
            "interest": "0",
            "last": text(exchange.quotes.last(symbol, now)),
            "lever": str(position.leverage),
            "liqPx": text(exchange.liquidation_price(account, symbol)),
            "margin": "" if is_cross else text(margin),
            "markPx": text(exchange.quotes.mark(symbol, now)),
            "mgnMode": position.margin_mode,
            "mgnRatio": text(behind / needed) if needed else "",
            "mmr": text(maintenance),
            "notionalUsd": text(exchange.notional(account, symbol)),
            "pTime": str(now),
            "pos": contracts(instrument, position.quantity),
            "posId": str(zlib.crc32(f"{account.account_id}/{symbol}".encode())),
            "posSide": "net",
            "realizedPnl": text(position.realised),
            "uTime": str(position.updated),
            "upl": text(profit),
            "uplRatio": text(profit * position.leverage / cost) if cost else "0",
        }


def _mode(fields: Parameters) -> MarginMode:
    mode = fields.get("mgnMode")
    if mode == "cross":
        return "cross"
    if mode == "isolated":
        return "isolated"
    raise parameter_error("mgnMode")
