"""Trials in MLflow: a run per study, a nested run per trial, and how many there have ever been.

What lives here: what is written of a trial whatever became of it, and the count. What does not: proposing
and scoring trials (`study`), or trials of before this log (`validation.documented_trials`).
"""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from funding_pipeline.models.tuning import TrialScore
from funding_pipeline.validation.documented_trials import documented_trials

EXPERIMENT = "funding_forecast_trials"
State = Literal["complete", "pruned", "failed", "interrupted"]
_STATUS: Mapping[State, str] = {
    "complete": "FINISHED",
    "pruned": "FINISHED",
    "failed": "FAILED",
    "interrupted": "KILLED",
}
_PAGE = 1000


def trials_ever(folder: Path) -> int:
    """Trials behind a market's models: those logged below `folder`, and those documented with the package."""
    return TrialTracking(folder).count() + documented_trials()


@dataclass(frozen=True)
class TrialTracking:
    """MLflow below `folder`, the same store that the models are tracked in."""

    folder: Path

    def start_study(self, name: str, *, tags: Mapping[str, str], params: Mapping[str, object]) -> str:
        """A run for the whole study; returns its id."""
        return self._start(name, tags={**tags, "kind": "study"}, params=params)

    def start_trial(
        self, study_run_id: str, number: int, *, tags: Mapping[str, str], params: Mapping[str, object]
    ) -> str:
        """A run for one trial below its study's; returns its id."""
        nested = {**tags, "kind": "trial", "mlflow.parentRunId": study_run_id}
        return self._start(f"trial_{number:03d}", tags=nested, params=params)

    def log_fold(self, run_id: str, *, fold: int, gain: float) -> None:
        """The gain of one fold, as soon as it is known."""
        self._client.log_metric(run_id, "fold_mae_improvement", gain, step=fold)

    def end_trial(
        self, run_id: str, *, state: State, seconds: float, score: TrialScore | None = None, reason: str = ""
    ) -> None:
        """Close a trial with its score and blocks, or with the reason why it has none."""
        metrics = {"seconds": seconds}
        if score is not None:
            metrics |= {"mean_mae_improvement": score.mean_gain, "worst_mae_improvement": score.worst_gain}
            skill = 1 - score.blocks["model_error"] / score.blocks["baseline_error"]
            weekly = score.blocks.with_columns(skill=skill)
            self._client.log_text(run_id, weekly.write_csv(), "weekly_skill.csv")
        self._log(run_id, metrics=metrics, tags={"state": state} | ({"reason": reason} if reason else {}))
        self._client.set_terminated(run_id, _STATUS[state])

    def end_study(self, run_id: str, *, interrupted: bool) -> None:
        """Close a study's run; it may be opened again."""
        self._client.set_terminated(run_id, "KILLED" if interrupted else "FINISHED")

    def log_result(
        self, run_id: str, *, metrics: Mapping[str, float | None], texts: Mapping[str, str]
    ) -> None:
        """Figures of a study, unknown ones left out, and `texts` by file name."""
        known = {name: value for name, value in metrics.items() if value is not None and value == value}
        self._log(run_id, metrics=known)
        for name, content in texts.items():
            self._client.log_text(run_id, content, name)

    def resume(self, run_id: str) -> None:
        """Open a study's run again."""
        self._client.update_run(run_id, status="RUNNING")

    def count(self) -> int:
        """Trials that were ever begun in this store, whatever became of them; 0 where there is no store."""
        if not self._database.exists():
            return 0
        experiment = self._client.get_experiment_by_name(EXPERIMENT)
        if experiment is None:
            return 0
        found, token = 0, None
        while True:
            page = self._client.search_runs(
                [experiment.experiment_id], "tags.kind = 'trial'", max_results=_PAGE, page_token=token
            )
            found, token = found + len(page), page.token
            if not token:
                return found

    def _start(self, name: str, *, tags: Mapping[str, str], params: Mapping[str, object]) -> str:
        run = self._client.create_run(self._experiment_id, run_name=name, tags=dict(tags))
        run_id = str(run.info.run_id)
        self._log(run_id, params=params)
        return run_id

    def _log(
        self,
        run_id: str,
        *,
        params: Mapping[str, object] | None = None,
        metrics: Mapping[str, float] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """All in one transaction: each takes its time on SQLite."""
        from mlflow.entities import Metric, Param, RunTag

        now = int(time.time() * 1000)
        self._client.log_batch(
            run_id,
            params=[Param(key, str(value)) for key, value in (params or {}).items()],
            metrics=[Metric(key, value, now, 0) for key, value in (metrics or {}).items()],
            tags=[RunTag(key, value) for key, value in (tags or {}).items()],
        )

    @property
    def _database(self) -> Path:
        return self.folder / "mlflow.db"

    @cached_property
    def _experiment_id(self) -> str:
        experiment = self._client.get_experiment_by_name(EXPERIMENT)
        if experiment is not None:
            return str(experiment.experiment_id)
        location = (self.folder / "artifacts").as_uri()
        return str(self._client.create_experiment(EXPERIMENT, artifact_location=location))

    @cached_property
    def _client(self) -> Any:
        os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
        os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
        os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
        self.folder.mkdir(parents=True, exist_ok=True)
        import mlflow

        return mlflow.MlflowClient(tracking_uri=f"sqlite:///{self._database}")
