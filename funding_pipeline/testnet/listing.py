"""Terms of the instruments that the testnet lists: ticks, steps, contract sizes, fees, brackets.

What lives here: deriving them from a price and `config/testnet.toml`. What does not: which instruments
there are (`market_quotes`), or what an account may do with them (`engine`).
"""

import math
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any

from funding_pipeline.market_data.instruments import PerpetualSymbol
from funding_pipeline.testnet.engine.tiers import tiers_of
from funding_pipeline.testnet.engine.values import Instrument, MarginTier

# A tick of a hundred-thousandth of the price, and a step of 10 to 100 USD, as most venues have them.
_TICK_OF_PRICE = 1e-5
_STEP_USD = 100.0


def listed(
    venue: str, symbol: str, parsed: PerpetualSymbol, *, typical_price: float, listed_at: int
) -> Instrument:
    """The instrument with the venue's terms. `typical_price`: quote units per quoted base unit."""
    terms = venue_terms(venue)
    is_major = parsed.base in _config()["majors"]
    size, step = sizes(venue, parsed.base, typical_price)
    return Instrument(
        venue=venue,
        symbol=symbol,
        quoted=symbol.split("/", 1)[0],
        quote=parsed.quote,
        settle=parsed.settle,
        tick=tick_of(parsed, typical_price),
        step=step,
        contract_size=size,
        min_quantity=step,
        min_notional=Decimal(terms["min_notional"]),
        maker_fee=Decimal(terms["maker_fee"]),
        taker_fee=Decimal(terms["taker_fee"]),
        tiers=brackets(
            terms.get("major_tiers", "major") if is_major else terms.get("tiers", "other"),
            is_progressive=terms.get("progressive_tiers", True),
        ),
        rate_cap=Decimal(terms["major_rate_cap" if is_major else "rate_cap"]),
        listed_at=listed_at,
    )


def tick_of(parsed: PerpetualSymbol, price: float) -> Decimal:
    """The configured tick of the base, or one by the price; quotes by the thousand go by the price."""
    known = _config()["ticks"].get(parsed.base) if parsed.multiplier == 1 else None
    return power_of_ten(price * _TICK_OF_PRICE) if known is None else Decimal(known)


def sizes(venue: str, base: str, price: float) -> tuple[Decimal, Decimal]:
    """Contract size and quantity step, both in quoted base units."""
    terms = venue_terms(venue)
    coins = power_of_ten(_STEP_USD / price)
    if "contract_sizes" not in terms:
        return Decimal(1), min(coins, Decimal(terms.get("largest_step", "Infinity")))
    known = terms["contract_sizes"].get(base)
    size = coins if known is None else Decimal(known)
    return size, size * Decimal(terms["lot"])


@cache
def brackets(name: str, *, is_progressive: bool = True) -> tuple[MarginTier, ...]:
    """Brackets of `config/testnet.toml` by name, as a venue counts them (see `tiers_of`)."""
    table = _config()["tiers"][name]
    caps = [*map(Decimal, table["caps"]), None]
    rates = map(Decimal, table["maintenance"])
    return tiers_of(zip(caps, rates, table["leverage"], strict=True), is_progressive=is_progressive)


def venue_terms(venue: str) -> Mapping[str, Any]:
    """The venue's table of `config/testnet.toml`, or the default one."""
    venues = _config()["venues"]
    terms: Mapping[str, Any] = venues.get(venue, venues["default"])
    return terms


def power_of_ten(value: float) -> Decimal:
    """The largest power of ten not above `value`, written without exponent: 0.1, 0.01, 1, 100."""
    exponent = math.floor(math.log10(value) + 1e-9)
    return Decimal(10) ** exponent if exponent >= 0 else Decimal(1).scaleb(exponent)


@cache
def _config() -> Mapping[str, Any]:
    text = resources.files("funding_pipeline").joinpath("config/testnet.toml").read_text("utf-8")
    return tomllib.loads(text)
