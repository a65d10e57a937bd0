"""A study in its SQLite file beside the runs, so that it goes on where it stopped.

What lives here: opening it, and what is kept of a trial. What does not: what a trial is (`study`).
"""

import warnings
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from funding_pipeline.core.tables import UTC
from funding_pipeline.models.tuning import BLOCKS_SCHEMA, FoldScore, TrialScore
from funding_pipeline.tracking.trials import TrialTracking
from funding_pipeline.validation.trial_choice import ScoredTrial

if TYPE_CHECKING:
    import optuna

RUN, DEFAULT, SCORE = "mlflow_run", "default", "score"
"""Names of what is kept with a study or trial: its run in MLflow, that it is the default, its score."""
_HEARTBEAT_SECONDS = 60


def opened_study(tracking: TrialTracking, name: str, *, seed: int) -> "optuna.Study":
    """The study in its file. A trial whose process died without a word is failed once its pulse is missed."""
    import optuna

    tracking.folder.mkdir(parents=True, exist_ok=True)

    def missed(study: "optuna.Study", trial: "optuna.trial.FrozenTrial") -> None:
        run = trial.user_attrs.get(RUN)
        if run is not None:
            tracking.end_trial(str(run), state="interrupted", seconds=0.0, reason="its process ended")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        storage = optuna.storages.RDBStorage(
            study_database(tracking.folder),
            heartbeat_interval=_HEARTBEAT_SECONDS,
            heartbeat_stale_trial_callback=missed,
        )
    study = optuna.create_study(study_name=name, storage=storage, direction="maximize", load_if_exists=True)
    # Another seed after each sitting: the same one would propose the first trials again.
    study.sampler = optuna.samplers.TPESampler(seed=seed + len(study.trials))
    study.pruner = optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=1)
    return study


def study_database(folder: Path) -> str:
    """Address of the file that holds every study of a market."""
    return f"sqlite:///{folder / 'studies.sqlite'}"


def ended_trials(study: "optuna.Study") -> int:
    """Trials that told something: scored, or pruned."""
    return sum(trial.state.name in ("COMPLETE", "PRUNED") for trial in study.trials)


def scored_trials(study: "optuna.Study") -> tuple[ScoredTrial, ...]:
    """Every trial that was scored on all folds, in order."""
    return tuple(
        ScoredTrial(
            number=trial.number,
            values=trial.params,
            score=_from_json(trial.user_attrs[SCORE]),
            is_default=DEFAULT in trial.user_attrs,
        )
        for trial in study.trials
        if trial.state.name == "COMPLETE"
    )


def as_json(score: TrialScore) -> dict[str, Any]:
    """A score as optuna keeps it; times as microseconds since 1970."""
    starts = score.blocks["block_start"].dt.epoch("us")
    return {
        "blocks": score.blocks.with_columns(block_start=starts).to_dict(as_series=False),
        "folds": [
            {**vars(fold), "test_start": fold.test_start.isoformat(), "test_end": fold.test_end.isoformat()}
            for fold in score.folds
        ],
    }


def _from_json(kept: Mapping[str, Any]) -> TrialScore:
    times = ("test_start", "test_end")
    folds = [
        FoldScore(**{**fold, **{name: datetime.fromisoformat(fold[name]) for name in times}})
        for fold in kept["folds"]
    ]
    blocks = pl.DataFrame(kept["blocks"]).with_columns(pl.col("block_start").cast(UTC))
    return TrialScore(tuple(folds), blocks.select(pl.col(n).cast(t) for n, t in BLOCKS_SCHEMA.items()))
