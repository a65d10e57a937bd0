"""Tables of the journal, in SQL that SQLite and PostgreSQL share.

What lives here: columns, keys and CHECK constraints. What does not: when a row may be written
(`journal_orders`, `journal_governance`) and how the database is opened (`journal_database`).
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, get_args

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from funding_pipeline.core import governance, trading
from funding_pipeline.storage.journal_types import Choice, Document, ExactDecimal, UtcTime

SCHEMA_VERSION = 4
EXECUTOR_LOCK = "executor"
SEVERITIES = ("info", "warning", "critical")
"""From the least to the most urgent."""

ZERO = Decimal(0)

metadata = MetaData()


def _sequence() -> Column[int]:
    """Order of writing; SQLite counts only in a column whose type is exactly INTEGER."""
    whole = BigInteger().with_variant(Integer(), "sqlite")
    return Column("sequence", whole, primary_key=True, autoincrement=True)


def _choice(name: str, words: Iterable[str], **options: Any) -> tuple[Column[str], CheckConstraint]:
    listed = tuple(words)
    quoted = ", ".join(f"'{word}'" for word in listed)
    column: Column[str] = Column(name, Choice(listed), **{"nullable": False} | options)
    return column, CheckConstraint(f"{name} IN ({quoted})", name=f"known_{name}")


def _text(name: str, **options: Any) -> Column[str]:
    return Column(name, Text, **{"nullable": False} | options)


def _decimal(name: str, **options: Any) -> Column[Any]:
    return Column(name, ExactDecimal, **{"nullable": False} | options)


def _time(name: str, **options: Any) -> Column[Any]:
    return Column(name, UtcTime, **{"nullable": False} | options)


def _count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, default=0)


def _instrument() -> tuple[Column[str], Column[str]]:
    return _text("venue"), _text("symbol")


schema_version = Table(
    "journal_schema",
    metadata,
    Column(
        "row_id",
        Integer,
        CheckConstraint("row_id = 1", name="one_row"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("version", Integer, nullable=False),
)
"""One row. On PostgreSQL every writer locks it first, so that writers queue as they do on SQLite."""

states = Table(
    "states",
    metadata,
    _sequence(),
    *_choice("state", get_args(governance.TradingState)),
    _text("reason"),
    _text("by"),
    _time("since"),
)
"""Every trading state there has been; the last row holds now."""

locks = Table(
    "locks",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("generation", BigInteger, nullable=False),
    _text("owner", nullable=True),
    _time("acquired_at", nullable=True),
    _time("expires_at", nullable=True),
    _text("process", nullable=True),
)
"""One row per lock. `generation` grows with every taking: an overtaken holder is known by its number."""

verdicts = Table(
    "verdicts",
    metadata,
    _sequence(),
    _text("verdict_id", unique=True),
    _text("rebalance"),
    _time("judged_at"),
    _time("expires_at"),
    *_choice("state", get_args(governance.TradingState)),
    _text("limits_version"),
    Column("legs", Document, nullable=False),
    Column("breaches", Document, nullable=False),
)

intents = Table(
    "intents",
    metadata,
    _sequence(),
    Column(
        "client_order_id",
        String(24),
        CheckConstraint("length(client_order_id) = 24", name="client_order_id_of_24"),
        unique=True,
        nullable=False,
    ),
    _text("strategy"),
    _text("rebalance"),
    _text("leg"),
    Column("attempt", Integer, CheckConstraint("attempt >= 0", name="attempt_counts_up"), nullable=False),
    *_choice("purpose", get_args(governance.IntentPurpose)),
    Column("verdict_id", Text, ForeignKey("verdicts.verdict_id"), nullable=False),
    *_instrument(),
    *_choice("side", get_args(trading.Side)),
    *_choice("kind", get_args(trading.OrderKind)),
    _decimal("quantity"),
    _decimal("price", nullable=True),
    *_choice("time_in_force", get_args(trading.TimeInForce)),
    Column("reduce_only", Boolean(create_constraint=True, name="reduce_only_is_told"), nullable=False),
    _time("written_at"),
    *_choice("outcome", get_args(governance.IntentOutcome)),
    _text("error", nullable=True),
    _time("resolved_at", nullable=True),
    UniqueConstraint("strategy", "rebalance", "leg", "attempt", name="one_intent_per_attempt"),
    Index("intents_by_outcome", "outcome", "venue", "symbol"),
    Index("intents_by_rebalance", "rebalance"),
    Index("intents_by_time", "written_at", "venue", "symbol"),
)

orders = Table(
    "orders",
    metadata,
    Column("intent_id", String(24), ForeignKey("intents.client_order_id"), primary_key=True),
    *_instrument(),
    _text("order_id"),
    _text("client_order_id", nullable=True),
    *_choice("status", get_args(trading.OrderStatus)),
    *_choice("side", get_args(trading.Side)),
    _decimal("quantity"),
    _decimal("filled"),
    _decimal("average_price", nullable=True),
    _decimal("limit_price", nullable=True),
    Column("reduce_only", Boolean(create_constraint=True, name="order_reduce_only"), nullable=True),
    _time("updated_at", nullable=True),
    Index("orders_by_id", "venue", "symbol", "order_id"),
    Index("orders_by_status", "status", "intent_id"),
)
"""The venue's last word on the order of an intent."""

