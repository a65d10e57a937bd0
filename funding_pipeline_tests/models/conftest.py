"""Panels and labels that the model tests share, built once."""

import polars as pl
import pytest

from funding_pipeline.features.labels import realised_funding
from funding_pipeline.features.panel import build_features
from funding_pipeline.models.config import ForecasterConfig
from funding_pipeline_tests.features.synthetic_market import every, synthetic_market

DAYS = 120


@pytest.fixture(scope="session")
def config() -> ForecasterConfig:
    """Small enough for tests."""
    return ForecasterConfig(trees=20, spread_trees=10, min_rows=200, leaf_weight=20)


@pytest.fixture(scope="session")
def panel() -> pl.DataFrame:
    return build_features(synthetic_market(days=DAYS), as_of=every(8, days=DAYS))


@pytest.fixture(scope="session")
def labels() -> pl.DataFrame:
    settled = synthetic_market(days=DAYS).settled_funding
    return realised_funding(settled, as_of=every(8, days=DAYS), horizons_hours=[0, 24, 168])
