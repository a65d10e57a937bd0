"""Fixtures that several test folders use."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from funding_pipeline.settings import Settings
from funding_pipeline_tests.pipeline import small_settings

# How long an example takes is the machine's load, not the code's doing.
settings.register_profile("loaded", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("loaded")

CHECKOUT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def recorded_dir() -> Path:
    """Folder with recorded market history: $FUNDING_TEST_DATA, or shared/ beside the checkout."""
    return _beside("market_data", "FUNDING_TEST_DATA", holds="funding_rates.parquet")


@pytest.fixture(scope="session")
def payloads_dir() -> Path:
    """Folder with real exchange bodies: $FUNDING_TEST_PAYLOADS, or shared/ beside the checkout."""
    return _beside("payloads", "FUNDING_TEST_PAYLOADS", holds="ccxt_examples")


def _beside(name: str, variable: str, *, holds: str) -> Path:
    """A folder of shared/; without it a test is skipped, in CI it fails: what lands has seen real data."""
    folder = Path(os.environ.get(variable, CHECKOUT.parent / "shared" / name))
    if not (folder / holds).exists():
        message = f"needs {holds}: there is none in {folder} (set {variable})"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return folder


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a small simulated market on which `funding-pipeline run` has been through once."""
    from funding_pipeline.commands.run import run_pipeline  # heavy, and few tests need it

    settings = small_settings(tmp_path_factory.mktemp("finished_run"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", "")  # set by the run, taken back afterwards
        run_pipeline(settings, full=False)
    return settings
