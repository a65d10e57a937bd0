"""What sensors and governance jobs look at: the setup, the venues' time, and small tables.

What lives here: reading, quickly; a sensor looks every few seconds. What does not: judging (`trading`), or
asking for runs (`settlement_sensor`, `sensors`).
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import polars as pl

from funding_pipeline.defs.decision import FRESHNESS
from funding_pipeline.execution.settlement_schedule import in_force
from funding_pipeline.market.choice import MarketTime, market_time
from funding_pipeline.settings import Settings
from funding_pipeline.storage.lake import Lake
from funding_pipeline.trading.readiness import Freshness
from funding_pipeline.trading.setup import TradingSetup

Clock = Callable[[Settings], MarketTime | None]
"""The venues' time, or None where the testnet is not running."""

_kept_tables: dict[tuple[str, str], tuple[int, pl.DataFrame]] = {}
_kept_setups: dict[str, TradingSetup] = {}


def clock_of(settings: Settings) -> MarketTime | None:
    """The venues' time as these settings have it: one request to the testnet, or the machine's clock."""
    return market_time(settings.testnet)


def absent_testnet(settings: Settings) -> str:
    """Why there is no time, and what to do."""
    return (
        f"no local testnet answers on 127.0.0.1:{settings.own_testnet.port} for this market and home: start "
        "all by `make up`, or one by `funding-pipeline testnet`"
    )


def setup_of(settings: Settings) -> TradingSetup:
    """`settings.trading_setup()`, once for the same settings.

    Raises SettingsError or MarketDataError where trading is not possible.
    """
    key = settings.model_dump_json()
    if key not in _kept_setups:
        _kept_setups[key] = settings.trading_setup()
    return _kept_setups[key]


def kept_table(lake: Lake, table: str) -> pl.DataFrame | None:
    """The newest version of a small table, read again only when there is a newer one; None: never made."""
    if not lake.exists(table):
        return None
    version, key = lake.version(table), (lake.uri, table)
    kept = _kept_tables.get(key)
    if kept is None or kept[0] != version:
        kept = (version, lake.scan(table).collect())
        _kept_tables[key] = kept
    return kept[1]


def intervals_of(lake: Lake, venues: Sequence[str]) -> pl.DataFrame | None:
    """FUNDING_INTERVALS rows of what is listed on `venues`; None where there is no such table yet."""
    intervals, instruments = kept_table(lake, "funding_intervals"), kept_table(lake, "instruments")
    if intervals is None:
        return None
    rows = intervals.filter(pl.col("venue").is_in(list(venues)))
    return rows if instruments is None else in_force(rows, instruments)


def freshness_of(lake: Lake) -> list[Freshness] | None:
    """How fresh each venue's rows are; None where they were never read for a decision."""
    frame = kept_table(lake, FRESHNESS)
    if frame is None:
        return None
    return [
        Freshness(
            venue=row["venue"],
            fetched_at=row["fetched_at"],
            newest_price=row["newest_price"],
            newest_settlement=row["newest_settlement"],
            problem=row["problem"] or "",
        )
        for row in frame.iter_rows(named=True)
    ]


def newest_settlements(rows: Sequence[Freshness] | None, venues: Sequence[str]) -> Mapping[str, datetime]:
    """The newest settlement seen at each of `venues`, where there is one."""
    return {
        row.venue: row.newest_settlement
        for row in rows or ()
        if row.newest_settlement is not None and row.venue in venues
    }
