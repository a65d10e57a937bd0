"""The account: its key, mode, wallet, fees, positions and leverage.

What lives here: Bybit's bodies of a unified trading account (UTA 2.0). What does not: fills, funding
payments and the transaction log (`statements`); margin arithmetic (the engine).
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from funding_pipeline.core.trading import MarginMode
from funding_pipeline.testnet.dialects.bybit.errors import BybitRefusal
from funding_pipeline.testnet.dialects.bybit.texts import (
    Params,
    asked_instrument,
    decimal_of,
    listing,
    native_symbol,
    page,
    require_linear,
)
from funding_pipeline.testnet.dialects.numbers import plain_text
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Account, Position

_MODES: Mapping[str, MarginMode] = {"REGULAR_MARGIN": "cross", "ISOLATED_MARGIN": "isolated"}
_WRITTEN_MODES = {ours: theirs for theirs, ours in _MODES.items()}
_ENDLESS_LIMIT = "1000000000000"


def key_information(exchange: Exchange, account: Account, params: Params) -> Mapping[str, Any]:
    """`/v5/user/query-api`: what the key may do; `uta` 1 is a unified trading account."""
    wallet = ["AccountTransfer", "SubMemberTransfer"] + (["Withdraw"] if account.may_withdraw else [])
    return {
        "id": "1",
        "note": "testnet",
        "apiKey": account.key,
        "readOnly": 0,
        "secret": "",
        "permissions": {
            "ContractTrade": ["Order", "Position"],
            "Spot": ["SpotTrade"],
            "Wallet": wallet,
            "Options": ["OptionsTrade"],
            "Derivatives": ["DerivativesTrade"],
            "CopyTrading": [],
            "BlockTrade": [],
            "Exchange": [],
            "NFT": [],
        },
        "ips": ["*"],
        "type": 1,
        "deadlineDay": 83,
        "expiredAt": "2100-01-01T00:00:00Z",
        "createdAt": "2020-01-01T00:00:00Z",
        "unified": 0,
        "uta": 1,
        "userID": 1,
        "inviterID": 0,
        "vipLevel": "No VIP",
        "mktMakerLevel": "0",
        "affiliateID": 0,
        "rsaPublicKey": "",
        "isMaster": True,
    }


def account_information(exchange: Exchange, account: Account, params: Params) -> Mapping[str, Any]:
    """`/v5/account/info`: the margin mode is the whole account's."""
    return {
        "marginMode": _WRITTEN_MODES[_margin_mode(exchange, account)],
        "updatedTime": str(exchange.now()),
        "unifiedMarginStatus": 5,
        "dcpStatus": "OFF",
        "timeWindow": 10,
        "smpGroup": 0,
        "isMasterTrader": False,
        "spotHedgingStatus": "OFF",
    }


def _margin_mode(exchange: Exchange, account: Account) -> MarginMode:
    listed = exchange.instruments()
    return exchange.position(account, listed[0].symbol).margin_mode if listed else "cross"


def set_margin_mode(exchange: Exchange, account: Account, params: Params) -> Mapping[str, Any]:
    """`/v5/account/set-margin-mode`; refused with 3400045 while positions or orders are open."""
    mode = _MODES.get(str(params.get("setMarginMode")))
    if mode is None:
        raise BybitRefusal(10001, "params error: setMarginMode invalid")
    if mode != _margin_mode(exchange, account):
        if exchange.positions(account) or exchange.orders(account, is_open=True):
            raise BybitRefusal(3400045, "Set margin mode failed")
        for instrument in exchange.instruments():
            exchange.set_margin_mode(account, instrument.symbol, mode)
    return {"reasons": []}


