"""Values of execution and governance: targets, intents, verdicts, states. Immutable, the same everywhere.

What lives here: values that the journal keeps and that executor, guard and web UI pass on. What does not:
limits and decisions (`execution`), keeping them (`storage.journal`), sending orders (`trading`).
"""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal

from funding_pipeline.core.trading import OrderRequest, OrderState

TradingState = Literal["ACTIVE", "REDUCING", "HALTED"]
"""ACTIVE: plans are carried out. REDUCING: only what reduces exposure. HALTED: only cancels are sent."""
IntentOutcome = Literal["pending", "accepted", "rejected", "unknown", "absent"]
"""pending: written, perhaps not sent. unknown: sent, no answer. absent: the venue says it never came."""
IntentPurpose = Literal["open", "reduce", "hedge", "flatten"]
LegDecision = Literal["pass", "cut", "refuse"]


def client_order_id(strategy: str, rebalance: str, leg: str, attempt: int) -> str:
    """24 hex digits, a pure function of its arguments: after a crash the same order has the same id."""
    text = "\x1f".join((strategy, rebalance, leg, str(attempt)))
    return hashlib.sha256(text.encode()).hexdigest()[:24]


@dataclass(frozen=True)
class TargetPosition:
    """The position to hold in one instrument: a level, not a change.

    `quantity` signed, in quoted base units; `multiplier`: base units per quoted unit; `price`: quote units,
    at which the plan was made.
    """

    venue: str
    symbol: str
    base: str
    multiplier: Decimal
    quantity: Decimal
    price: Decimal

    @property
    def leg(self) -> str:
        """Name of the leg: venue and symbol."""
        return f"{self.venue} {self.symbol}"


@dataclass(frozen=True)
class LimitBreach:
    """One limit and how it stands: `value` against `limit`, in `unit`, about `subject`."""

    limit_name: str
    subject: str
    value: float
    limit: float
    unit: str

    def text(self) -> str:
        """One line for a person."""
        return f"{self.limit_name} of {self.subject}: {self.value:,.6g} {self.unit}, limit {self.limit:,.6g}"


@dataclass(frozen=True)
class LegVerdict:
    """What may become of one target: `allowed` is the quantity that may be held.

    refuse: nothing is to be sent for the leg; `allowed` is what was held, or zero where that is not known.
    """

    target: TargetPosition
    decision: LegDecision
    allowed: Decimal
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class RiskVerdict:
    """The judgement of a plan before anything is sent. No order exists without one.

    `expires_at`: afterwards it has to be judged again. `limits_version`: of the configuration it applied.
    """

    verdict_id: str
    rebalance: str
    judged_at: datetime
    expires_at: datetime
    state: TradingState
    limits_version: str
    legs: tuple[LegVerdict, ...]
    breaches: tuple[LimitBreach, ...] = ()

    @property
    def decision(self) -> LegDecision:
        """The worst of the legs': refuse only where every leg is refused."""
        kinds = {leg.decision for leg in self.legs}
        if kinds <= {"pass"}:
            return "pass"
        return "refuse" if kinds == {"refuse"} else "cut"


@dataclass(frozen=True)
class OrderIntent:
    """An order about to be sent; durable in the journal before the first byte leaves."""

    strategy: str
    rebalance: str
    leg: str
    attempt: int
    purpose: IntentPurpose
    verdict_id: str
    request: OrderRequest
    written_at: datetime

    @property
    def client_order_id(self) -> str:
        """Its id at the venue."""
        return self.request.client_order_id


@dataclass(frozen=True)
class IntentRecord:
    """An intent and what is known of it. `order`: the venue's last word, where there is one."""

    intent: OrderIntent
    outcome: IntentOutcome
    order: OrderState | None = None
    error: str | None = None
    resolved_at: datetime | None = None


@dataclass(frozen=True)
class StateRecord:
    """The trading state, since when, by whom and why."""

    state: TradingState
    reason: str
    by: str
    since: datetime


@dataclass(frozen=True)
class Heartbeat:
    """A sign of life of a process, and how it is. `at`: the venues' time.

    `real_at`: this machine's, and `holder`: which process it was, as the journal adds them; None: of before.
    """

    process: str
    at: datetime
    status: str = "ok"
    real_at: datetime | None = field(default=None, compare=False)
    holder: str | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Look:
    """A look at the accounts that `name` kept: at the venues' time and this machine's; `body`: JSON."""

    name: str
    at: datetime
    real_at: datetime
    body: str


@dataclass(frozen=True)
class Alert:
    """Something a person should know. `key` tells repeats apart; `action`: what to do."""

    key: str
    severity: Literal["info", "warning", "critical"]
    title: str
    action: str
    raised_at: datetime
    numbers: dict[str, float | str] = field(default_factory=dict)
