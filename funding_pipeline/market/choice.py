"""Which venues a fetched market has, over which connection, and how long its history is.

What lives here: putting together a `VenueMarket`. What does not: reading settings, or the rows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from funding_pipeline.core.errors import SettingsError, TestnetError
from funding_pipeline.core.market import Market, MarketSpan
from funding_pipeline.market.continued import ContinuedMarket
from funding_pipeline.market.recorded import RecordedMarket
from funding_pipeline.market.venue_market import VenueMarket
from funding_pipeline.venues.connection import Connection
from funding_pipeline.venues.registry import DIALECTS
from funding_pipeline.venues.routing import LiveConnection, TestnetConnection
from funding_pipeline.venues.testnet_address import TestnetAddress

TESTNET_VENUES = ("binance", "bybit", "deribit", "gate", "hyperliquid", "okx")
"""Venues whose dialect the local testnet speaks (deribit: public data only)."""
_CLOCK_TIMEOUT_SECONDS = 0.5


def live_market(
    folder: Path,
    *,
    days: int,
    venues: Sequence[str],
    coins: frozenset[str] | None,
    allow: tuple[str, ...] = (),
) -> VenueMarket:
    """The exchanges themselves, public data without keys, over the last `days`."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return VenueMarket(
        name="LIVE venues, public data",
        simulated=False,
        connect=LiveConnection,
        venues=_chosen(venues, tuple(DIALECTS)),
        start=today - timedelta(days=days),
        end=partial(datetime.now, UTC),
        folder=folder,
        coins=coins,
        allow=allow,
    )


def testnet_market(
    source: Market,
    folder: Path,
    *,
    testnet: TestnetAddress,
    venues: Sequence[str],
    coins: frozenset[str] | None,
) -> VenueMarket:
    """The rows of a simulated `source` as the local testnet serves them to ccxt.

    The history ends with the source's, or where the testnet's clock has got to since.
    """
    span = source.span()
    return _served(
        span,
        folder,
        name=f"{source.label}, by ccxt from the local testnet",
        testnet=testnet,
        venues=venues,
        coins=coins,
        start=span.start,
        end=lambda: max(span.end, testnet_now(testnet) or span.end),
    )


def recorded_market(folder: Path, *, venues: Sequence[str], coins: frozenset[str] | None) -> RecordedMarket:
    """The chosen venues and coins of a folder, read directly."""
    chosen = _chosen(venues, RecordedMarket(folder).span().venues) if venues else ()
    return RecordedMarket(folder, chosen, coins)


def continued_market(recorded: RecordedMarket, folder: Path, *, testnet: TestnetAddress) -> ContinuedMarket:
    """A folder to be traded on: its own rows, and since its end those that the local testnet makes up."""
    span = recorded.span()
    since = _served(
        span,
        folder,
        name=f"{recorded.label}, continued by the local testnet",
        testnet=testnet,
        venues=(),
        coins=recorded.coins,
        start=span.end,
        end=lambda: testnet_now(testnet) or span.end,
    )
    return ContinuedMarket(recorded, since)


def _served(
    span: MarketSpan,
    folder: Path,
    *,
    name: str,
    testnet: TestnetAddress,
    venues: Sequence[str],
    coins: frozenset[str] | None,
    start: datetime,
    end: Callable[[], datetime],
) -> VenueMarket:
    """What the testnet serves of a market: every row of it is made up, or a rendering of one that is."""
    return VenueMarket(
        name=name,
        simulated=True,
        connect=connector(testnet),
        venues=_chosen(venues, tuple(venue for venue in span.venues if venue in TESTNET_VENUES)),
        start=start,
        end=end,
        folder=folder,
        coins=coins,
    )


def connector(testnet: TestnetAddress | None) -> Callable[[], Connection]:
    """Opens connections: to a local testnet, wherever it runs by then, or to the exchanges (None)."""
    if testnet is None:
        return LiveConnection
    return lambda: TestnetConnection(testnet.port, code=testnet.code)


def testnet_now(testnet: TestnetAddress) -> datetime | None:
    """The local testnet's time, or None when it is not running."""
    clock = _ask_clock(testnet)
    return None if clock is None else datetime.fromtimestamp(clock["now_ms"] / 1000, UTC)


@dataclass(frozen=True)
class MarketTime:
    """The venues' time, UTC, and how many of its seconds pass in one of this machine."""

    now: datetime
    speed: float = 1.0


def market_time(testnet: TestnetAddress | None) -> MarketTime | None:
    """Of a local testnet (None where it is not running), or of the exchanges (testnet None)."""
    if testnet is None:
        return MarketTime(datetime.now(UTC))
    clock = _ask_clock(testnet)
    if clock is None:
        return None
    return MarketTime(datetime.fromtimestamp(clock["now_ms"] / 1000, UTC), float(clock.get("speed", 1.0)))


def _ask_clock(testnet: TestnetAddress) -> Mapping[str, Any] | None:
    try:
        _, clock = testnet.ask("/admin/clock", timeout=_CLOCK_TIMEOUT_SECONDS)
    except TestnetError:
        return None
    return clock if isinstance(clock, dict) and "now_ms" in clock else None


def _chosen(wanted: Sequence[str], there: tuple[str, ...]) -> tuple[str, ...]:
    """The wanted venues, or all; raises SettingsError for one that is not there."""
    unknown = sorted(set(wanted) - set(there))
    if unknown:
        raise SettingsError(f"FUNDING_VENUES: {unknown[0]} is none of {', '.join(sorted(there))}")
    return tuple(wanted) or there
