"""Models in MLflow: registered with what is needed to trust them, loaded again, and never silently wrong."""

import shutil
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from funding_pipeline.core.errors import StorageError
from funding_pipeline.models.evidence import DAYS_SCHEMA, WEEKS_SCHEMA, Evidence
from funding_pipeline.tracking.code_version import git_commit
from funding_pipeline.tracking.forecasters import ModelTracking
from funding_pipeline.tracking.registry import CHALLENGER, CHAMPION, Bar
from funding_pipeline_tests.tracking.conftest import START, register


def test_nobody_yet(tracking: ModelTracking) -> None:
    registry = tracking.registry
    assert registry.of_alias(CHAMPION) is None
    assert registry.of_alias(CHALLENGER) is None
    assert registry.barred("0" * 12) is None
    assert registry.versions() == []


def test_a_registered_set_comes_back_the_same_with_its_card(kept, models, features) -> None:
    tracking, registered = kept
    found = tracking.registry.of_alias(CHALLENGER)
    assert found is not None
    assert (found.version, found.aliases, found.card) == ("1", (CHALLENGER,), registered.card)
    again = tracking.registry.load("1").predict(features.tail(35))
    assert_frame_equal(again, models.predict(features.tail(35)), check_exact=True)


def test_the_newest_registration_challenges_and_the_champion_stays(tracking, models, features) -> None:
    registry = tracking.registry
    register(tracking, models, features)
    registry.set_champion("1")
    register(tracking, models, features)
    champion, challenger = registry.of_alias(CHAMPION), registry.of_alias(CHALLENGER)
    assert champion is not None
    assert challenger is not None
    assert (champion.version, challenger.version) == ("1", "2")
    rows = registry.versions()
    assert [(row["version"], row["aliases"]) for row in rows] == [("2", [CHALLENGER]), ("1", [CHAMPION])]
    assert rows[0]["recipe"] == models.recipe
    registry.set_champion(None)
    assert registry.of_alias(CHAMPION) is None


def test_a_run_keeps_data_versions_parameters_and_finite_metrics(kept, models, features) -> None:
    import mlflow

    tracking, _ = kept
    (run,) = mlflow.MlflowClient(tracking.uri).search_runs(["1"])
    assert run.data.tags["delta_settled_funding"] == "3"
    assert run.data.params["horizons_hours"] == "(0, 24)"
    assert run.data.metrics == {"r2": 0.3}


def test_the_model_itself_carries_signature_and_features(kept, models, features) -> None:
    import mlflow

    kept[0].registry.version("1")  # MLflow looks into this store from now on
    info = mlflow.models.get_model_info("models:/funding_forecaster/1")
    assert set(models.feature_names) <= set(info.signature.inputs.input_names())
    assert "rate_per_hour" in info.signature.outputs.input_names()


def test_evidence_comes_back_the_same(kept, models, features) -> None:
    tracking, registered = kept
    assert tracking.registry.evidence(registered) is None
    weeks = pl.DataFrame([(24, "level", START, 10, 0.5, 1.0)], schema=WEEKS_SCHEMA, orient="row")
    days = pl.DataFrame([(date(2024, 1, 1), 0.01, 0.02)], schema=DAYS_SCHEMA, orient="row")
    tracking.registry.attach(registered, Evidence(models.recipe, weeks, days))
    found = tracking.registry.evidence(registered)
    assert found is not None
    assert found.recipe == models.recipe
    assert_frame_equal(found.weeks, weeks)
    assert_frame_equal(found.days, days)


def test_a_bar_stays_until_it_is_taken_back(kept, models, features) -> None:
    tracking, registered = kept
    bar = Bar(models.recipe, registered.version, "person ada", "errs on new coins", START)
    tracking.registry.bar(bar)
    assert tracking.registry.barred(models.recipe) == bar
    assert tracking.registry.barred("another") is None
    tracking.registry.allow(models.recipe)
    tracking.registry.allow(models.recipe)
    assert tracking.registry.barred(models.recipe) is None


def test_a_model_whose_files_are_broken_is_named(tracking, models, features) -> None:
    register(tracking, models, features)
    for path in (tracking.folder / "artifacts").rglob("*.pkl"):
        path.write_bytes(b"broken")
    with pytest.raises(StorageError, match="model version 1 cannot be loaded"):
        tracking.registry.load("1")


def test_a_model_whose_files_are_gone_is_named(tracking, models, features) -> None:
    register(tracking, models, features)
    shutil.rmtree(tracking.folder / "artifacts")
    with pytest.raises(StorageError, match="model version 1 cannot be read"):
        tracking.registry.of_alias(CHALLENGER)


def test_a_version_that_is_not_there_is_named(kept, models, features) -> None:
    tracking, _ = kept
    with pytest.raises(StorageError, match="no model version 9"):
        tracking.registry.version("9")


def test_the_commit_is_named_or_unknown() -> None:
    assert git_commit()


def test_a_store_that_cannot_be_read_is_said_and_is_not_the_same_as_no_model(tmp_path: Path) -> None:
    """Else a broken store would stop a rebalance, or make a challenger champion that a person has barred."""
    (tmp_path / "mlflow.db").write_bytes(b"this is no database" * 1000)
    registry = ModelTracking(tmp_path).registry
    with pytest.raises(StorageError, match=r"registry of models cannot be read: .*not a database"):
        registry.of_alias(CHAMPION)
    with pytest.raises(StorageError, match="registry of models cannot be read"):
        registry.barred("0" * 12)
