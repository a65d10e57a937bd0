"""Instruments: what a unified symbol says, and the contract sizes that a recording leaves out.

`1000PEPE`, `kPEPE`, `PEPE1000` and `PEPE` read as one base, three of them with multiplier 1000. That is a
guess from a name, which prices have to prove. What is no perpetual, or cannot be read, is refused.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any

import polars as pl

from funding_pipeline.core.errors import UnknownInstrumentError
from funding_pipeline.core.tables import INSTRUMENTS, PRICES
from funding_pipeline.market_data.effective_dates import effective_dated
from funding_pipeline.market_data.identity import instrument_identity

_PERPETUAL = re.compile(r"^(?P<base>[^/:\s]+)/(?P<quote>[^/:\s]+):(?P<settle>[^/:\s-]+)$")
# Venues quote cheap coins by the thousand up to the billion. A bare 1 or 10 is part of a name (1INCH).
_MULTIPLIED = re.compile(r"^(?P<factor>10{3,9}|1M|1B|k|M(?=BABYDOGE$))(?P<base>[A-Z][A-Z0-9]*)$")
_MULTIPLIED_AFTER = re.compile(r"^(?P<base>[A-Z]{2,})(?P<factor>10{3,9})$")
# Taken for one USD each; a price or profit in another currency would need its exchange rate.
DOLLARS = ("USD", "USDT", "USDC", "USDE", "FDUSD", "BUSD")
_FACTORS = {"1M": 1e6, "1B": 1e9, "k": 1e3, "M": 1e6}


_STATED = (
    "contract_size",
    "price_tick",
    "quantity_step",
    "min_quantity",
    "min_notional",
    "maker_fee",
    "taker_fee",
    "underlying",
    "is_active",
    "delists_at",
    "funding_cap",
    "funding_floor",
)
"""Terms that a venue states of an instrument and may change."""


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


def base_of_leg(symbol: str) -> tuple[str, Decimal]:
    """Base and multiplier of whatever an account holds; the symbol itself where it is no perpetual."""
    try:
        parsed = parse_symbol(symbol)
    except UnknownInstrumentError:
        return symbol, Decimal(1)
    return parsed.base, Decimal(str(parsed.multiplier))


def _resolve_multiplier(quoted: str) -> tuple[str, float]:
    match = _MULTIPLIED.match(quoted) or _MULTIPLIED_AFTER.match(quoted)
    if match is None:
        return quoted, 1.0
    factor = match["factor"]
    return match["base"], _FACTORS[factor] if factor in _FACTORS else float(factor)


def instruments(
    listed: pl.DataFrame, terms: pl.DataFrame | None = None, prices: pl.LazyFrame | None = None
) -> tuple[pl.DataFrame, Mapping[str, str]]:
    """Instruments table and the refused symbols with their reasons.

    `listed`: one row per (venue, symbol) with `effective_from`, the first event seen of it. `terms`:
    what venues state of themselves (RAW_INSTRUMENT_TERMS); a change of it begins a new row, from the
    moment at which it was observed. So does a change of `identity`: whether its `prices` agree with those of
    other venues under its name; one that disagrees has a base of its own. What neither the symbol, the venue
    nor the defaults tell is null.
    """
    rows: list[dict[str, Any]] = []
    refused: dict[str, str] = {}
    for venue, symbol, first_seen in _with_stated(listed, terms).iter_rows():
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
                "effective_from": first_seen,
                "known_at": first_seen,
            }
        )
    known = pl.DataFrame(rows, schema=dict(INSTRUMENTS.columns))
    return INSTRUMENTS.conform(_with_identity(_with_terms(known, terms), known, prices)), refused


def _with_stated(listed: pl.DataFrame, terms: pl.DataFrame | None) -> pl.DataFrame:
    """First moment of every instrument, also of those that so far are only stated by their venue."""
    seen = listed.select("venue", "symbol", "effective_from")
    if terms is not None:
        stated = terms.select("venue", "symbol", pl.col("observed_at").alias("effective_from"))
        seen = pl.concat([seen, stated])
    return seen.group_by("venue", "symbol").agg(pl.col("effective_from").min()).sort("venue", "symbol")


def _with_terms(known: pl.DataFrame, terms: pl.DataFrame | None) -> pl.DataFrame:
    """A row per change of terms after the row that an instrument begins with."""
    if terms is None or terms.is_empty():
        return known
    key = ["venue", "symbol"]
    changes = effective_dated(terms.select(*key, "observed_at", *_STATED), key=key, values=_STATED)
    stated = known.drop(*_STATED, "effective_from", "effective_to", "known_at").join(changes, on=key)
    rows = pl.concat([known, stated.select(known.columns)])
    rows = rows.sort(*key, "effective_from", maintain_order=True).unique(
        [*key, "effective_from"], keep="last", maintain_order=True
    )
    return rows.with_columns(effective_to=pl.col("effective_from").shift(-1).over(key))


def _with_identity(dated: pl.DataFrame, known: pl.DataFrame, prices: pl.LazyFrame | None) -> pl.DataFrame:
    """A row per change of terms or of the verdict on identity, with both as they are from then on."""
    in_dollars = pl.when(pl.col("quote").is_in(DOLLARS)).then("multiplier").alias("multiplier")
    closes = PRICES.empty().lazy() if prices is None else prices
    found = instrument_identity(known.with_columns(in_dollars), closes)
    key, since = ["venue", "symbol"], "effective_from"
    moments = pl.concat([dated.select(*key, since), found.select(*key, since)]).unique().sort(since)
    sides = [
        side.sort(since).drop("effective_to", "known_at", strict=False)
        for side in (dated.drop("base", "identity", "identity_reason"), found)
    ]
    rows = moments
    for side in sides:
        rows = rows.join_asof(side, on=since, by=key, check_sortedness=False)
    later = pl.col(since).shift(-1).over(key)
    return rows.sort(*key, since).with_columns(effective_to=later, known_at=pl.col(since))


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
