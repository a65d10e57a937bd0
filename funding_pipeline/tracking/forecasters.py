"""Forecasters in MLflow: walk-forward runs, the registered model, and loading it again.

What lives here: parameters, metrics, plots, data versions, registration. What does not: fitting or
judging a model (`models`). Everything stays on this machine: SQLite for runs, files for artifacts.
"""

import io
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl

from funding_pipeline.core.errors import StorageError
from funding_pipeline.models.forecaster import FundingForecaster

EXPERIMENT = "funding_forecasts"
MODEL_PREFIX = "funding_forecaster"
CHAMPION = "champion"


def model_name(horizon_hours: int) -> str:
    """Registered name of the forecaster of one horizon."""
    return f"{MODEL_PREFIX}_{horizon_hours}h"


@dataclass(frozen=True)
class RegisteredForecaster:
    """A forecaster read back from the registry, with the version and run it came from."""

    forecaster: FundingForecaster
    version: str
    run_id: str
    feature_names: tuple[str, ...]


@dataclass(frozen=True)
class ModelTracking:
    """MLflow below `folder` (runs in `mlflow.db`, artifacts in `artifacts/`)."""

    folder: Path

    @property
    def uri(self) -> str:
        """Address of the tracking store and registry."""
        return f"sqlite:///{self.folder / 'mlflow.db'}"

    @contextmanager
    def run(self, name: str, *, tags: Mapping[str, str]) -> Iterator["MlflowRun"]:
        """An MLflow run that is closed as finished, or as failed if the block raises."""
        mlflow = self._mlflow()
        experiment = mlflow.get_experiment_by_name(EXPERIMENT)
        if experiment is None:
            location = (self.folder / "artifacts").as_uri()
            experiment_id = mlflow.create_experiment(EXPERIMENT, artifact_location=location)
        else:
            experiment_id = experiment.experiment_id
        with mlflow.start_run(experiment_id=experiment_id, run_name=name, tags=dict(tags)) as run:
            yield MlflowRun(mlflow=mlflow, run_id=run.info.run_id)

    def load_champion(self, horizon_hours: int) -> RegisteredForecaster | None:
        """The registered champion of a horizon, or None where there is none yet.

        Raises StorageError naming the model when it is registered but cannot be read.
        """
        mlflow = self._mlflow()
        name = model_name(horizon_hours)
        try:
            found = mlflow.MlflowClient().get_model_version_by_alias(name, CHAMPION)
        except mlflow.exceptions.MlflowException:
            return None
        try:
            with _quiet():
                model = mlflow.pyfunc.load_model(f"models:/{name}@{CHAMPION}").unwrap_python_model()
        except Exception as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise StorageError(f"model {name} version {found.version} cannot be loaded: {reason}") from error
        forecaster: FundingForecaster = model.forecaster
        return RegisteredForecaster(
            forecaster, str(found.version), str(found.run_id), forecaster.feature_names
        )

    def _mlflow(self) -> Any:
        os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
        os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
        os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
        self.folder.mkdir(parents=True, exist_ok=True)
        import mlflow
        import mlflow.pyfunc

        mlflow.set_tracking_uri(self.uri)
        mlflow.set_registry_uri(self.uri)
        return mlflow


@dataclass(frozen=True)
class MlflowRun:
    """One open MLflow run."""

    mlflow: Any
    run_id: str

    def log(self, *, params: Mapping[str, object], metrics: Mapping[str, float]) -> None:
        """Parameters and metrics at once; a metric that is not a finite number is left out."""
        self.mlflow.log_params({key: str(value) for key, value in params.items()})
        finite = {key: float(value) for key, value in metrics.items() if value is not None and value == value}
        self.mlflow.log_metrics(finite)

    def log_steps(self, metric: str, values: list[float | None]) -> None:
        """One metric over steps, such as the skill by fold."""
        for step, value in enumerate(values):
            if value is not None and value == value:
                self.mlflow.log_metric(metric, value, step=step)

    def log_png(self, png: bytes, name: str) -> None:
        """A picture as an artifact `name`."""
        self._log_bytes(png, name)

    def log_table(self, frame: pl.DataFrame, name: str) -> None:
        """A frame as a CSV artifact."""
        self._log_bytes(frame.write_csv().encode(), name)

    def register(self, forecaster: FundingForecaster, example: pl.DataFrame) -> str:
        """Log and register a forecaster with its signature, make it champion; returns the version."""
        from mlflow.models import infer_signature

        features, forecasts = example.to_pandas(), forecaster.predict(example).to_pandas()
        for frame in (features, forecasts):
            for column in frame.select_dtypes("datetimetz"):
                frame[column] = frame[column].dt.tz_localize(None)
        name = model_name(forecaster.horizon_hours)
        with _quiet():
            info = self.mlflow.pyfunc.log_model(
                name="model",
                python_model=_pyfunc(forecaster),
                registered_model_name=name,
                signature=infer_signature(features, forecasts),
                pip_requirements=[f"{package}=={version(package)}" for package in _MODEL_PACKAGES],
            )
        registered = str(info.registered_model_version)
        self.mlflow.MlflowClient().set_registered_model_alias(name, CHAMPION, registered)
        return registered

    def _log_bytes(self, content: bytes, name: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_bytes(content)
            self.mlflow.log_artifact(str(path))


@contextmanager
def _quiet() -> Iterator[None]:
    """MLflow prints hints and a success line of its own; neither is for the user of a pipeline."""
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


_MODEL_PACKAGES = ("polars", "numpy", "scikit-learn")


def _pyfunc(forecaster: FundingForecaster) -> Any:
    """The forecaster as an MLflow python model: pandas features in, pandas forecasts out."""
    import mlflow.pyfunc

    class ForecasterModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
        def __init__(self, fitted: FundingForecaster) -> None:
            self.forecaster = fitted

        # MLflow reads type hints here and does not know these: none are given.
        def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
            return self.forecaster.predict(pl.from_pandas(model_input)).to_pandas()

    return ForecasterModel(forecaster)
