"""Values of an account from ccxt's structures: contracts become quoted base units, spellings become ours.

What lives here: conversions, also of an order's quantity into contracts. What does not: calls (`private`).
"""

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from hashlib import sha256
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
_NATIVE = re.compile(r"^(?P<base>[^/_:-]+)[-_/]?(?P<quote>USDT|USDC)(?:-SWAP)?$")
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
    """Currencies of ccxt's fetch_balance in which there is something, or it is not stated what."""
    accounts = {
        currency: account
        for currency, account in answer.items()
        if currency not in _NO_CURRENCY and isinstance(account, dict)
    }
    told = (dialect.balance(currency, account, answer) for currency, account in sorted(accounts.items()))
    return tuple(balance for balance in told if not _is_empty(balance))


def _is_empty(balance: Balance) -> bool:
    stated = [value for value in (balance.wallet, balance.equity, balance.free) if value is not None]
    return bool(stated) and not any(stated)


def position(dialect: VenueDialect, row: Json, markets: Mapping[str, Json]) -> PositionState | None:
    """A position; None where it is flat. VenueAnswerError where its size is not stated."""
    name = str(row.get("symbol"))
    amount, market = dialect.position_amount(row), markets.get(name)
    if amount is None:
        raise VenueAnswerError(f"{dialect.name}: position of {name}: its size is not stated")
    if not amount:
        return None
    size = None if market is None or not dialect.serves(market) else _size_or_none(market)
    mark, mode = decimal_of(row.get("markPrice")) or None, row.get("marginMode")
    return PositionState(
        venue=dialect.name,
        symbol=name if market is not None else perpetual_symbol(name),
        quantity=_in_coins(row, amount, mark) if size is None else amount * size,
        entry_price=decimal_of(row.get("entryPrice")) or None,
        mark_price=mark,
        liquidation_price=decimal_of(row.get("liquidationPrice")) or None,
        unrealised_pnl=decimal_of(row.get("unrealizedPnl")),
        initial_margin=decimal_of(row.get("initialMargin")),
        maintenance_margin=decimal_of(row.get("maintenanceMargin")),
        leverage=decimal_of(row.get("leverage")),
        margin_mode=mode if mode in ("cross", "isolated") else None,
        adl_rank=dialect.adl_rank(row),
        is_listed=size is not None and market is not None and dialect.takes_orders(market),
    )


def perpetual_symbol(native: str) -> str:
    """The symbol that a perpetual had while it was listed (`XYZUSDT`, `XYZ-USDT-SWAP`, `XYZ_USDT`); what is
    spelled otherwise stays as it is."""
    match = _NATIVE.match(native)
    return native if match is None else f"{match['base']}/{match['quote']}:{match['quote']}"


def _in_coins(row: Json, amount: Decimal, mark: Decimal | None) -> Decimal:
    notional = decimal_of(row.get("notional"))
    return amount if not notional or mark is None else abs(notional / mark).copy_sign(amount)


def order_state(
    dialect: VenueDialect,
    row: Json,
    market: Json,
    *,
    unless_known: OrderStatus | None = None,
    is_conditional: bool = False,
) -> OrderState:
    """An order as the venue states it; VenueAnswerError where side or quantities are missing.

    `unless_known`: the status behind a word that nobody has mapped. What was filled counts however the order
    ended: a refusal after a fill is a cancellation of the rest.
    """
    status = _STATUSES.get(str(row.get("status")), unless_known)
    amount, filled = decimal_of(row.get("amount")), decimal_of(row.get("filled"))
    if is_conditional:  # without a size it closes the whole position; nothing is filled before it triggers
        amount, filled = amount or Decimal(0), filled or Decimal(0)
    if status is None or amount is None or filled is None or row.get("side") not in ("buy", "sell"):
        stated = {name: row.get(name) for name in ("id", "status", "side", "amount", "filled")}
        raise VenueAnswerError(f"{dialect.name}: order of {market['symbol']} is stated in part: {stated}")
    if status != "open":
        status = "filled" if filled >= amount > 0 else "cancelled" if filled else status
        status = "cancelled" if status == "filled" and filled < amount else status
    size = _size(dialect, market)
    return OrderState(
        venue=dialect.name,
        symbol=str(market["symbol"]),
        order_id=str(row["id"]),
        client_order_id=dialect.canonical_client_id(row.get("clientOrderId")),
        status=status,
        side=row["side"],
        quantity=amount * size,
        filled=filled * size,
        average_price=(decimal_of(row.get("average")) or None) if filled else None,
        limit_price=decimal_of(row.get("price")) if row.get("type") == "limit" else None,
        reduce_only=row.get("reduceOnly"),
        updated_at=moment_of(row.get("lastUpdateTimestamp") or row.get("timestamp")),
        is_conditional=is_conditional,
    )


def has_known_status(row: Json) -> bool:
    """Whether the venue's word for what became of an order is one of those that ccxt, or we, know."""
    return str(row.get("status")) in _STATUSES


def acknowledged(dialect: VenueDialect, row: Any, market: Json, request: OrderRequest) -> OrderState | None:
    """State from an acknowledgement; None where it does not tell (Bybit gives an id, Hyperliquid no side)."""
    row = row if isinstance(row, dict) else {}
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
        fill_id=statement_id(row),
        order_id=str(row["order"]),
        side=_side(side),
        quantity=amount * _size(dialect, market),
        price=price,
        fee=decimal_of(fee.get("cost")),
        fee_currency=fee.get("currency"),
        is_maker=None if maker is None else maker == "maker",
        traded_at=from_ms(at),
    )


def statement_id(row: Json) -> str:
    """What identifies a fill or payment: the venue's id, or a digest of its row where that is none (0, '').

    Hyperliquid's fills of an order over time have 0."""
    stated = row.get("id")
    if stated not in (None, "", "0", 0):
        return str(stated)
    digest = sha256(json.dumps(row.get("info"), sort_keys=True, default=str).encode())
    return f"row-{digest.hexdigest()[:20]}"


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


def _size_or_none(market: Json) -> Decimal | None:
    size = decimal_of(market.get("contractSize"))
    return size if size is not None and size > 0 else None


def _size(dialect: VenueDialect, market: Json) -> Decimal:
    size = _size_or_none(market)
    if size is None:
        raise VenueAnswerError(f"{dialect.name}: contract size of {market['symbol']} is unknown")
    return size


def _side(value: Any) -> Side:
    return "sell" if value == "sell" else "buy"
