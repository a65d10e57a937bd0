"""Walk-forward over several horizons: the plan's as ever, the others in coarse folds that never move."""

from datetime import timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from funding_pipeline.features.labels import realised_funding
from funding_pipeline.features.panel import build_features
from funding_pipeline.models.walk_forward import WalkForwardForecasts
from funding_pipeline.validation.research import (
    OTHERS_FIRST_FOLD,
    ResearchPanel,
    walk_forward_by_horizon,
    walk_forward_forecasts,
)
from funding_pipeline_tests.features.synthetic_market import START, every, synthetic_market

DAYS, PLANNED, OTHER = 230, 72, 0


@pytest.fixture(scope="module")
def panel() -> ResearchPanel:
    market, times = synthetic_market(days=DAYS), every(12, days=DAYS)
    labels = realised_funding(market.settled_funding, as_of=times, horizons_hours=(OTHER, PLANNED))
    return ResearchPanel(features=build_features(market, as_of=times), labels=labels)


def walked(panel: ResearchPanel, *, days: int) -> WalkForwardForecasts:
    end = START + timedelta(days=days)
    known = ResearchPanel(panel.features.filter(pl.col("as_of") <= end), panel.labels)
    return walk_forward_by_horizon(
        known, planning_hours=PLANNED, horizons_hours=(OTHER, PLANNED), start=START, end=end
    )


@pytest.fixture(scope="module")
def whole(panel: ResearchPanel) -> WalkForwardForecasts:
    return walked(panel, days=DAYS)


def test_every_row_is_forecast_over_every_horizon(panel: ResearchPanel, whole: WalkForwardForecasts) -> None:
    counts = dict(whole.forecasts.group_by("horizon_hours").len().iter_rows())
    assert counts == {OTHER: panel.features.height, PLANNED: panel.features.height}


def test_the_planning_horizon_is_as_by_itself(panel: ResearchPanel, whole: WalkForwardForecasts) -> None:
    alone = walk_forward_forecasts(
        panel, start=START, end=START + timedelta(days=DAYS), horizon_hours=PLANNED
    )
    mine = whole.forecasts.filter(horizon_hours=PLANNED)
    assert_frame_equal(mine, alone.forecasts, check_exact=True)
    assert_frame_equal(whole.folds.filter(horizon_hours=PLANNED).drop("horizon_hours"), alone.folds)


def test_the_others_learn_once_enough_is_known(whole: WalkForwardForecasts) -> None:
    folds = whole.folds.filter(horizon_hours=OTHER)
    assert folds["fold"].to_list() == [0, 1]
    assert folds["test_start"].to_list() == [START, START + OTHERS_FIRST_FOLD]
    assert folds["model"][0] == "baseline"
    assert folds["model"][1] != "baseline"
    assert (folds["train_end"] <= folds["test_start"]).all()


def test_later_rows_change_no_earlier_forecast(panel: ResearchPanel, whole: WalkForwardForecasts) -> None:
    shorter = walked(panel, days=DAYS - 20).forecasts
    last = shorter["as_of"].max()
    assert_frame_equal(shorter, whole.forecasts.filter(pl.col("as_of") <= last), check_exact=True)
