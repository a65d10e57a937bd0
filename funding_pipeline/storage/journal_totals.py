"""The part of the journal that keeps running totals: positions, fees and funding, without reading their rows.

Every total is changed in the transaction that changes what it sums. Decimals are kept as their digits, which
SQL cannot add exactly, so they are added here: exactly, whatever their length.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Context, Decimal, Inexact
from typing import Any

from sqlalchemy import Connection, Table, bindparam, insert, select, update

from funding_pipeline.core.errors import JournalError
from funding_pipeline.core.governance import OrderIntent
from funding_pipeline.core.trading import OrderState
from funding_pipeline.storage.journal_database import JournalDatabase
from funding_pipeline.storage.journal_schema import ZERO, currency_totals, fills, instrument_totals, orders

_EXACT = Context(prec=400, traps=[Inexact])
_IDS_PER_QUERY = 400
_FILLS_OF = select(fills.c.side, fills.c.quantity).where(
    fills.c.venue == bindparam("at_venue"),
    fills.c.symbol == bindparam("in_symbol"),
    fills.c.order_id == bindparam("of_order"),
)
_ORDERS_OF = select(orders.c.intent_id).where(
    orders.c.venue == bindparam("at_venue"),
    orders.c.symbol == bindparam("in_symbol"),
    orders.c.order_id == bindparam("of_order"),
)
_Row = Mapping[str, Any]


def _named(key: tuple[str, ...]) -> dict[str, Any]:
    """Values of a primary key for the statements below."""
    return {f"key_{number}": value for number, value in enumerate(key)}


def _is_key(table: Table) -> list[Any]:
    columns = table.primary_key.columns
    return [column == bindparam(f"key_{number}") for number, column in enumerate(columns)]


_FIND = {table.name: select(table).where(*_is_key(table)) for table in (instrument_totals, currency_totals)}
_SET = {table.name: update(table).where(*_is_key(table)) for table in (instrument_totals, currency_totals)}
_NEW = {table.name: insert(table) for table in (instrument_totals, currency_totals)}


@dataclass(frozen=True)
class InstrumentTotals:
    """What the journal adds up to in one instrument. `filled`: signed quantity that our orders filled;
    `others`: signed quantity of fills of orders that are not ours; `fees_unknown`: fills without a fee yet.
    `first_written_at`, `last_price`: of its intents; None: never ordered, or ordered without a price.
    """

    venue: str
    symbol: str
    intents: int
    first_written_at: datetime | None
    last_price: Decimal | None
    filled: Decimal
    others: Decimal
    fills: int
    fees_unknown: int

    @property
    def held(self) -> Decimal:
        """Signed quantity that all known fills add up to."""
        return _EXACT.add(self.filled, self.others)


@dataclass(frozen=True)
class CurrencyTotals:
    """Money of one instrument in one currency. `fees`: paid in `fills` fills (below zero: a rebate);
    `funding`: received in `payments` settlements (below zero: paid). A fee without a currency has ''.
    """

    venue: str
    symbol: str
    currency: str
    fees: Decimal
    fills: int
    funding: Decimal
    payments: int


class TotalsJournal(JournalDatabase):
    """Running totals by instrument and by currency."""

    def instrument_totals(self, *, venue: str | None = None) -> dict[tuple[str, str], InstrumentTotals]:
        """Totals of every instrument that was ever ordered or filled, by venue and symbol, in their order."""
        wanted = select(instrument_totals).order_by(instrument_totals.c.venue, instrument_totals.c.symbol)
        wanted = wanted if venue is None else wanted.where(instrument_totals.c.venue == venue)
        with self._read() as connection:
            rows = connection.execute(wanted).mappings()
            return {(row["venue"], row["symbol"]): InstrumentTotals(**row) for row in rows}

    def ordered(self) -> frozenset[tuple[str, str]]:
        """Venue and symbol of every instrument that was ever ordered."""
        return frozenset(key for key, total in self.instrument_totals().items() if total.intents)

    def known_orders(self, venue: str, symbol: str, order_ids: Iterable[str]) -> frozenset[str]:
        """Those of the venue's `order_ids` in an instrument that are orders of ours."""
        with self._read() as connection:
            return known_orders(connection, venue, symbol, order_ids)

    def currency_totals(self) -> tuple[CurrencyTotals, ...]:
        """Fees and funding by instrument and currency, in their order."""
        wanted = select(currency_totals).order_by(*currency_totals.primary_key.columns)
        with self._read() as connection:
            return tuple(CurrencyTotals(**row) for row in connection.execute(wanted).mappings())


def known_orders(connection: Connection, venue: str, symbol: str, order_ids: Iterable[str]) -> frozenset[str]:
    """Those of `order_ids` in an instrument that are orders of ours, as this transaction sees it."""
    ids = sorted(set(order_ids))
    of_instrument = select(orders.c.order_id).where(orders.c.venue == venue, orders.c.symbol == symbol)
    found: set[str] = set()
    for start in range(0, len(ids), _IDS_PER_QUERY):
        some = of_instrument.where(orders.c.order_id.in_(ids[start : start + _IDS_PER_QUERY]))
        found.update(connection.scalars(some))
    return frozenset(found)


