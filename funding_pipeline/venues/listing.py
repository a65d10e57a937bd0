"""Which of a venue's markets can be used, and their terms: everything else is refused by name.

What lives here: from ccxt's markets and tiers to our values. What does not: calls (`public`), or whether two
venues mean the same coin by a name (`market_data`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from funding_pipeline.core.errors import UnknownInstrumentError, VenueAnswerError
from funding_pipeline.core.trading import InstrumentTerms, LeverageTier
from funding_pipeline.market_data.instruments import parse_symbol
from funding_pipeline.venues.answers import STUMBLES
from funding_pipeline.venues.dialect import FundingBounds, Json, VenueDialect
from funding_pipeline.venues.spelling import decimal_of, moment_of, number_of

_TICK_SIZE = 4  # ccxt's precision modes
_DECIMAL_PLACES = 2


@dataclass(frozen=True)
class Listing:
    """Instruments of a venue that can be used; `refused`: symbol, or the venue's id -> why another cannot.

    `unfit`: terms of those that are refused for what they are on, or because they do not trade: a position in
    one still has to be valued, and closed.
    """

    terms: tuple[InstrumentTerms, ...]
    refused: Mapping[str, str]
    unfit: tuple[InstrumentTerms, ...] = ()

    @property
    def known(self) -> Mapping[str, InstrumentTerms]:
        """Terms of everything that may be held, by symbol."""
        return {terms.symbol: terms for terms in (*self.unfit, *self.terms)}


def listing(
    dialect: VenueDialect,
    markets: Iterable[Json],
    precision_mode: int,
    intervals: Mapping[str, float],
    *,
    bounds: Mapping[str, FundingBounds] | None = None,
    accepted: frozenset[str] = frozenset(),
    now: datetime | None = None,
) -> Listing:
    """Terms of each market of the dialect's form that is on a coin and trades.

    `intervals`: hours by symbol, where they are stated; `bounds`: of funding, where another answer than the
    listing states them. `accepted`: symbols to read whatever they are on. `now`: an announced end before it
    is none.
    """
    terms: list[InstrumentTerms] = []
    unfit: list[InstrumentTerms] = []
    refused: dict[str, str] = {}
    for market in sorted(markets, key=lambda market: str(market["symbol"])):
        symbol = str(market["symbol"])
        try:
            if not dialect.serves(market):
                _refuse_formless(dialect, market)
                continue
            made = instrument_terms(dialect, market, precision_mode, intervals.get(symbol))
            if now is not None and made.delists_at is not None and made.delists_at <= now:
                made = replace(made, delists_at=None)
            if bounds is not None and symbol in bounds:
                made = bounded(made, bounds[symbol])
            reason = _unfitness(dialect, market, accepted)
            if reason is None:
                terms.append(made)
            else:
                unfit.append(replace(made, is_active=dialect.status(market) is None))
                refused[symbol] = f"{dialect.name} {symbol}: {reason}"
        except UnknownInstrumentError as error:
            refused[symbol] = str(error)
        except STUMBLES as error:
            refused[symbol] = f"{dialect.name} {symbol}: cannot be read ({type(error).__name__}: {error})"
    return Listing(tuple(terms), refused, tuple(unfit))


def bounded(terms: InstrumentTerms, bounds: FundingBounds) -> InstrumentTerms:
    """Terms with cap and floor of funding; one that is not stated stays as it was."""
    cap, floor = bounds.cap or terms.funding_cap, bounds.floor or terms.funding_floor
    return replace(terms, funding_cap=cap, funding_floor=floor)


def _refuse_formless(dialect: VenueDialect, market: Json) -> None:
    """UnknownInstrumentError for what may be a perpetual of the venue's, but does not say what it is."""
    where = f"{dialect.name} {market['symbol']}"
    is_dated = (market.get("future") or market.get("option")) and moment_of(market.get("expiry"))
    if not (is_dated or market.get("swap") or market.get("index")):
        raise UnknownInstrumentError(f"{where}: kind of contract unknown")
    is_sided = market.get("linear") or market.get("inverse")
    if market.get("swap") and not (is_sided and market.get("settle") and market.get("base")):
        raise UnknownInstrumentError(f"{where}: settle currency unknown")


