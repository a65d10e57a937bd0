"""How much the state folder grows in a day at 50 coins on 5 venues, and what housekeeping leaves of it.

    python benchmarks/state_growth.py [--coins 50] [--hours 24] [--folder DIR] [--json]

Measured, by the program's own code on this disk: a day of hourly fetches (landed rows and bodies), hourly
rebalances and closes (Delta tables, Dagster's runs), one daily load of a quarter that is half over, back-test
and training once, then the same state after housekeeping, as if all of it were older than it is kept.
Made up: the numbers in the rows (random, so hardly compressed), 20 levels a book, 100 trades a fetch, and
answers as large as such rows in JSON. Extrapolated: sensors' ticks (2,000 are written), the journal (a year
of `journal_size.py`, at 40 orders an hour), trainings (one, once a week).

`reading`: seconds to read the last 3 and 120 days of ten series after so many hourly fetches, and files.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import TickData, TickStatus

from funding_pipeline.commands.instance import prepare_home
from funding_pipeline.core.market import RAW_EVENT_TIME, RAW_TABLES
from funding_pipeline.defs.housekeeping import keep_house
from funding_pipeline.features.panel import FEATURES_SCHEMA
from funding_pipeline.market.landed_files import landed_paths
from funding_pipeline.market.landing import Landing, Series
from funding_pipeline.settings import Settings
from funding_pipeline.storage.folder_size import Size
from funding_pipeline.storage.lake import Lake
from funding_pipeline.tracking.backtests import EXPERIMENT
from funding_pipeline.tracking.forecasters import ModelTracking
from funding_pipeline.venues.archive import BodyArchive
from funding_pipeline.venues.connection import Exchanged

sys.path.insert(0, str(Path(__file__).parent))
from journal_size import fill_journal

VENUES = ("binance", "bybit", "gate", "hyperliquid", "okx")
LEVELS, TRADES, QUARTER_DAYS = 20, 100, 45
ORDERS_PER_HOUR = 40
TICKS_PER_DAY = 86_400 // 5 + 2 * 86_400 // 15 + 86_400 // 30 + 86_400 // 10
REBALANCE_TABLES = {  # rows per instrument, columns beside the features
    "market_freshness": 0, "latest_forecasts": 4, "market_state": 0, "account_book": 1, "portfolio_plan": 1,
    "risk_verdict": 1, "executed_orders": 1, "settlement_statement": 1, "decision_features": 1,
}  # fmt: skip
SERIES = {
    "funding_rates": ("settled",), "candles": ("trade", "mark", "index"), "open_interest": ("history",),
    "order_books": ("snapshot",), "trades": ("snapshot",),
}  # fmt: skip
WHOLE = {"funding_rates": "snapshot", "instrument_terms": "snapshot", "leverage_tiers": "snapshot"}
_QUIET = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}
START = datetime(2026, 2, 15, tzinfo=UTC)
draw, dice = random.Random(1), np.random.default_rng(1)


def rows(
    table: str, venue: str, symbols: list[str], times: list[datetime], kind: str = "all"
) -> pl.DataFrame:
    """One row per symbol and time, with numbers that do not compress."""
    schema = RAW_TABLES[table]
    count = len(symbols) * len(times)
    fixed = {
        "venue": venue,
        "kind": kind,
        "timeframe": "1h",
        "side": "buy",
        "quote": "USDT",
        "settle": "USDT",
    }
    columns: dict[str, Any] = {
        "symbol": [symbol for symbol in symbols for _ in times],
        RAW_EVENT_TIME[table]: times * len(symbols),
    }
    for name, dtype in schema.items():
        if name in columns:
            continue
        if dtype == pl.Float64:
            columns[name] = dice.random(count)
        elif isinstance(dtype, pl.List):
            columns[name] = [[draw.random() for _ in range(LEVELS)] for _ in range(count)]
        elif dtype == pl.String:
            columns[name] = [fixed.get(name, f"{draw.random()}" if name == "id" else name)] * count
        else:
            columns[name] = [None] * count
    return pl.DataFrame(columns, schema_overrides=dict(schema), strict=False).select(
        pl.col(name).cast(dtype) for name, dtype in schema.items()
    )


def fetch(landing: Landing, archive: BodyArchive, coins: int, at: datetime) -> None:
    """One hour's fetch at every venue: rows landed, bodies kept."""
    symbols = [f"COIN{number:02}/USDT:USDT" for number in range(coins)]
    hour = timedelta(hours=1)
    for venue in VENUES:
        for table, kinds in SERIES.items():
            for kind in kinds:
                is_snapshot = kind == "snapshot"
                start = at - (timedelta(minutes=1) if is_snapshot else hour)
                moments = [
                    start + timedelta(seconds=n / 2) for n in range(TRADES if table == "trades" else 1)
                ]
                for symbol in symbols:
                    frame = rows(table, venue, [symbol], moments, kind)
                    series = Series(table, venue, symbol, kind)
                    landing.write(series, frame, start=start, end=at, fetched_at=at)
                    keep_body(archive, venue, frame, at)
        for table, kind in WHOLE.items():
            frame = rows(table, venue, symbols, [at], "predicted")
            series = Series(table, venue, "every instrument", kind)
            landing.write(series, frame, start=at - timedelta(minutes=1), end=at, fetched_at=at)
            keep_body(archive, venue, frame, at)
    archive.flush()


