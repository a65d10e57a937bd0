"""Values of an account from ccxt's structures: contracts become quoted base units, spellings become ours.

What lives here: conversions, also of an order's quantity into contracts. What does not: calls (`private`).
"""

from decimal import Decimal
from typing import Any

from funding_pipeline.core.errors import OrderRejectedError, VenueAnswerError
from funding_pipeline.core.trading import (
    Balance,
    Fill,
    FundingPayment,
    InstrumentTerms,
    OrderRequest,
    OrderState,
    OrderStatus,
    PositionState,
    Side,
)
from funding_pipeline.venues.dialect import Json, VenueDialect
from funding_pipeline.venues.spelling import decimal_of, from_ms, moment_of

_STATUSES: dict[str, OrderStatus] = {
    "open": "open",
    "closed": "filled",
    "canceled": "cancelled",
    "cancelled": "cancelled",
    "canceling": "open",
    "expired": "cancelled",
    "rejected": "rejected",
}
_NO_CURRENCY = frozenset({"info", "free", "used", "total", "debt", "timestamp", "datetime"})


def contracts(request: OrderRequest, terms: InstrumentTerms) -> Decimal:
    """The order's quantity in the venue's contracts.

    Raises OrderRejectedError(off_grid or below_minimum) before anything is sent: ccxt would cut the
    quantity down to the grid without a word.
    """
    what = f"{request.venue}: {request.symbol} {request.client_order_id}"
    quantity, step = request.quantity, terms.quantity_step
    if quantity <= 0 or (step is not None and quantity % step != 0):
        raise OrderRejectedError(f"{what}: quantity {quantity} is not on the step {step}", reason="off_grid")
    if terms.min_quantity is not None and quantity < terms.min_quantity and not request.reduce_only:
        least = terms.min_quantity
        raise OrderRejectedError(f"{what}: quantity {quantity} is below {least}", reason="below_minimum")
    tick = terms.price_tick
    if request.kind == "limit" and (
        request.price is None or (tick is not None and request.price % tick != 0)
    ):
        raise OrderRejectedError(
            f"{what}: price {request.price} is not on the tick {tick}", reason="off_grid"
        )
    return quantity / terms.contract_size


def balances(dialect: VenueDialect, answer: Json) -> tuple[Balance, ...]:
    """Currencies of ccxt's fetch_balance in which there is something."""
    accounts = {
        currency: account
        for currency, account in answer.items()
        if currency not in _NO_CURRENCY and isinstance(account, dict)
    }
    told = (dialect.balance(currency, account, answer) for currency, account in sorted(accounts.items()))
    return tuple(balance for balance in told if balance.wallet or balance.equity or balance.free)


def position(dialect: VenueDialect, row: Json, market: Json | None) -> PositionState | None:
    """A position; None where it is flat or of a market that this system does not read."""
    counted = decimal_of(row.get("contracts"))
    if market is None or not counted:
        return None
    quantity = abs(counted) * _size(dialect, market)
    mode = row.get("marginMode")
    return PositionState(
        venue=dialect.name,
        symbol=str(market["symbol"]),
        quantity=-quantity if row.get("side") == "short" else quantity,
        entry_price=decimal_of(row.get("entryPrice")),
        mark_price=decimal_of(row.get("markPrice")),
        liquidation_price=decimal_of(row.get("liquidationPrice")) or None,
        unrealised_pnl=decimal_of(row.get("unrealizedPnl")),
        initial_margin=decimal_of(row.get("initialMargin")),
        maintenance_margin=decimal_of(row.get("maintenanceMargin")),
        leverage=decimal_of(row.get("leverage")),
        margin_mode=mode if mode in ("cross", "isolated") else None,
        adl_rank=dialect.adl_rank(row),
    )


