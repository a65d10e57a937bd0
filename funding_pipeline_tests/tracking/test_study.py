"""A study with real optuna and MLflow: every trial is kept, it goes on where it stopped, nothing is lost."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from funding_pipeline.core.errors import InsufficientHistoryError, SettingsError
from funding_pipeline.features.labels import realised_funding
from funding_pipeline.features.panel import build_features
from funding_pipeline.models.config import ForecasterConfig
from funding_pipeline.models.tuning import Bounds, FoldScore, TuningProtocol
from funding_pipeline.tracking.study import StudyPlan, StudyProgress, TrialReport, run_study
from funding_pipeline.tracking.study_file import study_database
from funding_pipeline.tracking.trials import EXPERIMENT, TrialTracking, trials_ever
from funding_pipeline.validation.documented_trials import documented_trials
from funding_pipeline.validation.research import ResearchPanel
from funding_pipeline.validation.trial_choice import judged
from funding_pipeline_tests.features.synthetic_market import START, every, synthetic_market

DAYS = 110
TAGS = {"market": "synthetic", "horizon_hours": "24"}
PLAN = StudyPlan(
    protocol=TuningProtocol(
        horizon_hours=24,
        train_end=START + timedelta(days=DAYS),
        folds=2,
        fold_length=timedelta(days=15),
        min_train=timedelta(days=30),
    ),
    trials=3,
    base=ForecasterConfig(trees=10, spread_trees=5, min_rows=200, leaf_weight=20),
    space={
        "trees": Bounds(2, 20, whole=True),
        "linear_weight": Bounds(0, 1),
        "linear_l2": Bounds(1e-4, 1, log=True),
    },
)


@pytest.fixture(scope="module")
def panel() -> ResearchPanel:
    tables = synthetic_market(days=DAYS)
    times = every(24, days=DAYS)
    labels = realised_funding(tables.settled_funding, as_of=times, horizons_hours=[24])
    return ResearchPanel(build_features(tables, as_of=times), labels)


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Databases with their tables and nothing in them: making them takes seconds, copying them none."""
    import mlflow
    import optuna

    folder = tmp_path_factory.mktemp("store")
    mlflow.MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}").search_experiments()
    optuna.storages.RDBStorage(study_database(folder))
    return folder


@pytest.fixture
def tracking(empty_store: Path, tmp_path: Path) -> TrialTracking:
    return TrialTracking(Path(shutil.copytree(empty_store, tmp_path / "mlflow")))


def _runs(tracking: TrialTracking, kind: str) -> list[Any]:
    import mlflow

    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{tracking.folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id], f"tags.kind = '{kind}'")
    return sorted(found, key=lambda run: run.info.run_name)


def _stopping(at: Callable[[int, FoldScore], bool], error: BaseException) -> StudyProgress:
    def fold(trial: int, score: FoldScore) -> None:
        if at(trial, score):
            raise error

    return StudyProgress(fold=fold)


def test_every_trial_is_a_run_below_the_study_with_all_that_was_found(
    panel: ResearchPanel, tracking: TrialTracking
) -> None:
    ended: list[TrialReport] = []
    result = run_study(
        panel, plan=PLAN, tracking=tracking, tags=TAGS, progress=StudyProgress(trial=ended.append)
    )
    assert [report.number for report in ended] == [0, 1, 2]
    assert result.states == {"complete": 3}
    first, *others = result.scored
    assert first.is_default
    assert not any(trial.is_default for trial in others)
    assert first.values == {name: getattr(PLAN.base, name) for name in PLAN.space}
    (study,) = _runs(tracking, "study")
    assert (study.info.run_id, study.info.status) == (result.run_id, "FINISHED")
    runs = _runs(tracking, "trial")
    assert [run.info.run_name for run in runs] == ["trial_000", "trial_001", "trial_002"]
    for run, trial in zip(runs, result.scored, strict=True):
        assert run.data.tags["mlflow.parentRunId"] == result.run_id
        assert run.data.tags["state"] == "complete"
        assert run.data.tags["market"] == "synthetic"
        assert run.data.params["trees"] == str(trial.values["trees"])
        assert run.data.params["max_rows"] == str(PLAN.base.max_rows)
        assert run.data.metrics["mean_mae_improvement"] == pytest.approx(trial.score.mean_gain)
        assert run.data.metrics["worst_mae_improvement"] == pytest.approx(trial.score.worst_gain)
        assert run.data.metrics["fold_mae_improvement"] == pytest.approx(trial.score.folds[-1].gain)
        assert run.data.metrics["seconds"] > 0
        weekly = pl.read_csv(Path(run.info.artifact_uri.removeprefix("file://")) / "weekly_skill.csv")
        assert weekly["model_error"].to_list() == pytest.approx(trial.score.blocks["model_error"].to_list())
    assert tracking.count() == 3
    assert trials_ever(tracking.folder) == 3 + documented_trials()
    assert judged(result.scored).ranking.height == 3


def test_the_same_seed_proposes_and_scores_the_same(
    panel: ResearchPanel, empty_store: Path, tmp_path: Path
) -> None:
    plan = replace(PLAN, trials=2)
    stores = [TrialTracking(Path(shutil.copytree(empty_store, tmp_path / name))) for name in "ab"]
    results = [run_study(panel, plan=plan, tracking=store, tags=TAGS) for store in stores]
    one, two = (result.scored for result in results)
    assert [trial.values for trial in one] == [trial.values for trial in two]
    assert all(a.score.blocks.equals(b.score.blocks) for a, b in zip(one, two, strict=True))
    assert results[0].name == results[1].name


