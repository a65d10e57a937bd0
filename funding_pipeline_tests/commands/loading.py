"""A small recorded folder that tests edit, and the loading half of `funding-pipeline run` in this process."""

from collections.abc import Iterable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from funding_pipeline.commands import run
from funding_pipeline.settings import Settings
from funding_pipeline.storage.lake import Lake

START = datetime(2024, 1, 1, tzinfo=UTC)
VENUES = ("binance", "bybit")
FUNDING = "funding_rates.parquet"
CANDLES = "candles.parquet"
FUNDING_SCHEMA = {
    "venue": pl.String,
    "symbol": pl.String,
    "kind": pl.String,
    "settled_at": pl.Datetime("us", "UTC"),
    "venue_time": pl.Datetime("us", "UTC"),
    "rate": pl.Float64,
    "interval_hours": pl.Float64,
}


def write_folder(
    folder: Path,
    *,
    days: int,
    venues: Iterable[str] = VENUES,
    coins: Iterable[str] = ("BTC",),
    rates: dict[int, float] | None = None,
    first: datetime = START,
) -> Path:
    """Settlements every 8 h and hourly bars of each coin; `rates`: other rates than 1e-4, by settlement."""
    folder.mkdir(exist_ok=True)
    places = [(venue, f"{coin}/USDT:USDT") for venue in venues for coin in coins]
    funding = [
        (*place, "settled", first + timedelta(hours=8 * k), None, (rates or {}).get(k, 1e-4), 8.0)
        for place in places
        for k in range(3 * days)
    ]
    pl.DataFrame(funding, schema=FUNDING_SCHEMA, orient="row").write_parquet(folder / FUNDING)
    bars = [
        (*place, "trade", "1h", first + timedelta(hours=k), 40000.0 + 10 * (k % 50))
        for place in places
        for k in range(24 * days)
    ]
    names = ["venue", "symbol", "kind", "timeframe", "open_time", "close"]
    pl.DataFrame(bars, schema=names, orient="row").write_parquet(folder / CANDLES)
    return folder


def recorded(folder: Path, home: Path, **given: object) -> Settings:
    """Settings of the folder, with its state in `home`."""
    return Settings(market="recorded", data=folder, home=home, rebalance_every_hours=24, **given)  # type: ignore[arg-type]


_instances: dict[Path, dg.DagsterInstance] = {}


def load(settings: Settings, patch: pytest.MonkeyPatch, *, full: bool = False) -> Lake:
    """What `run` does up to the features; the store. A home keeps its event log in memory."""
    steps = run._steps
    instance = _instances.setdefault(settings.state_dir, dg.DagsterInstance.ephemeral())
    with patch.context() as inner:
        inner.setattr(dg.DagsterInstance, "get", lambda: nullcontext(instance))
        inner.setattr(run, "_steps", lambda *a, **k: [s for s in steps(*a, **k) if s[0] != run.RESEARCH])
        inner.setattr(run, "print_summary", lambda *a, **k: None)
        inner.setenv("DAGSTER_HOME", "")
        run.run_pipeline(settings, full=full)
    return Lake(str(settings.state_dir / "lake"))
