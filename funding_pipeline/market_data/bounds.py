"""What a sane value is: bounds per column, and pairs of columns with an order between them.

What lives here: numbers and column names, used twice: by `quarantine` to refuse rows, and by
`expectations` to prove that what is stored keeps them. What does not: acting on them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from funding_pipeline.core.tables import TableSchema

# A venue's own caps stay below 4 % per hour at the very worst (Hyperliquid) and 0.3 to 2 % per
# settlement elsewhere; 16 % per 8 h is half of that worst case and beyond anything ever recorded
# (10 % per 8 h: SOL in November 2022).
MAX_RATE_PER_8H = 0.16
MAX_RATE_PER_HOUR = 0.04
"""The widest limit that a venue documents; up to it a rate is believed where its own is that wide."""
LONGEST_INTERVAL_HOURS = 24.0
# Settlements share a daily grid, so an interval divides the day.
SETTLEMENT_INTERVALS_HOURS = (1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 24.0)

# Tables whose rows state something that has happened: none can be known before it did. Estimates,
# intervals and listings are announced ahead.
FACT_TABLES = frozenset({"settled_funding", "prices", "order_book_depth", "trade_flow", "open_interest"})


@dataclass(frozen=True)
class Bound:
    """Allowed range of one column; `strict_low` and `None` as in `low < x <= high`."""

    low: float | None = None
    high: float | None = None
    strict_low: bool = False

    def broken_by(self, column: str) -> pl.Expr:
        """True where `column` is outside, null where it is null."""
        value = pl.col(column)
        broken = pl.lit(value=False)
        if self.low is not None:
            broken = broken | (value <= self.low if self.strict_low else value < self.low)
        return broken if self.high is None else broken | (value > self.high)

    def __str__(self) -> str:
        low = "" if self.low is None else f"{'>' if self.strict_low else '>='} {self.low:g}"
        high = "" if self.high is None else f"<= {self.high:g}"
        return " and ".join(part for part in (low, high) if part)


_POSITIVE = Bound(low=0.0, strict_low=True)
_NOT_NEGATIVE = Bound(low=0.0)
_SHARE = Bound(low=-1.0, high=1.0)

COLUMN_BOUNDS: Mapping[str, Bound] = {
    "interval_hours": Bound(low=0.0, high=LONGEST_INTERVAL_HOURS, strict_low=True),
    "timeframe_hours": _NOT_NEGATIVE,
    **dict.fromkeys(("open", "high", "low", "close", "mid", "last_price"), _POSITIVE),
    **dict.fromkeys(("multiplier", "contract_size", "price_tick", "quantity_step"), _POSITIVE),
    **dict.fromkeys(("volume", "open_interest_base", "trade_count", "spread_bp"), _NOT_NEGATIVE),
    **dict.fromkeys(("bid_depth_10bp_usd", "ask_depth_10bp_usd"), _NOT_NEGATIVE),
    **dict.fromkeys(("buy_notional_usd", "sell_notional_usd"), _NOT_NEGATIVE),
    "imbalance": _SHARE,
}

# (greater or equal, less): a pair with a null on either side is not judged.
ORDERED_PAIRS = (
    ("high", "low"),
    ("high", "open"),
    ("high", "close"),
    ("open", "low"),
    ("close", "low"),
    ("effective_to", "effective_from"),
)


def bounds_of(table: TableSchema) -> Mapping[str, Bound]:
    """Bounds of the columns that `table` has."""
    return {column: COLUMN_BOUNDS[column] for column in table.columns if column in COLUMN_BOUNDS}


def ordered_pairs_of(table: TableSchema) -> tuple[tuple[str, str], ...]:
    """Pairs (greater or equal, less) of columns that `table` has, with known_at for tables of facts."""
    pairs = tuple(pair for pair in ORDERED_PAIRS if set(pair) <= set(table.columns))
    return (*pairs, ("known_at", table.event_time)) if table.name in FACT_TABLES else pairs


def is_rate_table(table: TableSchema) -> bool:
    """True where rows carry a funding rate and its interval."""
    return {"rate", "interval_hours"} <= set(table.columns)


def rate_per_8h() -> pl.Expr:
    """`rate` pro rata to 8 h; an unknown interval counts as the longest, so that a wild rate shows."""
    return pl.col("rate") * 8.0 / pl.col("interval_hours").fill_null(LONGEST_INTERVAL_HOURS)


def float_columns(table: TableSchema) -> tuple[str, ...]:
    """Columns of `table` that could hold NaN or infinity."""
    return tuple(name for name, dtype in table.columns.items() if dtype == pl.Float64)