def test_it_goes_on_where_it_stopped(panel: ResearchPanel, tracking: TrialTracking) -> None:
    ended: list[int] = []
    opened: list[int] = []
    progress = StudyProgress(
        opened=lambda _, trials: opened.append(trials), trial=lambda report: ended.append(report.number)
    )
    for trials in (2, 4, 4):
        result = run_study(
            panel, plan=replace(PLAN, trials=trials), tracking=tracking, tags=TAGS, progress=progress
        )
    assert opened == [0, 2, 4]
    assert ended == [0, 1, 2, 3]
    assert len({str(trial.values) for trial in result.scored}) == 4
    assert len(_runs(tracking, "study")) == 1
    assert tracking.count() == 4


def test_an_interrupt_loses_one_trial_and_says_so(panel: ResearchPanel, tracking: TrialTracking) -> None:
    stop = _stopping(lambda trial, fold: trial == 1 and fold.number == 1, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        run_study(panel, plan=PLAN, tracking=tracking, tags=TAGS, progress=stop)
    kept, lost = _runs(tracking, "trial")
    assert (kept.info.status, lost.info.status) == ("FINISHED", "KILLED")
    assert lost.data.tags["state"] == "interrupted"
    assert "fold_mae_improvement" in lost.data.metrics
    assert _runs(tracking, "study")[0].info.status == "KILLED"
    result = run_study(panel, plan=PLAN, tracking=tracking, tags=TAGS)
    assert result.states == {"complete": 3, "fail": 1}
    assert [trial.number for trial in result.scored] == [0, 2, 3]
    assert _runs(tracking, "study")[0].info.status == "FINISHED"
    assert tracking.count() == 4  # what was begun counts


def test_a_trial_that_a_setting_breaks_is_kept_and_the_study_goes_on(
    panel: ResearchPanel, tracking: TrialTracking
) -> None:
    space = {"depth": Bounds(3, 400, whole=True)}  # the forecaster takes at most 8
    result = run_study(panel, plan=replace(PLAN, space=space), tracking=tracking, tags=TAGS)
    assert result.states["fail"] >= 1
    failed = [run for run in _runs(tracking, "trial") if run.info.status == "FAILED"]
    assert len(failed) == result.states["fail"]
    assert "depth" in failed[0].data.tags["reason"]
    assert result.scored[0].is_default


def test_poor_trials_are_stopped_early_when_asked(panel: ResearchPanel, tracking: TrialTracking) -> None:
    small = PLAN.base.model_copy(update={"trees": 2, "spread_trees": 1})
    plan = replace(
        PLAN,
        protocol=replace(PLAN.protocol, folds=3),
        trials=12,
        prune=True,
        base=small,
        space={"linear_weight": Bounds(0, 1)},
    )
    result = run_study(panel, plan=plan, tracking=tracking, tags=TAGS)
    assert result.states["pruned"] >= 1
    assert result.states["complete"] + result.states["pruned"] == 12
    pruned = [run for run in _runs(tracking, "trial") if run.data.tags["state"] == "pruned"]
    assert len(pruned) == result.states["pruned"]
    assert "mean_mae_improvement" not in pruned[0].data.metrics
    assert tracking.count() == 12


def test_what_cannot_be_scored_ends_the_study(panel: ResearchPanel, tracking: TrialTracking) -> None:
    early = replace(PLAN.protocol, train_end=START + timedelta(days=60))
    with pytest.raises(InsufficientHistoryError, match="too little is known"):
        run_study(panel, plan=replace(PLAN, protocol=early), tracking=tracking, tags=TAGS)
    (trial,) = _runs(tracking, "trial")
    assert trial.info.status == "FAILED"
    with pytest.raises(SettingsError, match="no setting `leaves`"):
        run_study(panel, plan=replace(PLAN, space={"leaves": Bounds(1, 2)}), tracking=tracking, tags=TAGS)


def test_another_question_is_another_study(panel: ResearchPanel) -> None:
    settled = panel.labels.with_columns(pl.col("rate_per_hour") * 2)
    later = panel.labels.with_columns(
        rate_per_hour=pl.when(pl.col("known_at") >= PLAN.protocol.train_end)
        .then(1.0)
        .otherwise("rate_per_hour")
    )
    name = PLAN.name(panel)
    assert replace(PLAN, trials=99).name(panel) == name
    assert PLAN.name(ResearchPanel(panel.features[::-1], later)) == name
    moved = panel.features.with_columns(rate_last_per_hour=pl.col("rate_last_per_hour") * 1.5)
    others = {
        PLAN.name(ResearchPanel(panel.features, settled)),
        PLAN.name(ResearchPanel(moved, panel.labels)),
        replace(PLAN, seed=8).name(panel),
        replace(PLAN, base=ForecasterConfig()).name(panel),
        replace(PLAN, space={"trees": Bounds(2, 20, whole=True)}).name(panel),
        replace(PLAN, protocol=replace(PLAN.protocol, folds=3)).name(panel),
    }
    assert len(others | {name}) == 7


def test_without_a_store_nothing_was_tried_and_none_is_made(tmp_path: Path) -> None:
    assert TrialTracking(tmp_path / "none").count() == 0
    assert not (tmp_path / "none").exists()
