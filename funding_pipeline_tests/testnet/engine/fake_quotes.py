"""A market of two or three instruments whose prices a test sets by hand, and an exchange on it.

What lives here: the fake of `Quotes` and a few builders. What does not: tests.
"""

from bisect import bisect_right
from dataclasses import dataclass, field, replace
from decimal import Decimal

import polars as pl

from funding_pipeline.testnet.engine.exchange import Exchange
from funding_pipeline.testnet.engine.tiers import tiers_of
from funding_pipeline.testnet.engine.values import Account, Book, Instrument, Level, PublicTrade, Ticket
from funding_pipeline.testnet.quotes import CandleKind

HOUR = 3_600_000
START = 1_706_745_600_000  # 2024-02-01T00:00Z
BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
D = Decimal
ZERO, ONE, MILLION = D(0), D(1), D(1_000_000)


def instrument(symbol: str = BTC, **changes: object) -> Instrument:
    """A perpetual with tick 0.1, step 0.001, fees of 2 and 5 bp, 0.5 % maintenance up to 1M, 2 % above."""
    tiers = tiers_of([(D(1_000_000), D("0.005"), 100), (None, D("0.02"), 25)])
    found = Instrument(
        "binance", symbol, symbol.split("/")[0], "USDT", "USDT", D("0.1"), D("0.001"), D(1), D("0.001"), D(5),
        D("0.0002"), D("0.0005"), tiers, D("0.003"), 0,
    )  # fmt: skip
    return replace(found, **changes)  # type: ignore[arg-type]


@dataclass
class FakeQuotes:
    """Marks by symbol as (time, price) steps; the book has `depth` levels of `size`, a tick apart."""

    listing: tuple[Instrument, ...] = field(
        default_factory=lambda: (instrument(BTC), instrument(ETH, tick=D("0.01")))
    )
    marks: dict[str, list[tuple[int, Decimal]]] = field(
        default_factory=lambda: {BTC: [(0, D(40_000))], ETH: [(0, D(2_000))]}
    )
    rates: dict[str, list[tuple[int, float | None]]] = field(default_factory=dict)
    index_premium: Decimal = ZERO
    depth: int = 50
    size: Decimal = ONE
    asked: list[str] = field(default_factory=list)
    dark: set[tuple[str, int]] = field(default_factory=set)  # (symbol, time) without a mark
    venue: str = "binance"

    def set_mark(self, symbol: str, price: Decimal | int | str, time: int) -> None:
        """The mark is `price` from `time` on; later steps are dropped."""
        kept = [step for step in self.marks[symbol] if step[0] < time]
        self.marks[symbol] = [*kept, (time, D(price))]

    def instruments(self) -> tuple[Instrument, ...]:
        return self.listing

    def mark(self, symbol: str, time: int) -> Decimal:
        if (symbol, time) in self.dark:
            raise LookupError(f"{symbol} has no mark at {time}")
        steps = self.marks[symbol]
        return steps[bisect_right(steps, time, key=lambda step: step[0]) - 1][1]

    def index(self, symbol: str, time: int) -> Decimal:
        return self.mark(symbol, time) / (1 + self.index_premium)

    def last(self, symbol: str, time: int) -> Decimal:
        return self.mark(symbol, time)

    def book(self, symbol: str, time: int) -> Book:
        self.asked.append(f"book {symbol}")
        mid, tick = self.mark(symbol, time), self._of(symbol).tick
        steps = range(1, self.depth + 1)
        bids = tuple(Level(mid - tick * n, self.size) for n in steps if mid > tick * n)
        return Book(time // 1000 * 1000, bids, tuple(Level(mid + tick * n, self.size) for n in steps))

    def settled(self, symbol: str, start: int, end: int) -> pl.DataFrame:
        self.asked.append(f"settled {symbol}")
        rows = [(t, rate, 8.0) for t, rate in self.rates.get(symbol, []) if start <= t <= end]
        schema = {"time": pl.Int64, "rate": pl.Float64, "interval_hours": pl.Float64}
        return pl.DataFrame(rows, schema=schema, orient="row")

    def next_settlement(self, symbol: str, time: int) -> int:
        return min((t for t, _ in self.rates.get(symbol, []) if t > time), default=2**62)

    def estimate(self, symbol: str, time: int) -> Decimal:
        return D(0)

    def premium(self, symbol: str, time: int) -> Decimal:
        return self.index_premium

    def interval_hours(self, symbol: str, time: int) -> float:
        return 8.0

    def open_interest(self, symbol: str, time: int) -> Decimal:
        return D(0)

    def open_interest_history(self, symbol: str, start: int, end: int) -> pl.DataFrame:
        raise NotImplementedError

    def trades(self, symbol: str, time: int, limit: int) -> tuple[PublicTrade, ...]:
        raise NotImplementedError

    def candles(self, symbol: str, kind: CandleKind, start: int, end: int, hours: int = 1) -> pl.DataFrame:
        raise NotImplementedError

    def _of(self, symbol: str) -> Instrument:
        return next(found for found in self.listing if found.symbol == symbol)


@dataclass
class Bench:
    """An exchange on a fake market, at a time the test moves."""

    quotes: FakeQuotes = field(default_factory=FakeQuotes)
    time: int = START
    insurance_fund: Decimal = MILLION

    def __post_init__(self) -> None:
        self.exchange = Exchange(self.quotes, now=lambda: self.time, insurance_fund=self.insurance_fund)

    def account(self, name: str = "alice", balance: int | str = 100_000) -> Account:
        """A funded account."""
        return self.exchange.open_account(name, key=f"key-{name}", secret="s", balance=D(balance))

    def live(self, *, hours: float = 0, seconds: float = 0) -> None:
        """Let time pass and the exchange know."""
        self.time += int(hours * HOUR + seconds * 1000)
        self.exchange.advance()

    def live_to(self, price: Decimal | int | str, symbol: str = BTC) -> None:
        """A second later the mark is `price`."""
        self.quotes.set_mark(symbol, price, self.time + 1000)
        self.live(seconds=1)


def market(side: str, quantity: str, symbol: str = BTC, **more: object) -> Ticket:
    """A market order."""
    return Ticket(symbol, side, "market", D(quantity), **more)  # type: ignore[arg-type]


def limit(side: str, quantity: str, price: str, symbol: str = BTC, **more: object) -> Ticket:
    """A limit order, good till cancelled unless told otherwise."""
    return Ticket(symbol, side, "limit", D(quantity), D(price), **more)  # type: ignore[arg-type]
