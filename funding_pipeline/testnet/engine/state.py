"""What an exchange remembers, and the desk from which the other modules reach it and the market.

What lives here: the state (all of it is written by `snapshot`), indices over it, prices by symbol.
What does not: rules.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from funding_pipeline.testnet.engine.values import Account, EngineFill, Instrument, Order, Position, Rejected

if TYPE_CHECKING:
    from funding_pipeline.testnet.quotes import Quotes

FundingReference = Literal["mark", "index"]
FIRST_ID = 10_000_001
DEFAULT_LEVERAGE = 10


@dataclass
class Taken:
    """Quantities by price that test accounts took from a book within one second."""

    second: int = -1
    bids: dict[Decimal, Decimal] = field(default_factory=dict)
    asks: dict[Decimal, Decimal] = field(default_factory=dict)


@dataclass
class State:
    """Everything that survives a restart. Times are ms; `insurance_fund` in settle units."""

    advanced_to: int
    insurance_fund: Decimal
    accounts: dict[str, Account] = field(default_factory=dict)
    taken: dict[str, Taken] = field(default_factory=dict)
    halted: set[str] = field(default_factory=set)
    is_halted: bool = False
    delisted: set[str] = field(default_factory=set)
    unlisted: set[str] = field(default_factory=set)
    unlisted_funding: dict[str, int] = field(default_factory=dict)
    partial_then_halt: dict[str, Decimal] = field(default_factory=dict)
    refused_after_fill: dict[str, Decimal] = field(default_factory=dict)
    next_order: int = FIRST_ID
    next_fill: int = FIRST_ID
    next_payment: int = FIRST_ID
    next_entry: int = FIRST_ID


class Desk:
    """State, market and the indices that make both quick to ask. One per exchange."""

    def __init__(self, quotes: "Quotes", state: State, funding_reference: FundingReference) -> None:
        self.quotes = quotes
        self.funding_reference: FundingReference = funding_reference
        self._listing: tuple[Instrument, ...] = ()
        self._instruments: dict[str, Instrument] = {}
        self.replace(state)

    def replace(self, state: State) -> None:
        """Take another state and build the indices anew."""
        self.state = state
        self.by_key = {account.key: account for account in state.accounts.values()}
        self._open: dict[str, dict[int, Order]] = {}
        self._client_ids: dict[str, dict[str, int]] = {}
        self._fills: dict[int, list[EngineFill]] = {}
        self._busy: set[str] = set()
        for account in state.accounts.values():
            self.enrol(account)

    def enrol(self, account: Account) -> None:
        """Index an account and its orders."""
        self.by_key[account.key] = account
        self._open[account.account_id] = {}
        self._client_ids[account.account_id] = {}
        for order in account.orders.values():
            self.index(account, order)
            if order.status == "open":
                self.watch(account, order)
        for fill in account.fills:
            self.index_fill(fill)
        self.touch(account)

    def index(self, account: Account, order: Order) -> None:
        """Make an order findable by its client id."""
        if order.ticket.client_id is not None:
            self._client_ids[account.account_id][order.ticket.client_id] = order.order_id

    def watch(self, account: Account, order: Order) -> None:
        """The order rests from now on."""
        self._open[account.account_id][order.order_id] = order

    def index_fill(self, fill: EngineFill) -> None:
        """Make a fill findable by its order."""
        self._fills.setdefault(fill.order_id, []).append(fill)

    def fills_of(self, order: Order) -> list[EngineFill]:
        """Fills of one order, oldest first."""
        return list(self._fills.get(order.order_id, ()))

    def close(self, account: Account, order: Order) -> None:
        """The order is done: watch it no longer."""
        self._open[account.account_id].pop(order.order_id, None)

    def touch(self, account: Account) -> None:
        """Note whether time can do anything to the account: to be called after each change."""
        is_held = any(position.quantity for position in account.positions.values())
        is_busy = is_held or bool(self._open[account.account_id]) or account.wallet < 0
        (self._busy.add if is_busy else self._busy.discard)(account.account_id)

    @property
    def is_idle(self) -> bool:
        """No account has a position or an open order."""
        return not self._busy

    def busy_accounts(self) -> list[Account]:
        """Accounts with positions or open orders, in the order of their opening."""
        return [account for name, account in self.state.accounts.items() if name in self._busy]

    def open_orders(self, account: Account, symbol: str | None = None) -> list[Order]:
        """Open orders, oldest first."""
        orders = self._open[account.account_id].values()
        return [order for order in orders if symbol is None or order.ticket.symbol == symbol]

    def order_id_of(self, account: Account, client_id: str) -> int | None:
        """The order, open or done, that used a client id."""
        return self._client_ids[account.account_id].get(client_id)

    def instruments(self) -> dict[str, Instrument]:
        """All that the market knows, by symbol; also those delisted or not listed yet."""
        listing = self.quotes.instruments()
        if listing is not self._listing:
            self._listing = listing
            # Terms of what the market has dropped are kept: history still refers to them.
            self._instruments |= {instrument.symbol: instrument for instrument in listing}
        return self._instruments

    def instrument(self, symbol: str) -> Instrument:
        """Raises Rejected("unknown_symbol")."""
        try:
            return self.instruments()[symbol]
        except KeyError:
            raise Rejected("unknown_symbol", f"{symbol} is not listed") from None

    def mark(self, symbol: str, time: int) -> Decimal:
        """Mark price."""
        return self.quotes.mark(symbol, time)

    def is_frozen(self, symbol: str) -> bool:
        """Nothing may trade: the symbol or the exchange is halted, or the symbol is not listed now."""
        return self.state.is_halted or symbol in self.state.halted or symbol in self.state.unlisted

    def position(self, account: Account, symbol: str) -> Position:
        """The account's position; a new flat one, not yet kept, where there is none."""
        found = account.positions.get(symbol)
        if found is not None:
            return found
        return Position(symbol, leverage=min(DEFAULT_LEVERAGE, self.instrument(symbol).tiers[0].max_leverage))

    def kept_position(self, account: Account, symbol: str) -> Position:
        """The account's position, kept from now on."""
        return account.positions.setdefault(symbol, self.position(account, symbol))

    def held(self, account: Account) -> Iterator[Position]:
        """Positions that are not flat, by symbol."""
        return (account.positions[s] for s in sorted(account.positions) if account.positions[s].quantity)
