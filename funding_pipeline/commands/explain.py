"""`funding-pipeline explain`: forecasts at one moment of a folder's history, each with its reason."""

from datetime import datetime
from pathlib import Path

import polars as pl
from rich.table import Table

from funding_pipeline.commands.console import console
from funding_pipeline.core.errors import InsufficientHistoryError
from funding_pipeline.core.tables import UTC
from funding_pipeline.features.panel import build_features
from funding_pipeline.market.recorded import RecordedMarket
from funding_pipeline.market_data.normalization import market_tables
from funding_pipeline.models.explanation import PERCENT_PER_YEAR, forecast_reasons
from funding_pipeline.models.walk_forward import fit_forecaster
from funding_pipeline.validation.research import research_panel

_EVERY_HOURS = 8
_KEYS = ["as_of", "venue", "symbol", "horizon_hours"]


def explain(*, data: Path, at: datetime, base: str | None, horizon_hours: int) -> None:
    """Train on what was known at `at` (UTC), forecast from there, and print why; nothing is stored.

    The baseline forecasts where too little is known. Raises InsufficientHistoryError where no instrument
    has settled in the day before.
    """
    market = RecordedMarket(data)
    console.print(f"[bold]{market.label}[/]: reading and normalizing ...")
    tables = market_tables(market).as_known_at(at)
    now = build_features(tables, as_of=pl.Series([at], dtype=UTC))
    chosen = now if base is None else now.filter(pl.col("base") == base.upper())
    if chosen.is_empty():
        raise InsufficientHistoryError(
            f"no instrument{'' if base is None else f' of {base.upper()}'} has settled in the day before "
            f"{at:%Y-%m-%d %H:%M} UTC"
        )
    console.print(f"training on rows known before {at:%Y-%m-%d %H:%M} UTC ...")
    panel = research_panel(
        tables,
        start=market.span().start,
        end=at,
        every_hours=_EVERY_HOURS,
        horizons_hours=(horizon_hours,),
    )
    forecaster = fit_forecaster(panel.features, panel.labels, horizon_hours=horizon_hours, train_end=at)
    told = forecaster.predict(chosen).join(forecast_reasons(forecaster, chosen), on=_KEYS)
    console.print(_table(told.join(chosen.select(*_KEYS[:3], "base"), on=_KEYS[:3])))


def _table(told: pl.DataFrame) -> Table:
    """One row per instrument, rates in percent a year."""
    table = Table(title="forecasts, % a year, and what pulls them", title_justify="left")
    for name in ("base", "venue", "forecast", "80 %", "baseline", "reason"):
        table.add_column(name, justify="right" if name in ("forecast", "80 %", "baseline") else "left")
    rates = pl.col("rate_per_hour", "q10", "q90", "baseline_rate_per_hour") * PERCENT_PER_YEAR
    for row in told.with_columns(rates).sort("base", "venue", "symbol").iter_rows(named=True):
        numbers = (
            f"{row['rate_per_hour']:+z.1f}",
            f"{row['q10']:+z.1f} to {row['q90']:+z.1f}",
            f"{row['baseline_rate_per_hour']:+z.1f}",
        )
        table.add_row(row["base"], f"{row['venue']} {row['symbol']}", *numbers, row["reason"])
    return table
