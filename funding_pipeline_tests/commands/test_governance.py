"""Governing from the command line: the confirmations of the web UI, and one look at how trading stands."""

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from funding_pipeline.cli import app
from funding_pipeline.core.errors import GovernanceError, SettingsError, TestnetError
from funding_pipeline.core.governance import Alert
from funding_pipeline.storage.journal import Journal

WHO = ("--person", "alice", "--reason", "odd fills")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A market whose testnet does not run: a person must be able to halt all the same."""
    monkeypatch.setenv("FUNDING_HOME", str(tmp_path))
    monkeypatch.setenv("FUNDING_TOML", str(tmp_path / "none.toml"))
    monkeypatch.setenv("FUNDING_TESTNET_PORT", "1")
    return tmp_path


def command(*arguments: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(app, arguments, input=typed)


def journal(home: Path) -> Journal:
    return Journal(f"sqlite:///{home / 'journal.sqlite'}")


def test_halt_and_resume_are_kept_with_person_and_reason(home: Path) -> None:
    halted = command("halt", *WHO, "--confirm", "HALT")
    assert halted.exit_code == 0
    assert "trading was ACTIVE, is HALTED by person alice: odd fills" in halted.stdout
    resumed = command("resume", "--person", "bob", "--reason", "looked", "--confirm", "RESUME")
    assert "the guard has never reported" in resumed.stdout
    with journal(home) as kept:
        assert [record.by for record in kept.state_history(2)] == ["person bob", "person alice"]


def test_without_options_it_asks_and_the_word_has_to_be_typed(home: Path) -> None:
    wrong = command("reduce", typed="alice\nodd\nyes\n")
    assert isinstance(wrong.exception, GovernanceError)
    assert "Type REDUCE to confirm" in wrong.stdout
    assert command("reduce", typed="alice\nodd\nREDUCE\n").exit_code == 0
    with journal(home) as kept:
        assert kept.state().state == "REDUCING"


def test_tighten_refuses_to_loosen(home: Path) -> None:
    name = "max_venue_notional_usd"
    assert command("tighten", name, "200000", *WHO, "--confirm", "TIGHTEN").exit_code == 0
    looser = command("tighten", name, "250000", *WHO, "--confirm", "TIGHTEN")
    assert isinstance(looser.exception, SettingsError)
    with journal(home) as kept:
        assert kept.tightened() == {name: 200_000}


def test_flatten_without_a_testnet_has_set_reducing_and_says_what_is_missing(home: Path) -> None:
    result = command("flatten", *WHO, "--confirm", "FLATTEN")
    assert isinstance(result.exception, TestnetError)
    with journal(home) as kept:
        assert kept.state().reason == "flatten: odd fills"


def test_an_alert_is_acknowledged_by_its_key(home: Path) -> None:
    with journal(home) as kept:
        kept.raise_alert(Alert("guard silent", "critical", "no guard", "start it", kept.now()))
    unknown = command("acknowledge", "nothing", "--person", "alice")
    assert isinstance(unknown.exception, GovernanceError)
    assert "guard silent" in str(unknown.exception)
    assert command("acknowledge", "guard silent", "--person", "alice").exit_code == 0


def test_state_for_a_program_and_for_a_person(home: Path) -> None:
    command("halt", *WHO, "--confirm", "HALT")
    told = json.loads(command("state", "--json").stdout)
    assert (told["state"], told["by"], told["reason"]) == ("HALTED", "person alice", "odd fills")
    assert (told["guard_age_seconds"], told["guard_is_fresh"], told["look"]) == (None, False, None)
    assert (told["exit_code"], told["is_running"]) == (3, False)
    assert [record["state"] for record in told["history"]] == ["HALTED", "ACTIVE"]
    result = command("state")
    assert result.exit_code == 3
    assert result.stdout.startswith("nothing is running")
    assert "HALTED since" in result.stdout
    assert "the guard has never looked" in result.stdout
