"""One forecaster per horizon, trained, kept and used together: what the registry holds a version of.

What lives here: the set, and its recipe. What does not: a single forecaster (`forecaster`), folds
(`walk_forward`), or which set is used (`promotion`).
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from funding_pipeline.core.clock import first_and_last
from funding_pipeline.core.errors import InsufficientHistoryError
from funding_pipeline.core.horizons import horizon_text
from funding_pipeline.core.tables import FORECASTS
from funding_pipeline.models.baseline_forecaster import BaselineForecaster, fit_baseline
from funding_pipeline.models.config import ForecasterConfig
from funding_pipeline.models.design import LINEAR_FEATURES, MODEL_FEATURES, SPREAD_FEATURES
from funding_pipeline.models.forecaster import MODEL_NAME, FundingForecaster, train

Progress = Callable[[int, int], None]
_FITS_AT_ONCE = 2


@dataclass(frozen=True)
class ForecasterSet:
    """Fitted forecasters by horizon in hours (0: the next settlement). Pickles; holds no data."""

    forecasters: Mapping[int, FundingForecaster]

    def __post_init__(self) -> None:
        """Refuse an empty set, or one of models trained to different moments."""
        if len({f.span.train_end for f in self.forecasters.values()}) != 1:
            raise ValueError("a set needs forecasters, all trained to the same moment")

    @property
    def horizons_hours(self) -> tuple[int, ...]:
        """Horizons that it forecasts, ascending."""
        return tuple(sorted(self.forecasters))

    @property
    def train_end(self) -> datetime:
        """Only labels known before it were used (UTC)."""
        return next(iter(self.forecasters.values())).span.train_end

    @property
    def name(self) -> str:
        """Name of the kind of model, as in the column `model` of its forecasts."""
        return next(iter(self.forecasters.values())).name

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Panel columns that any of the models reads."""
        return tuple(dict.fromkeys(n for f in self.forecasters.values() for n in f.feature_names))

    @property
    def recipe(self) -> str:
        """`recipe_of` what these forecasters were made by."""
        return recipe_of({h: f.config for h, f in self.forecasters.items()}, name=self.name)

    def predict(self, features: pl.DataFrame) -> pl.DataFrame:
        """Forecasts (core.tables.FORECASTS) of every horizon for each row of `features`."""
        return pl.concat([f.predict(features) for f in self.forecasters.values()]).sort(FORECASTS.key)


@dataclass(frozen=True)
class BaselineSet:
    """The shrunk trailing mean by horizon: what forecasts where no model may."""

    forecasters: Mapping[int, BaselineForecaster]

    def predict(self, features: pl.DataFrame) -> pl.DataFrame:
        """Forecasts (core.tables.FORECASTS) of every horizon for each row of `features`."""
        return pl.concat([f.predict(features) for f in self.forecasters.values()]).sort(FORECASTS.key)


def recipe_of(configs: Mapping[int, ForecasterConfig], *, name: str = MODEL_NAME) -> str:
    """12 hex digits of what makes a model besides its rows: kind, settings by horizon, features offered.

    Two fits of one recipe differ by their data alone, also where too few rows know a feature for one of
    them to use it. A change of code that changes forecasts needs a new `name`.
    """
    parts = {
        "name": name,
        "features": sorted({*MODEL_FEATURES, *LINEAR_FEATURES}),
        "spread_features": sorted(SPREAD_FEATURES),
        "configs": {str(h): config.model_dump(mode="json") for h, config in sorted(configs.items())},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def train_set(
    features: pl.DataFrame,
    labels: pl.DataFrame,
    *,
    horizons_hours: Sequence[int],
    train_end: datetime,
    min_train: timedelta = timedelta(0),
    config: ForecasterConfig | None = None,
    progress: Progress | None = None,
) -> ForecasterSet:
    """Train a forecaster for each horizon on rows known before `train_end`, two at a time.

    A fit is one thread, and the same whatever runs beside it. `progress(done, horizons)` is called after
    each. Raises InsufficientHistoryError naming the horizon that has too little history: labels that span
    less than `min_train`, or too few.
    """
    past = features.filter(pl.col("as_of") < train_end)
    horizons = sorted(set(horizons_hours))

    def fitted(horizon: int) -> FundingForecaster:
        known = labels.filter((pl.col("horizon_hours") == horizon) & (pl.col("known_at") < train_end))
        try:
            first, last = first_and_last(known["as_of"])
            if last - first < min_train:
                raise InsufficientHistoryError(
                    f"labels span {(last - first).days} days, {min_train.days} are needed"
                )
            return train(past, known, horizon_hours=horizon, train_end=train_end, config=config)
        except InsufficientHistoryError as error:
            raise InsufficientHistoryError(f"{horizon_text(horizon)}: {error}") from error

    made: dict[int, FundingForecaster] = {}
    with ThreadPoolExecutor(max_workers=_FITS_AT_ONCE) as pool:
        for horizon, model in zip(horizons, pool.map(fitted, horizons), strict=True):
            made[horizon] = model
            if progress is not None:
                progress(len(made), len(horizons))
    return ForecasterSet(made)


def fit_baselines(
    features: pl.DataFrame, labels: pl.DataFrame, *, horizons_hours: Sequence[int], train_end: datetime
) -> BaselineSet:
    """The baseline for each horizon, its quantiles from the labels known before `train_end`."""
    return BaselineSet(
        {
            horizon: fit_baseline(features, labels, horizon_hours=horizon, train_end=train_end)
            for horizon in sorted(set(horizons_hours))
        }
    )
