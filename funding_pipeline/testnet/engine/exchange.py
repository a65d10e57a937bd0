"""One venue's exchange: accounts, orders, positions, funding, margin. The dialects' only door to the engine.

What lives here: the door; each method hands on to the module of its subject. Test accounts trade with the
market's book and never with one another.
"""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, TypeVar

from funding_pipeline.core.trading import MarginMode
from funding_pipeline.testnet.engine import (
    interventions,
    liquidation,
    margin,
    matching,
    modes,
    timeline,
)
from funding_pipeline.testnet.engine.fills import cancel_order
from funding_pipeline.testnet.engine.ledger import money, post
from funding_pipeline.testnet.engine.state import Desk, FundingReference, State
from funding_pipeline.testnet.engine.values import (
    Account,
    EngineFill,
    EnginePayment,
    Instrument,
    LedgerEntry,
    Order,
    Position,
    PositionMode,
    Rejected,
    Ticket,
)

if TYPE_CHECKING:
    from funding_pipeline.testnet.quotes import Quotes

ZERO = Decimal(0)
Timed = TypeVar("Timed", EngineFill, EnginePayment, LedgerEntry)


class Exchange:
    """Matching, margin and funding of one venue.

    `now` is the injected clock (ms); `wall` the machine's, in which clients may stamp their requests.
    `funding_reference`: the price that funding is charged on (Hyperliquid: the index, its oracle).
    Raises `Rejected` with a reason; every method is safe to call at any time and in any order.
    """

    def __init__(
        self,
        quotes: "Quotes",
        *,
        now: Callable[[], int],
        wall: Callable[[], int] | None = None,
        funding_reference: FundingReference = "mark",
        insurance_fund: Decimal = Decimal(1_000_000),
    ) -> None:
        self._now, self._wall = now, wall
        self.desk = Desk(quotes, State(now(), insurance_fund), funding_reference)

    @property
    def quotes(self) -> "Quotes":
        """The market."""
        return self.desk.quotes

    def now(self) -> int:
        """The exchange's time, ms."""
        return self._now()

    def check_timestamp(self, stamp: int, window: int) -> None:
        """Raises Rejected("bad_timestamp") unless `stamp` is within `window` ms of market or wall time."""
        clocks = (self._now,) if self._wall is None else (self._now, self._wall)
        if all(abs(stamp - clock()) > window for clock in clocks):
            raise Rejected("bad_timestamp", f"{stamp} is more than {window} ms away")

    def advance(self) -> None:
        """Do all that time has done since the last call: settle funding, fill resting orders, liquidate."""
        timeline.advance(self.desk, self.now())

    # --- instruments
    def instrument(self, symbol: str) -> Instrument:
        """Terms, also of a delisted instrument (history refers to it). Raises Rejected("unknown_symbol")."""
        return self.desk.instrument(symbol)

    def instruments(self) -> Sequence[Instrument]:
        """Listed instruments (those delisted, or not listed now, left out), by symbol."""
        gone, now = self.desk.state.delisted | self.desk.state.unlisted, self.now()
        known = self.desk.instruments()
        return [known[s] for s in sorted(known) if s not in gone and known[s].listed_at <= now]

    def is_halted(self, symbol: str) -> bool:
        """Whether the symbol, or the whole exchange, does not trade."""
        return self.desk.is_frozen(symbol)

    # --- accounts
    def open_account(
        self,
        account_id: str,
        *,
        key: str,
        secret: str,
        passphrase: str = "",
        balance: Decimal,
        may_withdraw: bool = False,
    ) -> Account:
        """A new account with a deposit of `balance` in the venue's settle currency.

        Raises Rejected("bad_request"): the id or key is taken, or the balance is not between 0 and 1e12."""
        if account_id in self.desk.state.accounts or key in self.desk.by_key:
            raise Rejected("bad_request", f"account {account_id} or its key exists")
        if not (balance.is_finite() and 0 <= balance <= Decimal("1e12")):
            raise Rejected("bad_request", "a balance is between 0 and 1e12")
        settle = next((instrument.settle for instrument in self.desk.instruments().values()), "USDT")
        account = Account(account_id, settle, key, secret, passphrase, may_withdraw=may_withdraw)
        post(self.desk.state, account, "deposit", money(balance), time=self.now())
        self.desk.state.accounts[account_id] = account
        self.desk.enrol(account)
        return account

    def account_by_key(self, key: str) -> Account:
        """Raises Rejected("not_authenticated")."""
        found = self.desk.by_key.get(key)
        if found is None:
            raise Rejected("not_authenticated", "no account has this key")
        return found

    def accounts(self) -> Sequence[Account]:
        """Every account."""
        return list(self.desk.state.accounts.values())

    # --- orders
    def place(self, account: Account, ticket: Ticket) -> Order:
        """Check, match against the book, rest what is left. A post-only order that would take is rejected
        ("would_take"); nothing of it is kept. A reduce-only order is cut down to the position."""
        return matching.place(self.desk, account, ticket, self.now())

    def keep_cancelled(self, account: Account, ticket: Ticket, reason: str) -> Order:
        """Keep a ticket that `place` has refused as an order cancelled at once, with `reason` to find on it.

        For venues that accept a post-only order that would take, and cancel it when it reaches the book;
        `place` raises "would_take" last of all reasons."""
        return matching.keep_cancelled(self.desk, account, ticket, reason, self.now())

    def cancel(self, account: Account, *, order_id: int | None = None, client_id: str | None = None) -> Order:
        """Raises Rejected("unknown_order") also where the order is done."""
        order = self.find_order(account, order_id=order_id, client_id=client_id)
        if order.status != "open":
            raise Rejected("unknown_order", f"order {order.order_id} is {order.status}")
        cancel_order(self.desk, account, order, self.now(), "requested")
        return order

    def find_order(
        self, account: Account, *, order_id: int | None = None, client_id: str | None = None
    ) -> Order:
        """An order of the account, open or done; `order_id` goes before `client_id`. Raises
        Rejected("unknown_order")."""
        if order_id is None and client_id is not None:
            order_id = self.desk.order_id_of(account, client_id)
        found = None if order_id is None else account.orders.get(order_id)
        if found is None:
            raise Rejected("unknown_order", "there is no such order")
        return found

    def orders(
        self, account: Account, *, symbol: str | None = None, is_open: bool | None = None
    ) -> Sequence[Order]:
        """Orders of the account, oldest first."""
        if is_open:
            return self.desk.open_orders(account, symbol)
        return [
            order
            for order in account.orders.values()
            if (symbol is None or order.ticket.symbol == symbol)
            and (is_open is None or order.status != "open")
        ]

    # --- positions and margin
    def position(self, account: Account, symbol: str) -> Position:
        """The position, flat where there is none."""
        return self.desk.position(account, symbol)

    def positions(self, account: Account) -> Sequence[Position]:
        """Positions that are not flat, by symbol."""
        return list(self.desk.held(account))

    def set_leverage(self, account: Account, symbol: str, leverage: int) -> Position:
        """Raises Rejected("leverage") above the tier's maximum or where margin would not suffice."""
        return modes.set_leverage(self.desk, account, symbol, leverage, self.now())

    def set_margin_mode(self, account: Account, symbol: str, mode: MarginMode) -> Position:
        """Raises Rejected("margin_mode") while a position or order is open."""
        return modes.set_margin_mode(self.desk, account, symbol, mode)

    def set_position_mode(self, account: Account, mode: PositionMode) -> None:
        """Raises Rejected("position_mode") while anything is open. In hedge mode orders are refused."""
        modes.set_position_mode(self.desk, account, mode)

    def notional(self, account: Account, symbol: str) -> Decimal:
        """|quantity| x mark."""
        quantity = self.desk.position(account, symbol).quantity
        return abs(quantity) * self.desk.mark(symbol, self.now()) if quantity else ZERO

    def unrealised(self, account: Account, symbol: str | None = None) -> Decimal:
        """quantity x (mark - entry), of one position or all."""
        now = self.now()
        return sum((margin.unrealised(self.desk, p, now) for p in self._held(account, symbol)), ZERO)

    def initial_margin(self, account: Account, symbol: str | None = None) -> Decimal:
        """Margin held by a position (notional / leverage; isolated: its own margin), or by all."""
        now = self.now()
        return sum((margin.initial(self.desk, p, now) for p in self._held(account, symbol)), ZERO)

    def order_margin(self, account: Account) -> Decimal:
        """Margin held by open orders that could increase a position."""
        return margin.order_margin(self.desk, account)

    def maintenance_margin(self, account: Account, symbol: str | None = None) -> Decimal:
        """By the brackets: notional x rate - deduction."""
        now = self.now()
        return sum((margin.maintenance(self.desk, p, now) for p in self._held(account, symbol)), ZERO)

    def equity(self, account: Account) -> Decimal:
        """Wallet and unrealised profit."""
        return account.wallet + self.unrealised(account)

    def available(self, account: Account) -> Decimal:
        """What new positions may use: equity less margins; never below zero."""
        return max(ZERO, margin.available(self.desk, account, self.now()))

    def liquidation_price(self, account: Account, symbol: str) -> Decimal | None:
        """Mark at which this position is liquidated, everything else equal; None: never, or flat."""
        position = self.desk.position(account, symbol)
        return margin.liquidation_price(self.desk, account, position, self.now())

    def adl_rank(self, account: Account, symbol: str) -> int:
        """0 (flat or losing) to 5 (first in the queue), from profit x leverage."""
        position = self.desk.position(account, symbol)
        return liquidation.adl_rank(self.desk, account, position, self.now())

    def _held(self, account: Account, symbol: str | None) -> Iterable[Position]:
        return self.desk.held(account) if symbol is None else (self.desk.position(account, symbol),)

    # --- statements
    def fills(
        self, account: Account, *, symbol: str | None = None, start: int = 0, end: int | None = None
    ) -> Sequence[EngineFill]:
        """Fills with `start <= time <= end`, oldest first."""
        return _within(account.fills, symbol, start, end)

    def fills_of(self, order: Order) -> Sequence[EngineFill]:
        """Fills of one order, oldest first, without a search."""
        return self.desk.fills_of(order)

    def payments(
        self, account: Account, *, symbol: str | None = None, start: int = 0, end: int | None = None
    ) -> Sequence[EnginePayment]:
        """Funding payments with `start <= time <= end` that are listed yet, oldest first."""
        rows = _within(account.payments, symbol, start, end)
        return [row for row in rows if not self._is_late(row.symbol, row.time)]

    def ledger(self, account: Account, *, start: int = 0, end: int | None = None) -> Sequence[LedgerEntry]:
        """Changes of the wallet that are listed yet, oldest first."""
        rows = _within(account.ledger, None, start, end)
        return [row for row in rows if row.kind != "funding" or not self._is_late(row.symbol, row.time)]

    def _is_late(self, symbol: str | None, time: int) -> bool:
        since = self.desk.state.unlisted_funding.get(symbol or "")
        return since is not None and time >= since

    # --- what a venue does to its traders (the fault API calls these)
    @property
    def insurance_fund(self) -> Decimal:
        """What the fund has left for deficits of liquidations, settle units."""
        return self.desk.state.insurance_fund

    def deleverage(
        self, account: Account, symbol: str, quantity: Decimal | None = None, *, price: Decimal | None = None
    ) -> EngineFill:
        """Auto-deleverage a leg (None: all of it) at `price`, the counterparty's bankruptcy price (None: the
        mark). Raises Rejected("reduce_only") where there is none."""
        return interventions.deleverage_leg(self.desk, account, symbol, quantity, price, self.now())

    def halt(self, symbol: str | None = None) -> None:
        """No orders, fills or liquidations in the symbol (None: in any); cancels and funding go on."""
        interventions.halt(self.desk, symbol)

    def resume(self, symbol: str | None = None) -> None:
        """End a halt; None ends all of them."""
        interventions.resume(self.desk, symbol)

    def delist(self, symbol: str) -> Sequence[EngineFill]:
        """Cancel the symbol's orders, settle its positions at the mark, list it no more."""
        return interventions.delist(self.desk, symbol, self.now())

    def halt_after_partial(self, symbol: str, fraction: Decimal = Decimal("0.5")) -> None:
        """The next order that takes in the symbol fills at most this fraction of it; then trading halts."""
        interventions.halt_after_partial(self.desk, symbol, fraction)


def _within(rows: Sequence[Timed], symbol: str | None, start: int, end: int | None) -> Sequence[Timed]:
    return [
        row
        for row in rows
        if (symbol is None or row.symbol == symbol) and start <= row.time and (end is None or row.time <= end)
    ]
