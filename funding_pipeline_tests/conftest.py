"""Fixtures that several test folders use."""

import os
from pathlib import Path

import pytest

from funding_pipeline.settings import Settings
from funding_pipeline_tests.pipeline import small_settings

CHECKOUT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def recorded_dir() -> Path:
    """Folder with recorded market history: $FUNDING_TEST_DATA, or shared/ beside the checkout."""
    folder = Path(os.environ.get("FUNDING_TEST_DATA", CHECKOUT.parent / "shared" / "market_data"))
    if not (folder / "funding_rates.parquet").is_file():
        message = f"needs recorded market data: none in {folder} (set FUNDING_TEST_DATA)"
        if os.environ.get("CI"):
            pytest.fail(message)  # what lands has been tested on real data
        pytest.skip(message)
    return folder


@pytest.fixture(scope="session")
def payloads_dir() -> Path:
    """Folder with real exchange bodies: $FUNDING_TEST_PAYLOADS, or shared/ beside the checkout."""
    folder = Path(os.environ.get("FUNDING_TEST_PAYLOADS", CHECKOUT.parent / "shared" / "payloads"))
    if not (folder / "ccxt_examples").is_dir():
        message = f"needs recorded exchange bodies: none in {folder} (set FUNDING_TEST_PAYLOADS)"
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
