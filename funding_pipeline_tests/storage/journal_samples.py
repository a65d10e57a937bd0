"""Verdicts, intents and statements for tests of the journal, and the clock they share."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from funding_pipeline.core.governance import (
    LegDecision,
    LegVerdict,
    LimitBreach,
    OrderIntent,
    RiskVerdict,
    TargetPosition,
    client_order_id,
)
from funding_pipeline.core.trading import Fill, FundingPayment, OrderRequest, OrderState

NOON = datetime(2024, 2, 1, 12, tzinfo=UTC)
SYMBOLS = tuple(f"{base}/USDT:USDT" for base in ("BTC", "ETH", "SOL", "XRP", "DOGE", "LTC"))


@dataclass
class HandClock:
    """A clock that moves when it is told to."""

    time: datetime = NOON

    def __call__(self) -> datetime:
        return self.time

    def advance(self, **amount: float) -> None:
        """Move forward by a timedelta of the given `amount`."""
        self.time += timedelta(**amount)


def verdict(verdict_id: str = "v1", **changes: Any) -> RiskVerdict:
    """Allows 0.10 of every symbol on binance, refuses HYPE and TON (held); valid for an hour from NOON."""
    legs = [_leg(symbol, "pass", "0.10") for symbol in SYMBOLS]
    refused = [_leg("HYPE/USDT:USDT", "refuse", "0"), _leg("TON/USDT:USDT", "refuse", "7.0")]
    values: dict[str, Any] = {
        "verdict_id": verdict_id,
        "rebalance": "r1",
        "judged_at": NOON,
        "expires_at": NOON + timedelta(hours=1),
        "state": "ACTIVE",
        "limits_version": "limits-1",
        "legs": (*legs, *refused),
        "breaches": (LimitBreach("gross", "book", 1.1, float("inf"), "USD"),),
    }
    return RiskVerdict(**(values | changes))


def _leg(symbol: str, decision: LegDecision, allowed: str) -> LegVerdict:
    base = symbol.split("/")[0]
    target = TargetPosition("binance", symbol, base, Decimal(1), Decimal("0.10"), Decimal("1E+2"))
    return LegVerdict(target, decision, Decimal(allowed), ("no depth",) if decision == "refuse" else ())


def intent(attempt: int = 1, symbol: str = SYMBOLS[0], **changes: Any) -> OrderIntent:
    """To buy 0.010 of `symbol` on binance; `changes` of its fields or of its request's."""
    leg = f"binance {symbol}"
    request: dict[str, Any] = {
        "venue": "binance",
        "symbol": symbol,
        "side": "buy",
        "kind": "limit",
        "quantity": Decimal("0.010"),
        "price": Decimal("60000.50"),
    }
    values: dict[str, Any] = {
        "strategy": "carry",
        "rebalance": "r1",
        "leg": leg,
        "attempt": attempt,
        "purpose": "open",
        "verdict_id": "v1",
        "written_at": NOON,
    }
    for name, value in changes.items():
        (request if name in OrderRequest.__dataclass_fields__ else values)[name] = value
    key = client_order_id(values["strategy"], values["rebalance"], values["leg"], attempt)
    return OrderIntent(**values, request=OrderRequest(**({"client_order_id": key} | request)))


def order_of(sent: OrderIntent, **changes: Any) -> OrderState:
    """The order of an intent as its venue shows it: open, nothing filled."""
    values: dict[str, Any] = {
        "venue": sent.request.venue,
        "symbol": sent.request.symbol,
        "order_id": "77",
        "client_order_id": sent.client_order_id,
        "status": "open",
        "side": sent.request.side,
        "quantity": sent.request.quantity,
        "filled": Decimal(0),
        "average_price": None,
        "limit_price": sent.request.price,
        "reduce_only": None,
        "updated_at": None,
    }
    return OrderState(**(values | changes))


def fill(fill_id: str = "1", **changes: Any) -> Fill:
    """A fill of which the venue has not told the fee."""
    values: dict[str, Any] = {
        "venue": "binance",
        "symbol": SYMBOLS[0],
        "fill_id": fill_id,
        "order_id": "77",
        "side": "buy",
        "quantity": Decimal("0.010"),
        "price": Decimal("60000.50"),
        "fee": None,
        "fee_currency": None,
        "is_maker": None,
        "traded_at": NOON,
    }
    return Fill(**(values | changes))


def payment(**changes: Any) -> FundingPayment:
    """A payment of funding without an id of its own."""
    values: dict[str, Any] = {
        "venue": "hyperliquid",
        "symbol": "BTC/USDC:USDC",
        "settled_at": NOON,
        "amount": Decimal("-1.10"),
        "currency": "USDC",
        "payment_id": None,
        "rate": None,
    }
    return FundingPayment(**(values | changes))
