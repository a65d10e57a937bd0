"""What is left once an episode has settled: unhedged notional, and statements against the journal.

What lives here: the rules for the end. What does not: single orders (`audit`).

Residual: per base, the net position over venues at the engines' marks. Of it counts what the executor
could have removed by reducing legs that still trade; a leg that is halted, delisted or on a venue that is
gone cannot be reduced, and while HALTED nothing can. What a venue that is gone did to a leg after its last
answer (it delisted it, deleveraged it) nobody can know: there the leg counts as the journal adds it up,
which is what the others were hedged against. A base that the last verdict refuses is not traded by an
executor; mending it is the guard's, where there is one. What does not count is reported as unavoidable.
The cap per base: one step of its coarsest leg, or the largest minimum notional, whichever is more.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from funding_pipeline.chaos.engines import base_of
from funding_pipeline.chaos.violation import Violation
from funding_pipeline.core.governance import TradingState
from funding_pipeline.core.trading import Fill, FundingPayment
from funding_pipeline.storage.journal import Journal
from funding_pipeline.testnet.engine.values import Account, EngineFill, EnginePayment
from funding_pipeline.testnet.testnet import Seat, Testnet
from funding_pipeline.trading.holdings import holdings
from funding_pipeline.trading.orders import Key

ZERO = Decimal(0)
CENT = Decimal("0.005")
"""Sums that differ by less are the same cent."""


@dataclass
class BaseBook:
    """One base over all venues, in base units and USD. `stuck`: net of what cannot be reduced now, as far as
    anybody can know; `unseen`: what is really there beyond that, on venues that are gone."""

    stuck: Decimal = ZERO
    longs: Decimal = ZERO
    shorts: Decimal = ZERO
    price: Decimal = ZERO
    cap_usd: Decimal = ZERO
    unseen: Decimal = ZERO

    @property
    def net(self) -> Decimal:
        """Signed, base units, as far as anybody can know."""
        return self.stuck + self.longs + self.shorts

    @property
    def counted(self) -> Decimal:
        """Of |net|, what reducing legs that still trade could have removed."""
        smallest = max(self.stuck + self.shorts, -(self.stuck + self.longs), ZERO)
        return abs(self.net) - smallest

    @property
    def unavoidable(self) -> Decimal:
        """Of the true |net|, what does not count."""
        return max(abs(self.net + self.unseen) - self.counted, ZERO)


@dataclass(frozen=True)
class Residual:
    """Unhedged notional of the worst base, USD: what counts, its cap, and what nothing could remove."""

    base: str = ""
    usd: Decimal = ZERO
    cap_usd: Decimal = ZERO
    unavoidable_usd: Decimal = ZERO
    breaches: tuple[Violation, ...] = field(default=())


def residual(
    testnet: Testnet,
    accounts: Mapping[str, Account],
    journal: Journal,
    *,
    gone: Iterable[str],
    refused: Iterable[Key] = (),
    state: TradingState,
    least_cap_usd: Decimal = ZERO,
) -> Residual:
    """The worst base, and a violation for each that is above its cap. `gone`: venues; `refused`: legs that
    may not be touched by anyone who is there; `least_cap_usd`: what whoever is to mend it lets be."""
    left_alone = _LeftAlone(frozenset(gone), frozenset(refused), is_halted=state == "HALTED")
    books = _books(testnet, accounts, journal, left_alone)
    worst, breaches = Residual(), []
    for base, book in sorted(books.items()):
        counted, cap = book.counted * book.price, max(book.cap_usd, least_cap_usd)
        if counted > cap:
            text = f"{base}: {counted:.2f} USD unhedged, cap {cap:.2f}"
            breaches.append(Violation("residual_above_cap", text))
        worst = Residual(
            base if counted >= worst.usd else worst.base,
            max(counted, worst.usd),
            max(cap, worst.cap_usd),
            max(book.unavoidable * book.price, worst.unavoidable_usd),
        )
    return Residual(worst.base, worst.usd, worst.cap_usd, worst.unavoidable_usd, tuple(breaches))


@dataclass(frozen=True)
class _LeftAlone:
    """What nobody could send an order to, or was allowed to."""

    venues: frozenset[str]
    legs: frozenset[Key]
    is_halted: bool

    def has(self, venue: str, symbol: str) -> bool:
        return self.is_halted or venue in self.venues or (venue, symbol) in self.legs


def _books(
    testnet: Testnet,
    accounts: Mapping[str, Account],
    journal: Journal,
    left_alone: "_LeftAlone",
) -> Mapping[str, BaseBook]:
    books: dict[str, BaseBook] = {}
    for venue, account in accounts.items():
        seat = testnet.seat(venue)
        instruments = seat.quotes.instruments()
        keys = [(venue, instrument.symbol) for instrument in instruments]
        known = holdings(journal, keys) if venue in left_alone.venues else {}
        for instrument in instruments:
            base, multiplier = base_of(instrument.symbol)
            book = books.setdefault(base, BaseBook())
            held = seat.exchange.position(account, instrument.symbol).quantity
            quantity = known.get((venue, instrument.symbol), held) * multiplier
            book.unseen += held * multiplier - quantity
            if left_alone.has(venue, instrument.symbol) or not _trades(seat, instrument.symbol):
                book.stuck += quantity
            elif quantity > 0:
                book.longs += quantity
            else:
                book.shorts += quantity
            mark = seat.quotes.mark(instrument.symbol, testnet.clock.now())
            book.price = max(book.price, mark / multiplier)
            book.cap_usd = max(book.cap_usd, instrument.step * mark, instrument.min_notional)
    return books


def _trades(seat: Seat, symbol: str) -> bool:
    return not seat.exchange.is_halted(symbol) and symbol not in seat.exchange.desk.state.delisted


@dataclass(frozen=True)
class StatementAudit:
    """`mismatches`: one violation per instrument and statement; `unreadable`: instruments not compared."""

    mismatches: tuple[Violation, ...]
    unreadable: int


def compare_statements(
    testnet: Testnet, accounts: Mapping[str, Account], journal: Journal, *, gone: Iterable[str]
) -> StatementAudit:
    """The journal's fills, fees and payments against the engine's, for every instrument that has any.

    Not compared, but counted: instruments of a venue in `gone`, those that were delisted, whose statement a
    client of today cannot ask for, and those in which we never ordered: what a person did there is theirs.
    """
    ordered = journal.ordered()
    found: list[Violation] = []
    unreadable, gone = 0, frozenset(gone)
    for venue, account in sorted(accounts.items()):
        state = testnet.seat(venue).exchange.desk.state
        delisted = state.delisted | state.unlisted
        compared = compare_account(venue, journal, account.fills, account.payments)
        for symbol, differ in compared.items():
            if differ and (venue in gone or symbol in delisted or (venue, symbol) not in ordered):
                unreadable += 1
            else:
                found += differ
    return StatementAudit(tuple(found), unreadable)


def compare_account(
    venue: str, journal: Journal, fills: Sequence[EngineFill], payments: Sequence[EnginePayment]
) -> Mapping[str, list[Violation]]:
    """What differs between the journal and the engine's own `fills` and `payments`, by instrument."""
    kept, paid = journal.fills(venue=venue), journal.payments(venue=venue)
    rows: tuple[Fill | FundingPayment | EngineFill | EnginePayment, ...] = (*kept, *paid, *fills, *payments)
    found = {}
    for symbol in sorted({row.symbol for row in rows}):
        about = f"{venue} {symbol}"
        found[symbol] = [
            *_compare(about, _of_fills(kept, symbol), _of_engine_fills(fills, symbol)),
            *_compare(about, _of_payments(paid, symbol), _of_engine_payments(payments, symbol)),
        ]
    return found


