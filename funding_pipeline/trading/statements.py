"""The venues' statements after an execution: read into the journal, and compared with what was meant.

What lives here: fills and funding payments of the legs, and differences by name. What does not: profit by
source (`pnl`). `Executor.rebalance` and `Executor.flatten` call `record_statements` at their end, also when
nothing was sent. Null is not zero: a fee that a venue does not tell is a difference.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from funding_pipeline.core.errors import FundingPipelineError, JournalError
from funding_pipeline.core.governance import IntentRecord
from funding_pipeline.core.trading import Fill, FundingPayment
from funding_pipeline.execution.book import VenueBook
from funding_pipeline.storage.journal import Journal
from funding_pipeline.trading.orders import Key
from funding_pipeline.trading.side_by_side import side_by_side
from funding_pipeline.venues.private import PrivateGateway

Statement = TypeVar("Statement", Fill, FundingPayment)
_OVERLAP = timedelta(minutes=5)
"""A venue's stamps may be before ours."""
_LONGEST = timedelta(days=30)
ZERO = Decimal(0)


@dataclass(frozen=True)
class Difference:
    """Something that does not agree. `expected`, `told`: None where there is nothing to compare with."""

    subject: str
    what: str
    expected: Decimal | None = None
    told: Decimal | None = None

    def text(self) -> str:
        """One line for a person."""
        return f"{self.subject}: {self.what} (expected {self.expected}, told {self.told})"


async def record_statements(
    journal: Journal,
    gateways: Mapping[str, PrivateGateway],
    legs: Iterable[Key],
    *,
    since: datetime,
    at_once: int = 1,
) -> tuple[str, ...]:
    """Fills and payments of `legs` into the journal, each from its first order or `since`, at most 30 days
    back; what could not be read, or contradicts what is kept, by name."""
    keys = sorted(key for key in set(legs) if key[0] in gateways)
    begun = {
        key: total.first_written_at - _OVERLAP
        for key, total in journal.instrument_totals().items()
        if total.first_written_at is not None
    }
    reads = [_read(journal, gateways[key[0]], key, min(since, begun.get(key, since))) for key in keys]
    problems: list[str] = []
    fills: list[Fill] = []
    payments: list[FundingPayment] = []
    for told in await side_by_side(reads, at_once):
        if isinstance(told, str):
            problems.append(told)
            continue
        fills += told[0]
        payments += told[1]
    # In a thread: a month of statements is compared with the journal, and venues go on answering.
    return tuple(problems) + await asyncio.to_thread(_keep, journal, fills, payments)


def _keep(journal: Journal, fills: list[Fill], payments: list[FundingPayment]) -> tuple[str, ...]:
    """Into the journal; what contradicts it, by instrument."""
    return _each(journal.record_fills, fills) + _each(journal.record_payments, payments)


def _each(keep: Callable[[list[Statement]], int], rows: list[Statement]) -> tuple[str, ...]:
    """All at once; where something contradicts the journal, instrument by instrument, so that it costs its
    own instrument only."""
    try:
        keep(rows)
        return ()
    except JournalError:
        problems = []
    for key in sorted({(row.venue, row.symbol) for row in rows}):
        try:
            keep([row for row in rows if (row.venue, row.symbol) == key])
        except JournalError as error:
            problems.append(f"{' '.join(key)}: statement not kept: {error}")
    return tuple(problems)


async def _read(
    journal: Journal, gateway: PrivateGateway, key: Key, begun: datetime
) -> tuple[tuple[Fill, ...], tuple[FundingPayment, ...]] | str:
    # All of it each time: a row that is known does not prove that those before it were read.
    start = max(begun, journal.now() - _LONGEST)
    try:
        return await gateway.fills(key[1], start), await gateway.funding_payments(key[1], start)
    except FundingPipelineError as error:
        return f"{' '.join(key)}: statement not read: {error}"


