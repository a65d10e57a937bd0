"""`validate` reads a folder as it is, says by venue and symbol what is refused and why, stores nothing."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from funding_pipeline.commands.validate import validate
from funding_pipeline.settings import Settings

START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 20
VENUES = ("binance", "bybit")


def write(folder: Path, *, symbol: str = "BTC/USDT:USDT") -> Path:
    """Settlements every 8 h and hourly bars of one coin on two venues."""
    folder.mkdir()
    rates = [
        (venue, symbol, "settled", START + timedelta(hours=8 * k), 1e-4 * (1 + 0.1 * (k % 7)), 8.0)
        for venue in VENUES
        for k in range(3 * DAYS)
    ]
    bars = [
        (venue, symbol, "trade", "1h", START + timedelta(hours=k), 4e4, 4e4 + 5, 4e4 - 5, 4e4 + k % 5)
        for venue in VENUES
        for k in range(24 * DAYS)
    ]
    columns = ["venue", "symbol", "kind", "settled_at", "rate", "interval_hours"]
    pl.DataFrame(rates, schema=columns, orient="row").write_parquet(folder / "funding_rates.parquet")
    columns = ["venue", "symbol", "kind", "timeframe", "open_time", "open", "high", "low", "close"]
    pl.DataFrame(bars, schema=columns, orient="row").write_parquet(folder / "candles.parquet")
    return folder


def change(folder: Path, name: str, **columns: pl.Expr) -> None:
    path = folder / f"{name}.parquet"
    pl.read_parquet(path).with_row_index("i").with_columns(**columns).drop("i").write_parquet(path)


def judge(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[bool, dict[str, Any]]:
    settings = Settings(market="recorded", data=folder, home=folder.parent / "home")
    is_sound = validate(settings, definitions_only=False, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert found["sound"] is is_sound
    assert not (folder.parent / "home").exists()
    return is_sound, {row["venue"]: row for row in found["series"]}


def test_a_sound_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    is_sound, series = judge(write(tmp_path / "data"), capsys)
    assert is_sound
    row = series["bybit"]
    assert (row["settlements"], row["bars"], row["refused_rows"], row["why"]) == (60, 480, 0, "")
    assert row["first"].startswith("2024-01-01 00:00")


def test_single_bad_rows_are_listed_and_are_no_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, bad = write(tmp_path / "data"), pl.col("i") % 20
    odd = pl.when(bad == 3).then(float("nan")).when(bad == 4).then(None)
    change(folder, "funding_rates", rate=odd.otherwise("rate"))
    change(folder, "candles", close=pl.when(bad == 4).then(-1.0).otherwise("close"))
    is_sound, series = judge(folder, capsys)
    assert is_sound
    assert sum(row["refused_rows"] for row in series.values()) == 6 + 6 + 48
    assert series["binance"]["why"] == (
        "24 x prices: close not > 0; 3 x settled_funding: null rate; 3 x settled_funding: rate not finite"
    )


def test_symbols_that_no_one_can_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    is_sound, series = judge(write(tmp_path / "data", symbol="BTCUSDT"), capsys)
    assert not is_sound
    for row in series.values():
        assert row["is_refused"]
        assert "'BTCUSDT' is not a perpetual" in row["why"]


def test_a_venue_in_percent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(tmp_path / "data")
    percent = pl.when(pl.col("venue") == "bybit").then(pl.col("rate") * 100).otherwise("rate")
    change(folder, "funding_rates", rate=percent)
    is_sound, series = judge(folder, capsys)
    assert not is_sound
    assert series["bybit"]["is_refused"]
    assert "100.0 times the bare interest: rates in percent" in series["bybit"]["why"]
    assert not series["binance"]["is_refused"]


def test_a_venue_whose_every_rate_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(tmp_path / "data")
    change(folder, "funding_rates", rate=pl.when(pl.col("venue") == "bybit").then(None).otherwise("rate"))
    is_sound, series = judge(folder, capsys)
    assert not is_sound
    assert (series["bybit"]["is_refused"], series["bybit"]["why"]) == (
        True,
        "60 x settled_funding: null rate",
    )


def test_the_command_has_an_exit_code_and_stores_nothing(tmp_path: Path) -> None:
    folder = write(tmp_path / "data", symbol="BTCUSDT")
    before = sorted(tmp_path.rglob("*"))
    environment = {**os.environ, "FUNDING_HOME": str(tmp_path / "home"), "COLUMNS": "200"}
    for way in ("direct", "testnet"):
        done = subprocess.run(
            [sys.executable, "-m", "funding_pipeline", "validate", "--data", str(folder)],
            env={**environment, "FUNDING_WAY": way},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 1, done.stderr
        assert "'BTCUSDT'" in done.stdout
        assert done.stderr == ""
    assert sorted(tmp_path.rglob("*")) == before
