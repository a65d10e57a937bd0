"""Schemas of the normalized tables, and the one function that enforces them.

What lives here: column names, types, keys and units. What does not: how a table is filled
(`market_data`) or where it is stored (`storage`).

Conventions: times are UTC with microseconds; `known_at` is the moment from which a decision may use
the row; a null means "unknown" and is never replaced by zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Self

import polars as pl

from funding_pipeline.core.errors import SchemaError

UTC = pl.Datetime("us", "UTC")
MADE_UP = "is_made_up"
"""Column of every raw and normalized fact: true where a simulation or the local testnet invented the row."""
MARK = pl.col(f"^{MADE_UP}$")
"""That column where a frame has it: what a gateway gives has not, and is not made up."""


@dataclass(frozen=True)
class TableSchema:
    """A normalized table: `columns` in order, unique `key`, the column that dates a row.

    `nullable` lists the columns that may be null; every other column never is. `is_made_up` is false
    where a frame does not state it: what invents rows marks them. `descriptions` has one text per column,
    with its unit.
    """

    name: str
    columns: Mapping[str, pl.DataType | type[pl.DataType]]
    key: tuple[str, ...]
    event_time: str
    nullable: frozenset[str]
    descriptions: Mapping[str, str]

    def empty(self) -> pl.DataFrame:
        """A frame with this schema and no row."""
        return pl.DataFrame(schema=dict(self.columns))

    def conform(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return `frame` with exactly this schema, sorted by key; raise SchemaError by name.

        Column order and float/integer width are mended; a missing column, a wrong type or a null
        where none may be is an error.
        """
        out = self.typed(frame)
        nulls = out.select(pl.col(c).null_count() for c in self.columns if c not in self.nullable)
        bad = [name for name, count in nulls.row(0, named=True).items() if count] if nulls.width else []
        if bad:
            raise SchemaError(f"table {self.name}: null in column(s) {', '.join(bad)}")
        return out.sort(self.key)

    def typed(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The columns of this table in order and with their types, nulls and order of rows as they are."""
        if MADE_UP in self.columns:
            stated = pl.col(MADE_UP) if MADE_UP in frame.columns else pl.lit(None, dtype=pl.Boolean)
            frame = frame.with_columns(stated.fill_null(value=False).alias(MADE_UP))
        missing = [name for name in self.columns if name not in frame.columns]
        if missing:
            raise SchemaError(f"table {self.name}: missing column(s) {', '.join(missing)}")
        try:
            return frame.select(pl.col(name).cast(dtype) for name, dtype in self.columns.items())
        except pl.exceptions.PolarsError as error:
            reason = str(error).splitlines()[0]
            raise SchemaError(f"table {self.name}: wrong column type: {reason}") from error


def _schema(
    name: str,
    *,
    key: tuple[str, ...],
    event_time: str,
    columns: Mapping[str, tuple[pl.DataType | type[pl.DataType], str]],
    nullable: tuple[str, ...] = (),
) -> TableSchema:
    return TableSchema(
        name=name,
        columns={column: dtype for column, (dtype, _) in columns.items()},
        key=key,
        event_time=event_time,
        nullable=frozenset(nullable),
        descriptions={column: text for column, (_, text) in columns.items()},
    )


_VENUE = (pl.String, "exchange, lower case")
_SYMBOL = (pl.String, "unified name as in ccxt, e.g. BTC/USDT:USDT")
_KNOWN_AT = (UTC, "UTC; the first moment at which a decision may use this row")
_MADE_UP = (pl.Boolean, "true: invented by a simulation or the local testnet; false: of a venue or folder")

INSTRUMENTS = _schema(
    "instruments",
    key=("venue", "symbol", "effective_from"),
    event_time="effective_from",
    nullable=(
        "multiplier",
        "contract_size",
        "price_tick",
        "quantity_step",
        "min_quantity",
        "min_notional",
        "maker_fee",
        "taker_fee",
        "underlying",
        "is_active",
        "delists_at",
        "funding_cap",
        "funding_floor",
        "identity",
        "identity_reason",
        "effective_to",
    ),
    columns={
        "venue": _VENUE,
        "symbol": _SYMBOL,
        "base": (pl.String, "asset, the multiplier resolved: PEPE for 1000PEPE; `X (venue)`: not that X"),
        "multiplier": (pl.Float64, "base units per quoted unit: 1000 for 1000PEPE, 1 for BTC"),
        "contract_size": (pl.Float64, "linear: quoted units per contract; inverse: quote units per contract"),
        "quote": (pl.String, "currency of the price"),
        "settle": (pl.String, "currency of collateral and payments"),
        "contract_type": (pl.String, "linear (settled in the quote) or inverse (settled in the base)"),
        "price_tick": (pl.Float64, "smallest price step, in quote units"),
        "quantity_step": (pl.Float64, "smallest quantity step, in quoted base units"),
        "min_quantity": (pl.Float64, "smallest order, in quoted base units"),
        "min_notional": (pl.Float64, "smallest order's notional, in quote units"),
        "maker_fee": (pl.Float64, "fraction of notional, base tier, as the venue states it"),
        "taker_fee": (pl.Float64, "fraction of notional, base tier, as the venue states it"),
        "underlying": (
            pl.String,
            "what the price is the price of, as the venue states it: crypto, stock, ...",
        ),
        "is_active": (pl.Boolean, "false: settling, delivering or halted, by the venue's own word"),
        "delists_at": (UTC, "UTC; announced end of trading; null: none announced"),
        "funding_cap": (pl.Float64, "highest rate of one settlement, fraction of notional, as stated"),
        "funding_floor": (pl.Float64, "lowest rate of one settlement, fraction of notional, as stated"),
        "identity": (pl.String, "by prices: proven, disagrees, unproven; null: not judged"),
        "identity_reason": (pl.String, "what the prices said of it"),
        "effective_from": (UTC, "UTC; first moment of these terms"),
        "effective_to": (UTC, "UTC; end (exclusive) of these terms; null while they hold"),
        "known_at": _KNOWN_AT,
    },
)

SETTLED_FUNDING = _schema(
    "settled_funding",
    key=("venue", "symbol", "settled_at"),
    event_time="settled_at",
    nullable=("interval_hours",),
    columns={
        "venue": _VENUE,
        "symbol": _SYMBOL,
        "settled_at": (UTC, "UTC; nominal moment of the payment"),
        "rate": (pl.Float64, "fraction of notional per settlement; positive: longs pay shorts"),
        "interval_hours": (pl.Float64, "hours that the payment covers; null: cannot be told from the gaps"),
        "known_at": _KNOWN_AT,
        MADE_UP: _MADE_UP,
    },
)

ESTIMATED_FUNDING = _schema(
    "estimated_funding",
    key=("venue", "symbol", "settles_at", "known_at"),
    event_time="settles_at",
    nullable=("rate", "interval_hours"),
    columns={
        "venue": _VENUE,
        "symbol": _SYMBOL,
        "settles_at": (UTC, "UTC; the settlement that the venue's estimate is about"),
        "rate": (pl.Float64, "the venue's estimate, fraction of notional per settlement; not a payment"),
        "interval_hours": (pl.Float64, "hours between settlements as announced"),
        "known_at": _KNOWN_AT,
        MADE_UP: _MADE_UP,
    },
)

FUNDING_INTERVALS = _schema(
    "funding_intervals",
    key=("venue", "symbol", "effective_from"),
    event_time="effective_from",
    nullable=("effective_to",),
    columns={
        "venue": _VENUE,
        "symbol": _SYMBOL,
        "effective_from": (UTC, "UTC; first settlement paid at this interval"),
        "effective_to": (UTC, "UTC; end (exclusive); null while it holds"),
        "interval_hours": (pl.Float64, "hours between settlements"),
        "known_at": _KNOWN_AT,
    },
)

PRICES = _schema(
    "prices",
    key=("venue", "symbol", "kind", "close_time", "timeframe_hours"),
    event_time="close_time",
    nullable=("open", "high", "low", "volume"),
    columns={
        "venue": _VENUE,
        "symbol": _SYMBOL,
        "kind": (pl.String, "trade, mark, index or spot"),
        "timeframe_hours": (pl.Float64, "length of the bar in hours; 0 for the value at one instant"),
        "close_time": (UTC, "UTC; end of the bar, the moment of `close`"),
        "open": (pl.Float64, "quote units per quoted base unit"),
        "high": (pl.Float64, "quote units per quoted base unit"),
        "low": (pl.Float64, "quote units per quoted base unit"),
        "close": (pl.Float64, "quote units per quoted base unit"),
        "volume": (pl.Float64, "as reported by the venue, in its own units"),
        "known_at": _KNOWN_AT,
        MADE_UP: _MADE_UP,
    },
)

ORDER_BOOK_DEPTH = _schema(
    "order_book_depth",
    key=("venue", "symbol", "observed_at"),
    event_time="observed_at",
    nullable=(
        "impact_buy_10k_bp",
        "impact_sell_10k_bp",
        "impact_buy_100k_bp",
        "impact_sell_100k_bp",
        "bid_depth_10bp_usd",
        "ask_depth_10bp_usd",
    ),
    columns={
        "venue": _VENUE,
        "symbol": _SYMBOL,
        "observed_at": (UTC, "UTC; moment of the snapshot"),
        "mid": (pl.Float64, "mean of best bid and best ask, quote units"),
        "spread_bp": (pl.Float64, "best ask less best bid, basis points of mid"),
        "bid_depth_10bp_usd": (pl.Float64, "USD resting within 10 bp below mid; null: contract size unknown"),
        "ask_depth_10bp_usd": (pl.Float64, "USD resting within 10 bp above mid; null: contract size unknown"),
        "imbalance": (pl.Float64, "(bid - ask) / (bid + ask) of the quantity seen, -1 to 1"),
        "impact_buy_10k_bp": (pl.Float64, "fill over mid for 10,000 USD, bp; null: book too thin"),
        "impact_sell_10k_bp": (pl.Float64, "fill below mid for 10,000 USD, bp; null: book too thin"),
        "impact_buy_100k_bp": (pl.Float64, "fill over mid for 100,000 USD, bp; null: book too thin"),
        "impact_sell_100k_bp": (
            pl.Float64,
            "fill below mid for 100,000 USD, bp; null: book too thin",
        ),
        "known_at": _KNOWN_AT,
        MADE_UP: _MADE_UP,
    },
)

TRADE_FLOW = _schema(
    "trade_flow",
    key=("venue", "symbol", "window_end"),
    event_time="window_end",
    nullable=("buy_notional_usd", "sell_notional_usd"),
    columns={
        "venue": _VENUE,
        "symbol": _SYMBOL,
        "window_end": (UTC, "UTC; end (exclusive) of the one-minute window"),
        "trade_count": (pl.Int64, "trades in the window"),
        "buy_notional_usd": (pl.Float64, "taker buys, USD; null: contract size unknown"),
        "sell_notional_usd": (pl.Float64, "taker sells, USD; null: contract size unknown"),
        "imbalance": (pl.Float64, "(buys - sells) / (buys + sells) by quantity, -1 to 1"),
        "last_price": (pl.Float64, "last trade price in the window, quote units"),
        "known_at": _KNOWN_AT,
        MADE_UP: _MADE_UP,
    },
)

OPEN_INTEREST = _schema(
    "open_interest",
    key=("venue", "symbol", "observed_at"),
    event_time="observed_at",
    columns={
        "venue": _VENUE,
        "symbol": _SYMBOL,
        "observed_at": (UTC, "UTC"),
        "open_interest_base": (pl.Float64, "open contracts in quoted base units"),
        "known_at": _KNOWN_AT,
        MADE_UP: _MADE_UP,
    },
)

QUARANTINE = _schema(
    "quarantine",
    key=("table_name", "venue", "symbol", "event_time", "reason", "row_json"),
    event_time="event_time",
    nullable=("event_time", "known_at"),
    columns={
        "table_name": (pl.String, "table that refused the row"),
        "venue": _VENUE,
        "symbol": _SYMBOL,
        "event_time": (UTC, "UTC; when the row says it happened"),
        "reason": (pl.String, "the rule that it broke, with the bound"),
        "row_json": (pl.String, "the row as it came, JSON"),
        "known_at": _KNOWN_AT,
    },
)

REFUSED_SERIES = _schema(
    "refused_series",
    key=("venue", "symbol"),
    event_time="last",
    nullable=("factor",),
    columns={
        "venue": _VENUE,
        "symbol": _SYMBOL,
        "rule": (pl.String, "what is wrong with the whole series"),
        "factor": (
            pl.Float64,
            "how many times its true size a rate or an interval is; null: no matter of size",
        ),
        "rows": (pl.Int64, "settlements that are not booked"),
        "first": (UTC, "UTC; the first of them"),
        "last": (UTC, "UTC; the last of them"),
        "reason": (pl.String, "what was found, in words"),
    },
)

LEVERAGE_TIERS = _schema(
    "leverage_tiers",
    key=("venue", "symbol", "effective_from", "floor_notional"),
    event_time="effective_from",
    nullable=("cap_notional", "effective_to"),
    columns={
        "venue": _VENUE,
        "symbol": _SYMBOL,
        "floor_notional": (pl.Float64, "position notional above which the tier holds, settle units"),
        "cap_notional": (pl.Float64, "notional up to which it holds; null: no end"),
        "maintenance_rate": (pl.Float64, "maintenance margin = notional x rate - deduction"),
        "deduction": (pl.Float64, "settle units; makes the margin continuous at the floor"),
        "max_leverage": (pl.Float64, "highest leverage of a position in this tier"),
        "effective_from": (UTC, "UTC; when the venue was first seen to state this"),
        "effective_to": (UTC, "UTC; end (exclusive); null while it holds"),
        "known_at": _KNOWN_AT,
    },
)

NORMALIZED = (
    INSTRUMENTS,
    SETTLED_FUNDING,
    ESTIMATED_FUNDING,
    FUNDING_INTERVALS,
    PRICES,
    ORDER_BOOK_DEPTH,
    TRADE_FLOW,
    OPEN_INTEREST,
)

FORECASTS = _schema(
    "forecasts",
    key=("as_of", "venue", "symbol", "horizon_hours"),
    event_time="as_of",
    columns={
        "as_of": (UTC, "UTC; the decision time: only rows with known_at <= as_of were used"),
        "venue": _VENUE,
        "symbol": _SYMBOL,
        "horizon_hours": (pl.Int64, "the forecast is about (as_of, as_of + horizon]; 0: the next settlement"),
        "rate_per_hour": (pl.Float64, "mean funding over the horizon, fraction of notional per hour"),
        "q10": (pl.Float64, "10 % quantile of the same quantity"),
        "q50": (pl.Float64, "50 % quantile of the same quantity"),
        "q90": (pl.Float64, "90 % quantile of the same quantity"),
        "baseline_rate_per_hour": (pl.Float64, "trailing 336 h mean shrunk by one half, same unit"),
        "model": (pl.String, "what made rate_per_hour: a model's name and version, or `baseline`"),
    },
)


@dataclass(frozen=True)
class MarketTables:
    """The normalized tables as lazy frames, whatever they come from (store or folder).

    Every frame has its schema above. `as_known_at` gives the same tables as they were known then.
    """

    instruments: pl.LazyFrame
    settled_funding: pl.LazyFrame
    estimated_funding: pl.LazyFrame
    funding_intervals: pl.LazyFrame
    prices: pl.LazyFrame
    order_book_depth: pl.LazyFrame
    trade_flow: pl.LazyFrame
    open_interest: pl.LazyFrame

    def as_known_at(self, moment: datetime) -> Self:
        """Only rows with `known_at` <= `moment` (UTC)."""
        known = pl.col("known_at") <= moment
        return type(self)(**{table.name: getattr(self, table.name).filter(known) for table in fields(self)})
