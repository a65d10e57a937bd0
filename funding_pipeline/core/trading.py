"""Values that pass between the system and a venue: terms, orders, fills, positions, payments.

What lives here: immutable values, the same for every venue. What does not: how a venue spells them
(`venues`), or what to do with them (`execution`).

Units everywhere: `quantity` is in quoted base units (coins; thousands of coins for `1000PEPE`), never
in contracts; prices are quote units per quoted base unit; `Decimal`, because a venue refuses what is
off its grid; times are UTC.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

Side = Literal["buy", "sell"]
OrderKind = Literal["market", "limit"]
TimeInForce = Literal["gtc", "ioc", "post_only"]
OrderStatus = Literal["open", "filled", "cancelled", "rejected"]
MarginMode = Literal["cross", "isolated"]
ContractType = Literal["linear", "inverse"]
Underlying = Literal["crypto", "stock", "fund", "commodity", "forex", "index", "pre_market", "event", "other"]
"""What a contract's price is the price of, as the venue states it; `other`: a word that nobody has mapped."""


@dataclass(frozen=True)
class InstrumentTerms:
    """Terms of one perpetual as its venue states them at one moment; None: the venue does not say.

    `contract_size`: quoted base units per contract (linear) or quote units per contract (inverse).
    `quantity_step` and `min_quantity` are already in quoted base units (contracts x contract size).
    Fees are fractions of notional of the base tier, or of the account where keys are given. `funding_cap` and
    `funding_floor` bound the rate of one settlement (fraction of notional). `delists_at`: announced end of
    trading.
    """

    venue: str
    symbol: str
    native_id: str
    quote: str
    settle: str
    contract_type: ContractType
    contract_size: Decimal
    price_tick: Decimal | None
    quantity_step: Decimal | None
    min_quantity: Decimal | None
    min_notional: Decimal | None
    maker_fee: Decimal | None
    taker_fee: Decimal | None
    interval_hours: float | None
    is_active: bool
    listed_at: datetime | None
    underlying: Underlying = "crypto"
    delists_at: datetime | None = None
    funding_cap: Decimal | None = None
    funding_floor: Decimal | None = None


@dataclass(frozen=True)
class LeverageTier:
    """One bracket of margin: notional from `floor` (exclusive) to `cap` (inclusive; None: no end), settled.

    Maintenance margin of a position of notional n in this bracket: `n x maintenance_rate - deduction`. The
    deductions make it continuous over the brackets of most venues; where a bracket's rate counts for the
    whole position (OKX) they are zero.
    """

    venue: str
    symbol: str
    floor: Decimal
    cap: Decimal | None
    maintenance_rate: Decimal
    deduction: Decimal
    max_leverage: Decimal


@dataclass(frozen=True)
class OrderRequest:
    """An order to send. `client_order_id`: 24 lower-case hex digits; every venue carries that many.

    `price` is the limit; for a market order it is the worst price to accept, where a venue has such.
    """

    venue: str
    symbol: str
    side: Side
    kind: OrderKind
    quantity: Decimal
    client_order_id: str
    price: Decimal | None = None
    time_in_force: TimeInForce = "gtc"
    reduce_only: bool = False


@dataclass(frozen=True)
class OrderState:
    """What a venue says of an order. `average_price` is None while nothing is filled.

    `is_conditional`: it has a trigger (stop, take profit, trailing); its `quantity` is 0 where it closes the
    whole position, and the venue states none.
    """

    venue: str
    symbol: str
    order_id: str
    client_order_id: str | None
    status: OrderStatus
    side: Side
    quantity: Decimal
    filled: Decimal
    average_price: Decimal | None
    limit_price: Decimal | None
    reduce_only: bool | None
    updated_at: datetime | None
    is_conditional: bool = False


@dataclass(frozen=True)
class Fill:
    """One trade of the account. `fee` is what was paid (negative: a rebate), in `fee_currency`."""

    venue: str
    symbol: str
    fill_id: str
    order_id: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal | None
    fee_currency: str | None
    is_maker: bool | None
    traded_at: datetime


@dataclass(frozen=True)
class PositionState:
    """A position that a venue holds for the account. `quantity` is signed: below zero is short.

    `is_listed` false: no order can be sent, because the venue no longer lists the instrument, or lists it as
    one that does not trade, or this system does not read it (dated, inverse). Where the contract's size is
    not known, `quantity` is notional over mark, and contracts where the venue states no notional.
    """

    venue: str
    symbol: str
    quantity: Decimal
    entry_price: Decimal | None
    mark_price: Decimal | None
    liquidation_price: Decimal | None
    unrealised_pnl: Decimal | None
    initial_margin: Decimal | None
    maintenance_margin: Decimal | None
    leverage: Decimal | None
    margin_mode: MarginMode | None
    adl_rank: float | None = None  # 0 (last to be deleveraged) to 1 (first); None: not told
    is_listed: bool = True


@dataclass(frozen=True)
class InstrumentModes:
    """How an account would trade one instrument. None: the venue does not state it, or as another word."""

    venue: str
    symbol: str
    leverage: Decimal | None
    margin_mode: MarginMode | None
    is_one_way: bool | None

    def text(self) -> str:
        """`cross, leverage 10, one-way`; what is not known as a question mark."""
        ways = {True: "one-way", False: "hedge mode", None: "position mode ?"}
        leverage = "?" if self.leverage is None else f"{self.leverage.normalize():f}"
        return f"{self.margin_mode or '?'}, leverage {leverage}, {ways[self.is_one_way]}"


@dataclass(frozen=True)
class Balance:
    """Collateral in one currency. `equity` includes unrealised profit; None where not told."""

    venue: str
    currency: str
    wallet: Decimal | None
    free: Decimal | None
    equity: Decimal | None


@dataclass(frozen=True)
class FundingPayment:
    """Funding of one settlement. `amount` in `currency`: positive was received, negative was paid."""

    venue: str
    symbol: str
    settled_at: datetime
    amount: Decimal
    currency: str
    payment_id: str | None
    rate: float | None = None
