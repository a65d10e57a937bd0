"""Pages of candles and settlements as JSON text, each row rendered once.

What lives here: the store of rendered rows and the slicing into pages. What does not: how a venue
spells a row (a dialect's `render`), or where a bar comes from (`quotes`).

A research load asks for millions of bars through HTTP; a Python dict per bar would cost minutes.
Here polars renders all rows of an instrument in one go, and a page is a slice of one bytes object.
"""

from collections import OrderedDict
from collections.abc import Callable
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from funding_pipeline.testnet.clock import HOUR_MS
from funding_pipeline.testnet.quotes import CandleKind, Quotes

Render = Callable[[pl.DataFrame], pl.Series]
Keep = Literal["oldest", "newest"]
Direction = Literal["ascending", "descending"]

# Kept per venue. Seven coins, three kinds and 40,000 hours of a recorded market are some 100 MB.
_MOST_BYTES = 64_000_000


class _Rows:
    """Rendered rows of one instrument: all text in one buffer, with where each row ends."""

    def __init__(self) -> None:
        self.text = bytearray()
        self.times: npt.NDArray[np.int64] = np.empty(0, np.int64)
        self.ends: npt.NDArray[np.int64] = np.zeros(1, np.int64)
        self.until = 0  # rows before this time are here

    def append(self, times: npt.NDArray[np.int64], rendered: pl.Series) -> None:
        if rendered.null_count() or len(rendered) != len(times):
            raise ValueError(f"{rendered.null_count()} of {len(times)} rows were rendered as null")
        lengths = rendered.str.len_bytes().to_numpy().astype(np.int64)
        self.ends = np.concatenate([self.ends, self.ends[-1] + np.cumsum(lengths)])
        self.times = np.concatenate([self.times, times])
        self.text += "".join(rendered.to_list()).encode()

    def row(self, index: int) -> bytes:
        return bytes(self.text[self.ends[index] : self.ends[index + 1]])

    def rows(self, first: int, last: int) -> list[bytes]:
        if first >= last:
            return []
        edges = self.ends[first : last + 1].tolist()
        begin = edges[0]
        text = bytes(self.text[begin : edges[-1]])
        return [text[a - begin : b - begin] for a, b in pairwise(edges)]


class _Store:
    """The sets of rows used last, up to a size."""

    def __init__(self) -> None:
        self._sets: OrderedDict[tuple[str, str, int], _Rows] = OrderedDict()

    def rows(self, key: tuple[str, str, int]) -> _Rows:
        found = self._sets.pop(key, None) or _Rows()
        self._sets[key] = found
        return found

    def shrink(self) -> None:
        size = sum(len(rows.text) + 16 * len(rows.times) for rows in self._sets.values())
        while size > _MOST_BYTES and len(self._sets) > 1:
            _, oldest = self._sets.popitem(last=False)
            size -= len(oldest.text) + 16 * len(oldest.times)


class RenderedBars:
    """Candles of one venue as JSON text.

    `render` gets one row per bar, all of one instrument and kind, ascending: `open_time`, `close_time` (Int64
    ms, the end of the bar: the next one's open), `open` `high` `low` `close` `volume` (Float64, quoted base
    units), `is_closed` (Boolean), and as constants `symbol`, `kind` (String), `hours` (Int64),
    `contract_size`, `tick` (Float64). It returns one String per row, without nulls.
    """

    def __init__(self, quotes: Quotes, render: Render) -> None:
        self._quotes, self._render = quotes, render
        self._store = _Store()

    def page(
        self,
        symbol: str,
        kind: CandleKind,
        *,
        start: int,
        end: int,
        now: int,
        limit: int,
        keep: Keep = "oldest",
        order: Direction = "ascending",
        hours: int = 1,
    ) -> list[bytes]:
        """Rows of bars with `start <= open_time <= end` that have opened by `now`; at most `limit` of them.

        Of more, the oldest or the newest are kept. The bar that is still forming comes with its values so
        far. KeyError: unknown symbol.
        """
        seen = seen_at(self._quotes, now)
        length = hours * HOUR_MS
        formed = seen - seen % length  # open time of the bar that is forming
        rows = self._closed(symbol, kind, hours, until=formed)
        first, last = _between(rows.times, start, min(end, formed - 1))
        forming = self._forming(symbol, kind, hours, formed, seen) if start <= formed <= end else []
        spare = max(limit - len(forming), 0) if keep == "newest" else limit
        first, last = _limited(first, last, spare, keep)
        found = (rows.rows(first, last) + forming)[: max(limit, 0)]
        return found if order == "ascending" else found[::-1]

    def array(
        self,
        symbol: str,
        kind: CandleKind,
        *,
        start: int,
        end: int,
        now: int,
        limit: int,
        keep: Keep = "oldest",
        order: Direction = "ascending",
        hours: int = 1,
    ) -> bytes:
        """The same page as one JSON array."""
        rows = self.page(
            symbol, kind, start=start, end=end, now=now, limit=limit, keep=keep, order=order, hours=hours
        )
        return json_array(rows)

    def _closed(self, symbol: str, kind: CandleKind, hours: int, *, until: int) -> _Rows:
        rows = self._store.rows((symbol, kind, hours))
        if until > rows.until:
            new = self._quotes.candles(symbol, kind, rows.until, until, hours)
            if new.height:
                frame = self._frame(new, symbol, kind, hours, is_closed=True)
                rows.append(new["open_time"].to_numpy(), self._render(frame))
            rows.until = until
            self._store.shrink()
        return rows

    def _forming(self, symbol: str, kind: CandleKind, hours: int, opened: int, now: int) -> list[bytes]:
        # A bar opens with its first moment, so the clock's own millisecond counts: end is exclusive.
        bar = self._quotes.candles(symbol, kind, opened, now + 1, hours)
        if bar.is_empty():
            return []
        rendered = self._render(self._frame(bar, symbol, kind, hours, is_closed=False))
        return [text.encode() for text in rendered.to_list()]

    def _frame(
        self, bars: pl.DataFrame, symbol: str, kind: str, hours: int, *, is_closed: bool
    ) -> pl.DataFrame:
        return bars.with_columns(
            (pl.col("open_time") + hours * HOUR_MS).alias("close_time"),
            pl.lit(is_closed).alias("is_closed"),
            pl.lit(kind).alias("kind"),
            pl.lit(hours, dtype=pl.Int64).alias("hours"),
            *_terms(self._quotes, symbol),
        )


