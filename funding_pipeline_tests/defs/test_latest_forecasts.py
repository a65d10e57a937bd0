"""The champion forecasts; anything that is wrong with it makes the baseline forecast, visibly.

Each way in which a card can be wrong: funding_pipeline_tests/models/test_model_card.py.
"""

from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from funding_pipeline.core.horizons import HORIZONS_HOURS
from funding_pipeline.models.forecaster_set import ForecasterSet
from funding_pipeline.tracking.forecasters import ModelTracking
from funding_pipeline_tests.defs.model_desk import ModelDesk


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> ModelDesk:
    made = ModelDesk(tmp_path_factory.mktemp("desk"))
    made.register()
    return made


@pytest.fixture(autouse=True)
def nobody(desk: ModelDesk) -> None:
    desk.forget_models()


def forecast_by_the_baseline(desk: ModelDesk, reason: str, **resources: Any) -> None:
    shown = desk.materialize("latest", **resources)
    assert shown["forecaster"] == "baseline"
    assert reason in shown["fallback_reason"]
    latest = desk.lake.scan("latest_forecasts").collect()
    assert set(latest["model"]) == {"baseline"}
    assert set(latest["fallback_reason"]) == {shown["fallback_reason"]}
    assert set(latest["horizon_hours"]) == set(HORIZONS_HOURS)
    assert latest["rate_per_hour"].is_finite().all()
    assert latest["trained_at"].unique().to_list() == [desk.newest]


def test_the_champion_forecasts_every_horizon(desk: ModelDesk) -> None:
    desk.tracking.registry.set_champion("1")
    shown = desk.materialize("latest")
    assert (shown["forecaster"], shown["fallback_reason"]) == ("champion, version 1", "")
    latest = desk.lake.scan("latest_forecasts").collect()
    assert set(latest["model"]) == {desk.models.name}
    assert set(latest["horizon_hours"]) == set(HORIZONS_HOURS)
    assert latest["trained_at"].unique().to_list() == [desk.models.train_end]


def test_no_champion(desk: ModelDesk) -> None:
    forecast_by_the_baseline(desk, "no model is champion")


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        ({"market": "another market"}, "was trained on another market: another market"),
        ({"inputs": {"a_feature_of_old": "Float64"}}, "not in the panel: a_feature_of_old"),
    ],
)
def test_a_champion_that_does_not_fit(desk: ModelDesk, card: dict[str, Any], reason: str) -> None:
    version = desk.register(**card).version
    desk.tracking.registry.set_champion(version)
    forecast_by_the_baseline(desk, f"model version {version} ")
    forecast_by_the_baseline(desk, reason)


def test_a_champion_that_is_too_old(desk: ModelDesk) -> None:
    version = desk.register(train_end=desk.newest - timedelta(hours=241)).version
    desk.tracking.registry.set_champion(version)
    forecast_by_the_baseline(desk, "knows nothing of the last 241 h, limit 240 h")


def test_a_champion_of_other_code(desk: ModelDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: ForecasterSet, features: object) -> None:
        raise AttributeError("'PointModel' object has no attribute 'trust'")

    desk.tracking.registry.set_champion("1")
    monkeypatch.setattr(ForecasterSet, "predict", fails)
    forecast_by_the_baseline(desk, "cannot forecast: AttributeError: 'PointModel' object has no attribute")


def test_a_champion_that_forecasts_no_number(desk: ModelDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = ForecasterSet.predict

    def half(self: ForecasterSet, features: pl.DataFrame) -> pl.DataFrame:
        return whole(self, features).with_columns(q90=pl.lit(float("nan")))

    desk.tracking.registry.set_champion("1")
    monkeypatch.setattr(ForecasterSet, "predict", half)
    forecast_by_the_baseline(desk, "cannot forecast: not every number is finite")


def test_a_champion_whose_files_are_broken(desk: ModelDesk) -> None:
    version = desk.register().version
    desk.tracking.registry.set_champion(version)
    newest = max(_pickles(desk), key=lambda path: path.stat().st_mtime_ns)
    newest.write_bytes(b"broken")
    forecast_by_the_baseline(desk, f"model version {version} cannot be loaded")


def test_a_champion_whose_files_are_gone(desk: ModelDesk) -> None:
    version = desk.register().version
    desk.tracking.registry.set_champion(version)
    newest = max(_pickles(desk), key=lambda path: path.stat().st_mtime_ns)
    for path in newest.parent.iterdir():
        if path.is_file():
            path.unlink()
    forecast_by_the_baseline(desk, f"model version {version} cannot be read")


def test_a_registry_that_is_broken(desk: ModelDesk, tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"this is no database" * 1000)
    broken = ModelTracking(tmp_path)
    forecast_by_the_baseline(desk, "the registry of models cannot be read", tracking=broken)


def _pickles(desk: ModelDesk) -> list[Path]:
    return list((desk.tracking.folder / "artifacts").rglob("*.pkl"))
