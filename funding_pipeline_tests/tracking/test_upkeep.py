"""MLflow's old runs go with their artifacts; models, their evidence and trials of studies stay."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from funding_pipeline.core.errors import StorageError
from funding_pipeline.tracking.backtests import EXPERIMENT as BACKTESTS
from funding_pipeline.tracking.forecasters import ModelTracking
from funding_pipeline.tracking.registry import ForecasterRegistry
from funding_pipeline.tracking.trials import EXPERIMENT as TRIALS
from funding_pipeline.tracking.upkeep import remove_old_runs, versions_in_use

TOMORROW = datetime.now(UTC) + timedelta(days=1)
LONG_AGO = datetime.now(UTC) - timedelta(days=1)


@pytest.fixture
def tracking(tmp_path: Path) -> ModelTracking:
    return ModelTracking(tmp_path / "mlflow")


def log_run(tracking: ModelTracking, experiment: str) -> str:
    with tracking.run("r", tags={}, experiment_name=experiment) as run:
        run.log(params={"a": 1}, metrics={"b": 2.0})
        run.log_json({"c": 3}, "summary.json")
        return run.run_id


def runs(tracking: ModelTracking) -> set[str]:
    client = tracking.connect().MlflowClient()
    ids = [found.experiment_id for found in client.search_experiments()]
    return {run.info.run_id for run in client.search_runs(ids, run_view_type=3)}


def test_old_runs_go_with_their_files(tracking: ModelTracking) -> None:
    old = [log_run(tracking, BACKTESTS) for _ in range(3)]
    trial = log_run(tracking, TRIALS)
    registered = log_run(tracking, BACKTESTS)
    client = tracking.connect().MlflowClient()
    client.create_registered_model("funding_forecaster")
    client.create_model_version("funding_forecaster", source="file:///x", run_id=registered)
    assert remove_old_runs(tracking, before=LONG_AGO) == 0
    assert remove_old_runs(tracking, before=TOMORROW) == 3
    assert runs(tracking) == {trial, registered}
    names = {path.name for path in tracking.folder.rglob("*") if path.is_dir()}
    assert names.isdisjoint(old)
    assert {trial, registered} <= names


def test_a_run_that_goes_on_stays(tracking: ModelTracking) -> None:
    with tracking.run("r", tags={}, experiment_name=BACKTESTS) as run:
        assert remove_old_runs(tracking, before=TOMORROW) == 0
        assert runs(tracking) == {run.run_id}


def test_versions_of_tables_that_champion_and_challenger_were_made_of(
    tracking: ModelTracking, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_of = {
        "champion": {"delta_features": "12", "delta_labels": "3"},
        "challenger": {"delta_features": "40"},
    }
    models = {alias: SimpleNamespace(card=SimpleNamespace(data_versions=v)) for alias, v in made_of.items()}
    monkeypatch.setattr(ForecasterRegistry, "of_alias", lambda self, alias: models.get(alias))
    tracking.folder.mkdir()
    tracking.database.touch()
    assert versions_in_use(tracking) == {"features": {12, 40}, "labels": {3}}
    models.pop("champion")
    assert versions_in_use(tracking) == {"features": {40}}


def test_where_mlflow_has_never_been_used_nothing_is_made(tracking: ModelTracking) -> None:
    assert remove_old_runs(tracking, before=TOMORROW) == 0
    assert versions_in_use(tracking) == {}
    assert not tracking.folder.exists()


def test_a_damaged_database_is_named(tracking: ModelTracking) -> None:
    tracking.folder.mkdir()
    tracking.database.write_text("no database, but long enough to be read as one" * 40, "utf-8")
    with pytest.raises(StorageError, match="old runs of MLflow"):
        remove_old_runs(tracking, before=TOMORROW)
