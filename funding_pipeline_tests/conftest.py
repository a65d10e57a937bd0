"""Fixtures that several test folders use."""

import os
from pathlib import Path

import pytest

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
