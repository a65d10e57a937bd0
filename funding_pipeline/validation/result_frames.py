"""The tables of a back-test result, each exact enough to recompute the profit from them alone."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import polars as pl

from funding_pipeline.core.tables import UTC
from funding_pipeline.portfolio.config import PortfolioConfig
from funding_pipeline.portfolio.legs import Bools, Floats, Universe
from funding_pipeline.portfolio.limits import even_budgets
from funding_pipeline.portfolio.plan import notional_usd
from funding_pipeline.validation.accounting import Fills
from funding_pipeline.validation.simulation import MarketHistory, Run

PORTFOLIO = "portfolio"
EQUITY_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "time": UTC,
    "equity": pl.Float64,
    "pnl_funding": pl.Float64,
    "pnl_basis": pl.Float64,
    "pnl_fees": pl.Float64,
    "pnl_slippage": pl.Float64,
    "pnl_liquidation": pl.Float64,
}
LIQUIDATED = "liquidated"


def equity_frame(history: MarketHistory, run: Run) -> pl.DataFrame:
    """One row per decision, per midnight UTC and for the end; cumulative USD, after the decision."""
    columns = {name: run.equity[:, i] for i, name in enumerate(list(EQUITY_SCHEMA)[1:])}
    return pl.DataFrame({"time": _times(history.steps), **columns}, schema=EQUITY_SCHEMA)


def trades_frame(history: MarketHistory, run: Run) -> pl.DataFrame:
    """One row per leg traded at a decision, or liquidated. cash = -quantity * price - fee_usd.

    `quantity` is signed, in quoted units; it is 0 in the rows that only re-strike an inverse contract
    (a fee, see accounting). slippage_usd = quantity * (price - mark_price), positive when it costs. A
    liquidation (reason "liquidated") is at the hour it happened; its whole loss is in the price, and it
    counts as pnl_liquidation, not as slippage.
    """
    happened = [fill.happened for fill in run.fills]
    planned = [np.array([reason or "re-strike" for reason in reasons]) for reasons in run.reasons]
    decided = _fill_rows(history, run.fills, times=history.panels.times, happened=happened, reasons=planned)
    if not run.liquidations:
        return decided
    closed = [item.fills for item in run.liquidations]
    forced = _fill_rows(
        history,
        closed,
        times=[history.path.times[item.point] for item in run.liquidations],
        happened=[fill.quantity != 0 for fill in closed],
        reasons=[np.full(len(fill.quantity), LIQUIDATED) for fill in closed],
    )
    return pl.concat([forced, decided]).sort("time", maintain_order=True)


def _fill_rows(
    history: MarketHistory,
    fills: Sequence[Fills],
    *,
    times: Sequence[datetime],
    happened: Sequence[Bools],
    reasons: Sequence[np.ndarray],
) -> pl.DataFrame:
    """Rows of the legs that happened, per entry of `fills`, at `times`."""
    universe = history.panels.universe
    shape = len(fills), len(universe)
    row, leg = np.nonzero(np.array(happened).reshape(shape))
    pick = {
        name: np.array([getattr(fill, name) for fill in fills]).reshape(shape)[row, leg]
        for name in ("quantity", "price", "fee_usd", "mark", "slippage_usd")
    }
    why = [str(reasons[r][i]) for r, i in zip(row.tolist(), leg.tolist(), strict=True)]
    frame = _leg_rows(universe, times=times, row=row, leg=leg)
    return frame.with_columns(
        pl.Series("quantity", pick["quantity"]),
        pl.Series("price", pick["price"]),
        pl.Series("fee_usd", pick["fee_usd"]),
        pl.Series("mark_price", pick["mark"]),
        pl.Series("slippage_usd", pick["slippage_usd"]),
        pl.Series("reason", why, dtype=pl.String),
    )


def margin_frame(history: MarketHistory, run: Run) -> pl.DataFrame:
    """One row per decision and venue: equity and maintenance margin after it, and margin used until the
    next one (`margin_history`)."""
    return run.margin.frame(times=history.panels.times, venues=history.panels.universe.venues)


def positions_frame(history: MarketHistory, run: Run) -> pl.DataFrame:
    """One row per leg held after each decision; USD at the own last known close."""
    row, leg = np.nonzero(run.after)
    price = history.panels.price[row, leg]
    quantity = run.after[row, leg]
    frame = _leg_rows(history.panels.universe, times=history.panels.times, row=row, leg=leg)
    return frame.with_columns(
        pl.Series("quantity", quantity),
        pl.Series("mark_price", price),
        pl.Series("notional_usd", quantity * price),
    )


def funding_payments_frame(history: MarketHistory, run: Run) -> pl.DataFrame:
    """One row per settlement of a leg that was held. cash_usd = -quantity * reference_price * rate."""
    events = history.events
    held = _held_at(events, history=history, run=run)
    cash = -pl.col("quantity") * pl.col("reference_price") * pl.col("rate")
    return (
        events.with_columns(pl.Series("quantity", held))
        .filter(pl.col("quantity") != 0)
        .with_columns(cash.alias("cash_usd"))
        .select(
            "time", "venue", "symbol", "quantity", "reference_price", "rate", "cash_usd", "reference_source"
        )
    )


def _held_at(events: pl.DataFrame, *, history: MarketHistory, run: Run) -> Floats:
    """Quantity at each settlement: what the step ends with, and what was liquidated on the way after it."""
    step, leg, time = (events[name].to_numpy() for name in ("step", "leg", "time"))
    held: Floats = run.held[step, leg]
    moments = _times(history.path.times).to_numpy()
    for item in run.liquidations:
        before = (step == item.step) & (time <= moments[item.point])
        held[before] -= item.fills.quantity[leg[before]]
    return held


def neutrality_frame(
    history: MarketHistory, run: Run, *, config: PortfolioConfig, before: bool = False
) -> pl.DataFrame:
    """Exposures at each decision, one row for the portfolio and one per venue; USD at own prices.

    `fraction`: of the portfolio |net| / gross, of a venue |beta-weighted net| / its gross budget;
    `fraction_of_band`: the same over the permitted band. Null where the denominator is zero.
    `before`: positions as they stood before the decision, after prices had moved.
    """
    panels = history.panels
    at_decision = history.decision_of_step >= 0
    quantity = run.held[at_decision] if before else run.after
    notional = notional_usd(quantity, panels.price)
    budgets = even_budgets(panels.venue_open, config=config)
    beta = np.where(np.isfinite(panels.beta), panels.beta, 1.0)
    by_venue = panels.universe.venue_matrix.T
    gross, net = np.abs(notional) @ by_venue, notional @ by_venue
    weighted = (notional * beta) @ by_venue
    net_all = notional.sum(axis=1)
    gross_all = np.abs(notional).sum(axis=1)
    rows = [(PORTFOLIO, gross_all, net_all, (notional * beta).sum(axis=1), np.abs(net_all), gross_all)]
    for i, venue in enumerate(panels.universe.venues):
        used = np.abs(weighted[:, i])
        rows.append((venue, gross[:, i], net[:, i], weighted[:, i], used, budgets[:, i]))
    bands = [config.portfolio_delta_band_fraction] + [config.venue_beta_band_fraction] * (len(rows) - 1)
    parts = [_exposures(panels.times, *row, band) for row, band in zip(rows, bands, strict=True)]
    return pl.concat(parts).sort("time", "scope")


def _exposures(
    times: tuple[datetime, ...],
    scope: str,
    gross: Floats,
    net: Floats,
    beta: Floats,
    used: Floats,
    of: Floats,
    band: float,
) -> pl.DataFrame:
    frame = pl.DataFrame(
        {"time": _times(times), "gross_usd": gross, "net_usd": net, "beta_usd": beta, "used": used, "of": of}
    )
    fraction = pl.when(pl.col("of") > 0).then(pl.col("used") / pl.col("of"))
    share = fraction / band if band > 0 else pl.lit(None, dtype=pl.Float64)
    return frame.select(
        "time",
        pl.lit(scope).alias("scope"),
        "gross_usd",
        "net_usd",
        "beta_usd",
        fraction.alias("fraction"),
        share.alias("fraction_of_band"),
    )


def _leg_rows(
    universe: Universe, *, times: Sequence[datetime], row: np.ndarray, leg: np.ndarray
) -> pl.DataFrame:
    """Time, venue and symbol of (time, leg) index pairs."""
    venues = np.array([item.venue for item in universe.legs], dtype=object)
    symbols = np.array([item.symbol for item in universe.legs], dtype=object)
    return pl.DataFrame(
        {
            "time": _times(times).gather(row),
            "venue": pl.Series(venues[leg].tolist(), dtype=pl.String),
            "symbol": pl.Series(symbols[leg].tolist(), dtype=pl.String),
        }
    )


def _times(times: Sequence[datetime]) -> pl.Series:
    return pl.Series("time", list(times), dtype=UTC)
