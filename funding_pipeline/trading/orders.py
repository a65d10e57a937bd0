"""One order under the protocol: written down first, sent once, and looked up until its outcome is known.

What lives here: sending, looking up and taking back single orders, and what the journal is told of it.
What does not: which order is next (`execution.reconcile`), or the loop around it (`carrying_out`).

While an intent is pending or unknown nothing else may be sent for its instrument; the journal refuses it
too. An order is believed absent only when the venue has said so twice, late enough that it can no longer
arrive, and no fill looks like it.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from funding_pipeline.core.errors import (
    CredentialsError,
    FundingPipelineError,
    GovernanceError,
    JournalError,
    OrderRejectedError,
    UnknownInstrumentError,
)
from funding_pipeline.core.governance import (
    IntentPurpose,
    IntentRecord,
    OrderIntent,
    TargetPosition,
    client_order_id,
)
from funding_pipeline.core.trading import OrderRequest, OrderState, TimeInForce
from funding_pipeline.execution.config import ExecutionConfig
from funding_pipeline.execution.slicing import ZERO, side_of
from funding_pipeline.execution.states import Permission
from funding_pipeline.storage.journal import Journal
from funding_pipeline.venues.private import PrivateGateway

Clock = Callable[[], datetime]
Sleep = Callable[[float], Awaitable[None]]
Key = tuple[str, str]
"""Venue and symbol."""
SentOutcome = Literal["accepted", "rejected", "unknown", "refused"]
_NOT_PERMITTED = "live trading is not armed, or its arming has expired: arm it in the web UI"
_CLOCKS_APART = timedelta(seconds=5)
"""A venue's stamps may be this much before ours."""


@dataclass(frozen=True)
class Ticket:
    """What is to be sent: `change` signed, in quoted base units."""

    target: TargetPosition
    change: Decimal
    price: Decimal
    time_in_force: TimeInForce
    reduce_only: bool
    purpose: IntentPurpose


@dataclass(frozen=True)
class Sent:
    """What became of a ticket. `refused`: nothing left, by our own rules. `reason`: the venue's, or ours."""

    outcome: SentOutcome
    order: OrderState | None = None
    reason: str = ""
    text: str = ""

    @property
    def filled(self) -> Decimal:
        """Signed quantity that is known to be filled."""
        return ZERO if self.order is None else signed_fill(self.order)


def signed_fill(order: OrderState) -> Decimal:
    """Filled quantity with the sign of its side."""
    return order.filled if order.side == "buy" else -order.filled


