"""Raw frames of a venue's answers, built by column.

What lives here: from ccxt's rows to the raw schemas of `core.market`. What does not: asking (`public`).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from funding_pipeline.core.errors import VenueAnswerError
from funding_pipeline.core.market import (
    RAW_CANDLES,
    RAW_FUNDING_RATES,
    RAW_OPEN_INTEREST,
    RAW_ORDER_BOOKS,
    RAW_TRADES,
    RawSchema,
)
from funding_pipeline.core.tables import UTC
from funding_pipeline.venues.answers import understanding
from funding_pipeline.venues.dialect import EstimatedRate, Json, SettledRate
from funding_pipeline.venues.spelling import is_moment, number_of, positive_of

Levels = list[tuple[float, float]]
_SLACK = 0.01  # venues round the four prices of a bar apart; another unit is further off
_LOW, _HIGH = pl.col("low") * (1 - _SLACK), pl.col("high") * (1 + _SLACK)
_IS_BAR = (
    (pl.min_horizontal("open", "high", "low", "close") > 0)
    & pl.all_horizontal(pl.col("open", "high", "low", "close").is_finite())
    & pl.all_horizontal(pl.col("open", "high", "low", "close").is_between(_LOW, _HIGH))
)


def settled_frame(
    venue: str, symbol: str, rates: Sequence[SettledRate], told_ms: Sequence[int]
) -> pl.DataFrame:
    """One row per settlement; `told_ms`: the venue's own time stamp of each."""
    return _frame(
        RAW_FUNDING_RATES,
        venue=venue,
        symbol=symbol,
        kind="settled",
        settled_at=[rate.settled_at for rate in rates],
        venue_time=times(told_ms),
        rate=[rate.rate for rate in rates],
        interval_hours=[rate.interval_hours for rate in rates],
    )


def estimated_frame(venue: str, rates: Sequence[tuple[str, EstimatedRate]], now: datetime) -> pl.DataFrame:
    """One row per instrument, observed `now`."""
    return _frame(
        RAW_FUNDING_RATES,
        height=len(rates),
        venue=venue,
        symbol=[symbol for symbol, _ in rates],
        kind="predicted",
        settled_at=[rate.settles_at for _, rate in rates],
        venue_time=now,
        rate=[rate.rate for _, rate in rates],
        interval_hours=[rate.interval_hours for _, rate in rates],
    )


def candle_frame(
    venue: str, symbol: str, kind: str, bars: Sequence[Sequence[Any]], *, hours: int = 1
) -> pl.DataFrame:
    """Bars of ccxt, `hours` long: [ms, open, high, low, close, volume].

    Prices that cannot be of one bar (one is missing, none above zero, or not between low and high) are null.
    """
    columns = list(zip(*bars, strict=True)) if bars else [()] * 6
    names = ("open", "high", "low", "close", "volume")
    values: dict[str, Any] = {
        name: pl.Series(name, column, dtype=pl.Float64, strict=False)
        for name, column in zip(names, columns[1:], strict=False)
    }
    frame = _frame(
        RAW_CANDLES,
        venue=venue,
        symbol=symbol,
        kind=kind,
        timeframe=f"{hours}h",
        open_time=times(columns[0]),
        **values,
    )
    return frame.with_columns(
        *(pl.when(_IS_BAR).then(pl.col(name)) for name in ("open", "high", "low", "close")),
        pl.when(pl.col("volume").is_finite() & (pl.col("volume") >= 0)).then(pl.col("volume")),
    )


def book_frame(
    venue: str, symbol: str, book: Json, *, now_ms: int, contract_size: float | None
) -> pl.DataFrame:
    """One row, best levels first. VenueAnswerError for an empty side, a crossed book or a bad level."""
    where = f"{venue}: order book of {symbol}"
    bids = sorted(_levels(book.get("bids"), f"{where}: bids"), reverse=True)
    asks = sorted(_levels(book.get("asks"), f"{where}: asks"))
    if bids[0][0] >= asks[0][0]:
        raise VenueAnswerError(f"{where} is crossed: bid {bids[0][0]}, ask {asks[0][0]}")
    return _frame(
        RAW_ORDER_BOOKS,
        height=1,
        venue=venue,
        symbol=symbol,
        observed_at=times([int(book["timestamp"]) if is_moment(book.get("timestamp")) else now_ms]),
        bid_px=[[price for price, _ in bids]],
        bid_qty=[[quantity for _, quantity in bids]],
        ask_px=[[price for price, _ in asks]],
        ask_qty=[[quantity for _, quantity in asks]],
        contract_size=contract_size,
    )


def trades_frame(
    venue: str, symbol: str, trades: Sequence[Json], contract_size: float | None
) -> pl.DataFrame:
    """One row per trade with time, side, price and size, by time; VenueAnswerError where none has them."""
    whole = [trade for trade in trades if is_trade(trade)]
    if trades and not whole:
        raise VenueAnswerError(f"{venue}: no trade of {symbol} has a time, a side, a price and a size")
    ordered = sorted(whole, key=lambda trade: int(trade["timestamp"]))
    return _frame(
        RAW_TRADES,
        venue=venue,
        symbol=symbol,
        traded_at=times([trade["timestamp"] for trade in ordered]),
        side=[trade["side"] for trade in ordered],
        price=[number_of(trade["price"]) for trade in ordered],
        qty=[number_of(trade["amount"]) for trade in ordered],
        id=[None if trade.get("id") is None else str(trade["id"]) for trade in ordered],
        contract_size=contract_size,
    )


def is_trade(trade: Json) -> bool:
    """Whether a trade of ccxt has what makes one."""
    numbers = positive_of(trade.get("price")), positive_of(trade.get("amount"))
    return is_moment(trade.get("timestamp")) and trade.get("side") in ("buy", "sell") and None not in numbers


def open_interest_frame(
    venue: str, symbol: str, observed_ms: Sequence[int], amounts: Sequence[float]
) -> pl.DataFrame:
    """One row per observation."""
    return _frame(
        RAW_OPEN_INTEREST,
        venue=venue,
        symbol=symbol,
        observed_at=times(observed_ms),
        open_interest_base=list(amounts),
    )


def times(milliseconds: Iterable[int]) -> pl.Series:
    """Milliseconds since 1970 as UTC."""
    series = pl.Series("time", list(milliseconds), dtype=pl.Int64)
    return series.cast(pl.Datetime("ms", "UTC")).cast(UTC)


def _frame(schema: RawSchema, *, height: int | None = None, **columns: Any) -> pl.DataFrame:
    """Columns in the schema's order and types; a value that is no list or series stands in every row."""
    lists = {name: column for name, column in columns.items() if isinstance(column, list | pl.Series)}
    rows = height if height is not None else max(len(column) for column in lists.values())
    made = []
    for name, dtype in schema.items():
        column = columns[name]
        if name in lists:
            made.append(pl.Series(name, column, dtype=None if isinstance(column, pl.Series) else dtype))
        else:
            made.append(pl.Series(name, [column], dtype=dtype).new_from_index(0, rows))
    return pl.DataFrame(made, schema=dict(schema))


def _levels(side: Any, where: str) -> Levels:
    with understanding(where):
        levels = [(positive_of(level[0]), number_of(level[1])) for level in side or []]
    stated = [(price, quantity) for price, quantity in levels if price is not None and quantity is not None]
    if len(stated) < len(levels) or any(quantity < 0 for _, quantity in stated):
        raise VenueAnswerError(f"{where}: a level without a price or quantity")
    resting = [(price, quantity) for price, quantity in stated if quantity > 0]
    if not resting:
        raise VenueAnswerError(f"{where} are empty")
    return resting
