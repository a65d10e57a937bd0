"""Profit by source between two books, which adds up to the change in equity or says by how much it does not.

What lives here: the decomposition. What does not: reading statements (`statements`).

Per instrument, with q0 held at first, fills s (signed) at p, marks m0 and m1, and a reference price r per
fill (the mid when it was decided): price profit = q0 (m1 - m0) + sum s (m1 - p), split into
basis = q0 (m1 - m0) + sum s (m1 - r) and slippage = sum s (r - p) of our orders, liquidation = the same of
fills that the venue forced, with their fees. With funding and fees that is the change in equity.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from funding_pipeline.core.governance import IntentRecord
from funding_pipeline.core.trading import Fill, FundingPayment
from funding_pipeline.execution.book import VenueBook
from funding_pipeline.execution.config import ExecutionConfig
from funding_pipeline.execution.slicing import BP
from funding_pipeline.market_data.instruments import DOLLARS
from funding_pipeline.trading.statements import own_orders, signed_quantity
from funding_pipeline.trading.venue_book import ZERO, equity_usd, total_equity

_GUARDS = "guard "
"""How the names of the guard's reductions begin (`guard.shedding`)."""


@dataclass(frozen=True)
class PnlBySource:
    """USD; costs are negative. `difference`: change in equity less the sum of the sources; None where equity
    or a fee is not told in dollars (then `unknown` names it)."""

    funding: Decimal
    basis: Decimal
    fees: Decimal
    slippage: Decimal
    liquidation: Decimal
    equity_change: Decimal | None
    unknown: tuple[str, ...] = ()

    @property
    def total(self) -> Decimal:
        """Sum of the sources."""
        return self.funding + self.basis + self.fees + self.slippage + self.liquidation

    def rows(self) -> list[dict[str, str | float | None]]:
        """Sources, their sum and what it leaves unexplained, for a table; USD, null where not known."""
        sources = (
            "funding",
            "basis",
            "fees",
            "slippage",
            "liquidation",
            "total",
            "equity_change",
            "difference",
        )
        values = ((name, getattr(self, name)) for name in sources)
        return [{"source": name, "usd": None if v is None else round(float(v), 6)} for name, v in values]

    @property
    def difference(self) -> Decimal | None:
        """What the sources do not explain."""
        return None if self.unknown or self.equity_change is None else self.equity_change - self.total


def pnl_by_source(
    before: Mapping[str, VenueBook],
    after: Mapping[str, VenueBook],
    fills: Sequence[Fill],
    payments: Sequence[FundingPayment],
    records: Sequence[IntentRecord],
    *,
    references: Mapping[tuple[str, str], Decimal] | None = None,
) -> PnlBySource:
    """Sources of what changed between two books of the same venues, from all fills and payments between.

    `references`: price per (venue, order id) from which slippage counts (`decision_prices`); where there is
    none, the mark of the instrument before, or the fill's own price. Conversion of stablecoins: at par.
    Equity is counted at the marks of the positions: told beside them, it is of another moment.
    """
    started, ended = total_equity(_at_own_marks(before)), total_equity(_at_own_marks(after))
    own = own_orders(records)
    ours = [fill for fill in fills if (fill.venue, fill.order_id) in own]
    forced = [fill for fill in fills if (fill.venue, fill.order_id) not in own]
    prices = _References(before, after, fills, references or {})
    untold = tuple(f"fee of {f.venue} {f.symbol} {f.fill_id}" for f in fills if _fee_usd(f) is None)
    silent = tuple(
        f"equity of {v}" for books in (before, after) for v, b in books.items() if b.equity_usd is None
    )
    return PnlBySource(
        funding=sum((payment.amount for payment in payments), ZERO),
        basis=_held_profit(before, prices) + sum((prices.after_decision(fill) for fill in fills), ZERO),
        fees=-_fees(ours),
        slippage=sum((prices.slippage(fill) for fill in ours), ZERO),
        liquidation=sum((prices.slippage(fill) for fill in forced), ZERO) - _fees(forced),
        equity_change=None if started is None or ended is None else ended - started,
        unknown=untold + silent,
    )


