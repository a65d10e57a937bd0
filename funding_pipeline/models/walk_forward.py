"""Walk-forward: forecasts for a whole history, each made by a model that knew only its past.

What lives here: folds, purge and embargo. What does not: judging the result (`evaluation`).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from funding_pipeline.core.clock import first_and_last
from funding_pipeline.core.errors import InsufficientHistoryError
from funding_pipeline.core.tables import FORECASTS, UTC
from funding_pipeline.models.baseline_forecaster import BaselineForecaster, fit_baseline
from funding_pipeline.models.config import ForecasterConfig
from funding_pipeline.models.design import KEYS, checked
from funding_pipeline.models.forecaster import FundingForecaster, train

Progress = Callable[[int, int], None]
Span = tuple[datetime, datetime]
"""Half-open: decisions of one fold."""

LEAST_TRAINING = timedelta(days=180)
DECISION_STEP = timedelta(hours=8)
RETRAIN_EVERY = timedelta(days=91)

FOLDS_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "fold": pl.Int64,
    "train_end": UTC,
    "test_start": UTC,
    "test_end": UTC,
    "model": pl.String,
    "train_rows": pl.Int64,
    "rows": pl.Int64,
    "labelled_rows": pl.Int64,
    "mae_per_hour": pl.Float64,
    "baseline_mae_per_hour": pl.Float64,
    "mae_improvement": pl.Float64,
    "r2": pl.Float64,
    "coverage_80": pl.Float64,
}


@dataclass(frozen=True)
class WalkForwardForecasts:
    """`forecasts` (core.tables.FORECASTS) and one row per fold: span, rows, model and its skill."""

    forecasts: pl.DataFrame
    folds: pl.DataFrame


@dataclass(frozen=True)
class ForecastFold:
    """Forecasts of [test_start, test_end) by a model that knew only labels known before `train_end`.

    `number` counts from 0, `of` all folds; `train_rows` is 0 for the baseline.
    """

    number: int
    of: int
    train_end: datetime
    test_start: datetime
    test_end: datetime
    model: str
    train_rows: int
    forecasts: pl.DataFrame


def walk_forward(
    features: pl.DataFrame,
    labels: pl.DataFrame,
    *,
    horizon_hours: int,
    retrain_every: timedelta = RETRAIN_EVERY,
    min_train: timedelta = LEAST_TRAINING,
    embargo: timedelta = DECISION_STEP,
    start: datetime | None = None,
    end: datetime | None = None,
    config: ForecasterConfig | None = None,
    progress: Progress | None = None,
) -> WalkForwardForecasts:
    """Forecast every row of `features` with start <= as_of < end, in folds of `retrain_every`.

    As `walk_forward_folds`, whole, and with the skill of each fold. `progress(done, folds)` is called after
    each fold.
    """
    folds = walk_forward_folds(
        features,
        labels,
        horizon_hours=horizon_hours,
        retrain_every=retrain_every,
        min_train=min_train,
        embargo=embargo,
        start=start,
        end=end,
        config=config,
    )
    done: list[ForecastFold] = []
    for fold in folds:
        done.append(fold)
        if progress is not None:
            progress(len(done), fold.of)
    return joined_folds(done, labels)


def joined_folds(folds: Sequence[ForecastFold], labels: pl.DataFrame) -> WalkForwardForecasts:
    """The forecasts of all `folds`, and one row per fold with its skill, in the order given."""
    rows = [
        {
            "fold": fold.number,
            "train_end": fold.train_end,
            "test_start": fold.test_start,
            "test_end": fold.test_end,
            "model": fold.model,
            "train_rows": fold.train_rows,
            **_skill(fold.forecasts, labels),
        }
        for fold in folds
    ]
    forecasts = pl.concat([FORECASTS.empty(), *(fold.forecasts for fold in folds)]).sort(FORECASTS.key)
    return WalkForwardForecasts(forecasts, pl.DataFrame(rows, schema=FOLDS_SCHEMA))


def walk_forward_folds(
    features: pl.DataFrame,
    labels: pl.DataFrame,
    *,
    horizon_hours: int,
    retrain_every: timedelta = RETRAIN_EVERY,
    min_train: timedelta = LEAST_TRAINING,
    embargo: timedelta = DECISION_STEP,
    start: datetime | None = None,
    end: datetime | None = None,
    config: ForecasterConfig | None = None,
) -> Iterator[ForecastFold]:
    """The folds one by one, each when it is asked for, so that a caller may stop early.

    A fold's model learns only from labels with known_at < fold start - embargo. The purge of the horizon
    is in `known_at`; the embargo, one decision step by default, keeps a label that ends right at the fold's
    start out as well. A fold whose labels span less than `min_train`, or are too few, uses the baseline and
    says so in `model`.
    """
    panel = checked(features)
    spans = fold_spans(panel, start=start, end=end, retrain_every=retrain_every)
    for number in range(len(spans)):
        yield forecast_fold(
            panel,
            labels,
            spans=spans,
            number=number,
            horizon_hours=horizon_hours,
            min_train=min_train,
            embargo=embargo,
            config=config,
        )


def forecast_fold(
    panel: pl.DataFrame,
    labels: pl.DataFrame,
    *,
    spans: Sequence[Span],
    number: int,
    horizon_hours: int,
    min_train: timedelta = LEAST_TRAINING,
    embargo: timedelta = DECISION_STEP,
    config: ForecasterConfig | None = None,
) -> ForecastFold:
    """The fold of one of `spans`, by itself: folds know nothing of each other. `panel`: in key order."""
    test_start, test_end = spans[number]
    train_end = test_start - embargo
    model = fit_forecaster(
        panel, labels, horizon_hours=horizon_hours, train_end=train_end, min_train=min_train, config=config
    )
    test = panel.filter((pl.col("as_of") >= test_start) & (pl.col("as_of") < test_end))
    return ForecastFold(
        number=number,
        of=len(spans),
        train_end=train_end,
        test_start=test_start,
        test_end=test_end,
        model=model.name,
        train_rows=model.span.rows if isinstance(model, FundingForecaster) else 0,
        forecasts=model.predict(test),
    )


def fold_spans(
    panel: pl.DataFrame, *, start: datetime | None, end: datetime | None, retrain_every: timedelta
) -> list[Span]:
    """Half-open test spans that cover [start, end), by default the whole panel."""
    if retrain_every <= timedelta(0):
        raise ValueError("retrain_every must be positive")
    if panel.is_empty():
        return []
    seen: list[datetime] = panel["as_of"].unique().sort().to_list()
    at = start or seen[0]
    last = end or seen[-1] + timedelta(microseconds=1)
    spans = []
    while at < last:
        spans.append((at, min(at + retrain_every, last)))
        at += retrain_every
    return spans


def fit_forecaster(
    features: pl.DataFrame,
    labels: pl.DataFrame,
    *,
    horizon_hours: int,
    train_end: datetime,
    min_train: timedelta = LEAST_TRAINING,
    config: ForecasterConfig | None = None,
) -> FundingForecaster | BaselineForecaster:
    """The model that may be trusted with what is known at `train_end`: trained, or else the baseline.

    The baseline where labels span less than `min_train`, or are fewer than `config.min_rows`.
    """
    known = labels.filter((pl.col("known_at") < train_end) & (pl.col("horizon_hours") == horizon_hours))
    past = features.filter(pl.col("as_of") < train_end)
    try:
        first, last = first_and_last(known["as_of"])
        if last - first >= min_train:
            return train(past, known, horizon_hours=horizon_hours, train_end=train_end, config=config)
    except InsufficientHistoryError:
        pass
    return fit_baseline(past, known, horizon_hours=horizon_hours, train_end=train_end, config=config)


def _skill(forecasts: pl.DataFrame, labels: pl.DataFrame) -> dict[str, object]:
    """Level skill of one fold on the labels there are; null without any."""
    realised = labels.select(*KEYS, "horizon_hours", pl.col("rate_per_hour").alias("realised"))
    joined = forecasts.join(realised, on=[*KEYS, "horizon_hours"]).drop_nulls("realised")
    error, truth = pl.col("realised") - pl.col("rate_per_hour"), pl.col("realised")
    row = joined.select(
        pl.len().cast(pl.Int64).alias("labelled_rows"),
        error.abs().mean().alias("mae_per_hour"),
        (truth - pl.col("baseline_rate_per_hour")).abs().mean().alias("baseline_mae_per_hour"),
        (1 - (error**2).sum() / ((truth - truth.mean()) ** 2).sum()).alias("r2"),
        truth.is_between("q10", "q90").mean().alias("coverage_80"),
    ).row(0, named=True)
    mae, baseline = row["mae_per_hour"], row["baseline_mae_per_hour"]
    return {"rows": forecasts.height, **row, "mae_improvement": 1 - mae / baseline if baseline else None}
