"""From normalized tables to forecasts: the one chain that back-test, command line and assets share."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from funding_pipeline.core.clock import decision_schedule
from funding_pipeline.core.errors import InsufficientHistoryError
from funding_pipeline.core.tables import MarketTables
from funding_pipeline.features.labels import realised_funding
from funding_pipeline.features.panel import build_features
from funding_pipeline.models.forecaster import train
from funding_pipeline.models.walk_forward import Progress, WalkForwardForecasts, walk_forward


@dataclass(frozen=True)
class ResearchPanel:
    """Features and what followed them: labels carry the moment they became known."""

    features: pl.DataFrame
    labels: pl.DataFrame


def research_panel(
    tables: MarketTables, *, start: datetime, end: datetime, every_hours: int, horizon_hours: int
) -> ResearchPanel:
    """Features and labels at every decision time in [start, end]."""
    times = decision_schedule(start=start, end=end, every_hours=every_hours)
    return ResearchPanel(
        features=build_features(tables, as_of=times),
        labels=realised_funding(tables.settled_funding, as_of=times, horizons_hours=(horizon_hours,)),
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
