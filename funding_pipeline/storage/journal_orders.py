"""The part of the journal that keeps order intents: written before an order is sent, then what became of it.

What lives here: the gate that every order passes, and the outcomes. What does not: sending (`trading`).
The gate reads state, verdict, lock and unresolved intents in the transaction that writes the intent:
a halt that has been committed is never overlooked.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, get_args

from sqlalchemy import ColumnElement, Connection, Select, bindparam, func, insert, select, update

from funding_pipeline.core.errors import GovernanceError, JournalError
from funding_pipeline.core.governance import (
    IntentOutcome,
    IntentRecord,
    OrderIntent,
    RiskVerdict,
    client_order_id,
)
from funding_pipeline.core.trading import OrderRequest, OrderState
from funding_pipeline.execution.states import permission_in
from funding_pipeline.storage.journal_governance import current_state
from funding_pipeline.storage.journal_lock import LockJournal
from funding_pipeline.storage.journal_schema import ZERO, intents, orders
from funding_pipeline.storage.journal_totals import count_intent, count_order
from funding_pipeline.storage.journal_verdicts import find_verdict

FIRST_ATTEMPT = 1
_UNRESOLVED = ("pending", "unknown")
_FINAL = ("accepted", "rejected", "absent")
_MAY_BECOME = {"pending": (*_FINAL, "unknown"), "unknown": (*_FINAL, "unknown")}
_ORDER = {f"order_{name}": column for name, column in orders.c.items()}
_STATED = tuple(column.name for column in orders.c if column.name != "intent_id")
"""Fields of an order that are kept: ours have no trigger."""
_RECORDS = select(intents, *(column.label(name) for name, column in _ORDER.items())).join_from(
    intents, orders, orders.c.intent_id == intents.c.client_order_id, isouter=True
)
_BY_KEY = intents.c.client_order_id == bindparam("key")
_RECORD = _RECORDS.where(_BY_KEY)
_KNOWN = select(intents.c.sequence).where(_BY_KEY)
_WAITING = (
    select(intents.c.client_order_id, intents.c.outcome)
    .where(
        intents.c.outcome.in_(_UNRESOLVED),
        intents.c.venue == bindparam("at_venue"),
        intents.c.symbol == bindparam("in_symbol"),
    )
    .limit(1)
)
_LAST_ATTEMPT = select(func.max(intents.c.attempt)).where(
    intents.c.strategy == bindparam("of_strategy"),
    intents.c.rebalance == bindparam("of_rebalance"),
    intents.c.leg == bindparam("of_leg"),
)
_RESTING = _RECORDS.where(orders.c.status == "open", intents.c.outcome == "accepted")
_ORDERED_SINCE = (
    select(intents.c.symbol)
    .where(intents.c.written_at >= bindparam("from_time"), intents.c.venue == bindparam("at_venue"))
    .distinct()
)
_ORDERED_UNKNOWN = (
    select(intents.c.symbol)
    .where(intents.c.outcome.in_(_UNRESOLVED), intents.c.venue == bindparam("at_venue"))
    .distinct()
)
_TURNOVER = (
    select(orders.c.filled, orders.c.average_price, intents.c.price)
    .join_from(intents, orders, orders.c.intent_id == intents.c.client_order_id)
    .where(intents.c.written_at >= bindparam("from_time"))
)
_NEW_INTENT, _NEW_ORDER = insert(intents), insert(orders)
_RESOLVE = update(intents).where(_BY_KEY)
_NEWER_ORDER = update(orders).where(orders.c.intent_id == bindparam("key"))


class OrderJournal(LockJournal):
    """Order intents and their outcomes."""

    _last_verdict: RiskVerdict | None = None

    def write_intent(self, intent: OrderIntent) -> None:
        """Keep an intent, durable when this returns, or refuse it; it counts as pending.

        Raises GovernanceError: no verdict or an expired one; HALTED; REDUCING and not reduce-only; an order
        that may increase a position which the verdict does not allow; an intent for the instrument is still
        pending or unknown. ExecutionLockedError: another executor holds the lock. JournalError: the id is
        there already, or is not the one of (strategy, rebalance, leg, attempt).
        """
        _require_derived_id(intent)
        with self._write("write_intent") as connection:
            at = self.now()
            self._require_lock(connection, at)
            _require_state(connection, intent.request)
            _require_verdict(self._saved_verdict(connection, intent.verdict_id), intent, at)
            _require_new(connection, intent)
            _require_resolved(connection, intent.request)
            connection.execute(_NEW_INTENT, _columns(intent) | {"outcome": "pending"})
            count_intent(connection, intent)

    def record_outcome(
        self,
        client_order_id: str,
        outcome: IntentOutcome,
        *,
        order: OrderState | None = None,
        error: str | None = None,
    ) -> None:
        """Say what became of an intent; `order`: the venue's word, of which the newest is kept.

        pending -> accepted, rejected, unknown or absent; unknown -> accepted, rejected or absent; the same
        again is fine. Raises JournalError for anything else: a final outcome never changes to another.
        """
        with self._write("record_outcome") as connection:
            known = _find(connection, client_order_id)
            if known is None:
                raise JournalError(f"there is no intent {client_order_id} in the journal")
            _require_transition(known, outcome)
            values = {
                "key": client_order_id,
                "outcome": outcome,
                "error": error if error is not None else known.error,
                "resolved_at": None if outcome == "unknown" else known.resolved_at or self.now(),
            }
            connection.execute(_RESOLVE, values)
            if order is not None:
                _keep_order(connection, known, order)

    def _saved_verdict(self, connection: Connection, verdict_id: str) -> RiskVerdict | None:
        """A saved verdict never changes, and a rebalance asks for the same one before each order."""
        verdict = self._last_verdict
        if verdict is None or verdict.verdict_id != verdict_id:
            verdict = self._last_verdict = find_verdict(connection, verdict_id)
        return verdict

    def intent(self, client_order_id: str) -> IntentRecord | None:
        """The intent of that id and what is known of it, or None."""
        with self._read() as connection:
            return _find(connection, client_order_id)

    def own(self, orders: Iterable[OrderState]) -> Mapping[str, IntentRecord]:
        """Which of `orders` are ours, by client order id: the journal has their intent, for that instrument.

        The form of an id proves nothing: another program may use the same."""
        asked = {o.client_order_id: o for o in orders if o.client_order_id is not None}
        with self._read() as connection:
            found = {key: _find(connection, key) for key in asked}
        return {
            key: record
            for key, record in found.items()
            if record is not None
            and (record.intent.request.venue, record.intent.request.symbol)
            == (asked[key].venue, asked[key].symbol)
        }

    def unresolved(self, *, venue: str | None = None, symbol: str | None = None) -> tuple[IntentRecord, ...]:
        """Intents that are pending or unknown, in the order in which they were written."""
        with self._read() as connection:
            return _records(connection, _unresolved(venue, symbol))

    def intents(
        self, *, rebalance: str | None = None, since: datetime | None = None
    ) -> tuple[IntentRecord, ...]:
        """All intents, those of one rebalance, or those written at or after `since`, in order of writing."""
        wanted = _RECORDS if rebalance is None else _RECORDS.where(intents.c.rebalance == rebalance)
        wanted = wanted if since is None else wanted.where(intents.c.written_at >= since)
        # Sorted by a sum, not a key: SQLite would rather read the whole table in order than sort a few rows.
        order = intents.c.sequence if since is None else intents.c.sequence + 0
        with self._read() as connection:
            return _records(connection, wanted, order)

    def resting(self, *, rebalance: str | None = None) -> tuple[IntentRecord, ...]:
        """Accepted intents whose order is open as far as the journal knows, in order of writing: all, or
        those of one rebalance."""
        wanted = _RESTING if rebalance is None else _RESTING.where(intents.c.rebalance == rebalance)
        with self._read() as connection:
            return _records(connection, wanted, intents.c.sequence + 0)  # a sum: as in `intents`

    def symbols_ordered(self, venue: str, since: datetime) -> frozenset[str]:
        """Symbols with an intent written at or after `since`, or whose outcome is not known."""
        with self._read() as connection:
            wanted = {"at_venue": venue, "from_time": since}
            written = connection.scalars(_ORDERED_SINCE, wanted)
            return frozenset(written) | frozenset(connection.scalars(_ORDERED_UNKNOWN, wanted))

    def turnover_since(self, since: datetime) -> Decimal:
        """Quote units traded by orders whose intents were written at or after `since`: at their average
        prices, or else at their limits."""
        with self._read() as connection:
            rows = connection.execute(_TURNOVER, {"from_time": since}).all()
        return sum((row.filled * (row.average_price or row.price or ZERO) for row in rows), ZERO)

    def next_attempt(self, strategy: str, rebalance: str, leg: str) -> int:
        """One more than the attempts made for this leg of this rebalance; the first is 1."""
        wanted = {"of_strategy": strategy, "of_rebalance": rebalance, "of_leg": leg}
        with self._read() as connection:
            last = connection.scalar(_LAST_ATTEMPT, wanted)
        return FIRST_ATTEMPT if last is None else int(last) + 1


def _require_derived_id(intent: OrderIntent) -> None:
    derived = client_order_id(intent.strategy, intent.rebalance, intent.leg, intent.attempt)
    if intent.client_order_id != derived:
        raise JournalError(
            f"intent {intent.client_order_id} of {intent.leg}, attempt {intent.attempt}, must have the id "
            f"{derived}: the same order has the same id after a crash"
        )


def _require_state(connection: Connection, request: OrderRequest) -> None:
    held = current_state(connection)
    allowed = permission_in(held.state)
    if allowed == "none" or (allowed == "reduce" and not request.reduce_only):
        raise GovernanceError(
            f"trading is {held.state} since {held.since:%Y-%m-%d %H:%M:%S} UTC by {held.by} ({held.reason}): "
            f"{request.side} {request.symbol} on {request.venue} is not sent"
        )


def _require_verdict(verdict: RiskVerdict | None, intent: OrderIntent, at: datetime) -> None:
    request = intent.request
    if verdict is None:
        raise GovernanceError(f"there is no risk verdict {intent.verdict_id!r}: judge the plan first")
    if verdict.expires_at <= at:
        raise GovernanceError(
            f"risk verdict {verdict.verdict_id} expired at {verdict.expires_at:%Y-%m-%d %H:%M:%S} UTC: "
            "judge the plan again"
        )
    may_grow = {
        (leg.target.venue, leg.target.symbol)
        for leg in verdict.legs
        if leg.decision != "refuse" and leg.allowed  # what is refused may be held, but not increased
    }
    if not request.reduce_only and (request.venue, request.symbol) not in may_grow:
        raise GovernanceError(
            f"risk verdict {verdict.verdict_id} allows no order in {request.symbol} on {request.venue}: "
            "only a reduce-only order may be sent"
        )


def _require_new(connection: Connection, intent: OrderIntent) -> None:
    if connection.scalar(_KNOWN, {"key": intent.client_order_id}) is not None:
        raise JournalError(f"intent {intent.client_order_id} ({intent.leg}) is in the journal already")


def _require_resolved(connection: Connection, request: OrderRequest) -> None:
    instrument = {"at_venue": request.venue, "in_symbol": request.symbol}
    waiting = connection.execute(_WAITING, instrument).one_or_none()
    if waiting is not None:
        raise GovernanceError(
            f"intent {waiting.client_order_id} for {request.symbol} on {request.venue} is "
            f"{waiting.outcome}: look it up at the venue before anything else is sent"
        )


def _require_transition(known: IntentRecord, outcome: str) -> None:
    if outcome not in get_args(IntentOutcome):
        raise JournalError(f"{outcome!r} is no outcome: {', '.join(get_args(IntentOutcome))}")
    if outcome not in _MAY_BECOME.get(known.outcome, (known.outcome,)):
        raise JournalError(
            f"intent {known.intent.client_order_id} ({known.intent.leg}) is {known.outcome} and cannot "
            f"become {outcome}: compare with the venue's statement"
        )


def _keep_order(connection: Connection, known: IntentRecord, order: OrderState) -> None:
    """Keep the venue's word unless an older one arrives late: fills only grow, and what ended stays ended."""
    request = known.intent.request
    if (order.venue, order.symbol) != (request.venue, request.symbol):
        raise JournalError(
            f"intent {known.intent.client_order_id} is for {request.symbol} on {request.venue}, "
            f"the order is for {order.symbol} on {order.venue}"
        )
    key = known.intent.client_order_id
    if known.order is None:
        count_order(connection, None, order)
        connection.execute(_NEW_ORDER, {"intent_id": key, **_stated(order)})
    elif not _is_older(order, known.order):
        count_order(connection, known.order, order)
        connection.execute(_NEWER_ORDER, {"key": key, **_stated(order)})


