"""Schema 3: indices on times and ids, running totals by instrument and currency, the peak beside equity."""

from collections import defaultdict
from collections.abc import Iterator
from decimal import Context, Decimal, Inexact
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "3"
down_revision = None

_EXACT = Context(prec=400, traps=[Inexact])
_ZERO = Decimal(0)
_ROWS_AT_ONCE = 10_000
_INDICES = {
    "intents_by_time": ("intents", ["written_at", "venue", "symbol"]),
    "orders_by_id": ("orders", ["venue", "symbol", "order_id"]),
    "orders_by_status": ("orders", ["status", "intent_id"]),
    "fills_by_order": ("fills", ["venue", "symbol", "order_id"]),
    "fills_by_moment": ("fills", ["traded_at", "sequence"]),
    "payments_by_moment": ("payments", ["settled_at", "sequence"]),
    "equities_by_time": ("equities", ["at"]),
    "alerts_by_time": ("alerts", ["raised_at", "sequence"]),
}
_INTENTS = """
    SELECT i.venue, i.symbol, i.written_at, i.price, o.side, o.filled
    FROM intents i LEFT JOIN orders o ON o.intent_id = i.client_order_id ORDER BY i.sequence
"""
_FILLS = """
    SELECT f.venue, f.symbol, f.side, f.quantity, f.fee, f.fee_currency, EXISTS (
        SELECT 1 FROM orders o WHERE o.venue = f.venue AND o.symbol = f.symbol AND o.order_id = f.order_id
    ) AS is_own
    FROM fills f
"""


def upgrade() -> None:
    """From schema 2. Raises ValueError or ArithmeticError for stored values that are not numbers."""
    for name, (table, columns) in _INDICES.items():
        op.create_index(name, table, columns)
    op.add_column("equities", sa.Column("peak_usd", sa.Text))
    instruments = op.create_table(
        "instrument_totals",
        sa.Column("venue", sa.Text, primary_key=True),
        sa.Column("symbol", sa.Text, primary_key=True),
        sa.Column("intents", sa.BigInteger, nullable=False),
        sa.Column("first_written_at", sa.String(27)),
        sa.Column("last_price", sa.Text),
        sa.Column("filled", sa.Text, nullable=False),
        sa.Column("others", sa.Text, nullable=False),
        sa.Column("fills", sa.BigInteger, nullable=False),
        sa.Column("fees_unknown", sa.BigInteger, nullable=False),
    )
    currencies = op.create_table(
        "currency_totals",
        sa.Column("venue", sa.Text, primary_key=True),
        sa.Column("symbol", sa.Text, primary_key=True),
        sa.Column("currency", sa.Text, primary_key=True),
        sa.Column("fees", sa.Text, nullable=False),
        sa.Column("fills", sa.BigInteger, nullable=False),
        sa.Column("funding", sa.Text, nullable=False),
        sa.Column("payments", sa.BigInteger, nullable=False),
    )
    _fill_totals(instruments, currencies)
    _fill_peaks()


def _fill_totals(instruments: sa.Table, currencies: sa.Table) -> None:
    by_instrument: dict[tuple[str, ...], dict[str, Any]] = defaultdict(
        lambda: {
            "intents": 0,
            "first_written_at": None,
            "last_price": None,
            "filled": _ZERO,
            "others": _ZERO,
            "fills": 0,
            "fees_unknown": 0,
        }
    )
    by_currency: dict[tuple[str, ...], dict[str, Any]] = defaultdict(
        lambda: {"fees": _ZERO, "fills": 0, "funding": _ZERO, "payments": 0}
    )
    for row in _rows(_INTENTS):
        total = by_instrument[row.venue, row.symbol]
        total["intents"] += 1
        total["first_written_at"] = min(total["first_written_at"] or row.written_at, row.written_at)
        total["last_price"] = row.price
        if row.filled is not None:
            total["filled"] = _EXACT.add(total["filled"], _signed(row.side, row.filled))
    for row in _rows(_FILLS):
        total = by_instrument[row.venue, row.symbol]
        total["fills"] += 1
        total["fees_unknown"] += row.fee is None
        if not row.is_own:
            total["others"] = _EXACT.add(total["others"], _signed(row.side, row.quantity))
        if row.fee is not None:
            money = by_currency[row.venue, row.symbol, row.fee_currency or ""]
            money["fees"] = _EXACT.add(money["fees"], Decimal(row.fee))
            money["fills"] += 1
    for row in _rows("SELECT venue, symbol, currency, amount FROM payments"):
        money = by_currency[row.venue, row.symbol, row.currency]
        money["funding"] = _EXACT.add(money["funding"], Decimal(row.amount))
        money["payments"] += 1
    _insert(instruments, ("venue", "symbol"), by_instrument)
    _insert(currencies, ("venue", "symbol", "currency"), by_currency)


def _fill_peaks() -> None:
    peak: Decimal | None = None
    peaks = []
    for row in _rows("SELECT sequence, equity_usd, note FROM equities ORDER BY sequence"):
        equity = Decimal(row.equity_usd)
        peak = equity if peak is None or row.note != "" else max(peak, equity)
        peaks.append({"row": row.sequence, "peak": str(peak)})
    if peaks:
        op.get_bind().execute(sa.text("UPDATE equities SET peak_usd = :peak WHERE sequence = :row"), peaks)


def _insert(table: sa.Table, names: tuple[str, ...], totals: dict[tuple[str, ...], dict[str, Any]]) -> None:
    rows = [
        dict(zip(names, key, strict=True))
        | {name: str(value) if isinstance(value, Decimal) else value for name, value in values.items()}
        for key, values in sorted(totals.items())
    ]
    if rows:
        op.bulk_insert(table, rows)


def _rows(query: str) -> Iterator[Any]:
    """Rows of a query, a part at a time: a journal of years does not fit in memory as rows."""
    found = op.get_bind().execute(sa.text(query), execution_options={"yield_per": _ROWS_AT_ONCE})
    yield from found


def _signed(side: str, quantity: str) -> Decimal:
    return Decimal(quantity) if side == "buy" else _EXACT.minus(Decimal(quantity))
