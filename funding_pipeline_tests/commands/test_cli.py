"""The command line as a user meets it: help, results and one-line errors."""

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from funding_pipeline.settings import Settings


def _cli(*arguments: str, env: dict[str, str] | None = None, cwd: Path | None = None):
    import os

    return subprocess.run(
        [str(Path(sys.executable).parent / "funding-pipeline"), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env={**{k: v for k, v in os.environ.items() if not k.startswith("FUNDING_")}, **(env or {})},
        cwd=cwd,
        check=False,
    )


def _environment(settings: Settings) -> dict[str, str]:
    return {
        "FUNDING_HOME": str(settings.state_dir),
        "FUNDING_WAY": "direct",
        "FUNDING_SIMULATED_FROM": settings.simulated_from.isoformat(),
        "FUNDING_SIMULATED_TO": settings.simulated_to.isoformat(),
    }


@pytest.mark.parametrize(
    "command",
    [
        "run",
        "up",
        "fetch",
        "testnet",
        "chaos",
        "backtest",
        "forecast",
        "tune",
        "validate",
        "sql",
        "housekeeping",
    ],
)
def test_every_command_explains_itself(command: str) -> None:
    result = _cli(command, "--help")
    assert result.returncode == 0
    assert "Usage" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "env", "says"),
    [
        (["run"], {"FUNDING_MARKET": "recorded"}, "needs FUNDING_DATA"),
        (["run"], {"FUNDING_MARKET": "paper"}, "FUNDING_MARKET"),
        (["run"], {"FUNDING_DATA": "/no/such/folder"}, "no such folder"),
        (["sql", "select 1"], {"FUNDING_HOME": "/tmp/no-such-home"}, "make run"),
        (["housekeeping"], {"FUNDING_HOME": "/tmp/no-such-home"}, "there is no state yet"),
        (
            ["forecast", "--data", "/no/such", "--train-end", "2025-01-01", "--from", "2025-01-01",
             "--to", "2025-02-01", "--out", "/tmp/x.parquet"],
            {},
            "no such folder",
        ),
        (
            ["backtest", "--data", ".", "--from", "yesterday", "--to", "2025-02-01", "--out", "/tmp/x"],
            {},
            "--from 'yesterday' is no date",
        ),
        (
            ["backtest", "--data", ".", "--from", "2025-02-01", "--to", "2025-01-01", "--out", "/tmp/x"],
            {},
            "does not lie after",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_with_the_mend(arguments, env, says, tmp_path: Path) -> None:
    result = _cli(*arguments, env=env, cwd=tmp_path)
    assert result.returncode == 2
    assert says in result.stderr
    assert "Traceback" not in result.stderr + result.stdout
    assert len(result.stderr.strip().splitlines()) == 1


def test_sql_over_the_stored_tables(finished_run: Settings) -> None:
    question = "select venue, count(*) as n from settled_funding group by venue order by venue"
    result = _cli("sql", question, "--format", "csv", env=_environment(finished_run))
    assert result.returncode == 0, result.stderr
    frame = pl.read_csv(result.stdout.encode())
    assert frame["venue"].to_list() == ["binance", "bybit", "deribit", "gate", "hyperliquid", "okx"]
    wrong = _cli("sql", "select * from nowhere", env=_environment(finished_run))
    assert wrong.returncode == 2
    assert "nowhere" in wrong.stderr


def test_housekeeping_after_a_run_removes_nothing_that_is_used(finished_run: Settings) -> None:
    environment = _environment(finished_run) | {"COLUMNS": "200"}
    question = "select count(*) as n from features"
    before = _cli("sql", question, "--format", "csv", env=environment).stdout
    result = _cli("housekeeping", env=environment)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "everything" in result.stdout
    assert _cli("sql", question, "--format", "csv", env=environment).stdout == before
    assert "champion" in _cli("models", env=environment).stdout


def test_validate_judges_the_simulated_market(finished_run: Settings) -> None:
    result = _cli("validate", env=_environment(finished_run))
    assert result.returncode == 0, result.stderr
    assert "loadable" in result.stdout
