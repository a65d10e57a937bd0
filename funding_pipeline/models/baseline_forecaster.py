"""The baseline in the FORECASTS schema, for times at which there is too little history to train."""

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from funding_pipeline.models.baseline import BASELINE_MODEL, DEFAULT_QUANTILES, baseline_rate
from funding_pipeline.models.calibration import HeldOut, IntervalModel, fit_intervals
from funding_pipeline.models.config import ForecasterConfig
from funding_pipeline.models.design import checked, scales
from funding_pipeline.models.forecaster import forecasts_frame
from funding_pipeline.models.training_rows import training_rows

_LEAST_ROWS = 100
_BLOCKS = 4


@dataclass(frozen=True)
class BaselineForecaster:
    """Shrunk trailing mean; `intervals` from its past errors, None: the defaults in units of the scale."""

    horizon_hours: int
    intervals: IntervalModel | None
    scale_floor_per_hour: float
    name: str = BASELINE_MODEL

    def predict(self, features: pl.DataFrame) -> pl.DataFrame:
        """Forecasts (core.tables.FORECASTS), one row per row of `features`; rates per hour."""
        panel = checked(features)
        point = panel.select(baseline_rate()).to_series().to_numpy()
        if self.intervals is None:
            scale = scales(panel, self.scale_floor_per_hour)
            low, middle, high = (point + z * scale for z in DEFAULT_QUANTILES)
        else:
            low, middle, high = self.intervals.predict(panel, point)
        return forecasts_frame(
            panel,
            horizon_hours=self.horizon_hours,
            point=point,
            quantiles=(low, middle, high),
            model=self.name,
        )


def fit_baseline(
    features: pl.DataFrame,
    labels: pl.DataFrame,
    *,
    horizon_hours: int,
    train_end: datetime,
    config: ForecasterConfig | None = None,
) -> BaselineForecaster:
    """Quantiles from the labels known by `train_end`; below 100 of them, the documented defaults.

    The baseline has no fit of its own, so all its errors count as held out, in four blocks of time.
    """
    config = config or ForecasterConfig()
    rows = training_rows(
        features, labels, horizon_hours=horizon_hours, train_end=train_end, max_rows=config.max_rows
    )
    intervals = None
    if rows.height >= _LEAST_ROWS:
        block = (pl.int_range(pl.len()) * _BLOCKS // pl.len()).alias("block")
        held = HeldOut(
            rows,
            rows.select(baseline_rate()).to_series().to_numpy(),
            rows.select(block).to_series().to_numpy(),
        )
        intervals = fit_intervals(held, features=(), config=config)
    return BaselineForecaster(horizon_hours, intervals, config.scale_floor_per_hour)