# --- comparing
def differences(
    records: Sequence[IntentRecord],
    fills: Sequence[Fill],
    before: Mapping[str, VenueBook],
    after: Mapping[str, VenueBook],
) -> tuple[Difference, ...]:
    """What does not agree between orders, fills and positions. `fills`: of all legs between the two books."""
    found = [*_of_orders(records, fills), *_of_fills(records, fills)]
    for venue in sorted(set(before) & set(after)):
        found += _of_positions(before[venue], after[venue], fills)
    return tuple(found)


def _of_orders(records: Sequence[IntentRecord], fills: Sequence[Fill]) -> list[Difference]:
    """Each order's filled quantity against the sum of its fills; orders whose end is not known."""
    filled: dict[tuple[str, str], Decimal] = {}
    for fill in fills:
        key = (fill.venue, fill.order_id)
        filled[key] = filled.get(key, ZERO) + fill.quantity
    found = []
    for record in records:
        subject, order = f"{record.intent.leg} {record.intent.client_order_id}", record.order
        if record.outcome in ("pending", "unknown"):
            found.append(Difference(subject, f"its outcome is {record.outcome}"))
        elif order is not None and order.filled != filled.get((order.venue, order.order_id), ZERO):
            told = filled.get((order.venue, order.order_id), ZERO)
            found.append(Difference(subject, "filled quantity", order.filled, told))
    return found


def _of_fills(records: Sequence[IntentRecord], fills: Sequence[Fill]) -> list[Difference]:
    """Fills that no order of ours explains (liquidation, deleveraging, a person), and untold fees."""
    known = own_orders(records)
    found = []
    for fill in fills:
        subject = f"{fill.venue} {fill.symbol} fill {fill.fill_id}"
        if (fill.venue, fill.order_id) not in known:
            signed = fill.quantity if fill.side == "buy" else -fill.quantity
            found.append(Difference(subject, "of an order that is not ours", None, signed))
        if fill.fee is None:
            found.append(Difference(subject, "the fee is not told"))
    return found


def own_orders(records: Iterable[IntentRecord]) -> set[tuple[str, str]]:
    """(venue, order id) of the orders that intents made."""
    return {(r.order.venue, r.order.order_id) for r in records if r.order is not None}


def _of_positions(before: VenueBook, after: VenueBook, fills: Sequence[Fill]) -> list[Difference]:
    """Per symbol: what was held, and the signed fills since, against what is held."""
    own = [fill for fill in fills if fill.venue == after.venue]
    symbols = {p.symbol for p in (*before.positions, *after.positions)} | {fill.symbol for fill in own}
    found = []
    for symbol in sorted(symbols):
        moved = sum((signed_quantity(fill) for fill in own if fill.symbol == symbol), ZERO)
        expected, told = before.held(symbol) + moved, after.held(symbol)
        if expected != told:
            found.append(Difference(f"{after.venue} {symbol}", "position", expected, told))
    return found


def signed_quantity(fill: Fill) -> Decimal:
    """Quantity with the sign of its side."""
    return fill.quantity if fill.side == "buy" else -fill.quantity


# --- funding
@dataclass(frozen=True)
class FundingOfLeg:
    """Forecast against settled funding of one leg, quote units; None where a venue or forecast is silent."""

    venue: str
    symbol: str
    settlements: int
    received: Decimal
    forecast: Decimal | None

    @property
    def surprise(self) -> Decimal | None:
        """Received less forecast."""
        return None if self.forecast is None else self.received - self.forecast


def funding_by_leg(
    payments: Sequence[FundingPayment], forecasts: Mapping[Key, Decimal]
) -> tuple[FundingOfLeg, ...]:
    """One row per leg that was paid, paid for, or forecast. `forecasts`: cash over the same settlements."""
    keys = {(payment.venue, payment.symbol) for payment in payments} | set(forecasts)
    rows = []
    for key in sorted(keys):
        own = [payment.amount for payment in payments if (payment.venue, payment.symbol) == key]
        rows.append(FundingOfLeg(*key, len(own), sum(own, ZERO), forecasts.get(key)))
    return tuple(rows)
