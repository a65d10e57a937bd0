"""Every order judged the moment a venue takes it, from the engine's own state and what is durable.

What lives here: the rules for one order. What does not: what is left in the end (`final_audit`).

- duplicate: a venue has two orders of one client id; or it took an order of an instrument while another
  one that it had taken there was still in doubt: no answer had told the executor of it.
- without intent: no intent of that id is in the journal, or the order is not what the intent says.
- against the verdict: there is none, or it had expired, or the position could come to lie further outside
  of what it allows (from flat to `allowed`) than before; or something opened while REDUCING.
- while halted: it left the executor when the journal said HALTED. Cancels are no orders.
- in a settlement window: it left inside the venue's window around a settlement.
- without the lock: it left while another process held the executor's lock, or nobody did.
- cancelled, of others: an order that none of our processes had sent ended as cancelled by a request of ours.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from funding_pipeline.chaos.violation import Violation
from funding_pipeline.chaos.virtual_time import VirtualClock, moment_of
from funding_pipeline.core.governance import IntentRecord, RiskVerdict, TradingState
from funding_pipeline.core.trading import Side
from funding_pipeline.core.venue_terms import VenueTerms, terms_of
from funding_pipeline.storage.journal import Journal
from funding_pipeline.testnet.engine.values import Account, EngineFill, Order
from funding_pipeline.testnet.http import Answer, Request
from funding_pipeline.testnet.testnet import Seat, Testnet
from funding_pipeline.venues.dialect import VenueDialect

ZERO = Decimal(0)
_READS_BY_POST = frozenset({"/info"})


@dataclass(frozen=True)
class Leaving:
    """What held when a request left. `fills`: how many the account had."""

    at_ms: int
    state: TradingState
    process: str
    lock_holder: str | None
    fills: int = 0

    @property
    def has_lock(self) -> bool:
        """Whether its process held the lock; locks are taken under the first word of a process's name."""
        return self.lock_holder == self.process.split()[0]


