"""A market's raw rows by venue and instrument, read once, when first asked for.

What lives here: reading, dropping rows that cannot be placed, and the index of a base over all venues.
What does not: prices between the rows (`prices`), or an exchange's view of them (`market_quotes`).
"""

from collections.abc import Callable, Mapping
from datetime import datetime

import numpy as np
import numpy.typing as npt
import polars as pl

from funding_pipeline.core.errors import UnknownInstrumentError
from funding_pipeline.core.market import Market
from funding_pipeline.market_data.instruments import DOLLARS, parse_symbol
from funding_pipeline.testnet.clock import HOUR_MS

Times = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Frames = Mapping[tuple[str, ...], pl.DataFrame]

_HOURS = {"instant": 0, "1h": 1, "2h": 2, "4h": 4, "8h": 8, "24h": 24, "1d": 24}
_BAR = ("open", "high", "low", "close", "volume")


class RawMarket:
    """Raw rows of `market` as small frames, times in milliseconds. Not safe for several threads."""

    def __init__(self, market: Market) -> None:
        span = market.span()
        self._market: Market | None = market
        self._period = span.start, span.end
        self.label, self.is_simulated = market.label, market.is_simulated
        self.venues = span.venues
        # Where the rows end, ms, exclusive, a whole hour.
        self.end = -(-milliseconds(span.end) // HOUR_MS) * HOUR_MS
        self._tables: dict[tuple[str, str], Frames] = {}
        self._indices: dict[str, tuple[Times, Floats]] = {}

    def read_everything(self) -> None:
        """Read what is not read yet and let go of the market: it may hold all rows once more."""
        for table in _TABLES:
            for venue in self.venues:
                self._table(table, venue)
        self._market = None

    def candles(self, venue: str) -> Frames:
        """By (symbol, kind): open_time, hours (0: the value at open_time), open to volume, ascending."""
        return self._table("candles", venue)

    def funding(self, venue: str) -> Frames:
        """By (symbol, kind): time, rate, interval_hours (null: not told), ascending."""
        return self._table("funding_rates", venue)

    def order_books(self, venue: str) -> Frames:
        """By (symbol,): time, lists of prices and quantities, contract_size (null: not told)."""
        return self._table("order_books", venue)

    def open_interest(self, venue: str) -> Frames:
        """By (symbol,): time, open_interest (quoted base units)."""
        return self._table("open_interest", venue)

    def index(self, base: str) -> tuple[Times, Floats]:
        """Closing times and the price of one `base` in dollars.

        The median over venues of spot and index closes; where an hour has none, of perpetuals' closes.
        """
        if base not in self._indices:
            self._indices[base] = self._index_of(base)
        return self._indices[base]

    def _table(self, table: str, venue: str) -> Frames:
        key = (table, venue)
        if key not in self._tables:
            assert self._market is not None  # everything has been read before it was let go
            by, cleaned = _TABLES[table]
            start, end = self._period
            raw = self._market.read(table, venues=(venue,), start=start, end=end)
            parts = cleaned(raw.filter(pl.col("venue") == venue)).partition_by(
                list(by), as_dict=True, include_key=False
            )
            self._tables[key] = {tuple(map(str, name)): part for name, part in parts.items()}
        return self._tables[key]

    def _index_of(self, base: str) -> tuple[Times, Floats]:
        closes = [
            bars.select(
                (pl.col("open_time") + pl.col("hours") * HOUR_MS).alias("time"),
                (pl.col("close") / multiplier).alias("close"),
                pl.lit(kind in ("spot", "index")).alias("is_index"),
            )
            for venue in self.venues
            for (symbol, kind), bars in self.candles(venue).items()
            if (multiplier := _multiplier(symbol, base)) and kind != "mark"
        ]
        if not closes:
            return np.empty(0, np.int64), np.empty(0)
        spot = pl.col("close").filter(pl.col("is_index")).median()
        index = (
            pl.concat(closes)
            .group_by("time")
            .agg(pl.coalesce(spot, pl.col("close").median()).alias("close"))
            .sort("time")
        )
        return index["time"].to_numpy(), index["close"].to_numpy()


def milliseconds(moment: datetime) -> int:
    """Milliseconds since 1970 of a moment with a time zone."""
    return round(moment.timestamp() * 1000)


def _multiplier(symbol: str, base: str) -> float | None:
    """Base units per quoted unit where `symbol` (a perpetual or spot) is `base` in dollars."""
    pair = symbol.split(":", 1)[0]
    quote = pair.rsplit("/", 1)[-1]
    if quote not in DOLLARS:
        return None
    try:
        parsed = parse_symbol(f"{pair}:{quote}")
    except UnknownInstrumentError:
        return None
    return parsed.multiplier if parsed.base == base else None


def _ms(column: str) -> pl.Expr:
    return pl.col(column).dt.epoch("ms")


def _candles(raw: pl.DataFrame) -> pl.DataFrame:
    bars = raw.filter(
        pl.col("timeframe").is_in(list(_HOURS)) & pl.col("open_time").is_not_null() & (pl.col("close") > 0)
    ).select(
        "symbol",
        "kind",
        _ms("open_time").alias("open_time"),
        pl.col("timeframe").replace_strict(_HOURS, return_dtype=pl.Int64).alias("hours"),
        *_BAR,
    )
    # Where bars of two lengths begin together, the shorter one is told last and kept.
    return bars.filter(pl.col("close").is_finite()).sort(
        "symbol", "kind", "open_time", "hours", descending=[False, False, False, True]
    )


def _funding(raw: pl.DataFrame) -> pl.DataFrame:
    return (
        raw.filter(pl.col("rate").is_finite() & pl.col("settled_at").is_not_null())
        .select("symbol", "kind", _ms("settled_at").alias("time"), "rate", "interval_hours")
        .unique(["symbol", "kind", "time"], keep="last", maintain_order=True)
        .sort("symbol", "kind", "time")
    )


def _order_books(raw: pl.DataFrame) -> pl.DataFrame:
    size = (
        pl.col("contract_size")
        if "contract_size" in raw.columns
        else pl.lit(None, dtype=pl.Float64).alias("contract_size")
    )
    return (
        raw.filter(
            pl.col("observed_at").is_not_null()
            & (pl.col("bid_px").list.len() > 1)
            & (pl.col("ask_px").list.len() > 1)
        )
        .select("symbol", _ms("observed_at").alias("time"), "bid_px", "bid_qty", "ask_px", "ask_qty", size)
        .sort("symbol", "time")
    )


def _open_interest(raw: pl.DataFrame) -> pl.DataFrame:
    return (
        raw.filter((pl.col("open_interest_base") > 0) & pl.col("observed_at").is_not_null())
        .select(
            "symbol", _ms("observed_at").alias("time"), pl.col("open_interest_base").alias("open_interest")
        )
        .unique(["symbol", "time"], keep="last", maintain_order=True)
        .sort("symbol", "time")
    )


_TABLES: Mapping[str, tuple[tuple[str, ...], Callable[[pl.DataFrame], pl.DataFrame]]] = {
    "candles": (("symbol", "kind"), _candles),
    "funding_rates": (("symbol", "kind"), _funding),
    "order_books": (("symbol",), _order_books),
    "open_interest": (("symbol",), _open_interest),
}
