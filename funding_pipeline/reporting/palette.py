"""Colours that mean the same thing in every plot and in the report.

What lives here: colours of venues, sources, regimes and verdicts. What does not: drawing.
"""

from collections.abc import Mapping
from zlib import crc32

INK = "#1c2733"
MUTED = "#6b7785"
GRID = "#e4e8ec"
POSITIVE = "#1b8a5a"
NEGATIVE = "#c0392b"
STRATEGY = "#12395b"
SIMULATED = "#b3125f"

_VENUES: Mapping[str, str] = {
    "binance": "#d99a00",
    "bybit": "#2f6fd0",
    "okx": "#3d4650",
    "gate": "#12998f",
    "bitget": "#49b6d6",
    "kucoin": "#7bb342",
    "hyperliquid": "#1b7f4c",
    "dydx": "#6a4fc9",
    "deribit": "#b5489b",
    "kraken": "#8a5a2b",
}
# For venues and baselines that have no colour of their own; none repeats a venue's.
_SERIES = (
    "#12395b", "#d1495b", "#edae49", "#00798c", "#7a5195", "#66a182",
    "#e07a3f", "#8d96a3", "#3f88c5", "#b56576", "#a1c181", "#5e503f",
)  # fmt: skip
_OTHERS = ("#e2703a", "#9a6fb0", "#5b8c5a", "#c98b9b", "#7f8fa6", "#a3884f")

# As the ledger knows them at every mark.
SOURCES: Mapping[str, str] = {
    "funding": "#1b8a5a",
    "basis": "#2f6fd0",
    "fees": "#c0392b",
    "slippage": "#e2a03a",
    "liquidation": "#7a1f2b",
}
# As they are told apart afterwards: basis is convergence, residual delta and quote currency together.
ATTRIBUTED: Mapping[str, str] = {
    "funding": "#1b8a5a",
    "convergence": "#2f6fd0",
    "residual_delta": "#7a5195",
    "quote_currency": "#12998f",
    "fees": "#c0392b",
    "slippage": "#e2a03a",
    "liquidation": "#7a1f2b",
}
VERDICTS: Mapping[str, str] = {
    "edge": POSITIVE,
    "weak edge": "#a86400",
    "no edge": NEGATIVE,
    "too short to say": "#5f6b76",
}
CEILING = "#8d96a3"
# Light fills behind a curve: they print, and black text on them stays readable.
_REGIMES: Mapping[str, str] = {
    "calm carry": "#e6f2ea",
    "crowded longs": "#fcefcf",
    "inverted": "#e3eafa",
    "stress": "#f8dad6",
}
_REGIME_OTHERS = ("#eef1f4", "#e6f0f2", "#f4ecf6", "#f6f1e4", "#e9efe0")


def venue_colour(venue: str) -> str:
    """The venue's colour, the same for one name in every process."""
    return _VENUES.get(venue, other_colour(venue))


def other_colour(name: str) -> str:
    """A colour for anything else that has a name."""
    return _OTHERS[crc32(name.encode()) % len(_OTHERS)]


def numbered_colour(position: int) -> str:
    """A colour for the n-th of a list, distinct for the first dozen."""
    return _SERIES[position % len(_SERIES)]


def regime_colour(regime: str) -> str:
    """A light background for a regime."""
    return _REGIMES.get(regime, _REGIME_OTHERS[crc32(regime.encode()) % len(_REGIME_OTHERS)])