def order_state(dialect: VenueDialect, row: Json, market: Json) -> OrderState:
    """An order as the venue tells it whole; VenueAnswerError where status, side or quantity are missing."""
    status = _STATUSES.get(str(row.get("status")))
    amount, filled = decimal_of(row.get("amount")), decimal_of(row.get("filled"))
    if status is None or amount is None or filled is None or row.get("side") not in ("buy", "sell"):
        told = {name: row.get(name) for name in ("id", "status", "side", "amount", "filled")}
        raise VenueAnswerError(f"{dialect.name}: order of {market['symbol']} is told in part: {told}")
    size = _size(dialect, market)
    return OrderState(
        venue=dialect.name,
        symbol=str(market["symbol"]),
        order_id=str(row["id"]),
        client_order_id=dialect.canonical_client_id(row.get("clientOrderId")),
        status="filled" if status == "cancelled" and filled >= amount > 0 else status,
        side=row["side"],
        quantity=amount * size,
        filled=filled * size,
        average_price=(decimal_of(row.get("average")) or None) if filled else None,
        limit_price=decimal_of(row.get("price")) if row.get("type") == "limit" else None,
        reduce_only=row.get("reduceOnly"),
        updated_at=moment_of(row.get("lastUpdateTimestamp") or row.get("timestamp")),
    )


def acknowledged(dialect: VenueDialect, row: Json, market: Json, request: OrderRequest) -> OrderState | None:
    """State from an acknowledgement; None where it does not tell (Bybit gives an id, Hyperliquid no side)."""
    filled = decimal_of(row.get("filled"))
    is_told = row.get("id") is not None and _STATUSES.get(str(row.get("status"))) and filled is not None
    if not is_told or (filled and decimal_of(row.get("average")) is None):
        return None
    client_id = dialect.client_id(request.client_order_id)
    known = {
        "side": request.side,
        "type": request.kind,
        "amount": row.get("amount") or request.quantity / _size(dialect, market),
        "clientOrderId": client_id,
        "reduceOnly": request.reduce_only,
    }
    return order_state(dialect, {**row, **known}, market)


def fill(dialect: VenueDialect, row: Json, market: Json) -> Fill:
    """One trade of the account."""
    amount, price = decimal_of(row.get("amount")), decimal_of(row.get("price"))
    side, at = row.get("side"), row.get("timestamp")
    if amount is None or price is None or side not in ("buy", "sell") or at is None:
        raise VenueAnswerError(
            f"{dialect.name}: a fill of {market['symbol']} without amount, price, side or time"
        )
    fee = row.get("fee") or {}
    maker = row.get("takerOrMaker")
    return Fill(
        venue=dialect.name,
        symbol=str(market["symbol"]),
        fill_id=str(row["id"]),
        order_id=str(row["order"]),
        side=_side(side),
        quantity=amount * _size(dialect, market),
        price=price,
        fee=decimal_of(fee.get("cost")),
        fee_currency=fee.get("currency"),
        is_maker=None if maker is None else maker == "maker",
        traded_at=from_ms(at),
    )


def payment(dialect: VenueDialect, row: Json, market: Json) -> FundingPayment:
    """Funding of one settlement, in our sign."""
    if row.get("timestamp") is None or row.get("amount") is None:
        raise VenueAnswerError(
            f"{dialect.name}: a funding payment of {market['symbol']} without time or amount"
        )
    rate = row.get("rate") if row.get("rate") is not None else row.get("fundingRate")
    return FundingPayment(
        venue=dialect.name,
        symbol=str(market["symbol"]),
        settled_at=from_ms(row["timestamp"]),
        amount=dialect.payment_amount(row),
        currency=str(row.get("code") or market["settle"]),
        payment_id=None if row.get("id") is None else str(row["id"]),
        rate=None if rate is None else float(rate),
    )


def _size(dialect: VenueDialect, market: Json) -> Decimal:
    size = decimal_of(market.get("contractSize"))
    if size is None or size <= 0:
        raise VenueAnswerError(f"{dialect.name}: contract size of {market['symbol']} is unknown")
    return size


def _side(value: Any) -> Side:
    return "sell" if value == "sell" else "buy"