class OrderAudit:
    """The witness of the network. `journal` reads what is committed, with a connection of its own."""

    def __init__(
        self,
        testnet: Testnet,
        *,
        accounts: Mapping[str, Account],
        dialects: Mapping[str, VenueDialect],
        journal: Journal,
        clock: VirtualClock,
        terms: Mapping[str, VenueTerms],
    ) -> None:
        self._testnet, self._accounts, self._dialects = testnet, accounts, dialects
        self._journal, self._clock, self._terms = journal, clock, terms
        self._in_doubt: dict[tuple[str, str], set[str]] = {}
        self._verdicts: dict[str, RiskVerdict | None] = {}
        self._senders: dict[tuple[str, str], str] = {}
        self._alive: set[str] = set()
        self._ours: set[tuple[str, int]] = set()
        self.orders: Counter[str] = Counter()
        self.violations: list[Violation] = []

    # --- the witness
    def leaving(self, venue: str, asked: Request, process: str) -> object:
        """Time, state and lock, for what may be an order."""
        if _is_read(asked):
            return None
        journal = self._journal
        self._alive.add(process)
        fills = len(self._accounts[venue].fills)
        return Leaving(self._clock.now(), journal.state().state, process, journal.lock_holder(), fills)

    def at_venue(self, venue: str, asked: Request, leaving: object, answer: Callable[[], Answer]) -> Answer:
        """Let the venue answer, and judge the orders that it made of the request."""
        if not isinstance(leaving, Leaving):
            return answer()
        seat, account = self._testnet.seat(venue), self._accounts[venue]
        seat.exchange.advance()
        first_new = seat.exchange.desk.state.next_order
        others = self._others(seat, account)
        unseen = [f for f in account.fills[leaving.fills :] if self._is_by_hand(venue, f)]
        before = _Held.of(seat, account, others, unseen)
        said = answer()
        for number in range(first_new, seat.exchange.desk.state.next_order):
            self._ours.add((venue, number))
            self._judge(venue, account.orders[number], before, leaving)
        for order in others:
            if order.status == "cancelled":
                self._break("foreign_orders_cancelled", self._what(venue, order, leaving), asked.path)
        return said

    def _is_by_hand(self, venue: str, fill: EngineFill) -> bool:
        return fill.kind == "trade" and (venue, fill.order_id) not in self._ours

    def _others(self, seat: Seat, account: Account) -> list[Order]:
        """Resting orders that another program or a person has sent."""
        resting = seat.exchange.orders(account, is_open=True)
        return [order for order in resting if (seat.venue, order.order_id) not in self._ours]

    def delivered(self, venue: str, asked: Request, answer: Answer) -> None:
        """What an answer tells of, by request or text, is in doubt no longer."""
        doubts = [ids for (where, _), ids in self._in_doubt.items() if where == venue and ids]
        if not doubts:
            return
        told = "\n".join((asked.raw_query, asked.body.decode(), answer.body.decode("utf-8", "replace")))
        for ids in doubts:
            ids -= {name for name in ids if answer.status < 400 and name in told}

    def died(self, process: str) -> None:
        """A process is dead: what it knew and had not written is in doubt again. What another one sent that
        lives is that one's own to know."""
        self._alive.discard(process)
        for record in self._journal.unresolved():
            venue, name = record.intent.request.venue, record.intent.client_order_id
            sender = self._senders.get((venue, name))
            if sender is not None and sender not in self._alive:
                self._in_doubt.setdefault((venue, record.intent.request.symbol), set()).add(name)

    @property
    def ours(self) -> frozenset[tuple[str, int]]:
        """Venue and number of every order that one of our processes sent."""
        return frozenset(self._ours)

    def kind_of_sender(self, venue: str, client_id: str) -> str:
        """Who sent the order: executor or guard; "nobody" for one that did not come to the venue."""
        return self._senders.get((venue, client_id), "nobody").split()[0]

    # --- one order
    def _judge(self, venue: str, order: Order, before: "_Held", leaving: Leaving) -> None:
        self.orders[leaving.process.split()[0]] += 1
        what = self._what(venue, order, leaving)
        name = (order.ticket.client_id or "").partition("#")[0]  # Gate takes a text twice; told apart by #
        client_id = self._dialects[venue].canonical_client_id(name or None)
        self._judge_doubt(venue, order, client_id, what)
        if client_id is not None:
            self._senders[venue, client_id] = leaving.process
        record = None if client_id is None else self._journal.intent(client_id)
        if record is None or not _is_as_meant(record, venue, order):
            self._break("orders_without_intent", what, "no such intent" if record is None else "not as meant")
        else:
            self._judge_verdict(record, order, before, leaving, what)
        if leaving.state == "HALTED":
            self._break("orders_while_halted", what, "HALTED")
        if not leaving.has_lock:
            holder = leaving.lock_holder or "nobody"
            self._break("orders_without_lock", what, f"the lock is held by {holder}")
        self._judge_window(venue, order, leaving, what)

    def _judge_doubt(self, venue: str, order: Order, client_id: str | None, what: str) -> None:
        doubts = self._in_doubt.setdefault((venue, order.ticket.symbol), set())
        if client_id is None:
            return
        if (venue, client_id) in self._senders:
            self._break("duplicate_orders", what, "a second order of this id")
        elif doubts:
            self._break("duplicate_orders", what, f"{', '.join(sorted(doubts))} in doubt")
        doubts.add(client_id)

    def _judge_verdict(
        self, record: IntentRecord, order: Order, before: "_Held", leaving: Leaving, what: str
    ) -> None:
        intent, ticket = record.intent, order.ticket
        verdict = self._verdict(intent.verdict_id)
        if verdict is None:
            return self._break("orders_against_verdict", what, "no verdict")
        if intent.written_at > verdict.expires_at:
            return self._break("orders_against_verdict", what, "verdict expired")
        if ticket.reduce_only:
            return None  # the engine holds it to that
        if leaving.state == "REDUCING":
            return self._break("orders_against_verdict", what, "opens while REDUCING")
        allowed = _allowed(verdict, intent.request.venue, ticket.symbol)
        held = before.worst(ticket.symbol, ticket.side)
        after = held + (ticket.quantity if ticket.side == "buy" else -ticket.quantity)
        if _outside(after, allowed) > _outside(before.position(ticket.symbol), allowed):
            self._break("orders_against_verdict", what, f"may lead to {after}, allowed {allowed}")
        return None

    def _judge_window(self, venue: str, order: Order, leaving: Leaving, what: str) -> None:
        window_ms = terms_of(venue, self._terms).settlement_window_seconds * 1000
        quotes, symbol = self._testnet.seat(venue).quotes, order.ticket.symbol
        settles_at = quotes.next_settlement(symbol, round(leaving.at_ms - window_ms) - 1)
        if abs(settles_at - leaving.at_ms) <= window_ms:
            self._break("orders_in_settlement_window", what, f"settles at {moment_of(settles_at):%H:%M:%S}")

    def _verdict(self, verdict_id: str) -> RiskVerdict | None:
        if self._verdicts.get(verdict_id) is None:
            self._verdicts[verdict_id] = self._journal.verdict(verdict_id)
        return self._verdicts[verdict_id]

    def _what(self, venue: str, order: Order, leaving: Leaving) -> str:
        ticket = order.ticket
        kind = " reduce-only" if ticket.reduce_only else ""
        at = moment_of(leaving.at_ms)
        return (
            f"{at:%H:%M:%S}.{at.microsecond // 1000:03d} {leaving.process}: {venue} {ticket.side} "
            f"{ticket.quantity} {ticket.symbol}{kind} {ticket.kind} {ticket.time_in_force} "
            f"({ticket.client_id})"
        )

    def _break(self, rule: str, what: str, why: str) -> None:
        self.violations.append(Violation(rule, f"{what}: {why}"))


