"""Walk-forward: folds, purge, embargo, fallback, progress."""

from datetime import timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from funding_pipeline.models.config import ForecasterConfig
from funding_pipeline.models.walk_forward import (
    DECISION_STEP,
    FOLDS_SCHEMA,
    walk_forward,
    walk_forward_folds,
)
from funding_pipeline_tests.features.synthetic_market import START

HOW = {"horizon_hours": 24, "retrain_every": timedelta(days=40), "min_train": timedelta(days=30)}


def test_folds_cover_the_panel_and_the_first_is_the_baseline(
    panel: pl.DataFrame, labels: pl.DataFrame, config: ForecasterConfig
) -> None:
    calls: list[tuple[int, int]] = []
    walked = walk_forward(
        panel, labels, config=config, progress=lambda done, all_: calls.append((done, all_)), **HOW
    )
    assert calls == [(1, 3), (2, 3), (3, 3)]
    assert walked.forecasts.height == panel.height
    assert not walked.forecasts.select("as_of", "venue", "symbol").is_duplicated().any()
    assert walked.folds["model"].to_list()[0] == "baseline"
    assert "baseline" not in walked.folds["model"].to_list()[1:]
    assert dict(walked.folds.schema) == FOLDS_SCHEMA
    assert walked.folds["mae_improvement"].to_list()[1] > 0


def test_labels_after_a_fold_begins_never_reach_it(
    panel: pl.DataFrame, labels: pl.DataFrame, config: ForecasterConfig
) -> None:
    second = START + timedelta(days=41)
    poisoned = labels.with_columns(
        pl.when(pl.col("known_at") > second - timedelta(days=2))
        .then(7.7)
        .otherwise("rate_per_hour")
        .alias("rate_per_hour")
    )
    until = second + timedelta(days=40)
    how = {**HOW, "embargo": timedelta(days=2), "end": until, "config": config}
    clean = walk_forward(panel, labels, **how).forecasts
    dirty = walk_forward(panel, poisoned, **how).forecasts
    assert_frame_equal(clean, dirty, check_exact=True)
    leaky = walk_forward(panel, poisoned, **{**how, "embargo": timedelta(0)}).forecasts
    assert not leaky.equals(clean)


def test_a_decision_step_before_a_fold_is_under_embargo_by_default(
    panel: pl.DataFrame, labels: pl.DataFrame, config: ForecasterConfig
) -> None:
    begins = panel["as_of"].min() + timedelta(days=40)
    how = {**HOW, "end": begins + timedelta(days=40), "config": config}
    inside = (pl.col("known_at") >= begins - DECISION_STEP) & (pl.col("known_at") < begins + DECISION_STEP)
    poisoned = labels.with_columns(rate_per_hour=pl.when(inside).then(7.7).otherwise("rate_per_hour"))
    clean, dirty = (walk_forward(panel, rows, **how) for rows in (labels, poisoned))
    assert clean.folds["train_end"][1] == begins - DECISION_STEP
    first = pl.col("as_of") >= begins
    assert_frame_equal(clean.forecasts.filter(first), dirty.forecasts.filter(first), check_exact=True)


def test_folds_are_made_when_asked_for(
    panel: pl.DataFrame, labels: pl.DataFrame, config: ForecasterConfig
) -> None:
    folds = walk_forward_folds(panel, labels, config=config, **HOW)
    first = next(folds)
    assert (first.number, first.of, first.model, first.train_rows) == (0, 3, "baseline", 0)
    second = next(folds)
    assert second.train_rows > 0
    assert second.forecasts["as_of"].min() == second.test_start
    folds.close()


def test_nothing_to_forecast_gives_empty_frames(panel: pl.DataFrame, labels: pl.DataFrame) -> None:
    walked = walk_forward(panel.clear(), labels, horizon_hours=24)
    assert walked.forecasts.is_empty()
    assert walked.folds.is_empty()
    with pytest.raises(ValueError, match="retrain_every"):
        walk_forward(panel, labels, horizon_hours=24, retrain_every=timedelta(0))