fills = Table(
    "fills",
    metadata,
    _sequence(),
    *_instrument(),
    _text("fill_id"),
    _text("order_id"),
    *_choice("side", get_args(trading.Side)),
    _decimal("quantity"),
    _decimal("price"),
    _decimal("fee", nullable=True),
    _text("fee_currency", nullable=True),
    Column("is_maker", Boolean(create_constraint=True, name="is_maker"), nullable=True),
    _time("traded_at"),
    UniqueConstraint("venue", "symbol", "fill_id", "side", name="one_row_per_fill"),
    Index("fills_by_time", "venue", "symbol", "traded_at"),
    Index("fills_by_order", "venue", "symbol", "order_id"),
    Index("fills_by_moment", "traded_at", "sequence"),
)

payments = Table(
    "payments",
    metadata,
    _sequence(),
    *_instrument(),
    _time("settled_at"),
    _decimal("amount"),
    _text("currency"),
    _text("payment_id", nullable=True),
    Column("rate", Float(53), nullable=True),
    _text("payment_key"),
    UniqueConstraint("venue", "symbol", "settled_at", "payment_key", name="one_row_per_payment"),
    Index("payments_by_moment", "settled_at", "sequence"),
)
"""`payment_key`: the venue's id, or nothing where it has none (a null is never equal to a null)."""

heartbeats = Table(
    "heartbeats",
    metadata,
    Column("process", Text, primary_key=True),
    _time("at"),
    _text("status"),
    _time("real_at", nullable=True),
    _text("holder", nullable=True),
)
"""`at`: the venues' time. `real_at`: this machine's. `holder`: the process (storage.process_identity)."""

looks = Table(
    "looks", metadata, Column("name", Text, primary_key=True), _time("at"), _time("real_at"), _text("body")
)
"""The newest look of whoever looks at the accounts, one row each."""

equities = Table(
    "equities",
    metadata,
    _sequence(),
    _time("at"),
    _decimal("equity_usd"),
    _text("note"),
    _decimal("peak_usd", nullable=True),
    Index("equities_by_time", "at"),
)
"""`peak_usd`: the highest mark since the last rebase, this one included."""

instrument_totals = Table(
    "instrument_totals",
    metadata,
    _text("venue", primary_key=True),
    _text("symbol", primary_key=True),
    _count("intents"),
    _time("first_written_at", nullable=True),
    _decimal("last_price", nullable=True),
    _decimal("filled", default=ZERO),
    _decimal("others", default=ZERO),
    _count("fills"),
    _count("fees_unknown"),
)
"""Running totals, changed in the transaction that changes what they sum. `filled`: signed, by our orders;
`others`: signed, fills of orders that are not ours. SQLite cannot sum exact decimals, and need not."""

currency_totals = Table(
    "currency_totals",
    metadata,
    _text("venue", primary_key=True),
    _text("symbol", primary_key=True),
    _text("currency", primary_key=True),
    _decimal("fees", default=ZERO),
    _count("fills"),
    _decimal("funding", default=ZERO),
    _count("payments"),
)
"""Running totals of money. `fees`: paid, below zero a rebate; `funding`: received, below zero paid."""

tightenings = Table(
    "tightenings",
    metadata,
    _sequence(),
    _text("name"),
    Column("value", Float(53), nullable=False),
    _text("by"),
    _text("reason"),
    _time("at"),
    _time("forgotten_at", nullable=True),
)

armings = Table(
    "armings", metadata, _sequence(), _text("by"), _text("reason"), _time("at"), _time("until", nullable=True)
)
"""Every arming and, with `until` null, disarming; the last row holds."""

alerts = Table(
    "alerts",
    metadata,
    _sequence(),
    _text("key"),
    *_choice("severity", SEVERITIES),
    _text("title"),
    _text("action"),
    _time("raised_at"),
    Column("numbers", Document, nullable=False),
    Column("repeats", Integer, nullable=False),
    _time("began_at"),
    _time("seen_at"),
    _time("escalated_at", nullable=True),
    _time("acknowledged_at", nullable=True),
    _text("acknowledged_by", nullable=True),
    Index("alerts_by_key", "key", "sequence"),
    Index("alerts_by_time", "raised_at", "sequence"),
)
"""`began_at`: since when it has gone on without a pause; `seen_at`: when it was last raised."""