class RenderedFunding:
    """Settlements of one venue as JSON text.

    `render` gets one row per settlement, ascending: `time` (Int64 ms), `rate`, `interval_hours`, `mark`,
    `index`, `premium` at that time (Float64), and as constants `symbol`, `contract_size`, `tick`. It returns
    one String per row, without nulls.
    """

    def __init__(self, quotes: Quotes, render: Render) -> None:
        self._quotes, self._render = quotes, render
        self._store = _Store()

    def page(
        self,
        symbol: str,
        *,
        start: int,
        end: int,
        now: int,
        limit: int,
        keep: Keep = "oldest",
        order: Direction = "ascending",
    ) -> list[bytes]:
        """Rows with `start <= time <= end` that are settled by `now`; at most `limit` of them."""
        rows = self._settled(symbol, until=now)
        first, last = _between(rows.times, start, min(end, now))
        first, last = _limited(first, last, limit, keep)
        found = rows.rows(first, last)
        return found if order == "ascending" else found[::-1]

    def array(
        self,
        symbol: str,
        *,
        start: int,
        end: int,
        now: int,
        limit: int,
        keep: Keep = "oldest",
        order: Direction = "ascending",
    ) -> bytes:
        """The same page as one JSON array."""
        rows = self.page(symbol, start=start, end=end, now=now, limit=limit, keep=keep, order=order)
        return json_array(rows)

    def count(self, symbol: str, *, start: int, end: int, now: int) -> int:
        """How many settlements a page without limit would have."""
        first, last = _between(self._settled(symbol, until=now).times, start, min(end, now))
        return max(last - first, 0)

    def _settled(self, symbol: str, *, until: int) -> _Rows:
        rows = self._store.rows((symbol, "settled", 0))
        if until >= rows.until:
            new = self._quotes.settled(symbol, rows.until, until)
            if new.height:
                rows.append(new["time"].to_numpy(), self._render(self._frame(new, symbol)))
            rows.until = until + 1
            self._store.shrink()
        return rows

    def _frame(self, settled: pl.DataFrame, symbol: str) -> pl.DataFrame:
        first, last = int(settled["time"][0]), int(settled["time"][-1])
        earliest = {
            "mark": float(self._quotes.mark(symbol, first)),
            "index": float(self._quotes.index(symbol, first)),
        }
        frame = settled
        for kind in ("mark", "index"):
            closes = self._closes(symbol, kind, first, last)
            frame = frame.join_asof(closes, on="time", strategy="backward", check_sortedness=False)
        frame = frame.with_columns(pl.col(kind).fill_null(price) for kind, price in earliest.items())
        return frame.with_columns(
            ((pl.col("mark") - pl.col("index")) / pl.col("index")).alias("premium"),
            *_terms(self._quotes, symbol),
        )

    def _closes(self, symbol: str, kind: Literal["mark", "index"], first: int, last: int) -> pl.DataFrame:
        bars = self._quotes.candles(symbol, kind, first - 24 * HOUR_MS, last)
        return bars.select((pl.col("open_time") + HOUR_MS).alias("time"), pl.col("close").alias(kind)).filter(
            pl.col("time") <= last
        )


def seen_at(quotes: Quotes, now: int) -> int:
    """The time that the venue shows: `now`, unless a fault has frozen its prices."""
    frozen: Callable[[int], int] | None = getattr(quotes, "seen_at", None)
    return now if frozen is None else frozen(now)


def json_array(rows: list[bytes]) -> bytes:
    """The rows as one JSON array."""
    return b"[" + b",".join(rows) + b"]"


def fixed(value: pl.Expr, places: int) -> pl.Expr:
    """A number as text with exactly so many decimals and no exponent."""
    return value.round(places).cast(pl.Decimal(38, places)).cast(pl.String)


def plain(value: pl.Expr, places: int = 10) -> pl.Expr:
    """A number as text without exponent and trailing zeros: 29391.3, 0.00001, 5."""
    return fixed(value, places).str.strip_chars_end("0").str.strip_chars_end(".")


def _terms(quotes: Quotes, symbol: str) -> list[pl.Expr]:
    terms = next(item for item in quotes.instruments() if item.symbol == symbol)
    return [
        pl.lit(symbol).alias("symbol"),
        pl.lit(float(terms.contract_size)).alias("contract_size"),
        pl.lit(float(terms.tick)).alias("tick"),
    ]


def _between(times: npt.NDArray[np.int64], start: int, end: int) -> tuple[int, int]:
    """Positions of the first row and past the last one with start <= time <= end."""
    first = int(np.searchsorted(times, start, "left"))
    return first, max(int(np.searchsorted(times, end, "right")), first)


def _limited(first: int, last: int, limit: int, keep: Keep) -> tuple[int, int]:
    most = max(limit, 0)
    if last - first <= most:
        return first, last
    return (first, first + most) if keep == "oldest" else (last - most, last)