def keep_body(archive: BodyArchive, venue: str, frame: pl.DataFrame, at: datetime) -> None:
    """An answer of the size of `frame` in JSON."""
    archive.record(
        Exchanged(
            received_at_ms=int(at.timestamp() * 1000),
            venue=venue,
            method="GET",
            url=f"https://{venue}/{frame.height}",
            request_body="",
            status=200,
            body=frame.write_json().encode(),
        )
    )


def numbers(count: int, columns: int) -> pl.DataFrame:
    """Random floats."""
    return pl.DataFrame(dice.random((count, columns)), schema=[f"c{n}" for n in range(columns)])


def rebalance(lake: Lake, instance: dg.DagsterInstance, coins: int) -> None:
    """The tables that a rebalance and a close replace, and their two runs."""
    for table, share in REBALANCE_TABLES.items():
        columns = len(FEATURES_SCHEMA) if table == "decision_features" else 15
        lake.replace(table, numbers(max(share * coins * len(VENUES), len(VENUES)), columns))
    names = sorted(REBALANCE_TABLES)
    for chosen in (names[:7], names[7:]):
        run = dg.materialize([_asset(name) for name in chosen], instance=instance, run_config=_QUIET)
        assert run.success


def _asset(name: str) -> dg.AssetsDefinition:
    @dg.asset(name=name)
    def made() -> dg.MaterializeResult[None]:
        lines = "\n".join(f"| {name} | {draw.random()} | {draw.random()} |" for _ in range(80))
        return dg.MaterializeResult(metadata={"preview": dg.MetadataValue.md(lines), "rows": 80})

    return made


def load(lake: Lake, coins: int) -> None:
    """The daily load: the quarter's partitions of raw and normalized tables and features, rewritten."""
    symbols = [f"COIN{number:02}/USDT:USDT" for number in range(coins)]
    hours = [START + timedelta(hours=n) for n in range(QUARTER_DAYS * 24)]
    for copy in ("raw", "normalized"):
        for table in ("funding_rates", "candles", "open_interest"):
            for venue in VENUES:
                frames = [rows(table, venue, symbols, hours, kind) for kind in SERIES[table]]
                frame = pl.concat(frames).with_columns(quarter=pl.lit("2026-01"))
                lake.replace_partitions(f"{copy}_{table}", frame, partitions=[(venue, "2026-01")])
    panel = numbers(len(hours) * coins * len(VENUES), len(FEATURES_SCHEMA)).with_columns(
        quarter=pl.lit("2026-01")
    )
    lake.replace_quarters("features", panel, quarters=["2026-01"], of=["2026-01"])


def train(tracking: ModelTracking) -> None:
    """Runs of a training: four walk-forwards and a back-test with pictures, 2 MB."""
    for number in range(5):
        with tracking.run(f"run {number}", tags={"recipe": "r"}, experiment_name=EXPERIMENT) as run:
            run.log(params={f"p{n}": n for n in range(40)}, metrics={f"m{n}": float(n) for n in range(60)})
            for picture in range(4):
                run.log_png(draw.randbytes(100_000), f"{picture}.png")


