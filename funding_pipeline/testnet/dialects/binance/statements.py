"""What an account did and was paid on Binance's futures: `/fapi/v1/userTrades` and `/fapi/v1/income`.

What lives here: fills and changes of the wallet as the venue lists them. What does not: orders.

Signs: `commission` is what was paid; `income` is what the wallet gained (funding that was paid is negative).
"""

from collections.abc import Mapping
from typing import Any

from funding_pipeline.testnet.dialects.binance.orders import week
from funding_pipeline.testnet.dialects.binance.parameters import (
    DAY_MS,
    Parameters,
    fixed,
    known,
    market_id,
    plain,
    whole,
    window,
)
from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.values import Account, EngineFill, LedgerEntry

INCOME_TYPES: Mapping[str, str] = {
    "deposit": "TRANSFER",
    "realised_pnl": "REALIZED_PNL",
    "fee": "COMMISSION",
    "funding": "FUNDING_FEE",
    "insurance": "INSURANCE_CLEAR",
}
INCOME_KEPT_MS = 90 * DAY_MS


def user_trades(exchange: Exchange, account: Account, parameters: Parameters) -> Any:
    """GET /fapi/v1/userTrades of one symbol, ascending: seven days at most, the last ones if not told.

    Of more than `limit` rows: the oldest after `startTime`, or the newest where it is not sent.
    """
    page = window(parameters, default=500, most=1000)
    instrument = known(exchange, parameters)
    order_id = whole(parameters, "orderId")
    start, end = week(page.start, page.end, exchange.now())
    fills = [
        fill
        for fill in exchange.fills(account, symbol=instrument.symbol, start=start, end=end)
        if order_id in (None, fill.order_id)
    ]
    kept = fills[-page.limit :] if page.start is None else fills[: page.limit]
    return [_fill(account, fill) for fill in kept]


def income(exchange: Exchange, account: Account, parameters: Parameters) -> Any:
    """GET /fapi/v1/income, of one type and symbol or all, ascending.

    Three months back at most; the last seven days where no time is sent.
    """
    page = window(parameters, default=100, most=1000)
    now = exchange.now()
    untold = page.start is None and page.end is None
    start = now - 7 * DAY_MS if untold else max(page.start or 0, now - INCOME_KEPT_MS)
    entries = exchange.ledger(account, start=start, end=page.end)
    kind, wanted = parameters.get("incomeType"), parameters.get("symbol")
    rows = [_income(account, entry) for entry in entries]
    chosen = [row for row in rows if kind in (None, row["incomeType"]) and wanted in (None, row["symbol"])]
    return chosen[: page.limit]


def _fill(account: Account, fill: EngineFill) -> dict[str, Any]:
    return {
        "symbol": market_id(fill.symbol),
        "id": fill.fill_id,
        "orderId": fill.order_id,
        "side": fill.side.upper(),
        "price": plain(fill.price),
        "qty": plain(fill.quantity),
        "realizedPnl": fixed(fill.pnl, 8),
        "marginAsset": account.settle,
        "quoteQty": fixed(fill.price * fill.quantity, 8),
        "commission": fixed(fill.fee, 8),
        "commissionAsset": account.settle,
        "time": fill.time,
        "positionSide": "BOTH",
        "maker": fill.is_maker,
        "buyer": fill.side == "buy",
    }


def _income(account: Account, entry: LedgerEntry) -> dict[str, Any]:
    kind = INCOME_TYPES[entry.kind]
    of_trade = entry.kind in ("fee", "realised_pnl") and entry.reference is not None
    return {
        "symbol": market_id(entry.symbol) if entry.symbol else "",
        "incomeType": kind,
        "income": fixed(entry.amount, 8),
        "asset": account.settle,
        "time": entry.time,
        "info": kind,
        "tranId": entry.entry_id,
        "tradeId": str(entry.reference) if of_trade else "",
    }
