"""An account on Binance's futures: balance, modes, fees, what a key may do.

What lives here: `/fapi/v2|v3/account`, `positionSide/dual`, `commissionRate`, `accountConfig`, and
`/sapi/v1/account/apiRestrictions`. What does not: positions (`positions`), orders (`orders`), fills and
payments (`statements`).
"""

from decimal import Decimal
from typing import Any

from funding_pipeline.testnet.dialects.binance.parameters import (
    Parameters,
    fixed,
    listed,
    market_id,
    required,
)
from funding_pipeline.testnet.dialects.binance.positions import in_account
from funding_pipeline.testnet.dialects.binance.refusals import RefusedError
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Account


def account_information(exchange: Exchange, account: Account, parameters: Parameters) -> Any:
    """GET /fapi/v3/account, and v2 of it: the wallet, and positions that are not flat."""
    held = _balance(exchange, account)
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": account.may_withdraw,
        "updateTime": 0,
        **{_total(name): amount for name, amount in held.items() if name not in _UNTOTALLED},
        "availableBalance": held["availableBalance"],
        "maxWithdrawAmount": held["maxWithdrawAmount"],
        "assets": [{"asset": account.settle, **held, "updateTime": exchange.now()}],
        "positions": [in_account(exchange, account, one) for one in exchange.positions(account)],
    }


def position_mode(exchange: Exchange, account: Account, parameters: Parameters) -> Any:
    """GET /fapi/v1/positionSide/dual: true in hedge mode."""
    return {"dualSidePosition": account.position_mode == "hedge"}


def set_position_mode(exchange: Exchange, account: Account, parameters: Parameters) -> Any:
    """POST /fapi/v1/positionSide/dual.

    Raises RefusedError: -4059 one-way already, -4084 hedge mode, which nobody gets by asking for it here.
    """
    if required(parameters, "dualSidePosition").lower() == "true":
        raise RefusedError(-4084, "Method is not allowed currently. Upcoming soon.")
    if account.position_mode == "one_way":
        raise RefusedError(-4059, "No need to change position side.")
    exchange.set_position_mode(account, "one_way")
    return {"code": 200, "msg": "success"}


def commission_rate(exchange: Exchange, account: Account, parameters: Parameters) -> Any:
    """GET /fapi/v1/commissionRate of one symbol."""
    instrument = listed(exchange, parameters)
    return {
        "symbol": market_id(instrument.symbol),
        "makerCommissionRate": fixed(instrument.maker_fee, 6),
        "takerCommissionRate": fixed(instrument.taker_fee, 6),
    }


def account_config(exchange: Exchange, account: Account, parameters: Parameters) -> Any:
    """GET /fapi/v1/accountConfig."""
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": account.may_withdraw,
        "dualSidePosition": account.position_mode == "hedge",
        "updateTime": 0,
        "multiAssetsMargin": False,
        "tradeGroupId": -1,
    }


def api_restrictions(exchange: Exchange, account: Account, parameters: Parameters) -> Any:
    """GET /sapi/v1/account/apiRestrictions (api.binance.com): what the key may do."""
    return {
        "ipRestrict": False,
        "createTime": exchange.now(),
        "enableReading": True,
        "enableWithdrawals": account.may_withdraw,
        "enableInternalTransfer": False,
        "enableMargin": False,
        "enableFutures": True,
        "permitsUniversalTransfer": False,
        "enableVanillaOptions": False,
        "enableFixApiTrade": False,
        "enableFixReadOnly": False,
        "enableSpotAndMarginTrading": False,
        "enablePortfolioMarginTrading": False,
    }


def nothing_listed(exchange: Exchange, account: Account, parameters: Parameters) -> Any:
    """Currencies and margin pairs of api.binance.com, which ccxt asks for by default: none here."""
    return []


_UNTOTALLED = frozenset({"availableBalance", "maxWithdrawAmount"})


def _total(name: str) -> str:
    return "total" + name[0].upper() + name[1:]


def _balance(exchange: Exchange, account: Account) -> dict[str, str]:
    positions, orders = exchange.initial_margin(account), exchange.order_margin(account)
    unrealised, free = exchange.unrealised(account), fixed(exchange.available(account), 8)
    isolated_margin, isolated_profit = _split(exchange, account)
    return {
        "walletBalance": fixed(account.wallet, 8),
        "unrealizedProfit": fixed(unrealised, 8),
        "marginBalance": fixed(exchange.equity(account), 8),
        "maintMargin": fixed(exchange.maintenance_margin(account), 8),
        "initialMargin": fixed(positions + orders, 8),
        "positionInitialMargin": fixed(positions, 8),
        "openOrderInitialMargin": fixed(orders, 8),
        "maxWithdrawAmount": free,
        "crossWalletBalance": fixed(account.wallet - isolated_margin, 8),
        "crossUnPnl": fixed(unrealised - isolated_profit, 8),
        "availableBalance": free,
    }


def _split(exchange: Exchange, account: Account) -> tuple[Decimal, Decimal]:
    """Margin and unrealised profit of isolated positions."""
    held = [one for one in exchange.positions(account) if one.margin_mode == "isolated"]
    margins = sum((one.isolated_margin for one in held), Decimal(0))
    return margins, sum((exchange.unrealised(account, one.symbol) for one in held), Decimal(0))
