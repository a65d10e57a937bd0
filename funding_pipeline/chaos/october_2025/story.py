"""What happens on the day: the book, the prices, and the venues' misdeeds, with their times.

What lives here: values. What does not: the layer that bends quotes (`crashing_quotes`), playing it (`play`).

After what was seen on 10 October 2025: BTC -11 % in some 20 minutes, altcoins -40 to -80 %, books emptied to
a tenth, spreads ten times as wide, winning shorts deleveraged at the losers' bankruptcy prices, and a venue
that did not answer for half an hour. Prices and books are those of the simulated market, bent.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from funding_pipeline.chaos.october_2025.crashing_quotes import Course, Crash

TROUGH_S = 1_200.0
"""Seconds from the first fall to the lowest prices."""


def _fall(fraction: float, *, back: float) -> Course:
    """Down by `fraction` in 20 minutes, most of it in the last ten, then back by a share of the fall."""
    low = 1 - fraction
    return Course(
        (
            (0.0, 1.0),
            (600.0, 1 - fraction / 4),
            (TROUGH_S, low),
            (TROUGH_S + 300.0, low + fraction * back / 2),
            (TROUGH_S + 1_800.0, low + fraction * back),
        )
    )


PRICES: Mapping[str, Course] = {
    "BTC": _fall(0.11, back=0.35),
    "ETH": _fall(0.17, back=0.35),
    "XRP": _fall(0.42, back=0.50),
    "SOL": _fall(0.45, back=0.50),
    "DOGE": _fall(0.60, back=0.50),
    "AVAX": _fall(0.80, back=0.55),
}
_DEPTH = Course(((0.0, 1.0), (300.0, 0.3), (600.0, 0.1), (2_400.0, 0.1), (3_600.0, 0.5)))
_SPREAD = Course(((0.0, 1.0), (300.0, 4.0), (600.0, 10.0), (2_400.0, 10.0), (3_600.0, 2.0)))
_APART: Mapping[str, Course] = {
    "binance": Course(((300.0, 1.0), (TROUGH_S, 0.985), (2_400.0, 1.0))),
    "hyperliquid": Course(((300.0, 1.0), (TROUGH_S, 1.008), (2_400.0, 1.0))),
}
"""Venues fell unequally far."""


@dataclass(frozen=True)
class Pair:
    """A hedged base: long one venue, short another, `usd` each."""

    base: str
    long_on: str
    short_on: str
    usd: int


@dataclass(frozen=True)
class Deleveraging:
    """ADL of `fraction` of a leg, `at_s` seconds into the fall, at `above_mark` over the mark: about where
    the liquidated longs are bankrupt."""

    at_s: float
    venue: str
    base: str
    fraction: Decimal
    above_mark: Decimal


@dataclass(frozen=True)
class Story:
    """The whole of it. Times in seconds from the first fall; `begins`: UTC, when the book is opened."""

    begins: datetime = datetime(2024, 1, 10, 20, 33, tzinfo=UTC)
    quiet_s: float = 120.0
    lasts_s: float = 3_000.0
    balances: Mapping[str, Decimal] = field(
        default_factory=lambda: {
            "binance": Decimal(250_000),
            "bybit": Decimal(120_000),
            "hyperliquid": Decimal(250_000),
            "okx": Decimal(250_000),
        }
    )
    pairs: tuple[Pair, ...] = (
        Pair("BTC", long_on="hyperliquid", short_on="binance", usd=60_000),
        Pair("ETH", long_on="binance", short_on="hyperliquid", usd=55_000),
        Pair("SOL", long_on="okx", short_on="bybit", usd=40_000),
        Pair("AVAX", long_on="bybit", short_on="okx", usd=36_000),
        Pair("DOGE", long_on="hyperliquid", short_on="binance", usd=20_000),
        Pair("XRP", long_on="binance", short_on="hyperliquid", usd=24_000),
    )
    rebalance_s: float = 480.0
    rebalance_growth: Decimal = Decimal("1.25")
    last_rebalance_s: float = 2_700.0
    frozen_venue: str = "okx"
    frozen_s: tuple[float, float] = (600.0, 2_400.0)
    deleveragings: tuple[Deleveraging, ...] = (
        Deleveraging(720.0, "bybit", "SOL", Decimal(1), Decimal("0.02")),
        Deleveraging(780.0, "binance", "DOGE", Decimal(1), Decimal("0.03")),
        Deleveraging(900.0, "binance", "BTC", Decimal("0.5"), Decimal("0.01")),
    )

    @property
    def falls_at(self) -> datetime:
        """When prices begin to fall, UTC."""
        return self.begins + timedelta(seconds=self.quiet_s)

    def crash(self) -> Crash:
        """What quotes are bent by."""
        return Crash(round(self.falls_at.timestamp() * 1000), PRICES, _DEPTH, _SPREAD, _APART)

    @property
    def venues(self) -> tuple[str, ...]:
        """Where is traded."""
        return tuple(sorted(self.balances))

    @property
    def bases(self) -> tuple[str, ...]:
        """What is traded."""
        return tuple(pair.base for pair in self.pairs)
