"""Profit by source on every level: the book, venues, bases, venue pairs, pairs and legs.

Sources, in USD with costs negative: `funding` received; `convergence` of each leg's basis against the
cross-venue price; `fees`; `slippage`; `residual_delta`, what the base's own price earned on quantity: large
on a leg or a venue, nothing on a base whose quantity is flat; `quote_currency`, what USD and USDC moved
against USDT; `liquidation`, what forced trades cost. On every level they add up to the change in equity.
"""

from collections.abc import Callable, Mapping
from typing import Literal, get_args

import numpy as np
import polars as pl

from funding_pipeline.core.errors import AccountingError
from funding_pipeline.portfolio.legs import Bools, Floats, Ints
from funding_pipeline.validation.profit_flows import SOURCES, LegFlows

_Table = dict[str, Floats]  # name -> USD by source
Level = Literal["book", "venue", "base", "venue_pair", "pair", "leg"]
LEVELS: tuple[Level, ...] = get_args(Level)
UNMATCHED = "unmatched"
SCHEMA: Mapping[str, pl.DataType | type[pl.DataType]] = {
    "level": pl.String,
    "name": pl.String,
    "year": pl.Int64,
    **{f"{source}_usd": pl.Float64 for source in SOURCES},
    "total_usd": pl.Float64,
}
_AT_TRADES = ("fees", "slippage", "liquidation")
_RELATIVE = 1e-6
_DUST_USD = 1e-7  # what rounding leaves of names that had nothing


def profit_by_source(flows: LegFlows, *, level: Level, by_year: bool = False) -> pl.DataFrame:
    """One row per name of `level` that had any profit or loss, the best first; SCHEMA.

    `year` is null for the whole period; with `by_year` one row per name and UTC calendar year. A pair is
    "base: long venue / short venue", a venue pair the same over all bases: at any time each leg's profit is
    shared over the opposite legs of its base in proportion to their size, a trade's cost as the book stood
    when the leg was larger, before or after it; what has no opposite is "unmatched". Raises AccountingError
    where a level does not add up to the book.
    """
    spans = [(year, flows.year == year) for year in np.unique(flows.year)] if by_year else [(None, None)]
    frames = []
    for year, rows in spans:
        inside = np.ones(len(flows.times), dtype=np.bool_) if rows is None else rows
        table = _LEVELS[level](flows, inside)
        _adds_up(flows, table, inside=inside, level=level)
        frames.append(_frame(table, level=level, year=None if year is None else int(year)))
    return pl.concat(frames)


def attribution(flows: LegFlows) -> pl.DataFrame:
    """`profit_by_source` of every level, for the whole period (year null) and by year."""
    return pl.concat(
        profit_by_source(flows, level=level, by_year=by_year) for level in LEVELS for by_year in (False, True)
    )


def _by_leg(flows: LegFlows, key: Callable[[int], str], inside: Bools) -> _Table:
    sums = np.array([flows.usd[source][inside].sum(axis=0) for source in SOURCES])
    out: _Table = {}
    for i in range(len(flows.universe)):
        name = key(i)
        out[name] = out.get(name, np.zeros(len(SOURCES))) + sums[:, i]
    return out


def _book(flows: LegFlows, inside: Bools) -> _Table:
    return _by_leg(flows, lambda _: "book", inside)


def _venues(flows: LegFlows, inside: Bools) -> _Table:
    return _by_leg(flows, lambda i: flows.universe.legs[i].venue, inside)


def _bases(flows: LegFlows, inside: Bools) -> _Table:
    return _by_leg(flows, lambda i: flows.universe.legs[i].base, inside)


def _legs(flows: LegFlows, inside: Bools) -> _Table:
    return _by_leg(flows, lambda i: flows.universe.legs[i].name, inside)


def _pairs(flows: LegFlows, inside: Bools) -> _Table:
    out: _Table = {}
    for index, base in enumerate(flows.universe.bases):
        members = np.flatnonzero(flows.universe.base_index == index)
        for name, usd in _pairs_of_base(flows, members, inside).items():
            out[f"{base}: {name}"] = usd
    return out


def _venue_pairs(flows: LegFlows, inside: Bools) -> _Table:
    out: _Table = {}
    for index in range(len(flows.universe.bases)):
        members = np.flatnonzero(flows.universe.base_index == index)
        for name, usd in _pairs_of_base(flows, members, inside).items():
            out[name] = out.get(name, np.zeros(len(SOURCES))) + usd
    return out


def _pairs_of_base(flows: LegFlows, members: Ints, inside: Bools) -> _Table:
    """USD by source of the venue pairs of one base, and of what had no opposite leg."""
    units = flows.universe.multipliers[members]
    held, after = (quantity[inside][:, members] * units for quantity in (flows.held, flows.after))
    carried, grown = _opposites(held), np.abs(after) >= np.abs(held)
    opened = _opposites(after)
    traded = (
        np.where(grown[:, :, None], opened[0], carried[0]),
        np.where(grown[:, None, :], opened[1], carried[1]),
    )
    venues = [flows.universe.legs[i].venue for i in members]
    out: _Table = {UNMATCHED: np.zeros(len(SOURCES))}
    for number, source in enumerate(SOURCES):
        flow = flows.usd[source][inside][:, members]
        of_long, of_short = traded if source in _AT_TRADES else carried
        pairs = np.einsum("ti,tij->ij", flow, of_long) + np.einsum("tj,tij->ij", flow, of_short)
        for i, j in zip(*np.nonzero(pairs), strict=True):
            usd = out.setdefault(f"{venues[i]} / {venues[j]}", np.zeros(len(SOURCES)))
            usd[number] += pairs[i, j]
        out[UNMATCHED][number] = flow.sum() - pairs.sum()
    return out


def _opposites(units: Floats) -> tuple[Floats, Floats]:
    """Times x long leg x short leg: the part of the long (of the short) leg that the other hedges.

    `units`: times x legs of one base, signed, base units. Of the smaller side everything is hedged.
    """
    long, short = np.maximum(units, 0.0), np.maximum(-units, 0.0)
    larger = np.maximum(long.sum(axis=1), short.sum(axis=1))
    larger = np.where(larger > 0, larger, 1.0)[:, None, None]
    of_long = (long > 0)[:, :, None] * short[:, None, :] / larger
    of_short = long[:, :, None] * (short > 0)[:, None, :] / larger
    return of_long, of_short


_LEVELS: Mapping[Level, Callable[[LegFlows, Bools], _Table]] = {
    "book": _book,
    "venue": _venues,
    "base": _bases,
    "venue_pair": _venue_pairs,
    "pair": _pairs,
    "leg": _legs,
}


def _adds_up(flows: LegFlows, table: _Table, *, inside: Bools, level: str) -> None:
    """Sums over names against sums over legs, to 1e-6 of the dollars that have flowed."""
    for number, source in enumerate(SOURCES):
        flow = flows.usd[source][inside]
        gap = abs(sum(float(usd[number]) for usd in table.values()) - float(flow.sum()))
        if not gap <= _RELATIVE * max(float(np.abs(flow).sum()), 1.0):
            raise AccountingError(f"{source} by {level} differs from the book's by {gap:,.6f} USD")


def _frame(table: _Table, *, level: str, year: int | None) -> pl.DataFrame:
    kept = {name: usd for name, usd in table.items() if np.abs(usd).max() > _DUST_USD}
    rows = [(level, name, year, *usd.tolist(), float(usd.sum())) for name, usd in kept.items()]
    frame = pl.DataFrame(rows, schema=dict(SCHEMA), orient="row")
    return frame.sort(pl.col("total_usd").round(6), "name", descending=[True, False])