def count_intent(connection: Connection, intent: OrderIntent) -> None:
    """Count an intent that is being written."""
    request = intent.request
    key = (request.venue, request.symbol)
    row = _row(connection, instrument_totals, key)
    first = None if row is None else row["first_written_at"]
    values = {
        "intents": 1 if row is None else row["intents"] + 1,
        "first_written_at": intent.written_at if first is None else min(first, intent.written_at),
        "last_price": request.price,
    }
    _put(connection, instrument_totals, key, values, is_new=row is None)


def count_order(connection: Connection, before: OrderState | None, after: OrderState) -> None:
    """Count what an order has filled, before its row is written. Fills of its id stop being another's."""
    key = (after.venue, after.symbol)
    was = ZERO if before is None else _signed(before.side, before.filled)
    changes = {"filled": _EXACT.subtract(_signed(after.side, after.filled), was)}
    if before is None or before.order_id != after.order_id:
        changes["others"] = _EXACT.minus(_unowned(connection, after, owners=0))
        if before is not None:
            changes["others"] = _EXACT.add(changes["others"], _unowned(connection, before, owners=1))
    if any(changes.values()):
        _change(connection, instrument_totals, key, changes)


def _unowned(connection: Connection, order: OrderState, *, owners: int) -> Decimal:
    """Signed fills of the order's id if no more than `owners` orders of ours have that id."""
    wanted = {"at_venue": order.venue, "in_symbol": order.symbol, "of_order": order.order_id}
    if len(connection.execute(_ORDERS_OF, wanted).all()) > owners:
        return ZERO
    rows = connection.execute(_FILLS_OF, wanted).all()
    return exact_sum(_signed(row.side, row.quantity) for row in rows)


def count_fills(
    connection: Connection, fresh: Sequence[_Row], completed: Sequence[tuple[_Row, _Row]]
) -> None:
    """Count new fills, and what was stated later of fills that were there already (before, after)."""
    by_instrument: dict[tuple[str, str], list[_Row]] = defaultdict(list)
    for row in fresh:
        by_instrument[row["venue"], row["symbol"]].append(row)
    for key, rows in by_instrument.items():
        own = known_orders(connection, *key, (row["order_id"] for row in rows))
        others = [_signed(row["side"], row["quantity"]) for row in rows if row["order_id"] not in own]
        unknown = sum(row["fee"] is None for row in rows)
        changes = {"others": exact_sum(others), "fills": len(rows), "fees_unknown": unknown}
        _change(connection, instrument_totals, key, changes)
    for before, after in completed:
        if before["fee"] is None and after["fee"] is not None:
            _change(connection, instrument_totals, (after["venue"], after["symbol"]), {"fees_unknown": -1})
    signs = [(1, row) for row in fresh]
    signs += [pair for before, after in completed for pair in ((-1, before), (1, after))]
    _count_money(
        connection, "fees", "fills", [_fee(sign, row) for sign, row in signs if row["fee"] is not None]
    )


def count_payments(connection: Connection, fresh: Sequence[_Row]) -> None:
    """Count new funding payments."""
    money = [((row["venue"], row["symbol"], row["currency"]), row["amount"], 1) for row in fresh]
    _count_money(connection, "funding", "payments", money)


def exact_sum(values: Iterable[Decimal]) -> Decimal:
    """Sum without rounding; raises JournalError where it has more digits than any money has."""
    total = ZERO
    try:
        for value in values:
            total = _EXACT.add(total, value)
    except Inexact as error:
        raise JournalError("a quantity or amount has too many digits to be added exactly") from error
    return total


def _fee(sign: int, row: _Row) -> tuple[tuple[str, str, str], Decimal, int]:
    fee = row["fee"] if sign > 0 else _EXACT.minus(row["fee"])
    return (row["venue"], row["symbol"], row["fee_currency"] or ""), fee, sign


def _count_money(
    connection: Connection, name: str, count: str, money: list[tuple[tuple[str, str, str], Decimal, int]]
) -> None:
    amounts: dict[tuple[str, str, str], list[Decimal]] = defaultdict(list)
    counts: Counter[tuple[str, str, str]] = Counter()
    for key, amount, number in money:
        amounts[key].append(amount)
        counts[key] += number
    for key, values in amounts.items():
        _change(connection, currency_totals, key, {name: exact_sum(values), count: counts[key]})


def _change(connection: Connection, table: Table, key: tuple[str, ...], changes: Mapping[str, Any]) -> None:
    """Add `changes` to the row of `key`, made where there is none."""
    row = _row(connection, table, key)
    sums = changes if row is None else {name: _plus(row[name], change) for name, change in changes.items()}
    _put(connection, table, key, sums, is_new=row is None)


def _row(connection: Connection, table: Table, key: tuple[str, ...]) -> Mapping[Any, Any] | None:
    return connection.execute(_FIND[table.name], _named(key)).mappings().one_or_none()


def _put(
    connection: Connection, table: Table, key: tuple[str, ...], values: Mapping[str, Any], *, is_new: bool
) -> None:
    if is_new:
        names = (column.name for column in table.primary_key.columns)
        connection.execute(_NEW[table.name], {**dict(zip(names, key, strict=True)), **values})
    else:
        connection.execute(_SET[table.name], {**_named(key), **values})


def _plus(value: Any, change: Any) -> Any:
    return value + change if isinstance(change, int) else exact_sum((value, change))


def _signed(side: str, quantity: Decimal) -> Decimal:
    return quantity if side == "buy" else _EXACT.minus(quantity)
