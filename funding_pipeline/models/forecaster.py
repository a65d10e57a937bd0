"""The funding forecaster: training, prediction in the FORECASTS schema, and what it is made of.

What lives here: how point model and quantiles are put together without look-ahead. What does not:
the models (`point_model`, `calibration`), walk-forward folds, tracking.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl

from funding_pipeline.core.errors import InsufficientHistoryError
from funding_pipeline.core.tables import FORECASTS
from funding_pipeline.models.baseline import baseline_rate
from funding_pipeline.models.calibration import (
    SpreadModel,
    conformal_quantiles,
    fit_spread_model,
)
from funding_pipeline.models.config import ForecasterConfig
from funding_pipeline.models.design import LINEAR_FEATURES, LOG_SCALE, MODEL_FEATURES, checked
from funding_pipeline.models.point_model import PointModel, baseline_rates, chosen_trust, fit_point_model
from funding_pipeline.models.training_rows import training_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MODEL_NAME = "ridge-xgboost-1"


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
    """A fitted forecaster of mean funding over `horizon_hours`. Pickles; holds no data.

    `standardised_quantiles`: 10, 50 and 90 % quantiles of error / expected |error|, held out.
    """

    horizon_hours: int
    config: ForecasterConfig
    point: PointModel
    spread: SpreadModel
    standardised_quantiles: tuple[float, float, float]
    span: TrainingSpan
    name: str = MODEL_NAME

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Panel columns that the model reads."""
        return tuple(dict.fromkeys((*self.point.features, *LINEAR_FEATURES)))

    def feature_importances(self) -> pl.DataFrame:
        """One row per feature of the trees: `feature`, `gain_share` (0 to 1, sums to 1), descending."""
        gains = self.point.booster.get_score(importance_type="total_gain")
        total = sum(gains.values()) or 1.0
        rows = [
            (name, gains.get(f"f{i}", 0.0) / total)
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
        point, spread = self.point.predict(panel), self.spread.predict(panel)
        low, middle, high = self.standardised_quantiles
        return forecasts_frame(
            panel,
            horizon_hours=self.horizon_hours,
            point=point,
            quantiles=(point + low * spread, point + middle * spread, point + high * spread),
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

    First on the earlier part of the span, whose errors on the held-out later part calibrate the
    quantiles and tell how far to trust the model against the baseline; the last `horizon_hours`
    before the held-out part are purged. Then the point model is fitted on all rows. Raises
    InsufficientHistoryError below `config.min_rows` labelled rows.
    """
    config = config or ForecasterConfig()
    rows = training_rows(
        features, labels, horizon_hours=horizon_hours, train_end=train_end, max_rows=config.max_rows
    )
    early, late = calibration_split(rows, horizon_hours=horizon_hours, share=config.calibration_share)
    _require(rows, early, late, train_end=train_end, config=config)
    names = _known_features(early, config.min_feature_share)
    early_point = fit_point_model(early, _target(early), features=names, config=config)
    trust = chosen_trust(early_point.predict(late), baseline_rates(late), _target(late))
    early_point = replace(early_point, trust=trust)
    spread = fit_spread_model(
        early, _target(early) - early_point.predict(early), features=names, config=config
    )
    z = (_target(late) - early_point.predict(late)) / spread.predict(late)
    point = replace(fit_point_model(rows, _target(rows), features=names, config=config), trust=trust)
    seen = TrainingSpan(rows["as_of"][0], rows["as_of"][-1], train_end, rows.height, late.height)
    return FundingForecaster(horizon_hours, config, point, spread, conformal_quantiles(z), seen)


def calibration_split(
    rows: pl.DataFrame, *, horizon_hours: int, share: float
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows before the held-out part (purged by the horizon), and the held-out last `share` of the span."""
    if rows.is_empty():
        return rows, rows
    first, last = rows["as_of"][0], rows["as_of"][-1]
    cut = last - (last - first) * share
    purged = pl.col("as_of") <= cut - timedelta(hours=horizon_hours)
    return rows.filter(purged), rows.filter(pl.col("as_of") > cut)


def forecasts_frame(
    panel: pl.DataFrame,
    *,
    horizon_hours: int,
    point: "NDArray[np.float64]",
    quantiles: tuple["NDArray[np.float64]", "NDArray[np.float64]", "NDArray[np.float64]"],
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


def _known_features(rows: pl.DataFrame, least_share: float) -> tuple[str, ...]:
    """Model features that are known in enough rows to be learnt from."""
    known = rows.select(pl.col(name).is_not_null().mean() for name in MODEL_FEATURES).row(0, named=True)
    return tuple(name for name in MODEL_FEATURES if (known[name] or 0.0) >= least_share)


def _require(
    rows: pl.DataFrame,
    early: pl.DataFrame,
    late: pl.DataFrame,
    *,
    train_end: datetime,
    config: ForecasterConfig,
) -> None:
    if rows.height < config.min_rows or early.height < config.min_rows // 2 or late.is_empty():
        raise InsufficientHistoryError(
            f"training: {rows.height} labelled rows known by {train_end:%Y-%m-%d %H:%M} "
            f"({early.height} before calibration, {late.height} in it); at least {config.min_rows} are "
            "needed: load more history or lower min_rows"
        )
