"""The venues by name: which class is special to each. Adding a venue is one line here and one module.

What lives here: names. What does not: any import of a venue's module before it is asked for.
"""

from collections.abc import Mapping
from importlib import import_module

from funding_pipeline.core.errors import SettingsError
from funding_pipeline.venues.dialect import VenueDialect

DIALECTS: Mapping[str, str] = {
    "binance": "funding_pipeline.venues.binance:BinanceVenue",
    "bybit": "funding_pipeline.venues.bybit:BybitVenue",
    "okx": "funding_pipeline.venues.okx:OkxVenue",
    "hyperliquid": "funding_pipeline.venues.hyperliquid:HyperliquidVenue",
    "gate": "funding_pipeline.venues.gate:GateVenue",
    "kucoin": "funding_pipeline.venues.kucoin:KucoinVenue",
    "bitget": "funding_pipeline.venues.bitget:BitgetVenue",
    "kraken": "funding_pipeline.venues.kraken:KrakenVenue",
    "deribit": "funding_pipeline.venues.deribit:DeribitVenue",
}
PUBLIC_VENUES: tuple[str, ...] = tuple(DIALECTS)
"""Venues whose public data can be read."""
VENUES_FOR_TRADING: tuple[str, ...] = ("binance", "bybit", "okx", "hyperliquid", "gate")
"""Venues with private calls; each passes the conformance suite."""


def dialect_of(name: str) -> VenueDialect:
    """The venue's dialect; SettingsError for a name that is not registered."""
    if name not in DIALECTS:
        raise SettingsError(f"unknown venue {name!r}; known: {', '.join(DIALECTS)}")
    module, _, kind = DIALECTS[name].partition(":")
    dialect: VenueDialect = getattr(import_module(module), kind)()
    return dialect
