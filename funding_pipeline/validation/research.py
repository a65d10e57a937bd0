"""From normalized tables to forecasts: the one chain that back-test, command line and assets share."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from funding_pipeline.core.clock import decision_schedule
from funding_pipeline.core.errors import InsufficientHistoryError
from funding_pipeline.core.tables import FORECASTS, MarketTables
from funding_pipeline.features.labels import realised_funding
from funding_pipeline.features.panel import build_features
from funding_pipeline.models.design import checked
from funding_pipeline.models.forecaster import train
from funding_pipeline.models.walk_forward import (
    RETRAIN_EVERY,
    ForecastFold,
    Progress,
    Span,
    WalkForwardForecasts,
    fold_spans,
    forecast_fold,
    joined_folds,
    walk_forward,
)
from funding_pipeline.validation.processes import in_processes_with

OTHERS_FIRST_FOLD, OTHERS_RETRAIN_EVERY = timedelta(days=189), timedelta(days=364)
"""Folds of horizons that no plan is made from: their skill is reported, and a fold costs a training. The
first is as long as it takes to know enough of any horizon; none moves when later rows arrive."""
_FITS_AT_ONCE = 2
_ROWS_WORTH_A_PROCESS = 20_000


@dataclass(frozen=True)
class ResearchPanel:
    """Features and what followed them: labels carry the moment they became known."""

    features: pl.DataFrame
    labels: pl.DataFrame


def research_panel(
    tables: MarketTables,
    *,
    start: datetime,
    end: datetime,
    every_hours: int,
    horizons_hours: Sequence[int],
) -> ResearchPanel:
    """Features and labels at every decision time in [start, end]."""
    times = decision_schedule(start=start, end=end, every_hours=every_hours)
    return ResearchPanel(
        features=build_features(tables, as_of=times),
        labels=realised_funding(tables.settled_funding, as_of=times, horizons_hours=horizons_hours),
    )


def walk_forward_forecasts(
    panel: ResearchPanel,
    *,
    start: datetime,
    end: datetime,
    horizon_hours: int,
    progress: Progress | None = None,
) -> WalkForwardForecasts:
    """Forecasts for start <= as_of <= end, each from a model that knew only rows before its fold."""
    return walk_forward(
        panel.features,
        panel.labels,
        horizon_hours=horizon_hours,
        start=start,
        end=end + timedelta(microseconds=1),
        progress=progress,
    )


def walk_forward_by_horizon(
    panel: ResearchPanel,
    *,
    planning_hours: int,
    horizons_hours: Sequence[int],
    start: datetime,
    end: datetime,
    progress: Progress | None = None,
) -> WalkForwardForecasts:
    """`walk_forward_forecasts` of the planning horizon, and of the others in coarser folds.

    Two folds at a time, in processes where they are large: a fit is one thread on purpose, and folds know
    nothing of each other. `folds` has `horizon_hours` before its other columns; `progress` counts the folds
    of all horizons.
    """
    panel = ResearchPanel(features=checked(panel.features), labels=panel.labels)
    last = end + timedelta(microseconds=1)
    spans = {hours: _coarse_spans(start, last) for hours in set(horizons_hours)}
    spans[planning_hours] = fold_spans(panel.features, start=start, end=last, retrain_every=RETRAIN_EVERY)
    tasks = [(hours, number) for hours in sorted(spans) for number in range(len(spans[hours]))]
    done: dict[int, list[ForecastFold]] = {hours: [] for hours in sorted(spans)}
    every = [(spans[hours], hours, number) for hours, number in tasks]
    at_once = _FITS_AT_ONCE if panel.features.height > _ROWS_WORTH_A_PROCESS else 1
    folds = in_processes_with(panel, _fold, every, processes=at_once, progress=progress)
    for (hours, _), fold in zip(tasks, folds, strict=True):
        done[hours].append(fold)
    walked = {hours: joined_folds(found, panel.labels) for hours, found in done.items()}
    hours_first = [
        one.folds.select(pl.lit(hours, dtype=pl.Int64).alias("horizon_hours"), pl.all())
        for hours, one in walked.items()
    ]
    forecasts = pl.concat([one.forecasts for one in walked.values()]).sort(FORECASTS.key)
    return WalkForwardForecasts(forecasts, pl.concat(hours_first))


def _fold(panel: ResearchPanel, task: tuple[Sequence[Span], int, int]) -> ForecastFold:
    spans, horizon_hours, number = task
    return forecast_fold(
        panel.features, panel.labels, spans=spans, number=number, horizon_hours=horizon_hours
    )


def _coarse_spans(start: datetime, last: datetime) -> list[Span]:
    """Fold spans of horizons that no plan is made from."""
    spans, at = [], start
    length = OTHERS_FIRST_FOLD
    while at < last:
        spans.append((at, min(at + length, last)))
        at, length = at + length, OTHERS_RETRAIN_EVERY
    return spans


def forecasts_trained_once(
    panel: ResearchPanel, *, train_end: datetime, start: datetime, end: datetime, horizon_hours: int
) -> pl.DataFrame:
    """Forecasts for start <= as_of <= end by one model, trained on rows known before `train_end`.

    Raises InsufficientHistoryError where `start` lies before `train_end` or too little is known then.
    """
    if start < train_end:
        raise InsufficientHistoryError(
            f"--from {start:%Y-%m-%d} lies before --train-end {train_end:%Y-%m-%d}: the model would "
            "forecast what it has learnt from"
        )
    past = panel.features.filter(pl.col("as_of") < train_end)
    forecaster = train(past, panel.labels, horizon_hours=horizon_hours, train_end=train_end)
    return forecaster.predict(panel.features.filter(pl.col("as_of").is_between(start, end)))
