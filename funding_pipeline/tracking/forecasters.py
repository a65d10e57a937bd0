"""MLflow on this machine: runs of forecasts and trainings, and the registry of forecasters.

What lives here: where MLflow keeps things, and opening a run. What does not: what a run says (`runs`), the
registry (`registry`), fitting or judging a model (`models`). SQLite for runs, files for artifacts.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from funding_pipeline.tracking.registry import ForecasterRegistry
from funding_pipeline.tracking.runs import MlflowRun

EXPERIMENT = "funding_forecasts"


@dataclass(frozen=True)
class ModelTracking:
    """MLflow below `folder` (runs in `mlflow.db`, artifacts in `artifacts/`)."""

    folder: Path

    @property
    def database(self) -> Path:
        """File of the tracking store and registry."""
        return self.folder / "mlflow.db"

    @property
    def artifacts(self) -> Path:
        """Files of runs and models."""
        return self.folder / "artifacts"

    @property
    def uri(self) -> str:
        """Address of the tracking store and registry."""
        return f"sqlite:///{self.database}"

    @property
    def registry(self) -> ForecasterRegistry:
        """Registered forecasters."""
        return ForecasterRegistry(self.connect)

    @contextmanager
    def run(
        self, name: str, *, tags: Mapping[str, str], experiment_name: str = EXPERIMENT
    ) -> Iterator[MlflowRun]:
        """An MLflow run that is closed as finished, or as failed if the block raises."""
        mlflow = self.connect()
        experiment = mlflow.get_experiment_by_name(experiment_name)
        if experiment is None:
            location = self.artifacts.as_uri()
            experiment_id = mlflow.create_experiment(experiment_name, artifact_location=location)
        else:
            experiment_id = experiment.experiment_id
        with mlflow.start_run(experiment_id=experiment_id, run_name=name, tags=dict(tags)) as run:
            yield MlflowRun(mlflow=mlflow, run_id=run.info.run_id)

    def connect(self) -> Any:
        """MLflow, pointed to this store; the folder is there afterwards."""
        os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
        os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
        os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
        self.folder.mkdir(parents=True, exist_ok=True)
        import mlflow
        import mlflow.pyfunc

        mlflow.set_tracking_uri(self.uri)
        mlflow.set_registry_uri(self.uri)
        return mlflow
