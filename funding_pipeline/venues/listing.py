"""Which of a venue's markets can be used, and their terms: everything else is refused by name.

What lives here: from ccxt's markets and tiers to our values. What does not: calls (`public`).

The same ticker may be another token on another venue (NEIRO): only the name can tell, so instruments are
matched across venues by base after the multiplier is resolved, and nowhere by price.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from funding_pipeline.core.errors import UnknownInstrumentError, VenueAnswerError
from funding_pipeline.core.trading import InstrumentTerms, LeverageTier
from funding_pipeline.market_data.instruments import parse_symbol
from funding_pipeline.venues.dialect import Json, VenueDialect
from funding_pipeline.venues.spelling import decimal_of, moment_of

_TICK_SIZE = 4  # ccxt's precision modes
_DECIMAL_PLACES = 2


@dataclass(frozen=True)
class Listing:
    """Instruments of a venue by symbol; `refused`: symbol -> why it cannot be used."""

    terms: tuple[InstrumentTerms, ...]
    refused: Mapping[str, str]


def listing(
    dialect: VenueDialect, markets: Iterable[Json], precision_mode: int, intervals: Mapping[str, float]
) -> Listing:
    """Terms of each market that the dialect serves. `intervals`: hours by symbol, where they are told."""
    terms: list[InstrumentTerms] = []
    refused: dict[str, str] = {}
    for market in sorted(filter(dialect.serves, markets), key=lambda market: str(market["symbol"])):
        symbol = str(market["symbol"])
        try:
            terms.append(instrument_terms(dialect, market, precision_mode, intervals.get(symbol)))
        except UnknownInstrumentError as error:
            refused[symbol] = str(error)
    return Listing(tuple(terms), refused)


def instrument_terms(
    dialect: VenueDialect, market: Json, precision_mode: int, interval_hours: float | None
) -> InstrumentTerms:
    """Terms of one market; UnknownInstrumentError names what is not known of it."""
    symbol, where = str(market["symbol"]), f"{dialect.name} {market['symbol']}"
    parsed = parse_symbol(symbol)
    size = decimal_of(market.get("contractSize"))
    if size is None or size <= 0:
        raise UnknownInstrumentError(f"{where}: contract size unknown")
    if market.get("settle") != parsed.settle:
        raise UnknownInstrumentError(f"{where}: settle currency unknown")
    precision, limits = market.get("precision") or {}, market.get("limits") or {}
    tick = step_of(precision.get("price"), precision_mode)
    if tick is None:
        raise UnknownInstrumentError(f"{where}: price tick unknown")
    step = step_of(precision.get("amount"), precision_mode)
    least = decimal_of((limits.get("amount") or {}).get("min"))
    return InstrumentTerms(
        venue=dialect.name,
        symbol=symbol,
        native_id=str(market["id"]),
        quote=parsed.quote,
        settle=parsed.settle,
        contract_type="linear" if parsed.contract_type == "linear" else "inverse",
        contract_size=size,
        price_tick=tick,
        quantity_step=None if step is None else step * size,
        min_quantity=None if least is None else least * size,
        min_notional=decimal_of((limits.get("cost") or {}).get("min")),
        maker_fee=decimal_of(market.get("maker")),
        taker_fee=decimal_of(market.get("taker")),
        interval_hours=interval_hours,
        is_active=market.get("active") is not False,
        listed_at=moment_of(market.get("created")),
    )


def leverage_tiers(dialect: VenueDialect, symbol: str, tiers: Sequence[Json]) -> tuple[LeverageTier, ...]:
    """ccxt's tiers by floor; each begins where the one below ends, with the venue's way of counting them.

    Progressive tiers make maintenance margin continuous: above an edge E the rate rises from a to b, so
    b x n - d must equal a x n - c at n = E: d = c + E (b - a). Without them there is nothing to deduct.
    """
    out: list[LeverageTier] = []
    for tier in sorted(tiers, key=lambda row: float(row.get("minNotional") or 0)):
        rate, leverage = decimal_of(tier.get("maintenanceMarginRate")), decimal_of(tier.get("maxLeverage"))
        if rate is None or leverage is None:
            raise VenueAnswerError(f"{dialect.name}: {symbol}: a leverage tier without rate or leverage")
        floor, deduction = decimal_of(tier.get("minNotional")) or Decimal(0), Decimal(0)
        if out:
            below = out[-1]
            floor = below.cap or floor  # OKX: from 501 contracts on, after up to 500
            if dialect.has_progressive_tiers:
                deduction = below.deduction + floor * (rate - below.maintenance_rate)
        cap = decimal_of(tier.get("maxNotional"))
        out.append(LeverageTier(dialect.name, symbol, floor, cap, rate, deduction, leverage))
    return tuple(out)


def step_of(precision: Any, precision_mode: int) -> Decimal | None:
    """A step from ccxt's precision: the step itself, or a number of decimal places."""
    told = decimal_of(precision)
    if told is None or (precision_mode == _TICK_SIZE and told <= 0):
        return None
    if precision_mode == _TICK_SIZE:
        return told
    return Decimal(1).scaleb(-int(told)) if precision_mode == _DECIMAL_PLACES else None
