"""Instruments: what a unified symbol says, and the contract sizes that a recording leaves out.

`1000PEPE`, `kPEPE` and `PEPE` are one base with multipliers 1000, 1000 and 1. A symbol that is not
a perpetual, or cannot be read, is refused by name.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import polars as pl

from funding_pipeline.core.errors import UnknownInstrumentError
from funding_pipeline.core.tables import INSTRUMENTS

_PERPETUAL = re.compile(r"^(?P<base>[^/:\s]+)/(?P<quote>[^/:\s]+):(?P<settle>[^/:\s-]+)$")
# Venues quote cheap coins by the thousand or million. A bare 1 or 10 is part of a name (1INCH).
_MULTIPLIED = re.compile(r"^(?P<factor>1000000|100000|10000|1000|1M|k)(?P<base>[A-Z][A-Z0-9]*)$")
# Taken for one USD each; a price or profit in another currency would need its exchange rate.
DOLLARS = ("USD", "USDT", "USDC", "USDE", "FDUSD", "BUSD")
_FACTORS = {"1M": 1e6, "k": 1e3}


@dataclass(frozen=True)
class PerpetualSymbol:
    """What a unified perpetual symbol says. `multiplier`: base units per quoted unit."""

    base: str
    multiplier: float
    quote: str
    settle: str
    contract_type: str


def quoted_in_dollars() -> pl.Expr:
    """Whether `symbol`, a perpetual or spot, is quoted in one of DOLLARS."""
    return pl.col("symbol").str.extract(r"/([^:]+)", 1).is_in(DOLLARS)


def parse_symbol(symbol: str) -> PerpetualSymbol:
    """Read `BASE/QUOTE:SETTLE`; raises UnknownInstrumentError for anything else (spot, dated)."""
    match = _PERPETUAL.match(symbol)
    if match is None:
        raise UnknownInstrumentError(f"symbol {symbol!r} is not a perpetual (expected BASE/QUOTE:SETTLE)")
    quoted, quote, settle = match["base"], match["quote"], match["settle"]
    if settle not in (quote, quoted):
        raise UnknownInstrumentError(f"symbol {symbol!r}: settles in {settle}, neither base nor quote")
    base, multiplier = _resolve_multiplier(quoted)
    return PerpetualSymbol(base, multiplier, quote, settle, "linear" if settle == quote else "inverse")


def _resolve_multiplier(quoted: str) -> tuple[str, float]:
    match = _MULTIPLIED.match(quoted)
    if match is None:
        return quoted, 1.0
    factor = match["factor"]
    return match["base"], _FACTORS[factor] if factor in _FACTORS else float(factor)


def instruments(listed: pl.DataFrame) -> tuple[pl.DataFrame, Mapping[str, str]]:
    """Instruments table and the refused symbols with their reasons.

    `listed`: one row per (venue, symbol) with `effective_from`, the first event seen of it. Terms
    that neither the symbol nor the defaults tell (tick, step, some contract sizes) are null.
    """
    rows: list[dict[str, Any]] = []
    refused: dict[str, str] = {}
    for venue, symbol, first_seen in listed.select("venue", "symbol", "effective_from").iter_rows():
        try:
            parsed = parse_symbol(symbol)
        except UnknownInstrumentError as error:
            refused[f"{venue} {symbol}"] = str(error)
            continue
        rows.append(
            {
                "venue": venue,
                "symbol": symbol,
                "base": parsed.base,
                "multiplier": parsed.multiplier,
                "contract_size": contract_size(venue, parsed),
                "quote": parsed.quote,
                "settle": parsed.settle,
                "contract_type": parsed.contract_type,
                "price_tick": None,
                "quantity_step": None,
                "effective_from": first_seen,
                "effective_to": None,
                "known_at": first_seen,
            }
        )
    return INSTRUMENTS.conform(pl.DataFrame(rows, schema=dict(INSTRUMENTS.columns))), refused


def contract_size(venue: str, parsed: PerpetualSymbol) -> float | None:
    """Default contract size of an instrument (base units, or quote units if inverse); null: unknown."""
    sizes = _contract_sizes().get(venue, {})
    if parsed.contract_type == "linear":
        size = sizes.get("linear")
    else:
        inverse = sizes.get("inverse", {})
        size = inverse.get(parsed.base, inverse.get("default"))
    return None if size is None else float(size)


@cache
def _contract_sizes() -> dict[str, dict[str, Any]]:
    text = resources.files("funding_pipeline").joinpath("config/contract_sizes.toml").read_text("utf-8")
    return tomllib.loads(text)
