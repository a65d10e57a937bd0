"""A registered model loads, and forecasts the same, where nothing but its own requirements is installed."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from funding_pipeline.models.forecaster_set import ForecasterSet
from funding_pipeline.tracking.forecasters import ModelTracking
from funding_pipeline.tracking.registry import MODEL, RegisteredVersion

_LOADS = """
import sys, mlflow, pandas
model = mlflow.pyfunc.load_model(sys.argv[1])
assert "site-packages" not in model.unwrap_python_model().forecaster.__class__.__module__
model.predict(pandas.read_parquet(sys.argv[2])).to_parquet(sys.argv[3])
import funding_pipeline
print(funding_pipeline.__file__)
"""


def _uv() -> str:
    """Where uv is; skips where neither it nor an index is there."""
    beside = Path(__file__).resolve().parents[2] / ".uv" / "bin" / "uv"
    found = shutil.which("uv") or (str(beside) if beside.exists() else None)
    if found is None:
        pytest.skip("no uv to make an environment with")
    return found


def test_a_model_forecasts_in_an_environment_of_its_own_requirements(
    kept: tuple[ModelTracking, RegisteredVersion],
    models: ForecasterSet,
    features: pl.DataFrame,
    tmp_path: Path,
) -> None:
    tracking, registered = kept
    mlflow = tracking.connect()
    folder = Path(
        mlflow.artifacts.download_artifacts(f"models:/{MODEL}/{registered.version}", dst_path=str(tmp_path))
    )
    wanted = (folder / "requirements.txt").read_text().splitlines()
    assert any(line.startswith("xgboost") for line in wanted)
    assert not any(line.startswith("scikit-learn") for line in wanted)
    environment, uv = tmp_path / "fresh", _uv()
    subprocess.run([uv, "venv", "-q", "--python", sys.executable, str(environment)], check=True)
    python = environment / "bin" / "python"
    install = [uv, "pip", "install", "-q", "--python", str(python), "-r", str(folder / "requirements.txt")]
    installed = subprocess.run(install, capture_output=True, text=True)
    if "Failed to fetch" in installed.stderr or "dns error" in installed.stderr:
        pytest.skip("no package index answers")
    assert installed.returncode == 0, installed.stderr
    rows, found = tmp_path / "rows.parquet", tmp_path / "found.parquet"
    plain = features.tail(20).with_columns(pl.col(pl.Datetime).dt.replace_time_zone(None))
    plain.write_parquet(rows)
    done = subprocess.run(
        [str(python), "-c", _LOADS, str(folder), str(rows), str(found)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert str(folder) in done.stdout, "the package is the model's own copy"
    expected, told = models.predict(features.tail(20)), pl.read_parquet(found)
    for name in (name for name, kind in expected.schema.items() if kind.is_float()):
        assert np.allclose(told[name].to_numpy(), expected[name].to_numpy(), rtol=1e-9, equal_nan=True)
