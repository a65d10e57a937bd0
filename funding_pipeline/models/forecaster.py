"""The funding forecaster: training, prediction in the FORECASTS schema, and what it is made of.

What lives here: how point model and quantiles are put together without look-ahead. What does not:
the models (`point_model`, `calibration`), walk-forward folds, tracking.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from funding_pipeline.core.errors import InsufficientHistoryError
from funding_pipeline.core.tables import FORECASTS
from funding_pipeline.models.baseline import baseline_rate
from funding_pipeline.models.calibration import (
    IntervalModel,
    Quantiles,
    fit_intervals,
    forecast_held_out,
    held_out_blocks,
)
from funding_pipeline.models.config import ForecasterConfig
from funding_pipeline.models.design import (
    GAP_FEATURES,
    LINEAR_FEATURES,
    LOG_SCALE,
    MODEL_FEATURES,
    SPREAD_FEATURES,
    checked,
)
from funding_pipeline.models.point_model import PointModel, baseline_rates, chosen_trust, fit_point_model
from funding_pipeline.models.training_rows import thinned, training_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MODEL_NAME = "ridge-xgboost-2"


@dataclass(frozen=True)
class TrainingSpan:
    """What a model has seen: first and last decision time, latest label, rows, and calibration rows."""

    first_as_of: datetime
    last_as_of: datetime
    train_end: datetime
    rows: int
    calibration_rows: int


@dataclass(frozen=True)
class FundingForecaster:
    """A fitted forecaster of mean funding over `horizon_hours`. Pickles; holds no data."""

    horizon_hours: int
    config: ForecasterConfig
    point: PointModel
    intervals: IntervalModel
    span: TrainingSpan
    name: str = MODEL_NAME

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Panel columns that the model reads."""
        return tuple(
            dict.fromkeys((*self.point.features, *LINEAR_FEATURES, *GAP_FEATURES, *self.intervals.columns))
        )

    def feature_importances(self) -> pl.DataFrame:
        """One row per feature of the trees: `feature`, `gain_share` (0 to 1, sums to 1), descending.

        The mean over the trees that learnt levels and those that learnt differentials.
        """
        shares = [gain_shares(b) for b in (self.point.booster, self.point.pair_booster)]
        rows = [
            (name, sum(share.get(f"f{i}", 0.0) for share in shares) / len(shares))
            for i, name in enumerate((*self.point.features, LOG_SCALE))
        ]
        frame = pl.DataFrame(rows, schema={"feature": pl.String, "gain_share": pl.Float64}, orient="row")
        return frame.sort("gain_share", "feature", descending=[True, False])

    def linear_coefficients(self) -> pl.DataFrame:
        """One row per trailing mean of the robust ridge: `feature`, `coefficient` (rate per rate)."""
        return pl.DataFrame({"feature": LINEAR_FEATURES, "coefficient": self.point.coefficients})

    def predict(self, features: pl.DataFrame) -> pl.DataFrame:
        """Forecasts (core.tables.FORECASTS), one row per row of `features`; rates per hour."""
        panel = checked(features)
        point = self.point.predict(panel)
        return forecasts_frame(
            panel,
            horizon_hours=self.horizon_hours,
            point=point,
            quantiles=self.intervals.predict(panel, point),
            model=self.name,
        )


def train(
    features: pl.DataFrame,
    labels: pl.DataFrame,
    *,
    horizon_hours: int,
    train_end: datetime,
    config: ForecasterConfig | None = None,
) -> FundingForecaster:
    """Fit on rows whose label was known by `train_end` (UTC); features as of `build_features`.

    First without each block of the span in turn (purged by the horizon on both sides), whose errors
    calibrate the quantiles and tell how far to trust the model against the baseline. Then the point
    model is fitted on all rows. Raises InsufficientHistoryError below `config.min_rows` labelled rows.
    """
    config = config or ForecasterConfig()
    rows = training_rows(
        features, labels, horizon_hours=horizon_hours, train_end=train_end, max_rows=config.max_rows
    )
    blocks = held_out_blocks(
        thinned(rows, config.calibration_rows),
        horizon_hours=horizon_hours,
        blocks=config.calibration_blocks,
    )
    _require(rows, blocks, train_end=train_end, config=config)
    names = known_features(rows, MODEL_FEATURES, least_share=config.min_feature_share)
    sizes = known_features(rows, SPREAD_FEATURES, least_share=config.min_feature_share)

    def fitted(part: pl.DataFrame) -> PointModel:
        return fit_point_model(part, _target(part), features=names, config=config)

    held = forecast_held_out(blocks, lambda others, block: fitted(others).predict(block))
    baseline = baseline_rates(held.rows)
    trust = chosen_trust(held.point, baseline, _target(held.rows))
    held = replace(held, point=trust * held.point + (1 - trust) * baseline)
    intervals = fit_intervals(held, features=sizes, config=config)
    point = replace(fitted(rows), trust=trust)
    seen = TrainingSpan(rows["as_of"][0], rows["as_of"][-1], train_end, rows.height, held.rows.height)
    return FundingForecaster(horizon_hours, config, point, intervals, seen)


def forecasts_frame(
    panel: pl.DataFrame,
    *,
    horizon_hours: int,
    point: "NDArray[np.float64]",
    quantiles: Quantiles,
    model: str,
) -> pl.DataFrame:
    """Numbers, row for row of `panel`, in the FORECASTS schema."""
    q10, q50, q90 = quantiles
    frame = panel.select("as_of", "venue", "symbol", baseline_rate()).with_columns(
        pl.lit(horizon_hours, dtype=pl.Int64).alias("horizon_hours"),
        pl.Series("rate_per_hour", point, dtype=pl.Float64),
        pl.Series("q10", q10, dtype=pl.Float64),
        pl.Series("q50", q50, dtype=pl.Float64),
        pl.Series("q90", q90, dtype=pl.Float64),
        pl.lit(model).alias("model"),
    )
    return FORECASTS.conform(frame)


def _target(rows: pl.DataFrame) -> "NDArray[np.float64]":
    return rows["target"].to_numpy()


def known_features(rows: pl.DataFrame, names: tuple[str, ...], *, least_share: float) -> tuple[str, ...]:
    """Those of `names` that are known in enough rows to be learnt from."""
    known = rows.select(pl.col(name).is_not_null().mean() for name in names).row(0, named=True)
    return tuple(name for name in names if (known[name] or 0.0) >= least_share)


def gain_shares(booster: Any) -> dict[str, float]:
    """Share of a booster's total gain by feature number (`f0`, ...); empty where it never split."""
    gains: dict[str, float] = booster.get_score(importance_type="total_gain")
    return {name: gain / sum(gains.values()) for name, gain in gains.items()}


def _require(
    rows: pl.DataFrame,
    blocks: list[tuple[pl.DataFrame, pl.DataFrame]],
    *,
    train_end: datetime,
    config: ForecasterConfig,
) -> None:
    others = min((rest.height for rest, _ in blocks), default=0)
    held_out = [block.height for _, block in blocks]
    if (
        rows.height < config.min_rows
        or 2 * others < min(config.min_rows, config.calibration_rows)
        or 0 in held_out
    ):
        raise InsufficientHistoryError(
            f"training: {rows.height} labelled rows known by {train_end:%Y-%m-%d %H:%M} "
            f"({sum(held_out)} for calibration, at least {others} to each model of it); at least "
            f"{config.min_rows} are needed: load more history or lower min_rows"
        )
