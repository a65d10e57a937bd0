"""Statements: fills and funding payments (`execution/list`), and the wallet's transaction log.

What lives here: Bybit's bodies and signs. Funding is booked as a fee in `execution/list`: `execFee` is
POSITIVE when the account pays; in the transaction log `funding` is what the wallet received.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from funding_pipeline.testnet.dialects.bybit.texts import (
    Params,
    asked_symbol,
    id_text,
    listing,
    native_symbol,
    page,
    require_linear,
    seven_days,
)
from funding_pipeline.testnet.dialects.numbers import plain_text
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Account, EngineFill, EnginePayment, LedgerEntry, Order

_KINDS = {"trade": "Trade", "liquidation": "BustTrade", "adl": "AdlTrade", "settlement": "Delivery"}
_LOG_TYPES = {
    "deposit": "TRANSFER_IN",
    "realised_pnl": "TRADE",
    "fee": "TRADE",
    "funding": "SETTLEMENT",
    "insurance": "LIQUIDATION",
}
_PAYMENT_IDS = 1 << 40  # payments and fills are counted apart by the engine, and share ids on the venue


def executions(exchange: Exchange, account: Account, params: Params) -> Mapping[str, Any]:
    """`/v5/execution/list`: newest first, up to 100 (default 50), of at most seven days.

    Like the venue it does not know `size`, which ccxt sends with requests for funding payments.
    """
    symbol = asked_symbol(exchange, params)
    require_linear(params)
    start, end = seven_days(params, exchange.now())
    orders = {order.order_id: order for order in exchange.orders(account)}
    fills = exchange.fills(account, symbol=symbol, start=start, end=end)
    payments = exchange.payments(account, symbol=symbol, start=start, end=end)
    rows = [_fill(fill, orders.get(fill.order_id)) for fill in fills] + [_payment(item) for item in payments]
    shown, cursor = page(_newest_first(rows, params), params, default=50, most=100)
    return listing(shown, cursor)


def _newest_first(rows: Sequence[Mapping[str, Any]], params: Params) -> list[Mapping[str, Any]]:
    wanted = {name: params[name] for name in ("execType", "orderId", "orderLinkId") if params.get(name)}
    kept = [row for row in rows if all(row[name] == value for name, value in wanted.items())]
    return sorted(kept, key=lambda row: (int(row["execTime"]), int(row["seq"])), reverse=True)


def _fill(fill: EngineFill, order: Order | None) -> dict[str, Any]:
    value = fill.quantity * fill.price
    before = fill.position_before
    closes = before * (1 if fill.side == "buy" else -1) < 0
    ticket = order.ticket if order else None
    return {
        **_constants(),
        "symbol": native_symbol(fill.symbol),
        "orderId": id_text(fill.order_id),
        "orderLinkId": fill.client_id or "",
        "side": fill.side.capitalize(),
        "orderType": ticket.kind.capitalize() if ticket else "Market",
        "orderPrice": plain_text((ticket.price if ticket else None) or fill.price),
        "orderQty": plain_text(ticket.quantity if ticket else fill.quantity),
        "leavesQty": plain_text(order.left if order and order.status == "open" else Decimal(0)),
        "execId": id_text(fill.fill_id),
        "execType": _KINDS[fill.kind],
        "execPrice": plain_text(fill.price),
        "execQty": plain_text(fill.quantity),
        "execValue": plain_text(value),
        "execFee": plain_text(fill.fee),
        "execPnl": plain_text(fill.pnl),
        "feeRate": plain_text(round(fill.fee / value, 8)) if value else "0",
        "closedSize": plain_text(min(abs(before), fill.quantity) if closes else Decimal(0)),
        "isMaker": fill.is_maker,
        "execTime": str(fill.time),
        "seq": str(fill.fill_id),
    }


def _payment(payment: EnginePayment) -> dict[str, Any]:
    size = abs(payment.quantity)
    return {
        **_constants(),
        "symbol": native_symbol(payment.symbol),
        "orderId": id_text(_PAYMENT_IDS + payment.payment_id),
        "orderLinkId": "",
        "side": "Buy" if payment.quantity > 0 else "Sell",  # of the position
        "orderType": "UNKNOWN",
        "orderPrice": "0",
        "orderQty": "0",
        "leavesQty": "0",
        "execId": id_text(_PAYMENT_IDS + payment.payment_id),
        "execType": "Funding",
        "execPrice": plain_text(payment.price),
        "execQty": plain_text(size),
        "execValue": plain_text(size * payment.price),
        "execFee": plain_text(-payment.amount),
        "execPnl": "0",
        # As a fee: execFee / execValue, so for a short it is the funding rate with the other sign.
        "feeRate": plain_text(payment.rate if payment.quantity > 0 else -payment.rate),
        "closedSize": "0",
        "isMaker": False,
        "execTime": str(payment.time),
        "seq": str(payment.payment_id),
    }


def _constants() -> dict[str, Any]:
    names = ("underlyingPrice", "stopOrderType", "feeCurrency", "createType", "tradeIv", "blockTradeId")
    return {**dict.fromkeys((*names, "markPrice", "markIv", "indexPrice", "marketUnit", "extraFees"), "")}


def transaction_log(exchange: Exchange, account: Account, params: Params) -> Mapping[str, Any]:
    """`/v5/account/transaction-log`: every change of the wallet, newest first, up to 50 (default 20)."""
    start, end = seven_days(params, exchange.now())
    balance, rows = Decimal(0), []
    for entry in exchange.ledger(account):
        balance += entry.amount
        if start <= entry.time <= end:
            rows.append(_log_row(entry, account.settle, balance))
    shown, cursor = page(rows[::-1], params, default=20, most=50)
    return {"list": list(shown), "nextPageCursor": cursor}


def _log_row(entry: LedgerEntry, currency: str, balance: Decimal) -> dict[str, Any]:
    amounts = {"fee": "0", "cashFlow": "0", "funding": ""}
    if entry.kind == "fee":
        amounts["fee"] = plain_text(-entry.amount)
    elif entry.kind == "funding":
        amounts["funding"] = plain_text(entry.amount)
    else:
        amounts["cashFlow"] = plain_text(entry.amount)
    return {
        "symbol": native_symbol(entry.symbol) if entry.symbol else "",
        "side": "",
        "orderLinkId": "",
        "orderId": "",
        **amounts,
        "change": plain_text(entry.amount),
        "transactionTime": str(entry.time),
        "type": _LOG_TYPES[entry.kind],
        "feeRate": "",
        "size": "",
        "qty": "",
        "cashBalance": plain_text(balance),
        "currency": currency,
        "category": "linear",
        "tradePrice": "",
        "tradeId": "" if entry.reference is None else str(entry.reference),
    }
