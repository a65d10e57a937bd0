"""The set of forecasters: every horizon, one training moment, a recipe that knows no data."""

from datetime import timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from funding_pipeline.core.errors import InsufficientHistoryError
from funding_pipeline.core.horizons import NEXT_SETTLEMENT
from funding_pipeline.core.tables import FORECASTS
from funding_pipeline.models import forecaster_set
from funding_pipeline.models.config import ForecasterConfig
from funding_pipeline.models.forecaster_set import ForecasterSet, train_set
from funding_pipeline_tests.features.synthetic_market import START

HORIZONS = (NEXT_SETTLEMENT, 24)


def fitted(
    panel: pl.DataFrame, labels: pl.DataFrame, config: ForecasterConfig, *, days: int
) -> ForecasterSet:
    end = START + timedelta(days=days)
    return train_set(panel, labels, horizons_hours=HORIZONS, train_end=end, config=config)


def test_every_horizon_is_forecast_by_its_own_model(
    panel: pl.DataFrame, labels: pl.DataFrame, config: ForecasterConfig
) -> None:
    models = fitted(panel, labels, config, days=90)
    newest = panel.filter(pl.col("as_of") == pl.col("as_of").max())
    forecasts = models.predict(newest)
    assert_frame_equal(forecasts, FORECASTS.conform(forecasts))
    assert sorted(forecasts["horizon_hours"].unique()) == list(HORIZONS)
    assert forecasts.height == newest.height * len(HORIZONS)
    one = models.forecasters[24].predict(newest)
    assert_frame_equal(forecasts.filter(horizon_hours=24), one)


def test_a_recipe_is_the_same_for_other_rows_and_another_for_other_settings(
    panel: pl.DataFrame, labels: pl.DataFrame, config: ForecasterConfig
) -> None:
    first, later = (fitted(panel, labels, config, days=days) for days in (80, 100))
    other = fitted(panel, labels, config.model_copy(update={"seed": 8}), days=80)
    assert first.recipe == later.recipe
    assert first.train_end < later.train_end
    assert other.recipe != first.recipe


@pytest.mark.parametrize("offered", ["MODEL_FEATURES", "SPREAD_FEATURES"])
def test_a_recipe_knows_the_features_of_forecast_and_interval(
    offered: str, config: ForecasterConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = forecaster_set.recipe_of({24: config})
    fewer = getattr(forecaster_set, offered)[1:]
    monkeypatch.setattr(forecaster_set, offered, fewer)
    assert forecaster_set.recipe_of({24: config}) != before


def test_too_little_history_names_the_horizon(
    panel: pl.DataFrame, labels: pl.DataFrame, config: ForecasterConfig
) -> None:
    with pytest.raises(InsufficientHistoryError, match="next settlement: no as_of"):
        fitted(panel, labels, config, days=1)


def test_models_of_different_moments_are_no_set(
    panel: pl.DataFrame, labels: pl.DataFrame, config: ForecasterConfig
) -> None:
    first, later = (fitted(panel, labels, config, days=days) for days in (80, 100))
    with pytest.raises(ValueError, match="same moment"):
        ForecasterSet({0: first.forecasters[0], 24: later.forecasters[24]})
