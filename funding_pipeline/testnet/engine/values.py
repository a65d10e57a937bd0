"""Values of the engine. Money, prices and quantities are `Decimal`; times are milliseconds since 1970, UTC.

Quantities are in quoted base units; a dialect turns contracts into them and back.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from funding_pipeline.core.trading import MarginMode, OrderKind, OrderStatus, Side, TimeInForce

RejectionReason = Literal[
    "insufficient_margin",
    "would_take",
    "reduce_only",
    "below_minimum",
    "off_grid",
    "price_bound",
    "duplicate_client_id",
    "unknown_order",
    "unknown_symbol",
    "halted",
    "delisted",
    "leverage",
    "margin_mode",
    "position_mode",
    "not_authenticated",
    "bad_signature",
    "bad_timestamp",
    "bad_passphrase",
    "bad_request",
]


class Rejected(Exception):  # noqa: N818 (it is an answer, not a failure)
    """The engine or a dialect refuses a request; a dialect spells `reason` as its venue would."""

    def __init__(self, reason: RejectionReason, message: str = "") -> None:
        super().__init__(message or reason)
        self.reason: RejectionReason = reason
        self.message = message or reason


@dataclass(frozen=True)
class MarginTier:
    """Notional above the previous tier's `cap` and up to this one's (None: no end), in settle units."""

    cap: Decimal | None
    maintenance_rate: Decimal
    deduction: Decimal
    max_leverage: int


@dataclass(frozen=True)
class Instrument:
    """A linear perpetual as the testnet lists it.

    `quoted`: what the venue quotes (BTC, 1000PEPE, kPEPE); `contract_size`: quoted base units per contract
    (1 where the venue counts coins). `step` and `min_quantity` in quoted base units.
    """

    venue: str
    symbol: str
    quoted: str
    quote: str
    settle: str
    tick: Decimal
    step: Decimal
    contract_size: Decimal
    min_quantity: Decimal
    min_notional: Decimal
    maker_fee: Decimal
    taker_fee: Decimal
    tiers: tuple[MarginTier, ...]
    rate_cap: Decimal
    listed_at: int
    interest_per_8h: Decimal = Decimal("0.0001")


@dataclass(frozen=True)
class Level:
    """Resting quantity at one price."""

    price: Decimal
    quantity: Decimal


@dataclass(frozen=True)
class Book:
    """Levels best first on each side, at `time`."""

    time: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


@dataclass(frozen=True)
class PublicTrade:
    """A trade of the market (not of a test account)."""

    trade_id: int
    time: int
    side: Side  # the taker's
    price: Decimal
    quantity: Decimal


@dataclass(frozen=True)
class Ticket:
    """An order as a client asks for it, in engine units. `price` of a market order: its worst, or None."""

    symbol: str
    side: Side
    kind: OrderKind
    quantity: Decimal
    price: Decimal | None = None
    time_in_force: TimeInForce = "gtc"
    reduce_only: bool = False
    client_id: str | None = None


@dataclass
class Order:
    """An order and what became of it. `average` is zero while nothing is filled."""

    order_id: int
    account: str
    ticket: Ticket
    created: int
    updated: int
    status: OrderStatus = "open"
    filled: Decimal = Decimal(0)
    average: Decimal = Decimal(0)
    fee: Decimal = Decimal(0)
    cancel_reason: str = ""

    @property
    def left(self) -> Decimal:
        """What is still to be filled."""
        return self.ticket.quantity - self.filled


@dataclass(frozen=True)
class ConditionalOrder:
    """An order that would be sent at `trigger`; here it never is. `trigger_above`: at or above, else at or
    below. Its numbers are those of orders."""

    order_id: int
    ticket: Ticket
    trigger: Decimal
    trigger_above: bool
    created: int


FillKind = Literal["trade", "liquidation", "adl", "settlement"]


@dataclass(frozen=True)
class EngineFill:
    """One fill of a test account. `fee` is what was paid; `pnl` what the closed part realised."""

    fill_id: int
    account: str
    order_id: int
    client_id: str | None
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal
    pnl: Decimal
    is_maker: bool
    time: int
    kind: FillKind = "trade"
    position_before: Decimal = Decimal(0)


@dataclass(frozen=True)
class EnginePayment:
    """Funding of one settlement: `amount` positive was received, negative paid; `quantity` signed."""

    payment_id: int
    account: str
    symbol: str
    time: int
    rate: Decimal
    quantity: Decimal
    price: Decimal
    amount: Decimal


EntryKind = Literal["deposit", "realised_pnl", "fee", "funding", "insurance"]


@dataclass(frozen=True)
class LedgerEntry:
    """A change of an account's wallet. The sum over an account's entries is its wallet balance."""

    entry_id: int
    account: str
    time: int
    kind: EntryKind
    amount: Decimal
    symbol: str | None = None
    reference: int | None = None  # order's fill or payment


PositionMode = Literal["one_way", "hedge"]


@dataclass
class Position:
    """A one-way position; `quantity` is signed, `entry` is zero when flat."""

    symbol: str
    quantity: Decimal = Decimal(0)
    entry: Decimal = Decimal(0)
    leverage: int = 10
    margin_mode: MarginMode = "cross"
    isolated_margin: Decimal = Decimal(0)
    opened: int = 0
    updated: int = 0
    realised: Decimal = Decimal(0)


@dataclass
class Account:
    """A test account on one venue. `key`, `secret`, `passphrase`: credentials in the venue's own form.

    Hyperliquid: `key` is the wallet address in lower case, `secret` the private key. `is_unified`: where the
    venue has several kinds of account, collateral is shown on its unified side.
    """

    account_id: str
    settle: str
    key: str
    secret: str = field(repr=False)
    passphrase: str = field(default="", repr=False)
    wallet: Decimal = Decimal(0)
    may_withdraw: bool = False
    position_mode: PositionMode = "one_way"
    is_unified: bool = False
    last_nonce: int = 0
    nonces: set[int] = field(default_factory=set, repr=False)
    positions: dict[str, Position] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)
    conditional: dict[int, ConditionalOrder] = field(default_factory=dict)
    fills: list[EngineFill] = field(default_factory=list)
    payments: list[EnginePayment] = field(default_factory=list)
    ledger: list[LedgerEntry] = field(default_factory=list)
