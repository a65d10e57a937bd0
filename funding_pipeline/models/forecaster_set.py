"""One forecaster per horizon, trained, kept and used together: what the registry holds a version of.

What lives here: the set, and its recipe. What does not: a single forecaster (`forecaster`), folds
(`walk_forward`), or which set is used (`promotion`).
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from funding_pipeline.core.errors import InsufficientHistoryError
from funding_pipeline.core.tables import FORECASTS
from funding_pipeline.models.config import ForecasterConfig
from funding_pipeline.models.forecaster import FundingForecaster, train

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class ForecasterSet:
    """Fitted forecasters by horizon in hours (0: the next settlement). Pickles; holds no data."""

    forecasters: Mapping[int, FundingForecaster]

    def __post_init__(self) -> None:
        """Refuse an empty set, or one of models trained to different moments."""
        if len({f.span.train_end for f in self.forecasters.values()}) != 1:
            raise ValueError("a set needs forecasters, all trained to the same moment")

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
        """12 hex digits of what makes a model besides its rows: kind, settings, features, horizons.

        Two fits of one recipe differ by their data alone.
        """
        parts = {
            str(h): [f.name, f.config.model_dump(mode="json"), sorted(f.feature_names)]
            for h, f in sorted(self.forecasters.items())
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]

    def predict(self, features: pl.DataFrame) -> pl.DataFrame:
        """Forecasts (core.tables.FORECASTS) of every horizon for each row of `features`."""
        return pl.concat([f.predict(features) for f in self.forecasters.values()]).sort(FORECASTS.key)


def train_set(
    features: pl.DataFrame,
    labels: pl.DataFrame,
    *,
    horizons_hours: Sequence[int],
    train_end: datetime,
    config: ForecasterConfig | None = None,
    progress: Progress | None = None,
) -> ForecasterSet:
    """Train a forecaster for each horizon on rows known before `train_end`.

    `progress(done, horizons)` is called after each. Raises InsufficientHistoryError naming the horizon
    that has too little history.
    """
    fitted: dict[int, FundingForecaster] = {}
    for horizon in sorted(set(horizons_hours)):
        try:
            fitted[horizon] = train(
                features, labels, horizon_hours=horizon, train_end=train_end, config=config
            )
        except InsufficientHistoryError as error:
            raise InsufficientHistoryError(f"horizon {horizon} h: {error}") from error
        if progress is not None:
            progress(len(fitted), len(set(horizons_hours)))
    return ForecasterSet(fitted)