def _unfitness(dialect: VenueDialect, market: Json, accepted: frozenset[str]) -> str | None:
    """Why an instrument is not to be read: it is on no coin, or does not trade."""
    kind, word = dialect.underlying(market)
    if kind != "crypto" and market["symbol"] not in accepted:
        return f"not a crypto asset ({kind if kind != 'other' else word or kind})"
    status = dialect.status(market)
    return None if status is None else f"does not trade ({status})"


def instrument_terms(
    dialect: VenueDialect, market: Json, precision_mode: int, interval_hours: float | None
) -> InstrumentTerms:
    """Terms of one market; UnknownInstrumentError names what is not known of it."""
    symbol, where = str(market["symbol"]), f"{dialect.name} {market['symbol']}"
    parsed = parse_symbol(symbol)
    if not isinstance(market.get("id"), str) or not market["id"]:
        raise UnknownInstrumentError(f"{where}: the venue's id is unknown")
    odd = dialect.odd_field(market)
    if odd is not None:
        raise UnknownInstrumentError(f"{where}: {odd} is no such value")
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
    least = _above_zero((limits.get("amount") or {}).get("min"))
    bounds = dialect.funding_bounds(market, None)
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
        min_notional=_above_zero((limits.get("cost") or {}).get("min")),
        maker_fee=decimal_of(market.get("maker")),
        taker_fee=decimal_of(market.get("taker")),
        interval_hours=interval_hours,
        is_active=True,
        listed_at=moment_of(market.get("created")),
        underlying=dialect.underlying(market)[0],
        delists_at=dialect.delists_at(market),
        funding_cap=bounds.cap,
        funding_floor=bounds.floor,
    )


def leverage_tiers(dialect: VenueDialect, symbol: str, tiers: Sequence[Json]) -> tuple[LeverageTier, ...]:
    """ccxt's tiers by floor; each begins where the one below ends, with the venue's way of counting them.

    Progressive tiers make maintenance margin continuous: above an edge E the rate rises from a to b, so
    b x n - d must equal a x n - c at n = E: d = c + E (b - a). Without them there is nothing to deduct.
    """
    out: list[LeverageTier] = []
    for tier in sorted(tiers, key=lambda row: number_of(row.get("minNotional")) or 0.0):
        rate, leverage = _above_zero(tier.get("maintenanceMarginRate")), _above_zero(tier.get("maxLeverage"))
        if rate is None or rate >= 1 or leverage is None:
            raise VenueAnswerError(f"{dialect.name}: {symbol}: a leverage tier without rate or leverage")
        floor, deduction = decimal_of(tier.get("minNotional")) or Decimal(0), Decimal(0)
        if out:
            below = out[-1]
            floor = below.cap or floor  # OKX: from 501 contracts on, after up to 500
            if dialect.has_progressive_tiers:
                deduction = below.deduction + floor * (rate - below.maintenance_rate)
        cap = _above_zero(tier.get("maxNotional"))
        if cap is not None and cap <= floor:
            raise VenueAnswerError(f"{dialect.name}: {symbol}: a leverage tier from {floor} to {cap}")
        out.append(LeverageTier(dialect.name, symbol, floor, cap, rate, deduction, leverage))
    return tuple(out)


def _above_zero(value: Any) -> Decimal | None:
    number = decimal_of(value)
    return number if number is not None and number > 0 else None


def step_of(precision: Any, precision_mode: int) -> Decimal | None:
    """A step from ccxt's precision: the step itself, or a number of decimal places."""
    told = decimal_of(precision)
    if told is None or (precision_mode == _TICK_SIZE and told <= 0):
        return None
    if precision_mode == _TICK_SIZE:
        return told
    return Decimal(1).scaleb(-int(told)) if precision_mode == _DECIMAL_PLACES else None
