"""One MLflow run: parameters, metrics, tables and pictures. What does not live here: the registry."""

import io
import json
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl


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

    def log_json(self, content: Mapping[str, Any], name: str) -> None:
        """Plain data as a JSON artifact; a time or another value as its text."""
        self._log_bytes(json.dumps(content, indent=2, default=str).encode(), name)

    def _log_bytes(self, content: bytes, name: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_bytes(content)
            self.mlflow.log_artifact(str(path))


@contextmanager
def quiet() -> Iterator[None]:
    """MLflow prints hints and a success line of its own; neither is for the user of a pipeline."""
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