def decision_prices(
    records: Iterable[IntentRecord], config: ExecutionConfig
) -> Mapping[tuple[str, str], Decimal]:
    """The best quote when each order was decided, per (venue, order id), up to a tick: a taker's limit is
    that quote and the price bound of `config`, a maker's is the quote itself. A flattening and all that the
    guard does goes within the wider bound."""
    found = {}
    for record in records:
        request, order = record.intent.request, record.order
        if order is None or request.price is None:
            continue
        is_hurried = record.intent.purpose == "flatten" or record.intent.rebalance.startswith(_GUARDS)
        bound = config.flatten_bound_bp if is_hurried else config.taker_bound_bp
        reach = BP * Decimal(str(bound)) * (1 if request.side == "buy" else -1)
        is_maker = request.time_in_force == "post_only"
        found[order.venue, order.order_id] = request.price if is_maker else request.price / (1 + reach)
    return found


def _at_own_marks(books: Mapping[str, VenueBook]) -> Mapping[str, VenueBook]:
    """Books whose equity is wallet and open profit, where both are told; else as the venue says."""
    return {venue: _at_marks(book) for venue, book in books.items()}


def _at_marks(book: VenueBook) -> VenueBook:
    unvalued = tuple(replace(balance, equity=None) for balance in book.balances)
    equity = equity_usd(unvalued, book.positions) if book.balances else None
    return book if equity is None else replace(book, equity_usd=equity)


class _References:
    """Marks at both ends, and the price from which a fill's slippage counts."""

    def __init__(
        self,
        before: Mapping[str, VenueBook],
        after: Mapping[str, VenueBook],
        fills: Sequence[Fill],
        references: Mapping[tuple[str, str], Decimal],
    ) -> None:
        self._before, self._after, self._references = before, after, references
        # Where nothing is held at the end, the last mark cancels out: any price will do.
        self._last = {(fill.venue, fill.symbol): fill.price for fill in fills}

    def first_mark(self, venue: str, symbol: str) -> Decimal | None:
        return _mark(self._before, venue, symbol)

    def last_mark(self, venue: str, symbol: str) -> Decimal:
        told = _mark(self._after, venue, symbol)
        return told if told is not None else self._last.get((venue, symbol), ZERO)

    def reference(self, fill: Fill) -> Decimal:
        told = self._references.get((fill.venue, fill.order_id))
        return told or self.first_mark(fill.venue, fill.symbol) or fill.price

    def slippage(self, fill: Fill) -> Decimal:
        return signed_quantity(fill) * (self.reference(fill) - fill.price)

    def after_decision(self, fill: Fill) -> Decimal:
        return signed_quantity(fill) * (self.last_mark(fill.venue, fill.symbol) - self.reference(fill))


def _mark(books: Mapping[str, VenueBook], venue: str, symbol: str) -> Decimal | None:
    book = books.get(venue)
    if book is None:
        return None
    held = [p.mark_price for p in book.positions if p.symbol == symbol and p.mark_price is not None]
    return held[0] if held else book.marks.get(symbol)


def _held_profit(before: Mapping[str, VenueBook], prices: _References) -> Decimal:
    """q0 (m1 - m0) over all positions held at first."""
    total = ZERO
    for venue, book in before.items():
        for position in book.positions:
            first = prices.first_mark(venue, position.symbol)
            if first is not None:
                total += position.quantity * (prices.last_mark(venue, position.symbol) - first)
    return total


def _fees(fills: Sequence[Fill]) -> Decimal:
    return sum((fee for fee in map(_fee_usd, fills) if fee is not None), ZERO)


def _fee_usd(fill: Fill) -> Decimal | None:
    """None where it is not told, or paid in a coin (BNB): a number of coins is no number of dollars."""
    is_in_dollars = fill.fee_currency is None or fill.fee_currency in DOLLARS
    return fill.fee if is_in_dollars else None