class OrderDesk:
    """Orders of one strategy over `gateways` by venue. `verdict_id` and `rebalance` go into every intent.

    `resend_on_timeout` breaks the protocol on purpose: the chaos campaign must catch it.
    """

    def __init__(
        self,
        *,
        journal: Journal,
        gateways: Mapping[str, PrivateGateway],
        clock: Clock,
        config: ExecutionConfig,
        strategy: str,
        rebalance: str,
        verdict_id: str,
        resend_on_timeout: bool = False,
        permission: Callable[[], Permission] = lambda: "all",
    ) -> None:
        self._journal, self._gateways = journal, gateways
        self._clock, self._config = clock, config
        self._strategy, self._rebalance, self._verdict_id = strategy, rebalance, verdict_id
        self._resend_on_timeout, self._permission = resend_on_timeout, permission
        self._missing_since: dict[str, datetime] = {}

    def refusal(self, *, reduce_only: bool) -> str:
        """Why an order may not be sent now, as the journal stands this moment; empty: it may."""
        reducing, opening = self.refusals()
        return reducing if reduce_only else opening

    def refusals(self) -> tuple[str, str]:
        """Why nothing may be sent now, and why nothing that opens may be."""
        held = self._journal.state()
        text = f"trading is {held.state} by {held.by}: {held.reason}"
        permitted = self._permission()
        if held.state == "HALTED":
            return text, text
        if permitted == "none":
            return (_NOT_PERMITTED, _NOT_PERMITTED)
        if held.state == "REDUCING":
            return "", text
        return "", _NOT_PERMITTED if permitted == "reduce" else self._guard_is_silent()

    def _guard_is_silent(self) -> str:
        """Why nothing may be opened for want of a heartbeat; empty where it is fresh, or not asked for.

        One that lies as far ahead is as old: it was given before the clock was put back."""
        if self._config.guard_max_age_seconds is None:
            return ""
        beat = self._journal.heartbeat("guard")
        most = timedelta(seconds=self._config.guard_max_age_seconds)
        if beat is None or abs(self._clock() - beat.at) > most:
            return "the guard gives no fresh sign of life"
        return ""

    # --- sending
    async def send(self, ticket: Ticket) -> Sent:
        """Write the intent, send it once, write down what became of it. Raises JournalError only."""
        intent = self._intent(ticket)
        try:
            self._journal.write_intent(intent)  # looks at the state in the same transaction
        except GovernanceError as error:
            return Sent("refused", text=str(error))
        refusal = self.refusal(reduce_only=ticket.reduce_only)
        if refusal:  # halted while the intent was written: it is never sent
            self._journal.record_outcome(intent.client_order_id, "absent", error=f"not sent: {refusal}")
            return Sent("refused", text=refusal)
        return await self._deliver(intent)

    def _intent(self, ticket: Ticket) -> OrderIntent:
        target = ticket.target
        attempt = self._journal.next_attempt(self._strategy, self._rebalance, target.leg)
        request = OrderRequest(
            venue=target.venue,
            symbol=target.symbol,
            side=side_of(ticket.change),
            kind="limit",
            quantity=abs(ticket.change),
            client_order_id=client_order_id(self._strategy, self._rebalance, target.leg, attempt),
            price=ticket.price,
            time_in_force=ticket.time_in_force,
            reduce_only=ticket.reduce_only,
        )
        return OrderIntent(
            self._strategy, self._rebalance, target.leg, attempt, ticket.purpose,
            self._verdict_id, request, self._clock(),
        )  # fmt: skip

    async def _deliver(self, intent: OrderIntent) -> Sent:
        """Send what is in the journal. Whatever is not a clear answer leaves the outcome unknown."""
        key = intent.client_order_id
        try:
            order = await self._gateways[intent.request.venue].create_order(intent.request)
        except OrderRejectedError as error:
            if error.reason == "duplicate_client_id":  # it has arrived before: what became of it is asked
                return await self._left_open(intent, error)
            self._journal.record_outcome(key, "rejected", error=str(error))
            return Sent("rejected", reason=error.reason, text=str(error))
        except (CredentialsError, UnknownInstrumentError) as error:
            self._journal.record_outcome(key, "rejected", error=str(error))
            return Sent("rejected", reason="other", text=str(error))
        except FundingPipelineError as error:
            return await self._left_open(intent, error)
        self._journal.record_outcome(key, "accepted", order=order)
        return Sent("accepted", order)

    async def _left_open(self, intent: OrderIntent, error: FundingPipelineError) -> Sent:
        self._journal.record_outcome(intent.client_order_id, "unknown", error=str(error))
        if self._resend_on_timeout:
            await self._resend(intent)
        return Sent("unknown", text=str(error))

    async def _resend(self, intent: OrderIntent) -> None:
        """The classical mistake, for the chaos campaign alone: the same order again, with another id."""
        again = client_order_id(intent.strategy, intent.rebalance, f"{intent.leg} again", intent.attempt)
        try:
            gateway = self._gateways[intent.request.venue]
            await gateway.create_order(replace(intent.request, client_order_id=again))
        except FundingPipelineError:
            return

    # --- looking up
    async def resolve(self, record: IntentRecord) -> bool:
        """Look once for what became of a pending or unknown intent and write it down; False: still not known.

        To be called again until it is True; it does not wait.
        """
        if record.intent.request.venue not in self._gateways:
            return False
        try:
            order = await self._look(record)
            if order is None and not (self._is_late_enough(record) and not await self._may_hide(record)):
                return False
        except JournalError:
            raise
        except FundingPipelineError:
            return False
        key = record.intent.client_order_id
        if order is None:
            self._journal.record_outcome(key, "absent", error="the venue has no such order, asked twice")
        else:
            self._journal.record_outcome(
                key, "rejected" if order.status == "rejected" else "accepted", order=order
            )
        return True

    async def _look(self, record: IntentRecord) -> OrderState | None:
        request = record.intent.request
        return await self._gateways[request.venue].order_by_client_id(request.symbol, request.client_order_id)

    def _is_late_enough(self, record: IntentRecord) -> bool:
        """Whether this is at least the second look that finds nothing, and none can arrive any more."""
        now, request = self._clock(), record.intent.request
        first = self._missing_since.setdefault(record.intent.client_order_id, now)
        pause = timedelta(seconds=self._config.absence_pause_seconds)
        late = timedelta(seconds=self._config.absence_after(request.venue))
        return now > first and now - first >= pause and now - record.intent.written_at >= late

    async def _may_hide(self, record: IntentRecord) -> bool:
        """Whether a fill that no known order explains could be its own: look-ups may lag behind fills."""
        intent, request = record.intent, record.intent.request
        age = (self._clock() - intent.written_at).total_seconds()
        if age > self._config.absence_final_seconds:
            return False
        gateway = self._gateways[request.venue]
        fills = await gateway.fills(request.symbol, intent.written_at - _CLOCKS_APART)
        known = self._journal.known_orders(request.venue, request.symbol, (fill.order_id for fill in fills))
        return any(
            fill.side == request.side and fill.quantity <= request.quantity and fill.order_id not in known
            for fill in fills
        )

    # --- orders that rest
    async def look(self, key: Key, order: OrderState) -> OrderState | None:
        """A resting order as the venue has it now, also in the journal; None where it cannot be told."""
        try:
            now = await self._gateways[key[0]].order_by_client_id(key[1], str(order.client_order_id))
        except FundingPipelineError:
            return None
        if now is not None and now != order:
            self._keep(now)
        return now

    async def take_back(self, key: Key, order: OrderState) -> OrderState | None:
        """Cancel an order of ours; its end, also in the journal where it is known. None: it may rest on."""
        gateway, client_id = self._gateways[key[0]], str(order.client_order_id)
        try:
            try:
                ended: OrderState | None = await gateway.cancel_order(key[1], client_id)
            except FundingPipelineError:  # it may be done already, or rest still
                ended = await gateway.order_by_client_id(key[1], client_id)
        except FundingPipelineError:
            return None
        if ended is None or ended.status == "open":
            return None
        self._keep(ended)
        return ended

    def _keep(self, order: OrderState) -> None:
        """Tell the journal what the venue says of an order, unless its intent is closed as never sent."""
        known = self._journal.intent(str(order.client_order_id))
        if known is not None and known.outcome in ("pending", "unknown", "accepted"):
            self._journal.record_outcome(known.intent.client_order_id, "accepted", order=order)
