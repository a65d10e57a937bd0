"""A whole pipeline on a small simulated market, run once and shared by the tests that look at results."""

from datetime import UTC, datetime
from pathlib import Path

from funding_pipeline.settings import Settings


def small_settings(home: Path) -> Settings:
    """Ten simulated months, one decision a day: enough to train, small enough for a test."""
    return Settings(
        market="simulated",
        way="direct",
        home=home,
        seed=7,
        simulated_from=datetime(2023, 7, 1, tzinfo=UTC),
        simulated_to=datetime(2024, 5, 15, tzinfo=UTC),
        rebalance_every_hours=24,
    )
