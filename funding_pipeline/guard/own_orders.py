"""Which resting orders and which positions are ours, as far as the journal knows.

What lives here: comparing what venues tell with the journal. What does not: what follows (`trust`).
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from funding_pipeline.core.errors import FundingPipelineError
from funding_pipeline.core.governance import IntentRecord
from funding_pipeline.core.trading import Fill, OrderState
from funding_pipeline.execution.book import VenueBook
from funding_pipeline.execution.market_facts import LegKey
from funding_pipeline.guard.seen import Unexplained
from funding_pipeline.storage.journal import Journal
from funding_pipeline.trading.holdings import holdings
from funding_pipeline.trading.session import TradingSession

_TOLD_SINCE = timedelta(hours=1)
_TELLING_SECONDS = 3.0
_MOST_FILLS = 5


@dataclass(frozen=True)
class Resting:
    """Resting orders, told apart. `contradictions`: in words."""

    foreign: tuple[OrderState, ...] = ()
    strays: tuple[OrderState, ...] = ()
    contradictions: tuple[str, ...] = ()


def resting(journal: Journal, books: Mapping[str, VenueBook], *, is_executing: bool) -> Resting:
    """Orders that rest now. While somebody executes, ours are his. Raises JournalError."""
    foreign, strays, contradictions = [], [], []
    listed = [order for _, book in sorted(books.items()) for order in book.open_orders]
    own = journal.own(listed)
    for order in listed:
        known = own.get(str(order.client_order_id))
        if known is None:
            foreign.append(order)
        elif not is_executing:
            strays.append(order)
            contradictions += _contradictions(known, order)
    return Resting(tuple(foreign), tuple(strays), tuple(contradictions))


def _contradictions(known: IntentRecord, order: OrderState) -> list[str]:
    name = f"{order.venue} {order.symbol} {order.client_order_id}"
    if known.outcome in ("rejected", "absent"):
        return [f"{name} rests, and is {known.outcome} in the journal"]
    if known.order is not None and known.order.status != "open":
        return [f"{name} rests, and is {known.order.status} in the journal"]
    return []


@dataclass
class Explanations:
    """Positions that our orders and the statements add up to. Each is compared when it changes."""

    session: TradingSession
    _explained: dict[LegKey, Decimal] = field(default_factory=dict)
    _fills: dict[LegKey, tuple[Decimal, tuple[str, ...]]] = field(default_factory=dict)
    _has_begun: bool = False

    async def unexplained(
        self, journal: Journal, books: Mapping[str, VenueBook], busy: Iterable[LegKey]
    ) -> tuple[Unexplained, ...]:
        """Positions that differ from what the journal adds up to; not of `busy` instruments, whose orders
        are unknown. Raises JournalError."""
        held = {(p.venue, p.symbol): p.quantity for book in books.values() for p in book.positions}
        known = {*held, *self._explained, *(journal.instrument_totals() if not self._has_begun else ())}
        changed = [
            key
            for key in sorted(known - set(busy))
            if key[0] in books and self._explained.get(key) != held.get(key, Decimal(0))
        ]
        self._has_begun = self._has_begun or set(books) >= set(self.session.gateways)
        expected = holdings(journal, changed) if changed else {}
        found = []
        for key in changed:
            now = held.get(key, Decimal(0))
            if expected[key] == now:
                self._explained[key] = now
            else:
                found.append(Unexplained(key, now, expected[key], await self._told(journal, key, now)))
        return tuple(found)

    async def _told(self, journal: Journal, key: LegKey, held: Decimal) -> tuple[str, ...]:
        """Fills of the last hour that are not of our orders, asked once for as long as the position stays."""
        asked = self._fills.get(key)
        if asked is None or asked[0] != held:
            since = self.session.now() - _TOLD_SINCE
            try:
                async with asyncio.timeout(_TELLING_SECONDS):
                    fills = await self.session.gateways[key[0]].fills(key[1], since)
            except (FundingPipelineError, TimeoutError):
                return ()
            own = journal.known_orders(*key, (fill.order_id for fill in fills))
            others = [fill for fill in fills if fill.order_id not in own]
            asked = self._fills[key] = held, tuple(_text(fill) for fill in others[-_MOST_FILLS:])
        return asked[1]


def _text(fill: Fill) -> str:
    when = f"{fill.traded_at:%H:%M:%S} UTC, {fill.order_id}"
    return f"{fill.side} {fill.quantity:.10g} at {fill.price:.10g} ({when})"