def _stated(order: OrderState) -> dict[str, Any]:
    return {name: getattr(order, name) for name in _STATED}


def _is_older(order: OrderState, kept: OrderState) -> bool:
    has_reopened = kept.status != "open" and order.status == "open"
    return order.filled < kept.filled or has_reopened


def _unresolved(venue: str | None, symbol: str | None) -> Select[Any]:
    wanted = _RECORDS.where(intents.c.outcome.in_(_UNRESOLVED))
    wanted = wanted if venue is None else wanted.where(intents.c.venue == venue)
    return wanted if symbol is None else wanted.where(intents.c.symbol == symbol)


def _find(connection: Connection, key: str) -> IntentRecord | None:
    row = connection.execute(_RECORD, {"key": key}).mappings().one_or_none()
    return None if row is None else _record(row)


def _records(
    connection: Connection, wanted: Select[Any], order: ColumnElement[int] = intents.c.sequence
) -> tuple[IntentRecord, ...]:
    rows = connection.execute(wanted.order_by(order)).mappings()
    return tuple(_record(row) for row in rows)


def _columns(intent: OrderIntent) -> dict[str, Any]:
    """Columns of an intent: its own fields and those of its request, which are named alike."""
    values = {name: value for name, value in vars(intent).items() if name != "request"}
    return values | vars(intent.request)


def _record(row: Mapping[Any, Any]) -> IntentRecord:
    request = OrderRequest(**{name: row[name] for name in OrderRequest.__dataclass_fields__})
    names = [name for name in OrderIntent.__dataclass_fields__ if name != "request"]
    intent = OrderIntent(**{name: row[name] for name in names}, request=request)
    order = None
    if row["order_intent_id"] is not None:
        order = OrderState(**{name: row[f"order_{name}"] for name in _STATED})
    return IntentRecord(intent, row["outcome"], order, row["error"], row["resolved_at"])
