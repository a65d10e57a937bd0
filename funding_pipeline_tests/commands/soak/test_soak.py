"""A soak of some market hours as a user runs it: real processes, faults, and the report."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from funding_pipeline.commands.soak.home import soak_settings
from funding_pipeline.core.errors import SettingsError

_SECONDS = 600


@pytest.mark.slow
def test_a_few_hours_are_traded_audited_and_reported(tmp_path: Path) -> None:
    home = tmp_path / "soak"
    outside = {name: value for name, value in os.environ.items() if not name.startswith("FUNDING_")}
    # A seed whose short history trades, and whose second hour has faults; which request they meet is chance.
    command = [sys.executable, "-m", "funding_pipeline", "soak", "--days", "0.17", "--seed", "2", "--json"]
    done = subprocess.run(
        [*command, "--home", str(home)],
        env=outside,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
    )
    figures = json.loads(done.stdout)
    assert done.returncode == 0, (figures["broken"], done.stderr[-2000:])
    assert (figures["hours"], figures["settlements"], figures["broken"]) == (4, 4, [])
    assert figures["runs"] == {"settlement_close": 5, "rebalance": 4}
    assert figures["fills"] > 0
    assert figures["payments"] > 0
    assert figures["restarts"] == 0
    watched = {"rebalance", "supervisor", "testnet", "guard", "web server", "daemon", "code server"}
    assert watched <= set(figures["memory_bytes"]) == set(figures["open_handles"])
    assert all(growth["start"] > 0 for growth in figures["memory_bytes"].values())
    assert {"tables", "landing", "journal", "Dagster", "testnet", "logs"} == set(figures["size_bytes"])
    assert json.loads((home / "soak.json").read_text("utf-8")) == figures
    assert (home / "soak.png").read_bytes().startswith(b"\x89PNG")


def test_a_home_that_is_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite").touch()
    with pytest.raises(SettingsError, match="is not empty"):
        soak_settings(tmp_path, seed=0, speed=120)