def tick_bytes(instance: dg.DagsterInstance, folder: Path, count: int = 2_000) -> float:
    """Of one tick of a sensor that skips with four lines."""
    before = Size.of(folder).bytes
    for number in range(count):
        instance.create_tick(
            TickData(
                instigator_origin_id="o" * 40,
                instigator_name="settlement_sensor",
                instigator_type=InstigatorType.SENSOR,
                status=TickStatus.SKIPPED,
                timestamp=START.timestamp() + number,
                skip_reason="the next rebalance is asked for at 2026-02-15 07:55 UTC\n" * 4,
                selector_id="s" * 40,
            )
        )
    return (Size.of(folder).bytes - before) / count


def reading(folder: Path) -> Iterator[dict[str, float]]:
    """Reading after more and more fetches of ten series."""
    landing = Landing(folder)
    series = [Series("candles", "okx", f"COIN{n}/USDT:USDT", "trade") for n in range(10)]
    year = {one.symbol: rows("candles", "okx", [one.symbol], _hours(2_880), "trade") for one in series}
    done = 0
    for count in (24, 240, 960, 2_880):
        for hour in range(done, count):
            at = START + timedelta(hours=hour)
            for one in series:
                end = at + timedelta(hours=1)
                landing.write(one, year[one.symbol][hour], start=at, end=end, fetched_at=end)
        done, end = count, START + timedelta(hours=count)
        found: dict[str, float] = {"fetches": count}
        found["files_per_series"] = sum(len(landed_paths(p)) for p in folder.glob("*/*/*/*")) / len(series)
        for days in (3, 120):
            began = time.perf_counter()
            landing.read("candles", venues=["okx"], start=end - timedelta(days=days), end=end)
            found[f"seconds_{days}_days"] = round(time.perf_counter() - began, 4)
        yield found


def _read_all(landing: Landing) -> float:
    """Seconds to read every table: with a day's rows it is the files that cost."""
    began = time.perf_counter()
    for table in RAW_TABLES:
        landing.read(table, venues=VENUES, start=START - timedelta(days=120), end=START + timedelta(days=9))
    return round(time.perf_counter() - began, 2)


def _hours(count: int) -> list[datetime]:
    return [START + timedelta(hours=n) for n in range(count)]


def measure(home: Path, coins: int, hours: int) -> dict[str, Any]:
    """Bytes per day by part, before and after housekeeping."""
    settings = Settings(home=home)
    prepare_home(settings)
    landing, lake = Landing(home / "landing" / "rows"), Lake(str(home / "lake"))
    with dg.DagsterInstance.get() as instance:
        with BodyArchive(home / "landing" / "bodies") as archive:
            for hour in range(hours):
                fetch(landing, archive, coins, START + timedelta(hours=hour))
                rebalance(lake, instance, coins)
        seconds = [_read_all(landing)]
        load(lake, coins)
        load(lake, coins)  # the first is what is there anyway, the second a day's growth
        train(ModelTracking(home / "mlflow"))
        rounds = {"keep_tables_days": 0, "keep_models_days": 0}
        now = datetime.now(UTC) + timedelta(days=40)
        parts = keep_house(settings.model_copy(update=rounds), instance, now=now)
        seconds.append(_read_all(landing))
        ticks = tick_bytes(instance, home / "dagster")
    found: dict[str, Any] = {part.part: part.row() for part in parts if part.before.files}
    problems = [part.problem for part in parts if part.problem]
    assert not problems, problems
    found["seconds_to_read_all_rows_before_and_after"] = seconds
    year = ORDERS_PER_HOUR * 24 * 365
    fill_journal(home / "journal.db", year, 1)
    found["journal_mb_per_day"] = (home / "journal.db").stat().st_size / 365 / 1e6
    found["ticks_mb_per_day"] = ticks * TICKS_PER_DAY / 1e6
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--coins", type=int, default=50)
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        found = measure(Path(folder) / "home", options.coins, options.hours)
        found["reading"] = list(reading(Path(folder) / "reading"))
    if options.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        for row in value if isinstance(value, list) else [value]:
            print(f"{name:28} {row}")


if __name__ == "__main__":
    main()
