"""What a reconcile step sees, and what it may answer. Values only.

What lives here: legs, views, actions. What does not: the decision (`reconcile`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from funding_pipeline.core.governance import IntentPurpose, IntentRecord, TargetPosition
from funding_pipeline.core.trading import OrderState
from funding_pipeline.execution.slicing import ZERO, Quote, SizeRules

Mode = Literal["full", "hedge", "reduce", "flatten"]
"""full: as the verdict allows. hedge: no new slices. reduce: only what reduces, legs together. flatten: the
same, of a base that is given up for this rebalance."""


@dataclass(frozen=True)
class LegView:
    """One leg as it is seen now. Quantities signed, quoted base units.

    `held` None: never read. `blocked`: why nothing may be sent to the instrument now (empty: it may).
    `is_unknown`: an order's outcome is. `may_begin`: no settlement window is near.
    """

    target: TargetPosition
    allowed: Decimal
    held: Decimal | None
    rules: SizeRules | None
    quote: Quote | None
    blocked: str = ""
    is_unknown: bool = False
    may_begin: bool = True

    @property
    def key(self) -> tuple[str, str]:
        """Venue and symbol."""
        return self.target.venue, self.target.symbol

    @property
    def is_free(self) -> bool:
        """Whether an order could be sent to it."""
        return not (self.blocked or self.is_unknown or self.quote is None or self.rules is None)

    def units(self, quantity: Decimal) -> Decimal:
        """Quoted quantity in base units."""
        return quantity * self.target.multiplier


@dataclass(frozen=True)
class LookUp:
    """Ask the venue what became of an order."""

    record: IntentRecord


@dataclass(frozen=True)
class Cancel:
    """Take back a resting order of ours that nothing wants."""

    order: OrderState


@dataclass(frozen=True)
class Send:
    """An order: `change` signed. `may_rest`: as maker first."""

    leg: LegView
    change: Decimal
    purpose: IntentPurpose
    reduce_only: bool
    may_rest: bool = False


@dataclass(frozen=True)
class Wait:
    """Nothing can be sent for the base now, and something should be. `legs`: those that it waits for."""

    base: str
    reason: str
    legs: tuple[tuple[str, str], ...] = ()


Action = LookUp | Cancel | Send | Wait


@dataclass(frozen=True)
class ReconcileView:
    """All that a step needs. `modes` by base (default full). `is_halted`: only looking up and cancelling."""

    legs: tuple[LegView, ...]
    unresolved: tuple[IntentRecord, ...] = ()
    strays: tuple[OrderState, ...] = ()
    modes: Mapping[str, Mode] = field(default_factory=dict)
    is_halted: bool = False


def net_units(legs: Iterable[LegView]) -> Decimal:
    """Signed base units held over all legs that were read."""
    return sum((leg.units(leg.held) for leg in legs if leg.held is not None), ZERO)


def unhedged_units(legs: Sequence[LegView]) -> Decimal:
    """Base units held net beyond what the verdict allows net, unsigned."""
    allowed = sum((leg.units(leg.allowed) for leg in legs), ZERO)
    return max(abs(net_units(legs)) - abs(allowed), ZERO)


def unit_price(legs: Iterable[LegView]) -> Decimal:
    """Quote units per base unit: the mid of a quote, else the plan's price."""
    legs = list(legs)
    quoted = [leg.quote.mid / leg.target.multiplier for leg in legs if leg.quote is not None]
    planned = [leg.target.price / leg.target.multiplier for leg in legs]
    return max(quoted or planned)
