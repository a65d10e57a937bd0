"""Which venues a fetched market has, over which connection, and how long its history is.

What lives here: putting together a `VenueMarket`. What does not: reading settings, or the rows.
"""

import http.client
import json
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from funding_pipeline.core.errors import SettingsError
from funding_pipeline.core.market import Market
from funding_pipeline.market.venue_market import VenueMarket
from funding_pipeline.venues.connection import LOOPBACK, Connection
from funding_pipeline.venues.registry import DIALECTS
from funding_pipeline.venues.routing import LiveConnection, TestnetConnection

TESTNET_VENUES = ("binance", "bybit", "deribit", "gate", "hyperliquid", "okx")
"""Venues whose dialect the local testnet speaks (deribit: public data only)."""
_CLOCK_TIMEOUT_SECONDS = 0.5


def live_market(
    folder: Path, *, days: int, venues: Sequence[str], coins: frozenset[str] | None
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
    )


def testnet_market(
    source: Market, folder: Path, *, port: int, venues: Sequence[str], coins: frozenset[str] | None
) -> VenueMarket:
    """The rows of `source` as the local testnet on `port` serves them to ccxt.

    The history ends with the source's, or where the testnet's clock has got to since.
    """
    span = source.span()
    served = tuple(venue for venue in span.venues if venue in TESTNET_VENUES)
    return VenueMarket(
        name=f"{source.label}, by ccxt from the local testnet",
        simulated=source.is_simulated,
        connect=partial(TestnetConnection, port),
        venues=_chosen(venues, served),
        start=span.start,
        end=lambda: max(span.end, testnet_now(port) or span.end),
        folder=folder,
        coins=coins,
    )


def connector(testnet_port: int | None) -> Callable[[], Connection]:
    """Opens connections: to the local testnet on a port, or to the exchanges themselves (None)."""
    return LiveConnection if testnet_port is None else partial(TestnetConnection, testnet_port)


def identity(source: Market) -> str:
    """What tells the market behind a testnet from another one: its label and its history."""
    span = source.span()
    return f"{source.label}, {span.start:%Y-%m-%d} to {span.end:%Y-%m-%d %H:%M}"


def testnet_now(port: int) -> datetime | None:
    """The local testnet's time, or None when none is running there."""
    clock = _ask_clock(port)
    return None if clock is None else datetime.fromtimestamp(clock["now_ms"] / 1000, UTC)


@dataclass(frozen=True)
class MarketTime:
    """The venues' time, UTC, and how many of its seconds pass in one of this machine."""

    now: datetime
    speed: float = 1.0


def market_time(testnet_port: int | None) -> MarketTime | None:
    """Of the local testnet on a port (None where none is running), or of the exchanges (port None)."""
    if testnet_port is None:
        return MarketTime(datetime.now(UTC))
    clock = _ask_clock(testnet_port)
    if clock is None:
        return None
    return MarketTime(datetime.fromtimestamp(clock["now_ms"] / 1000, UTC), float(clock.get("speed", 1.0)))


def served_market(port: int) -> str | None:
    """The identity of the market that a testnet on `port` serves, or None when none is running there."""
    clock = _ask_clock(port)
    return None if clock is None else str(clock.get("market", "unknown"))


def _ask_clock(port: int) -> dict[str, Any] | None:
    try:
        with urllib.request.urlopen(
            f"http://{LOOPBACK}:{port}/admin/clock", timeout=_CLOCK_TIMEOUT_SECONDS
        ) as answer:
            clock: dict[str, Any] = json.loads(answer.read())
    except (OSError, ValueError, http.client.HTTPException):
        return None
    return clock if isinstance(clock, dict) and "now_ms" in clock else None


def _chosen(wanted: Sequence[str], there: tuple[str, ...]) -> tuple[str, ...]:
    """The wanted venues, or all; raises SettingsError for one that is not there."""
    unknown = sorted(set(wanted) - set(there))
    if unknown:
        raise SettingsError(f"FUNDING_VENUES: {unknown[0]} is none of {', '.join(sorted(there))}")
    return tuple(wanted) or there
