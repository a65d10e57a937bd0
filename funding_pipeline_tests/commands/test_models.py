"""`funding-pipeline models`: what is registered, and taking a champion back, on a real registry."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from funding_pipeline.cli import app
from funding_pipeline_tests.defs.model_desk import ModelDesk

SAID = ["--person", "ada", "--reason", "errs on new coins"]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> ModelDesk:
    made = ModelDesk(tmp_path_factory.mktemp("desk"))
    for _ in range(2):
        made.register()
        made.materialize("promotion")
    return made


@pytest.fixture(autouse=True)
def settings(desk: ModelDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUNDING_HOME", str(desk.settings.home))
    monkeypatch.setenv("COLUMNS", "200")


def said(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["models", *arguments])
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def test_versions_are_listed_then_rolled_back_and_allowed_again(desk: ModelDesk) -> None:
    listed = said()
    assert "champion, challenger refreshed" in listed or "challenger, champion refreshed" in listed
    assert desk.models.recipe in listed
    assert f"rolled back: recipe {desk.models.recipe}; champion was 2, is 1" in said("rollback", *SAID)
    found = json.loads(CliRunner().invoke(app, ["models", "--json"]).output)
    assert [row["is"] for row in found["versions"]] == ["challenger", "champion"]
    assert "by person ada" in found["versions"][0]["rolled back"]
    assert [row["action"] for row in found["history"]] == ["promoted", "refreshed", "rolled back"]
    assert "allowed again" in said("allow", desk.models.recipe, *SAID)
    assert "champion was 1, is baseline" in said("rollback", "--to", "baseline", *SAID)
    assert "no version is champion: the baseline forecasts" in said()


def test_without_a_registry_it_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUNDING_HOME", str(tmp_path))
    result = CliRunner().invoke(app, ["models"])
    assert "`funding-pipeline run` trains the first" in str(result.exception)