@dataclass(frozen=True)
class _Sums:
    """A statement in figures: `quantity` must be equal, money to the cent. `fees` None: some are not told,
    which is not zero and so never the same."""

    kind: str
    count: int
    quantity: Decimal
    money: Decimal
    fees: Decimal | None

    def is_same(self, other: "_Sums") -> bool:
        if self.fees is None or other.fees is None:
            return False
        return (
            (self.count, self.quantity) == (other.count, other.quantity)
            and abs(self.money - other.money) < CENT
            and abs(self.fees - other.fees) < CENT
        )

    def text(self) -> str:
        fees = "not told" if self.fees is None else f"{self.fees:.4f}"
        return f"{self.count} rows, {self.quantity.normalize():f}, {self.money:.4f}, fees {fees}"


def _compare(about: str, journal: _Sums, engine: _Sums) -> list[Violation]:
    if journal.is_same(engine):
        return []
    text = f"{about} {journal.kind}: journal {journal.text()}; venue {engine.text()}"
    return [Violation("statement_mismatches", text)]


def _of_fills(fills: Iterable[Fill], symbol: str) -> _Sums:
    rows = [
        (fill.quantity if fill.side == "buy" else -fill.quantity, fill.price, fill.fee)
        for fill in fills
        if fill.symbol == symbol
    ]
    return _summed("fills", rows)


def _of_engine_fills(fills: Iterable[EngineFill], symbol: str) -> _Sums:
    rows = [
        (fill.quantity if fill.side == "buy" else -fill.quantity, fill.price, fill.fee)
        for fill in fills
        if fill.symbol == symbol
    ]
    return _summed("fills", rows)


def _summed(kind: str, rows: Sequence[tuple[Decimal, Decimal, Decimal | None]]) -> _Sums:
    quantity = sum((row[0] for row in rows), ZERO)
    money = sum((row[0] * row[1] for row in rows), ZERO)
    told = [row[2] for row in rows if row[2] is not None]
    return _Sums(kind, len(rows), quantity, money, sum(told, ZERO) if len(told) == len(rows) else None)


def _of_payments(payments: Iterable[FundingPayment], symbol: str) -> _Sums:
    amounts = [payment.amount for payment in payments if payment.symbol == symbol]
    return _Sums("payments", len(amounts), ZERO, sum(amounts, ZERO), ZERO)


def _of_engine_payments(payments: Iterable[EnginePayment], symbol: str) -> _Sums:
    amounts = [payment.amount for payment in payments if payment.symbol == symbol]
    return _Sums("payments", len(amounts), ZERO, sum(amounts, ZERO), ZERO)