def coins(exchange: Exchange, account: Account, params: Params) -> Mapping[str, Any]:
    """`/v5/asset/coin/query-info`: the settle currency, with one network that is closed."""
    chain = {
        "chainType": "testnet",
        "chain": "TESTNET",
        "confirmation": "1",
        "withdrawFee": "0",
        "depositMin": "0",
        "withdrawMin": "0",
        "chainDeposit": "0",
        "chainWithdraw": "0",
        "minAccuracy": "6",
    }
    row = {"name": account.settle, "coin": account.settle, "remainAmount": "0", "chains": [chain]}
    return {"rows": [row]}


def wallet_balance(exchange: Exchange, account: Account, params: Params) -> Mapping[str, Any]:
    """`/v5/account/wallet-balance`.

    `availableToWithdraw` is empty, as on the venue since 2025: free collateral has to be made of wallet
    and margins, or read from `totalAvailableBalance`.
    """
    if params.get("accountType") != "UNIFIED":
        raise BybitRefusal(10001, "accountType only support UNIFIED.")
    equity, wallet = exchange.equity(account), account.wallet
    held, kept = exchange.initial_margin(account), exchange.maintenance_margin(account)
    reserved, profit = exchange.order_margin(account), exchange.unrealised(account)
    realised = sum((position.realised for position in account.positions.values()), Decimal(0))
    return {
        "list": [
            {
                "accountType": "UNIFIED",
                "totalEquity": plain_text(equity),
                "totalWalletBalance": plain_text(wallet),
                "totalMarginBalance": plain_text(equity),
                "totalAvailableBalance": plain_text(exchange.available(account)),
                "totalPerpUPL": plain_text(profit),
                "totalInitialMargin": plain_text(held + reserved),
                "totalMaintenanceMargin": plain_text(kept),
                "accountIMRate": _share(held + reserved, equity),
                "accountMMRate": _share(kept, equity),
                "accountLTV": "0",
                "coin": [
                    {
                        "coin": account.settle,
                        "equity": plain_text(equity),
                        "usdValue": plain_text(equity),
                        "walletBalance": plain_text(wallet),
                        "unrealisedPnl": plain_text(profit),
                        "cumRealisedPnl": plain_text(realised),
                        "totalPositionIM": plain_text(held),
                        "totalPositionMM": plain_text(kept),
                        "totalOrderIM": plain_text(reserved),
                        "availableToWithdraw": "",
                        "availableToBorrow": "",
                        "borrowAmount": "0",
                        "accruedInterest": "0",
                        "bonus": "0",
                        "locked": "0",
                        "marginCollateral": True,
                        "collateralSwitch": True,
                        "spotHedgingQty": "0",
                    }
                ],
            }
        ]
    }


def _share(part: Decimal, whole: Decimal) -> str:
    return plain_text(round(part / whole, 4)) if whole > 0 else "0"


def fee_rates(exchange: Exchange, account: Account, params: Params) -> Mapping[str, Any]:
    """`/v5/account/fee-rate`: of one instrument or all; the category is required."""
    require_linear(params)
    asked = [asked_instrument(exchange, params)] if params.get("symbol") else exchange.instruments()
    return {
        "list": [
            {
                "symbol": native_symbol(item.symbol),
                "takerFeeRate": plain_text(item.taker_fee),
                "makerFeeRate": plain_text(item.maker_fee),
            }
            for item in asked
        ]
    }


def positions(exchange: Exchange, account: Account, params: Params) -> Mapping[str, Any]:
    """`/v5/position/list`: of one instrument (also when flat), or all open ones of a settle currency.

    In hedge mode an instrument has two rows."""
    require_linear(params)
    if params.get("symbol"):
        asked = [exchange.position(account, asked_instrument(exchange, params).symbol)]
    elif params.get("settleCoin") or params.get("baseCoin"):
        asked = [item for item in exchange.positions(account) if _is_asked(item, params)]
    else:
        raise BybitRefusal(10001, "params error: symbol, settleCoin or baseCoin is required")
    shown, cursor = page(asked, params, default=20, most=200)
    sides = (0,) if account.position_mode == "one_way" else (1, 2)
    rows = [{**_position(exchange, account, item), "positionIdx": side} for item in shown for side in sides]
    return listing(rows, cursor)