@dataclass(frozen=True)
class _Held:
    """Positions of an account before a request was carried out, and quantities of ours that rested."""

    positions: Mapping[str, Decimal]
    resting: Mapping[tuple[str, Side], Decimal]

    @classmethod
    def of(
        cls, seat: Seat, account: Account, others: Sequence[Order], unseen: Sequence[EngineFill]
    ) -> "_Held":
        """No order of ours has to allow for `others`, resting orders that are not ours, or for `unseen`, what
        a person traded while it was under way."""
        resting: dict[tuple[str, Side], Decimal] = {}
        for order in seat.exchange.orders(account, is_open=True):
            if not order.ticket.reduce_only and order not in others:
                key = (order.ticket.symbol, order.ticket.side)
                resting[key] = resting.get(key, ZERO) + order.left
        held = {p.symbol: p.quantity for p in seat.exchange.positions(account)}
        for fill in unseen:
            change = fill.quantity if fill.side == "buy" else -fill.quantity
            held[fill.symbol] = held.get(fill.symbol, ZERO) - change
        return cls(held, resting)

    def position(self, symbol: str) -> Decimal:
        return self.positions.get(symbol, ZERO)

    def worst(self, symbol: str, side: Side) -> Decimal:
        """The position once everything that rests on this side is filled."""
        resting = self.resting.get((symbol, side), ZERO)
        return self.position(symbol) + (resting if side == "buy" else -resting)


def _is_read(asked: Request) -> bool:
    return asked.method == "GET" or asked.path in _READS_BY_POST


def _is_as_meant(record: IntentRecord, venue: str, order: Order) -> bool:
    """Same instrument, side and kind of reduction, and not more than meant (an engine cuts reduce-only)."""
    meant, ticket = record.intent.request, order.ticket
    return (
        (meant.venue, meant.symbol, meant.side) == (venue, ticket.symbol, ticket.side)
        and ticket.quantity <= meant.quantity
        and ticket.reduce_only == meant.reduce_only
    )


def _allowed(verdict: RiskVerdict, venue: str, symbol: str) -> Decimal:
    for leg in verdict.legs:
        if (leg.target.venue, leg.target.symbol) == (venue, symbol):
            return leg.allowed
    return ZERO


def _outside(quantity: Decimal, allowed: Decimal) -> Decimal:
    """How far a position lies outside of what is allowed: anything from flat to `allowed`."""
    return max(quantity - max(allowed, ZERO), min(allowed, ZERO) - quantity, ZERO)
