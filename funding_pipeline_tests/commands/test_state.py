"""`state` as a monitor reads it: what runs, by this machine's clock; the newest look; exit codes."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from funding_pipeline.cli import app
from funding_pipeline.core.governance import Heartbeat
from funding_pipeline.storage.journal import Journal
from funding_pipeline.storage.process_identity import identity_of
from funding_pipeline.trading.account_look import (
    AccountLook,
    LimitUse,
    LookedFinding,
    LookedLeg,
    LookedVenue,
)

NOW = datetime(2024, 2, 1, 12, tzinfo=UTC)
PAIR = (
    LookedLeg("binance", "BTC/USDT:USDT", "BTC", 1.0, 50_000.0, 0.7, is_listed=True),
    LookedLeg("okx", "BTC/USDT:USDT", "BTC", -1.0, -50_100.0, None, is_listed=True),
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FUNDING_HOME", str(tmp_path))
    monkeypatch.setenv("FUNDING_TESTNET_PORT", "1")
    return tmp_path


@pytest.fixture
def journal(home: Path) -> Iterator[Journal]:
    with Journal(f"sqlite:///{home / 'journal.sqlite'}", now=lambda: NOW) as opened:
        yield opened


@pytest.fixture
def other() -> Iterator[subprocess.Popen[bytes]]:
    """A process that may be the guard, or `up`."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.wait()


def looked(*legs: LookedLeg, at: datetime = NOW, **changed: Any) -> AccountLook:
    values: dict[str, Any] = {
        "at": at, "equity_usd": 1e6, "day_start_equity_usd": 1e6, "legs": legs,
        "venues": (LookedVenue("binance", 5e5), LookedVenue("okx", 5e5)),
        "base_net_usd": {"BTC": -100.0} if legs else {},
        "limits": (LimitUse("max_gross_notional_usd", 100_100.0, 1e6),),
    }  # fmt: skip
    return AccountLook(**(values | changed))


def state() -> tuple[int, dict[str, Any]]:
    result = CliRunner().invoke(app, ["state", "--json"])
    return result.exit_code, json.loads(result.stdout)


def runs(home: Path, process: "subprocess.Popen[bytes]") -> None:
    """As `up` notes it."""
    (home / "processes.json").write_text(json.dumps({"up": identity_of(process.pid)}))


def test_when_up_was_ended_nothing_is_running_however_fresh_the_markets_clock(
    home: Path, journal: Journal, other: "subprocess.Popen[bytes]"
) -> None:
    looked(*PAIR).keep(journal, "guard")
    runs(home, other)
    code, shown = state()
    assert (code, shown["is_running"]) == (1, True)  # no guard has looked
    other.kill()
    other.wait()
    code, shown = state()
    assert (code, shown["is_running"]) == (3, False)
    assert shown["headline"].startswith("nothing is running; 2 legs are held and nobody watches them")


def test_a_guard_that_has_ended_is_not_fresh_though_its_sign_of_life_is(home: Path, journal: Journal) -> None:
    program = (
        "import sys; from datetime import UTC, datetime;"
        "from funding_pipeline.storage.journal import Journal;"
        "from funding_pipeline.core.governance import Heartbeat;"
        "at = datetime(2024, 2, 1, 12, tzinfo=UTC); j = Journal(sys.argv[1], now=lambda: at);"
        "j.beat(Heartbeat('guard', at)); j.close()"
    )
    subprocess.run([sys.executable, "-c", program, f"sqlite:///{home / 'journal.sqlite'}"], check=True)
    _, shown = state()
    assert shown["guard_age_seconds"] < 60
    assert shown["guard_is_fresh"] is False
    assert {"name": "guard", "is_running": False} in shown["processes"]


def test_all_is_well_with_a_living_guard(
    home: Path, journal: Journal, other: "subprocess.Popen[bytes]"
) -> None:
    runs(home, other)
    journal.beat(Heartbeat("guard", NOW, "ok"))
    looked(*PAIR).keep(journal, "guard")
    code, shown = state()
    assert (code, shown["headline"]) == (0, "ACTIVE, all is well")
    (pair,) = shown["look"]["pairs"]
    assert (pair["base"], pair["net_usd"], len(pair["legs"])) == ("BTC", -100.0, 2)
    assert shown["look"]["limits"][0]["fraction"] == pytest.approx(0.1001)


def test_what_a_flattening_saw_replaces_what_the_guard_saw_before(home: Path, journal: Journal) -> None:
    looked(*PAIR).keep(journal, "guard")
    looked(at=NOW + timedelta(seconds=5)).keep(journal, "flatten")
    _, shown = state()
    assert (shown["look"]["by"], shown["look"]["pairs"]) == ("flatten", [])


@pytest.mark.parametrize(
    ("changed", "need"),
    [
        ({"findings": (LookedFinding("critical", "BTC is naked", "see"),)}, "BTC is naked"),
        ({"venues": (LookedVenue("okx", problem="HTTP 502"),)}, "okx cannot be read: HTTP 502"),
        (
            {"limits": (LimitUse("max_base_delta_usd", 6_000.0, 5_000.0),)},
            "max_base_delta_usd is used to 120%",
        ),
    ],
)
def test_what_needs_a_person_is_said_and_the_exit_code_is_1(
    home: Path, journal: Journal, other: "subprocess.Popen[bytes]", changed: dict[str, Any], need: str
) -> None:
    runs(home, other)
    journal.beat(Heartbeat("guard", NOW, "ok"))
    looked(*PAIR, **changed).keep(journal, "guard")
    code, shown = state()
    assert (code, shown["needs"]) == (1, [need])


def test_a_person_reads_the_same(home: Path, journal: Journal) -> None:
    looked(*PAIR).keep(journal, "guard")
    text = CliRunner().invoke(app, ["state"]).stdout
    for word in ("nothing is running", "accounts as guard saw them", "50,000.00", "not hedged", "unknown"):
        assert word in text
