"""Positions on Binance's futures and their margin: risk, leverage, margin mode, brackets, ADL queue.

What lives here: `/fapi/v2|v3/positionRisk`, `leverage`, `leverageBracket`, `marginType`, `symbolConfig`,
`adlQuantile`. What does not: the wallet and what a key may do (`account`).

The third version of `positionRisk` tells margins and the ADL queue, but neither leverage nor margin mode.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from funding_pipeline.core.trading import MarginMode
from funding_pipeline.testnet.dialects.binance.parameters import (
    Parameters,
    fixed,
    listed,
    market_id,
    plain,
    required,
    whole,
)
from funding_pipeline.testnet.dialects.binance.refusals import RefusedError, invalid, missing
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Account, Instrument, Position, Rejected

NO_CAP = 9_223_372_036_854_775_807  # the venue's largest bracket has this notional
MARGIN_TYPES: Mapping[str, MarginMode] = {"ISOLATED": "isolated", "CROSSED": "cross"}


def position_risk(exchange: Exchange, account: Account, parameters: Parameters) -> Any:
    """GET /fapi/v3/positionRisk: only symbols with a position."""
    wanted = listed(exchange, parameters).symbol if parameters.get("symbol") else None
    return [
        _risk(exchange, account, position)
        for position in exchange.positions(account)
        if wanted in (None, position.symbol)
    ]


def position_risk_v2(exchange: Exchange, account: Account, parameters: Parameters) -> Any:
    """GET /fapi/v2/positionRisk: every symbol, flat ones too, with leverage and margin mode."""
    chosen: Sequence[Instrument] = exchange.instruments()
    if parameters.get("symbol"):
        chosen = [listed(exchange, parameters)]
    return [
        _risk_v2(exchange, account, exchange.position(account, instrument.symbol)) for instrument in chosen
    ]


def leverage_brackets(exchange: Exchange, account: Account, parameters: Parameters) -> Any:
    """GET /fapi/v1/leverageBracket: of one symbol, or all. `cum` is the deduction of the bracket."""
    chosen: Sequence[Instrument] = exchange.instruments()
    if parameters.get("symbol"):
        chosen = [listed(exchange, parameters)]
    return [
        {"symbol": market_id(instrument.symbol), "brackets": _brackets(instrument)} for instrument in chosen
    ]


def set_leverage(exchange: Exchange, account: Account, parameters: Parameters) -> Any:
    """POST /fapi/v1/leverage.

    Raises RefusedError: -4028 beyond the symbol's maximum, -2028 where margin would be short.
    """
    instrument = listed(exchange, parameters)
    wanted = whole(parameters, "leverage")
    if wanted is None:
        raise missing("leverage")
    if not 1 <= wanted <= max(tier.max_leverage for tier in instrument.tiers):
        raise RefusedError(-4028, f"Leverage {wanted} is not valid")
    try:
        position = exchange.set_leverage(account, instrument.symbol, wanted)
    except Rejected as rejected:
        if rejected.reason not in ("leverage", "insufficient_margin"):
            raise
        message = "Leverage is smaller than permitted: insufficient margin balance"
        raise RefusedError(-2028, message) from rejected
    return {
        "leverage": position.leverage,
        "maxNotionalValue": _most_notional(instrument, position.leverage),
        "symbol": market_id(instrument.symbol),
    }


def set_margin_type(exchange: Exchange, account: Account, parameters: Parameters) -> Any:
    """POST /fapi/v1/marginType.

    Raises RefusedError: -4046 the same already, -4047 open orders, -4048 (by the engine) a position.
    """
    instrument = listed(exchange, parameters)
    mode = MARGIN_TYPES.get(required(parameters, "marginType"))
    if mode is None:
        raise invalid("marginType")
    position = exchange.position(account, instrument.symbol)
    if position.margin_mode == mode:
        raise RefusedError(-4046, "No need to change margin type.")
    if exchange.orders(account, symbol=instrument.symbol, is_open=True):
        raise RefusedError(-4047, "Margin type cannot be changed if there exists open orders.")
    exchange.set_margin_mode(account, instrument.symbol, mode)
    return {"code": 200, "msg": "success"}


def symbol_config(exchange: Exchange, account: Account, parameters: Parameters) -> Any:
    """GET /fapi/v1/symbolConfig: leverage and margin mode, of one symbol or all."""
    chosen: Sequence[Instrument] = exchange.instruments()
    if parameters.get("symbol"):
        chosen = [listed(exchange, parameters)]
    return [_configured(instrument, exchange.position(account, instrument.symbol)) for instrument in chosen]


def adl_quantile(exchange: Exchange, account: Account, parameters: Parameters) -> Any:
    """GET /fapi/v1/adlQuantile: 0 (last) to 4 (first to be deleveraged)."""
    return [
        {
            "symbol": market_id(position.symbol),
            "adlQuantile": {"LONG": 0, "SHORT": 0, "BOTH": _queue(exchange, account, position.symbol)},
        }
        for position in exchange.positions(account)
    ]


def in_account(exchange: Exchange, account: Account, position: Position) -> dict[str, Any]:
    """A position as the account endpoint lists it."""
    instrument = exchange.instrument(position.symbol)
    margin = fixed(exchange.initial_margin(account, position.symbol), 8)
    return {
        "symbol": market_id(position.symbol),
        "initialMargin": margin,
        "maintMargin": fixed(exchange.maintenance_margin(account, position.symbol), 8),
        "unrealizedProfit": fixed(exchange.unrealised(account, position.symbol), 8),
        "positionInitialMargin": margin,
        "openOrderInitialMargin": "0",
        "leverage": str(position.leverage),
        "isolated": position.margin_mode == "isolated",
        "entryPrice": fixed(position.entry, 8),
        "maxNotional": _most_notional(instrument, position.leverage),
        "positionSide": "BOTH",
        "positionAmt": plain(position.quantity),
        "notional": fixed(_signed_notional(exchange, position), 8),
        "isolatedWallet": fixed(position.isolated_margin, 8),
        "updateTime": position.updated,
    }


def _risk(exchange: Exchange, account: Account, position: Position) -> dict[str, Any]:
    margin = fixed(exchange.initial_margin(account, position.symbol), 8)
    return {
        **_priced(exchange, account, position),
        "marginAsset": account.settle,
        "initialMargin": margin,
        "maintMargin": fixed(exchange.maintenance_margin(account, position.symbol), 8),
        "positionInitialMargin": margin,
        "openOrderInitialMargin": "0",
        "adl": _queue(exchange, account, position.symbol),
        "bidNotional": "0",
        "askNotional": "0",
        "updateTime": position.updated,
    }


def _risk_v2(exchange: Exchange, account: Account, position: Position) -> dict[str, Any]:
    instrument = exchange.instrument(position.symbol)
    return {
        **_priced(exchange, account, position),
        "marginType": position.margin_mode,
        "isAutoAddMargin": "false",
        "leverage": str(position.leverage),
        "maxNotionalValue": _most_notional(instrument, position.leverage),
        "updateTime": position.updated,
    }


def _priced(exchange: Exchange, account: Account, position: Position) -> dict[str, Any]:
    liquidation = exchange.liquidation_price(account, position.symbol)
    entry = fixed(position.entry, 8)
    isolated = position.isolated_margin if position.margin_mode == "isolated" else Decimal(0)
    return {
        "symbol": market_id(position.symbol),
        "positionSide": "BOTH",
        "positionAmt": plain(position.quantity),
        "entryPrice": entry,
        "breakEvenPrice": entry,
        "markPrice": fixed(exchange.quotes.mark(position.symbol, exchange.now()), 8),
        "unRealizedProfit": fixed(exchange.unrealised(account, position.symbol), 8),
        "liquidationPrice": "0" if liquidation is None else fixed(liquidation, 8),
        "isolatedMargin": fixed(isolated, 8),
        "notional": fixed(_signed_notional(exchange, position), 8),
        "isolatedWallet": fixed(isolated, 8),
    }


def _signed_notional(exchange: Exchange, position: Position) -> Decimal:
    return position.quantity * exchange.quotes.mark(position.symbol, exchange.now())


def _brackets(instrument: Instrument) -> list[dict[str, Any]]:
    rows, floor = [], Decimal(0)
    for number, tier in enumerate(instrument.tiers, start=1):
        cap = Decimal(NO_CAP) if tier.cap is None else tier.cap
        rows.append(
            {
                "bracket": number,
                "initialLeverage": tier.max_leverage,
                "notionalCap": int(cap),
                "notionalFloor": int(floor),
                "maintMarginRatio": float(tier.maintenance_rate),
                "cum": float(tier.deduction),
            }
        )
        floor = cap
    return rows


def _configured(instrument: Instrument, position: Position) -> dict[str, Any]:
    return {
        "symbol": market_id(instrument.symbol),
        "marginType": "CROSSED" if position.margin_mode == "cross" else "ISOLATED",
        "isAutoAddMargin": "false",
        "leverage": position.leverage,
        "maxNotionalValue": _most_notional(instrument, position.leverage),
    }


def _most_notional(instrument: Instrument, leverage: int) -> str:
    allowed = [tier.cap for tier in instrument.tiers if tier.max_leverage >= leverage]
    caps = [Decimal(NO_CAP) if cap is None else cap for cap in allowed]
    return str(int(max(caps, default=Decimal(0))))


def _queue(exchange: Exchange, account: Account, symbol: str) -> int:
    return max(exchange.adl_rank(account, symbol) - 1, 0)
