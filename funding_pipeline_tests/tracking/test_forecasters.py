"""Models in MLflow: registered with what is needed to trust them, loaded again, and never silently wrong."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from funding_pipeline.core.clock import decision_schedule
from funding_pipeline.core.errors import StorageError
from funding_pipeline.features.labels import realised_funding
from funding_pipeline.features.panel import build_features
from funding_pipeline.market.simulated import SimulatedMarket
from funding_pipeline.market_data.normalization import market_tables
from funding_pipeline.models.forecaster import FundingForecaster, train
from funding_pipeline.tracking.forecasters import ModelTracking, model_name

START, END = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 4, 15, tzinfo=UTC)


@pytest.fixture(scope="module")
def features() -> pl.DataFrame:
    tables = market_tables(SimulatedMarket(start=START, end=END))
    times = decision_schedule(start=START, end=END - timedelta(hours=1), every_hours=24)
    return build_features(tables, as_of=times)


@pytest.fixture(scope="module")
def forecaster(features: pl.DataFrame) -> FundingForecaster:
    tables = market_tables(SimulatedMarket(start=START, end=END))
    times = decision_schedule(start=START, end=END - timedelta(hours=1), every_hours=24)
    labels = realised_funding(tables.settled_funding, as_of=times, horizons_hours=(24,))
    return train(features, labels, horizon_hours=24, train_end=END)


@pytest.fixture
def tracking(tmp_path: Path) -> ModelTracking:
    return ModelTracking(tmp_path / "mlflow")


def _register(tracking: ModelTracking, forecaster: FundingForecaster, features: pl.DataFrame) -> str:
    with tracking.run("test", tags={"delta_settled_funding": "3"}) as run:
        run.log(params={"horizon_hours": 24}, metrics={"r2": 0.3, "undefined": float("nan")})
        return run.register(forecaster, features.tail(20))


def test_no_champion_yet(tracking: ModelTracking) -> None:
    assert tracking.load_champion(24) is None


def test_a_registered_forecaster_comes_back_the_same(tracking, forecaster, features) -> None:
    _register(tracking, forecaster, features)
    champion = tracking.load_champion(24)
    assert champion is not None
    assert champion.forecaster.predict(features.tail(35)).equals(forecaster.predict(features.tail(35)))
    assert champion.feature_names == forecaster.feature_names


def test_the_newest_registration_is_champion(tracking, forecaster, features) -> None:
    assert _register(tracking, forecaster, features) == "1"
    assert _register(tracking, forecaster, features) == "2"
    champion = tracking.load_champion(24)
    assert champion is not None
    assert champion.version == "2"


def test_a_run_keeps_data_versions_parameters_and_finite_metrics(tracking, forecaster, features) -> None:
    import mlflow

    _register(tracking, forecaster, features)
    (run,) = mlflow.MlflowClient(tracking.uri).search_runs(["1"])
    assert run.data.tags["delta_settled_funding"] == "3"
    assert run.data.params["horizon_hours"] == "24"
    assert run.data.metrics == {"r2": 0.3}


def test_a_model_whose_files_are_gone_is_named(tracking, forecaster, features) -> None:
    _register(tracking, forecaster, features)
    for path in (tracking.folder / "artifacts").rglob("*.pkl"):
        path.write_bytes(b"broken")
    with pytest.raises(StorageError, match=f"model {model_name(24)} version 1 cannot be loaded"):
        tracking.load_champion(24)
