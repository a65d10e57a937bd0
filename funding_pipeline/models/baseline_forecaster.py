"""The baseline in the FORECASTS schema, for times at which there is too little history to train."""

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from funding_pipeline.models.baseline import BASELINE_MODEL, DEFAULT_QUANTILES, baseline_rate
from funding_pipeline.models.calibration import conformal_quantiles
from funding_pipeline.models.config import ForecasterConfig
from funding_pipeline.models.design import checked, scales
from funding_pipeline.models.forecaster import forecasts_frame
from funding_pipeline.models.training_rows import training_rows

_LEAST_ROWS = 100


@dataclass(frozen=True)
class BaselineForecaster:
    """Shrunk trailing mean with quantiles in units of the instrument's scale."""

    horizon_hours: int
    standardised_quantiles: tuple[float, float, float]
    scale_floor_per_hour: float
    name: str = BASELINE_MODEL

    def predict(self, features: pl.DataFrame) -> pl.DataFrame:
        """Forecasts (core.tables.FORECASTS), one row per row of `features`; rates per hour."""
        panel = checked(features)
        point = panel.select(baseline_rate()).to_series().to_numpy()
        scale = scales(panel, self.scale_floor_per_hour)
        low, middle, high = (point + z * scale for z in self.standardised_quantiles)
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
    """Quantiles from the labels known by `train_end`; below 100 of them, the documented defaults."""
    config = config or ForecasterConfig()
    rows = training_rows(
        features, labels, horizon_hours=horizon_hours, train_end=train_end, max_rows=config.max_rows
    )
    quantiles = DEFAULT_QUANTILES
    if rows.height >= _LEAST_ROWS:
        error = rows["target"].to_numpy() - rows.select(baseline_rate()).to_series().to_numpy()
        quantiles = conformal_quantiles(error / scales(rows, config.scale_floor_per_hour))
    return BaselineForecaster(horizon_hours, quantiles, config.scale_floor_per_hour)
