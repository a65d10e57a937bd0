"""Held-out blocks, sizes of errors and quantiles: purge, coverage, tails, groups, odd input."""

from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from funding_pipeline.models.baseline_forecaster import fit_baseline
from funding_pipeline.models.calibration import (
    HeldOut,
    conformal_quantiles,
    fit_intervals,
    forecast_held_out,
    held_out_blocks,
    settles_often,
)
from funding_pipeline.models.config import ForecasterConfig
from funding_pipeline.models.design import SPREAD_FEATURES
from funding_pipeline.models.spread import ERROR_QUANTILE, fit_spread_model
from funding_pipeline.models.training_rows import training_rows
from funding_pipeline_tests.features.synthetic_market import START

if TYPE_CHECKING:
    from numpy.typing import NDArray

TRAIN_END = START + timedelta(days=90)
SEED = np.random.default_rng


@pytest.fixture(scope="module")
def rows(panel: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    return training_rows(panel, labels, horizon_hours=168, train_end=TRAIN_END, max_rows=10**6)


def held_out(rows: pl.DataFrame, error: "NDArray[np.float64]") -> HeldOut:
    """Forecasts of zero with these errors, in three blocks."""
    block = np.arange(rows.height) * 3 // rows.height
    return HeldOut(rows.with_columns(pl.Series("target", error)), np.zeros(rows.height), block)


def scale_of_rows(rows: pl.DataFrame) -> "NDArray[np.float64]":
    return rows["rate_absolute_720h_per_hour"].to_numpy()


def test_blocks_cover_the_span_and_no_label_reaches_into_them(rows: pl.DataFrame) -> None:
    for horizon in (0, 24, 168):
        purge = timedelta(hours=max(horizon, 24))
        blocks = held_out_blocks(rows, horizon_hours=horizon, blocks=4)
        assert_frame_equal(pl.concat([block for _, block in blocks]), rows)
        for others, block in blocks:
            first, last = block["as_of"][0], block["as_of"][-1]
            assert not others.is_empty()
            assert others.filter(
                pl.col("as_of").is_between(first - purge, last + purge, closed="none")
            ).is_empty()
    assert held_out_blocks(rows.clear(), horizon_hours=24, blocks=4) == []


def test_every_block_is_forecast_by_a_model_of_the_others(rows: pl.DataFrame) -> None:
    def forecast(others: pl.DataFrame, block: pl.DataFrame) -> "NDArray[np.float64]":
        assert others.join(block, on=["as_of", "venue", "symbol"]).is_empty()
        return np.full(block.height, float(others.height))

    blocks = held_out_blocks(rows, horizon_hours=168, blocks=2)
    held = forecast_held_out(blocks, forecast)
    assert held.block.tolist() == [0] * blocks[0][1].height + [1] * blocks[1][1].height
    assert held.point[0] == blocks[0][0].height
    assert held.error == pytest.approx(held.rows["target"].to_numpy() - held.point)


def test_size_grows_with_the_instruments_own_swings(rows: pl.DataFrame, config: ForecasterConfig) -> None:
    """Errors of exactly one known size: the model finds its 80 % quantile on every row."""
    scale = scale_of_rows(rows)
    error = scale * SEED(0).uniform(-1, 1, rows.height)
    zero = np.zeros(rows.height)
    for features in ((), SPREAD_FEATURES):
        model = fit_spread_model(rows, point=zero, error=error, features=features, config=config)
        size = model.predict(rows, zero)
        assert (size > 0).all()
        assert np.mean(np.abs(error) <= size) == pytest.approx(ERROR_QUANTILE, abs=0.05)
        assert float(np.median(size / scale)) == pytest.approx(ERROR_QUANTILE, abs=0.15)


def test_intervals_cover_new_errors_of_the_same_kind(rows: pl.DataFrame, config: ForecasterConfig) -> None:
    scale, draw = scale_of_rows(rows), SEED(1)
    held = held_out(rows, scale * draw.standard_t(3, rows.height))
    for features in ((), SPREAD_FEATURES):
        model = fit_intervals(held, features=features, config=config)
        low, middle, high = model.predict(rows, np.zeros(rows.height))
        assert (low <= middle).all()
        assert (middle <= high).all()
        fresh = scale * draw.standard_t(3, rows.height)
        assert np.mean((fresh >= low) & (fresh <= high)) == pytest.approx(0.8, abs=0.04)
        assert set(model.columns) <= set(rows.columns)


def test_instruments_that_settle_often_have_a_width_of_their_own(
    rows: pl.DataFrame, config: ForecasterConfig
) -> None:
    """A venue whose errors are three times as large, and whose size no feature of the linear part tells."""
    often = (np.arange(rows.height) // 7) % 2 == 0
    mixed = rows.with_columns(pl.Series("interval_hours", np.where(often, 1.0, 8.0)))
    error = scale_of_rows(rows) * SEED(2).normal(size=rows.height) * np.where(often, 3.0, 1.0)
    model = fit_intervals(held_out(mixed, error), features=(), config=config)
    assert model.often > 1.2
    assert model.seldom < 1.0
    low, _, high = model.predict(mixed, np.zeros(rows.height))
    inside = (error >= low) & (error <= high)
    shares = [float(inside[group].mean()) for group in (often, ~often)]
    assert shares == pytest.approx([0.8, 0.8], abs=0.08)
    unknown = mixed.with_columns(pl.lit(None, dtype=pl.Float64).alias("interval_hours"))
    assert not settles_often(unknown).any()


def test_tails_are_halfway_to_symmetric_and_hold_the_forecast() -> None:
    z = np.concatenate([np.linspace(-1, 0, 50), np.linspace(0, 3, 50)])
    low, middle, high = conformal_quantiles(z)
    both = np.quantile(np.abs(z), 0.81, method="higher")
    assert low == pytest.approx((np.quantile(z, 0.095, method="lower") - both) / 2)
    assert high == pytest.approx((np.quantile(z, 0.905, method="higher") + both) / 2)
    assert low <= middle <= high
    low, middle, high = conformal_quantiles(np.array([2.0, 3.0]))
    assert low <= 0 <= high
    assert low <= middle <= high


def test_few_rows_one_block_and_errors_of_zero(rows: pl.DataFrame, config: ForecasterConfig) -> None:
    few = rows.head(30)
    alone = HeldOut(few.with_columns(pl.lit(0.0).alias("target")), np.zeros(30), np.zeros(30, dtype=np.int64))
    low, middle, high = fit_intervals(alone, features=(), config=config).predict(few, np.zeros(30))
    assert np.isfinite(np.concatenate([low, middle, high])).all()
    assert (low <= high).all()


def test_baseline_intervals_cover_and_one_time_alone_is_the_same(
    panel: pl.DataFrame, labels: pl.DataFrame
) -> None:
    made = fit_baseline(panel, labels, horizon_hours=24, train_end=TRAIN_END)
    assert made.intervals is not None
    later = made.predict(panel.filter(pl.col("as_of") >= TRAIN_END))
    truth = labels.filter(horizon_hours=24).select(
        "as_of", "venue", "symbol", pl.col("rate_per_hour").alias("y")
    )
    judged = later.join(truth, on=["as_of", "venue", "symbol"]).drop_nulls("y")
    assert judged["y"].is_between(judged["q10"], judged["q90"]).mean() == pytest.approx(0.8, abs=0.1)
    moment = later["as_of"][-1]
    alone = made.predict(panel.filter(pl.col("as_of") == moment))
    assert alone.equals(later.filter(pl.col("as_of") == moment))


def test_a_hole_in_the_history_leaves_no_block_empty(rows: pl.DataFrame) -> None:
    days = (pl.col("as_of") - START).dt.total_days()
    holed = rows.filter((days < 10) | (days > 70))
    blocks = held_out_blocks(holed, horizon_hours=24, blocks=4)
    assert min(block.height for _, block in blocks) > holed.height // 8
    assert_frame_equal(pl.concat([block for _, block in blocks]), holed)
