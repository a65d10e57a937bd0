"""Which instruments can be traded in a period, and why the others cannot.

An instrument needs a known multiplier, settled funding and prices of its own; predicted funding is
no payment and does not count. Being in the universe does not permit a position: that is decided at
every decision from what is known then (`restrictions`).
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from funding_pipeline.core.errors import InsufficientHistoryError
from funding_pipeline.core.tables import MarketTables
from funding_pipeline.market_data.instruments import DOLLARS
from funding_pipeline.portfolio.legs import Leg, Universe

_KEY = ["venue", "symbol"]


@dataclass(frozen=True)
class TradableUniverse:
    """`universe` of legs, and `untraded`: `venue symbol` -> why it is left out."""

    universe: Universe
    untraded: Mapping[str, str]


def tradable_universe(
    tables: MarketTables, *, forecasts: pl.DataFrame, start: datetime, end: datetime
) -> TradableUniverse:
    """Instruments with prices, settlements and forecasts between `start` and `end` (UTC).

    Raises InsufficientHistoryError where fewer than two venues have any: there is no differential.
    """
    listed = _latest_terms(tables.instruments, end=end)
    inside = pl.col("known_at").is_between(start, end)
    priced = tables.prices.filter(inside & pl.col("kind").is_in(["trade", "mark"])).select(_KEY).unique()
    settled = tables.settled_funding.filter(inside).select(_KEY).unique()
    seen = pl.col("as_of").is_between(start, end) & pl.col("rate_per_hour").is_not_null()
    forecast = forecasts.lazy().filter(seen).select(_KEY).unique()
    flags = (
        listed.join(priced.with_columns(priced=True), on=_KEY, how="left")
        .join(settled.with_columns(settled=True), on=_KEY, how="left")
        .join(forecast.with_columns(forecast=True), on=_KEY, how="left")
        .sort(_KEY)
        .collect()
    )
    reasons = {f"{row['venue']} {row['symbol']}": _refusal(row) for row in flags.iter_rows(named=True)}
    legs = [_leg(row) for row in flags.iter_rows(named=True) if not _refusal(row)]
    untraded = {name: reason for name, reason in reasons.items() if reason}
    universe = Universe.of(legs)
    if len(universe.venues) < 2:
        most = Counter(untraded.values()).most_common(1)
        why = f"; most often: {most[0][0]}" if most else ""
        raise InsufficientHistoryError(
            f"{len(universe.venues)} venue(s) can be traded between {start:%Y-%m-%d %H:%M} and "
            f"{end:%Y-%m-%d %H:%M} UTC, and a differential needs two{why}"
        )
    return TradableUniverse(universe=universe, untraded=untraded)


def quoted_universe(instruments: pl.LazyFrame) -> Universe:
    """Every perpetual that is quoted in dollars and whose multiplier is known, traded or not."""
    known = instruments.sort("effective_from").group_by(_KEY, maintain_order=True).last()
    rows = known.filter(pl.col("multiplier").is_not_null() & pl.col("quote").is_in(DOLLARS)).collect()
    return Universe.of([_leg(row) for row in rows.iter_rows(named=True)])


def _latest_terms(instruments: pl.LazyFrame, *, end: datetime) -> pl.LazyFrame:
    lots = ["quantity_step", "min_quantity", "min_notional"]
    columns = [*_KEY, "base", "multiplier", "contract_type", "quote", *lots]
    known = instruments.filter(pl.col("known_at") <= end).sort("effective_from")
    return known.group_by(_KEY, maintain_order=True).last().select(columns)


def _refusal(row: Mapping[str, object]) -> str:
    if row["multiplier"] is None:
        return "multiplier unknown"
    if row["quote"] not in DOLLARS:
        return f"quoted in {row['quote']}, not in a dollar"
    if not row["settled"]:
        return "no settled funding in the period"
    if not row["priced"]:
        return "no price of its own in the period"
    return "" if row["forecast"] else "no forecast in the period"


def _leg(row: Mapping[str, object]) -> Leg:
    return Leg(
        venue=str(row["venue"]),
        symbol=str(row["symbol"]),
        base=str(row["base"]),
        multiplier=float(str(row["multiplier"])),
        is_inverse=row["contract_type"] == "inverse",
        currency=str(row["quote"]),
        quantity_step=float(str(row["quantity_step"] or 0)),
        min_quantity=float(str(row["min_quantity"] or 0)),
        min_notional=float(str(row["min_notional"] or 0)),
    )