def _is_asked(position: Position, params: Params) -> bool:
    settle = params.get("settleCoin") or position.symbol.rsplit(":", 1)[1]
    return position.symbol.endswith(f":{settle}")


def _position(exchange: Exchange, account: Account, position: Position) -> Mapping[str, Any]:
    symbol, quantity = position.symbol, position.quantity
    is_flat = quantity == 0
    return {
        "riskId": 1,
        "riskLimitValue": _risk_limit(exchange, account, symbol),
        "symbol": native_symbol(symbol),
        "side": "" if is_flat else "Buy" if quantity > 0 else "Sell",
        "size": plain_text(abs(quantity)),
        "avgPrice": plain_text(position.entry),
        "positionValue": "" if is_flat else plain_text(abs(quantity) * position.entry),
        "tradeMode": 0,
        "autoAddMargin": 0,
        "positionStatus": "Normal",
        "leverage": str(position.leverage),
        "markPrice": plain_text(exchange.quotes.mark(symbol, exchange.now())),
        "liqPrice": _optional(exchange.liquidation_price(account, symbol)),
        "positionIM": "" if is_flat else plain_text(exchange.initial_margin(account, symbol)),
        "positionMM": "" if is_flat else plain_text(exchange.maintenance_margin(account, symbol)),
        "unrealisedPnl": "" if is_flat else plain_text(exchange.unrealised(account, symbol)),
        "curRealisedPnl": plain_text(position.realised),
        "cumRealisedPnl": plain_text(position.realised),
        "adlRankIndicator": exchange.adl_rank(account, symbol),
        "isReduceOnly": False,
        "tpslMode": "Full",
        "takeProfit": "",
        "stopLoss": "",
        "trailingStop": "0",
        "bustPrice": "",
        "positionBalance": "",
        "positionIMByMp": "",
        "positionMMByMp": "",
        "sessionAvgPrice": "",
        "mmrSysUpdatedTime": "",
        "leverageSysUpdatedTime": "",
        "seq": exchange.now(),
        "createdTime": str(position.opened),
        "updatedTime": str(position.updated),
    }


def _optional(price: Decimal | None) -> str:
    return "" if price is None else plain_text(price)


def _risk_limit(exchange: Exchange, account: Account, symbol: str) -> str:
    """End of the tier that the position is in."""
    notional = exchange.notional(account, symbol)
    tiers = next((item.tiers for item in exchange.instruments() if item.symbol == symbol), ())
    cap = next((tier.cap for tier in tiers if tier.cap is None or notional <= tier.cap), None)
    return _ENDLESS_LIMIT if cap is None else plain_text(cap)


def set_leverage(exchange: Exchange, account: Account, params: Params) -> Mapping[str, Any]:
    """`/v5/position/set-leverage`: the same on both sides; 110043 where it already is so."""
    symbol = asked_instrument(exchange, params).symbol
    wanted = decimal_of(params, "buyLeverage")
    if wanted != decimal_of(params, "sellLeverage"):
        raise BybitRefusal(10001, "buy leverage invalid")
    if wanted != wanted.to_integral_value() or wanted < 1:
        raise BybitRefusal(10001, "buy leverage invalid: whole numbers only here")
    if exchange.position(account, symbol).leverage == wanted:
        raise BybitRefusal(110043, "leverage not modified")
    exchange.set_leverage(account, symbol, int(wanted))
    return {}


def switch_position_mode(exchange: Exchange, account: Account, params: Params) -> Mapping[str, Any]:
    """`/v5/position/switch-mode`: to one-way (0); hedge mode (3) nobody gets by asking for it here."""
    require_linear(params)
    if str(params.get("mode")) != "0":
        raise BybitRefusal(110029, "Hedge mode is not available for this symbol")
    if account.position_mode == "one_way":
        raise BybitRefusal(110025, "Position mode is not modified")
    exchange.set_position_mode(account, "one_way")
    return {}
