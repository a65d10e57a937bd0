"""What a venue only tells of the present: terms, tiers, estimates, books, trades, open interest.

What lives here: one snapshot of each instrument, landed under the moment at which it was taken. What
does not: history, which can be asked for later (`ingestion`).
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

import polars as pl

from funding_pipeline.core.errors import UnknownInstrumentError, VenueAnswerError
from funding_pipeline.core.market import RAW_INSTRUMENT_TERMS, RAW_LEVERAGE_TIERS
from funding_pipeline.core.trading import InstrumentTerms, LeverageTier
from funding_pipeline.market.landing import Landing, Series
from funding_pipeline.venues.answers import STUMBLES
from funding_pipeline.venues.listing import Listing
from funding_pipeline.venues.public import PublicGateway

# A snapshot younger than this is not taken again.
FRESH = timedelta(minutes=1)
_EVERY = "every instrument"


async def take_snapshots(
    gateway: PublicGateway,
    landing: Landing,
    listing: Listing,
    symbols: Sequence[str],
    *,
    wanted: frozenset[str],
    end: datetime,
    now: datetime,
) -> list[str]:
    """Land one snapshot per instrument of the `wanted` tables; returns a line per answer that was none.

    Nothing is taken for a period that ended before `now`: the past cannot be photographed.
    """
    if now >= end or not symbols:
        return []
    problems: list[str] = []
    venue = gateway.dialect.name

    async def take(table: str, symbol: str, fetch: Callable[[], Awaitable[pl.DataFrame]]) -> None:
        series = Series(table, venue, symbol, "snapshot")
        if not landing.missing(series, start=now - FRESH, end=now) or table not in wanted:
            return
        try:
            landing.write(series, await fetch(), start=now - FRESH, end=now, fetched_at=now)
        except (VenueAnswerError, UnknownInstrumentError) as error:
            problems.append(str(error))
        except STUMBLES as error:
            problems.append(f"{venue}: {table} of {symbol}: cannot be read ({type(error).__name__}: {error})")

    async def terms() -> pl.DataFrame:
        chosen_terms = [gateway.with_bounds(t) for t in listing.terms if t.symbol in chosen]
        return terms_frame(chosen_terms, observed_at=now)

    async def tiers() -> pl.DataFrame:
        return tiers_frame(await gateway.leverage_tiers(symbols), observed_at=now)

    chosen = set(symbols)
    await take("funding_rates", _EVERY, partial(gateway.estimated_funding, symbols))
    await take("instrument_terms", _EVERY, terms)  # after the estimates, which state caps at some venues
    await take("leverage_tiers", _EVERY, tiers)
    for symbol in symbols:
        await take("order_books", symbol, partial(gateway.order_book, symbol))
        if gateway.dialect.has_public_trades:
            await take("trades", symbol, partial(gateway.trades, symbol))
        if not gateway.dialect.has_open_interest_history:
            await take("open_interest", symbol, partial(gateway.open_interest, symbol))
    return [*problems, *gateway.untold]


def terms_frame(terms: Sequence[InstrumentTerms], *, observed_at: datetime) -> pl.DataFrame:
    """Rows of RAW_INSTRUMENT_TERMS."""
    names = [name for name in RAW_INSTRUMENT_TERMS if name != "observed_at"]
    rows = {name: [_plain(getattr(t, name)) for t in terms] for name in names}
    return _stamped(rows, dict(RAW_INSTRUMENT_TERMS), observed_at)


def tiers_frame(tiers: Sequence[LeverageTier], *, observed_at: datetime) -> pl.DataFrame:
    """Rows of RAW_LEVERAGE_TIERS."""
    fields = {"floor_notional": "floor", "cap_notional": "cap"}
    names = [name for name in RAW_LEVERAGE_TIERS if name != "observed_at"]
    rows = {name: [_plain(getattr(t, fields.get(name, name))) for t in tiers] for name in names}
    return _stamped(rows, dict(RAW_LEVERAGE_TIERS), observed_at)


def _stamped(
    rows: dict[str, list[object]], schema: dict[str, pl.DataType | type[pl.DataType]], observed_at: datetime
) -> pl.DataFrame:
    frame = pl.DataFrame(rows, schema={name: schema[name] for name in rows}, strict=False)
    stamp = pl.lit(observed_at, dtype=schema["observed_at"]).alias("observed_at")
    return frame.with_columns(stamp).select(*schema)


def _plain(value: object) -> object:
    """Decimals as floats: these rows are for analysis; orders take their steps from the gateway itself."""
    return float(value) if isinstance(value, Decimal) else value
