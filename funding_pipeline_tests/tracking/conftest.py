"""A small registered set of models, for tests of MLflow's side."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from funding_pipeline.core.clock import decision_schedule
from funding_pipeline.features.labels import realised_funding
from funding_pipeline.features.panel import build_features
from funding_pipeline.market.simulated import SimulatedMarket
from funding_pipeline.market_data.normalization import market_tables
from funding_pipeline.models.config import ForecasterConfig
from funding_pipeline.models.forecaster_set import ForecasterSet, train_set
from funding_pipeline.models.model_card import ModelCard
from funding_pipeline.tracking.forecasters import ModelTracking
from funding_pipeline.tracking.registry import RegisteredVersion

START, END = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 4, 15, tzinfo=UTC)
HORIZONS = (0, 24)


@pytest.fixture(scope="package")
def features() -> pl.DataFrame:
    tables = market_tables(SimulatedMarket(start=START, end=END))
    times = decision_schedule(start=START, end=END - timedelta(hours=1), every_hours=24)
    return build_features(tables, as_of=times)


@pytest.fixture(scope="package")
def models(features: pl.DataFrame) -> ForecasterSet:
    tables = market_tables(SimulatedMarket(start=START, end=END))
    times = decision_schedule(start=START, end=END - timedelta(hours=1), every_hours=24)
    labels = realised_funding(tables.settled_funding, as_of=times, horizons_hours=HORIZONS)
    config = ForecasterConfig(trees=20, spread_trees=10)
    return train_set(features, labels, horizons_hours=HORIZONS, train_end=END, config=config)


@pytest.fixture
def tracking(tmp_path: Path) -> ModelTracking:
    return ModelTracking(tmp_path / "mlflow")


@pytest.fixture(scope="package")
def kept(
    tmp_path_factory: pytest.TempPathFactory, models: ForecasterSet, features: pl.DataFrame
) -> tuple[ModelTracking, RegisteredVersion]:
    """One registered version, for tests that leave it as it is."""
    made = ModelTracking(tmp_path_factory.mktemp("kept") / "mlflow")
    return made, register(made, models, features)


def card_of(models: ForecasterSet, features: pl.DataFrame) -> ModelCard:
    return ModelCard(
        recipe=models.recipe,
        model=models.name,
        horizons_hours=models.horizons_hours,
        train_end=models.train_end,
        market="a market",
        inputs={name: str(features.schema[name]) for name in models.feature_names},
        package_version="1.2.3",
        git_commit="abc",
        data_versions={"delta_settled_funding": "3"},
    )


def register(tracking: ModelTracking, models: ForecasterSet, features: pl.DataFrame) -> RegisteredVersion:
    with tracking.run("test", tags={"delta_settled_funding": "3"}) as run:
        run.log(params={"horizons_hours": HORIZONS}, metrics={"r2": 0.3, "undefined": float("nan")})
        return tracking.registry.register(run, models, card_of(models, features), features.tail(20))
