"""Every dollar of a back-test by time, leg and source, recomputed from its tables and the prices.

What lives here: the arrays, and the proof that they add up to the equity. What does not: the ledger that
made the tables (`accounting`), and sums over venues, bases or pairs (`attribution`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from funding_pipeline.core.errors import AccountingError
from funding_pipeline.core.tables import UTC
from funding_pipeline.portfolio.legs import Bools, Floats, Ints, Universe
from funding_pipeline.validation.price_split import forward, split_prices
from funding_pipeline.validation.result_frames import (
    LIQUIDATED,
    equity_frame,
    funding_payments_frame,
    trades_frame,
)
from funding_pipeline.validation.simulation import MarketHistory, Run

SOURCES = ("funding", "convergence", "fees", "slippage", "residual_delta", "quote_currency", "liquidation")
_RELATIVE = 1e-6
_OF_LEDGER = {
    "funding": ("funding",),
    "basis": ("convergence", "residual_delta", "quote_currency"),
    "fees": ("fees",),
    "slippage": ("slippage",),
    "liquidation": ("liquidation",),
}


@dataclass(frozen=True)
class LegFlows:
    """Times x legs. `usd[source]`: profit since the time before, costs negative, trades at the time included.

    `held`: quantity up to the time, `after`: from the time on, quoted units; `year`: UTC calendar year of the
    row of the equity that shows the profit first. `notes`: what could not be told apart.
    """

    universe: Universe
    times: tuple[datetime, ...]
    year: Ints
    held: Floats
    after: Floats
    usd: Mapping[str, Floats]
    notes: tuple[str, ...]


def backtest_flows(history: MarketHistory, run: Run, *, max_price_age_hours: float) -> LegFlows:
    """`leg_flows` of a run; a price older than `max_price_age_hours` at a decision moves no reference."""
    panels = history.panels
    steps = history.decision_of_step
    # between decisions the age is not kept: a close that has changed since the step before is a new one
    fresh = np.diff(history.price, axis=0, prepend=np.nan) != 0
    fresh[steps >= 0] = (panels.price_age_hours <= max_price_age_hours)[steps[steps >= 0]]
    return leg_flows(
        universe=panels.universe,
        steps=history.steps,
        price=history.price,
        fresh=fresh & np.isfinite(history.price),
        equity=equity_frame(history, run),
        trades=trades_frame(history, run),
        funding_payments=funding_payments_frame(history, run),
    )


def leg_flows(
    *,
    universe: Universe,
    steps: Sequence[datetime],
    price: Floats,
    fresh: Bools,
    equity: pl.DataFrame,
    trades: pl.DataFrame,
    funding_payments: pl.DataFrame,
) -> LegFlows:
    """Flows of a back-test from its frames (result_frames) and own prices at its steps.

    `price`: steps x legs, the last known own close, NaN before the first; `fresh`: where that close is of
    the step itself. A leg's price profit quantity x (P1 - P0) is split exactly into
    residual delta: quantity x change of the base's reference price; quote currency: quantity x change of what
    its dollar adds to it; convergence: the rest, the basis. Costs of forced trades are liquidation.
    Raises AccountingError where a source does not agree with the equity in every row.
    """
    times, rows = _with_trade_times(steps, trades)
    n = len(universe)
    place = {(leg.venue, leg.symbol): i for i, leg in enumerate(universe.legs)}
    at, leg = _rows_of(trades, times), _legs_of(trades, place)
    traded = _summed(at, leg, trades["quantity"].to_numpy(), shape=(len(times), n))
    after = _without_dust(np.cumsum(traded, axis=0))
    held = np.vstack([np.zeros((1, n)), after[:-1]])
    mark = _marks(price, rows=rows, at=at, leg=leg, trades=trades, count=len(times))
    split = split_prices(price, fresh=fresh, universe=universe)
    grid = [_on_times(values, rows=rows, count=len(times)) for values in (split.reference, split.in_currency)]
    forced = trades["reason"].str.starts_with(LIQUIDATED).fill_null(False).to_numpy()
    fees, slippage = -trades["fee_usd"].to_numpy(), -trades["slippage_usd"].to_numpy()
    paid_at, paid_leg = _rows_of(funding_payments, times), _legs_of(funding_payments, place)
    shape = (len(times), n)
    flows = LegFlows(
        universe=universe,
        times=times,
        year=_years(times, equity),
        held=held,
        after=after,
        usd={
            "funding": _summed(paid_at, paid_leg, funding_payments["cash_usd"].to_numpy(), shape=shape),
            "fees": _summed(at, leg, np.where(forced, 0.0, fees), shape=shape),
            "slippage": _summed(at, leg, np.where(forced, 0.0, slippage), shape=shape),
            "liquidation": _summed(at, leg, np.where(forced, fees + slippage, 0.0), shape=shape),
            **_price_profit(held, mark=mark, reference=grid[0], in_currency=grid[1]),
        },
        notes=split.notes,
    )
    _check(flows, equity)
    return flows


def _with_trade_times(steps: Sequence[datetime], trades: pl.DataFrame) -> tuple[tuple[datetime, ...], Ints]:
    """Steps and the moments of trades between them (liquidations), and where the steps are among them."""
    times = tuple(sorted({*steps, *trades["time"].to_list()}))
    place = {time: i for i, time in enumerate(times)}
    return times, np.array([place[time] for time in steps], dtype=np.int64)


def _rows_of(frame: pl.DataFrame, times: Sequence[datetime]) -> Ints:
    """The first of `times` that is not before each row."""
    grid = pl.Series(list(times), dtype=UTC).to_numpy()
    return np.searchsorted(grid, frame["time"].to_numpy(), side="left").astype(np.int64)


def _legs_of(frame: pl.DataFrame, place: Mapping[tuple[str, str], int]) -> Ints:
    keys = frame.select("venue", "symbol").iter_rows()
    try:
        return np.array([place[venue, symbol] for venue, symbol in keys], dtype=np.int64)
    except KeyError as error:
        raise AccountingError(
            f"{' '.join(error.args[0])} is in the tables and no leg of the back-test"
        ) from None


def _summed(row: Ints, leg: Ints, values: Floats, *, shape: tuple[int, int]) -> Floats:
    out = np.zeros(shape)
    np.add.at(out, (row, leg), values)
    return out


def _without_dust(quantity: Floats) -> Floats:
    """Sums of trades that close a position leave 1e-16 of it."""
    largest = np.abs(quantity).max(axis=0, initial=0.0)
    return np.where(np.abs(quantity) <= 1e-12 * largest, 0.0, quantity)


def _marks(price: Floats, *, rows: Ints, at: Ints, leg: Ints, trades: pl.DataFrame, count: int) -> Floats:
    """The ledger's marks: own closes at the steps, a forced trade's own mark between, each until the next."""
    out = np.full((count, price.shape[1]), np.nan)
    out[at, leg] = trades["mark_price"].to_numpy()
    out[rows] = np.where(np.isfinite(price), price, out[rows])
    return forward(out)


def _on_times(values: Floats, *, rows: Ints, count: int) -> Floats:
    """Values of the steps on all times, NaN between the steps."""
    out = np.full((count, values.shape[1]), np.nan)
    out[rows] = values
    return out


def _price_profit(held: Floats, *, mark: Floats, reference: Floats, in_currency: Floats) -> dict[str, Floats]:
    """The three parts of quantity x change of mark; all of it is residual delta where there is no reference.

    Between steps (a liquidation inside an interval) the reference is not known: it is taken to have moved
    with the leg's own price.
    """
    scale = mark / forward(np.where(np.isfinite(reference), mark, np.nan))
    base = forward(reference) * scale
    quoted = forward(in_currency) * scale
    moved = _changes(mark)
    of_base = _changes(base)
    unknown = ~np.isfinite(of_base)
    of_base = np.where(unknown, moved, of_base)
    of_currency = np.where(unknown, 0.0, _changes(quoted) - of_base)
    return {
        "residual_delta": _times_held(held, of_base),
        "quote_currency": _times_held(held, of_currency),
        "convergence": _times_held(held, moved - of_base - of_currency),
    }


def _changes(values: Floats) -> Floats:
    """Change since the row before; NaN where either is unknown."""
    return np.diff(values, axis=0, prepend=values[:1])


def _times_held(held: Floats, change: Floats) -> Floats:
    return np.where(held == 0, 0.0, held * change)


def _years(times: Sequence[datetime], equity: pl.DataFrame) -> Ints:
    shown = equity["time"].sort()
    last = len(shown) - 1
    at = np.minimum(np.searchsorted(shown.to_numpy(), _series(times), side="left"), last)
    return shown.dt.year().to_numpy().astype(np.int64)[at]


def _series(times: Sequence[datetime]) -> np.ndarray:
    return pl.Series(list(times), dtype=UTC).to_numpy()


def _check(flows: LegFlows, equity: pl.DataFrame) -> None:
    """Each source against the equity in every row, to 1e-6 of the dollars that have flowed."""
    ordered = equity.sort("time")
    at = np.searchsorted(_series(flows.times), ordered["time"].to_numpy(), side="right") - 1
    for name, parts in _OF_LEDGER.items():
        column = f"pnl_{name}"
        ledger = ordered[column].to_numpy() if column in ordered.columns else np.zeros(ordered.height)
        own = np.asarray(sum(flows.usd[part] for part in parts))
        gap = np.abs(np.cumsum(own.sum(axis=1))[at] - ledger)
        flowed = np.cumsum(np.abs(own).sum(axis=1))[at]
        wrong = ~(gap <= _RELATIVE * np.maximum(flowed, 1.0))
        if wrong.any():
            row = int(np.argmax(wrong))
            raise AccountingError(
                f"{name} by leg differs from the equity by {gap[row]:,.6f} USD at {ordered['time'][row]}: "
                "the tables are not of one back-test, or rows are missing"
            )
