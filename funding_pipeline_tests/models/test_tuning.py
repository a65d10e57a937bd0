"""Scoring settings: inside the training span only, purged, by pairwise differentials; a space that fits."""

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from funding_pipeline.core.errors import InsufficientHistoryError, SettingsError
from funding_pipeline.models.config import ForecasterConfig
from funding_pipeline.models.evaluation import forecast_skill
from funding_pipeline.models.tuning import (
    BLOCKS_SCHEMA,
    SEARCH_SPACE,
    Bounds,
    FoldScore,
    TuningProtocol,
    checked_space,
    scored,
    with_values,
)
from funding_pipeline.models.walk_forward import walk_forward
from funding_pipeline_tests.features.synthetic_market import START

PROTOCOL = TuningProtocol(
    horizon_hours=24,
    train_end=START + timedelta(days=100),
    folds=2,
    fold_length=timedelta(days=20),
    min_train=timedelta(days=30),
)


def test_the_space_is_of_settings_that_there_are() -> None:
    assert checked_space(SEARCH_SPACE, ForecasterConfig()) is SEARCH_SPACE
    with pytest.raises(SettingsError, match="no setting `leaves`"):
        checked_space({"leaves": Bounds(1, 2)}, ForecasterConfig())
    with pytest.raises(SettingsError, match="depth is 3 by default"):
        checked_space({"depth": Bounds(4, 8, whole=True)}, ForecasterConfig(depth=3))


def test_values_are_validated_anew() -> None:
    assert with_values(ForecasterConfig(), {"depth": 2}) == ForecasterConfig(depth=2)
    with pytest.raises(SettingsError, match="no setting `leaves`"):
        with_values(ForecasterConfig(), {"leaves": 2})
    with pytest.raises(ValueError, match="depth"):
        with_values(ForecasterConfig(), {"depth": 99})


def test_the_embargo_is_the_horizon_and_never_below_a_decision_step() -> None:
    assert PROTOCOL.embargo_used == timedelta(hours=24)
    assert TuningProtocol(horizon_hours=0, train_end=START).embargo_used == timedelta(hours=8)
    with pytest.raises(SettingsError, match="embargo"):
        replace(PROTOCOL, embargo=timedelta(hours=7))
    with pytest.raises(SettingsError, match="1 folds"):
        replace(PROTOCOL, folds=1)


def test_the_score_is_the_skill_of_differentials_of_a_purged_walk_forward(
    panel: pl.DataFrame, labels: pl.DataFrame, config: ForecasterConfig
) -> None:
    seen: list[FoldScore] = []
    score = scored(panel, labels, protocol=PROTOCOL, config=config, on_fold=seen.append)
    assert tuple(seen) == score.folds
    assert [fold.number for fold in seen] == [0, 1]
    assert score.mean_gain == pytest.approx((seen[0].gain + seen[1].gain) / 2)
    assert score.worst_gain == min(seen[0].gain, seen[1].gain)
    assert dict(score.blocks.schema) == BLOCKS_SCHEMA
    walked = walk_forward(
        panel, labels, horizon_hours=24, retrain_every=timedelta(days=20), min_train=timedelta(days=30),
        embargo=timedelta(hours=24), start=PROTOCOL.start, end=PROTOCOL.train_end, config=config,
    )  # fmt: skip
    known = labels.filter(pl.col("known_at") < PROTOCOL.train_end)
    skill = forecast_skill(walked.forecasts, known).filter(
        (pl.col("quantity") == "differential") & (pl.col("group") == "overall") & (pl.col("plateau") == "all")
    )
    whole = 1 - score.blocks["model_error"].sum() / score.blocks["baseline_error"].sum()
    assert whole == pytest.approx(skill["mae_improvement"].item(), abs=1e-12)
    assert score.blocks["rows"].sum() == skill["rows"].item() == seen[0].rows + seen[1].rows


def test_nothing_after_the_training_span_reaches_a_score(
    panel: pl.DataFrame, labels: pl.DataFrame, config: ForecasterConfig
) -> None:
    end = PROTOCOL.train_end
    later = pl.col("known_at") >= end
    poisoned = labels.with_columns(rate_per_hour=pl.when(later).then(9.9).otherwise("rate_per_hour"))
    other = panel.with_columns(
        rate_last_per_hour=pl.when(pl.col("as_of") >= end).then(7.7).otherwise("rate_last_per_hour")
    )
    clean = scored(panel, labels, protocol=PROTOCOL, config=config)
    dirty = scored(other, poisoned, protocol=PROTOCOL, config=config)
    cut = scored(
        panel.filter(pl.col("as_of") < end).sample(fraction=1.0, shuffle=True, seed=1),
        labels.filter(~later).sample(fraction=1.0, shuffle=True, seed=2),
        protocol=PROTOCOL,
        config=config,
    )
    assert clean.folds == dirty.folds == cut.folds
    assert clean.blocks.equals(dirty.blocks)
    assert clean.blocks.equals(cut.blocks)


def test_labels_inside_the_embargo_are_never_learnt_from(
    panel: pl.DataFrame, labels: pl.DataFrame, config: ForecasterConfig
) -> None:
    last = PROTOCOL.train_end - PROTOCOL.fold_length
    inside = (pl.col("known_at") >= last - timedelta(hours=24)) & (pl.col("known_at") < last)
    poisoned = labels.with_columns(rate_per_hour=pl.when(inside).then(5.5).otherwise("rate_per_hour"))
    clean = scored(panel, labels, protocol=PROTOCOL, config=config)
    assert scored(panel, poisoned, protocol=PROTOCOL, config=config).folds[1] == clean.folds[1]
    short = replace(PROTOCOL, embargo=timedelta(hours=8))
    assert scored(panel, poisoned, protocol=short, config=config).folds[1] != clean.folds[1]


def test_too_little_history_is_said_by_fold(panel: pl.DataFrame, labels: pl.DataFrame) -> None:
    early = replace(PROTOCOL, train_end=START + timedelta(days=60))
    with pytest.raises(InsufficientHistoryError, match="fold 1 of 2, from 2024-01-21: too little"):
        scored(panel, labels, protocol=early, config=ForecasterConfig(min_rows=200))
    unjudged = labels.filter(pl.col("as_of") < PROTOCOL.start)
    with pytest.raises(InsufficientHistoryError, match="no differential has an outcome"):
        scored(panel, unjudged, protocol=PROTOCOL, config=ForecasterConfig(min_rows=200, trees=5))
