"""Commands on one port with testnets of their own: each believes only the testnet of its market and home."""

import http.server
import os
import subprocess
import sys
import threading
from pathlib import Path

import polars as pl
import pytest

from funding_pipeline_tests.commands.loading import write_folder
from funding_pipeline_tests.commands.test_fetch import free_port


def start_fetch(home: Path, port: int, **settings: str) -> "subprocess.Popen[str]":
    outside = {name: value for name, value in os.environ.items() if not name.startswith("FUNDING_")}
    own = {"FUNDING_HOME": str(home), "FUNDING_TESTNET_PORT": str(port), "FUNDING_COINS": "BTC", **settings}
    return subprocess.Popen(
        [sys.executable, "-m", "funding_pipeline", "fetch"],
        env=outside | own,
        cwd=home.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def landed(home: Path, table: str) -> pl.DataFrame:
    files = sorted((home / "landing" / "rows" / table).rglob("*.parquet"))
    return pl.concat(pl.read_parquet(file) for file in files)


def ended(process: "subprocess.Popen[str]") -> str:
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said
    return said


@pytest.mark.slow
def test_two_seeds_at_once_on_one_port_keep_their_own_rows(tmp_path: Path) -> None:
    days = {"FUNDING_SIMULATED_FROM": "2024-01-01", "FUNDING_SIMULATED_TO": "2024-01-06"}
    port, seeds = free_port(), ("7", "8")
    fetches = [start_fetch(tmp_path / seed, port, FUNDING_SEED=seed, **days) for seed in seeds]
    for fetch in fetches:
        ended(fetch)
    closes = [landed(tmp_path / seed, "candles") for seed in seeds]
    ended(start_fetch(tmp_path / "alone", free_port(), FUNDING_SEED="8", **days))
    key = ["venue", "symbol", "kind", "open_time"]
    assert closes[1].sort(key).equals(landed(tmp_path / "alone", "candles").sort(key))
    assert not closes[0].sort(key).equals(closes[1].sort(key))


@pytest.mark.slow
def test_two_folders_at_once_and_then_grown_and_cut_beside_a_foreign_server(tmp_path: Path) -> None:
    """The states of both go on whatever becomes of the folders, and a stranger on the port is left alone."""
    foreign = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    threading.Thread(target=foreign.serve_forever, daemon=True).start()
    port = foreign.server_address[1]
    try:
        for days in (5, 8, 3):
            fetches = []
            for name, price in (("one", 1e-4), ("two", -1e-4)):
                folder = write_folder(tmp_path / name, days=days, rates=dict.fromkeys(range(24), price))
                settings = {"FUNDING_DATA": str(folder), "FUNDING_WAY": "testnet"}
                fetches.append(start_fetch(tmp_path / f"home-{name}", port, **settings))
            for fetch in fetches:
                assert f"127.0.0.1:{port}," not in ended(fetch)
        for name, sign in (("one", 1), ("two", -1)):
            rates = landed(tmp_path / f"home-{name}", "funding_rates")["rate"].drop_nulls() * sign
            assert rates.len() > 0
            assert rates.min() > 0  # type: ignore[operator]
            assert not (tmp_path / f"home-{name}" / "testnet" / "running.json").exists()
    finally:
        foreign.shutdown()
        foreign.server_close()
