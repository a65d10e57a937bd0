"""`tune` on a folder and on the stored panel, with real optuna and MLflow: figures, words, errors."""

from datetime import timedelta
from pathlib import Path

import mlflow
import polars as pl
import pytest
from typer.testing import CliRunner

from funding_pipeline.cli import app
from funding_pipeline.core.errors import InsufficientHistoryError, SettingsError
from funding_pipeline.defs.features import FEATURES, LABELS
from funding_pipeline.features.labels import realised_funding
from funding_pipeline.features.panel import build_features
from funding_pipeline.storage.lake import Lake
from funding_pipeline.tracking.trials import TrialTracking
from funding_pipeline.validation.documented_trials import documented_trials
from funding_pipeline_tests.features.synthetic_market import START, every, synthetic_market

DAYS = 300
TRAIN_END = START + timedelta(days=280)
SHORT = ["--train-end", f"{TRAIN_END:%Y-%m-%d}", "--horizon", "24h", "--every", "24h", "--folds", "2",
         "--fold-days", "28"]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing but settled funding of three venues and three coins."""
    out = tmp_path_factory.mktemp("history")
    settled = synthetic_market(days=DAYS).settled_funding.collect()
    settled.select(
        "venue", "symbol", pl.lit("settled").alias("kind"), "settled_at",
        pl.col("settled_at").alias("venue_time"), "rate", "interval_hours", pl.lit("test").alias("source"),
    ).write_parquet(out / "funding_rates.parquet")  # fmt: skip
    return out


def _tune(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["tune", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


@pytest.fixture(scope="module")
def home(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """State of three trials in two sittings, and what each sitting printed."""
    state = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FUNDING_HOME", str(state))
        first = _tune("--data", str(folder), *SHORT, "--trials", "2")
        second = _tune("--data", str(folder), *SHORT, "--trials", "3")
    return state, first, second


def test_it_says_what_was_found_and_what_to_think_of_it(home: tuple[Path, str, str]) -> None:
    _, first, second = home
    assert "begins; Ctrl-C keeps what is finished" in first
    assert "trial 0, fold 1 of 2" in first
    assert "goes on after 2 trial(s)" in second
    assert "trial 1:" in first
    assert "trial 1:" not in second
    assert "trial 2:" in second
    assert "the best 5" in second
    assert "0 default" in second
    assert "probability of over-fitting" in second
    assert "default settings" in second
    assert f"{documented_trials() + 3} trials, all there have been" in second


def test_figures_of_the_study_are_in_mlflow(home: tuple[Path, str, str]) -> None:
    state, _, _ = home
    assert TrialTracking(state / "mlflow").count() == 3
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{state / 'mlflow' / 'mlflow.db'}")
    (study,) = client.search_runs(["1"], "tags.kind = 'study'")
    assert study.data.metrics["trials_ever"] == documented_trials() + 3
    assert study.data.params["embargo_hours"] == "24.0"
    kept = Path(study.info.artifact_uri.removeprefix("file://"))
    assert pl.read_csv(kept / "ranking.csv").height == 3
    assert "default settings" in (kept / "verdict.txt").read_text("utf-8")


def test_the_stored_panel_is_tuned_on_without_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables, times, lake = synthetic_market(days=280), every(24, days=280), Lake(str(tmp_path / "lake"))
    features = build_features(tables, as_of=times)
    lake.replace(FEATURES, features.with_columns(quarter=pl.lit("2024-Q1")))
    labels = realised_funding(tables.settled_funding, as_of=times, horizons_hours=[0, 24, 168])
    lake.replace(LABELS, labels)
    monkeypatch.setenv("FUNDING_HOME", str(tmp_path))
    said = _tune(*SHORT, "--trials", "1")
    assert "Only the default settings were scored" in said
    assert TrialTracking(tmp_path / "mlflow").count() == 1
    with pytest.raises(InsufficientHistoryError, match="no outcome over 72 h"):
        _tune(*SHORT, "--horizon", "72h", "--trials", "1")


def test_mistakes_are_named(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUNDING_HOME", str(tmp_path))
    with pytest.raises(InsufficientHistoryError, match="fold 1 of 2"):
        _tune("--data", str(folder), *SHORT, "--folds", "2", "--fold-days", "120")
    with pytest.raises(SettingsError, match="embargo"):
        _tune("--data", str(folder), *SHORT, "--embargo", "4h")
    with pytest.raises(SettingsError, match="--train-end"):
        _tune("--data", str(folder), "--train-end", "soon")
