"""The forecast of a decision: by the champion, or visibly by the baseline where it may not forecast.

What lives here: choosing between them, and saying so. What does not: who is champion (`model_promotion`).
"""

from datetime import datetime
from typing import NamedTuple

import dagster as dg
import polars as pl

from funding_pipeline.core.clock import first_and_last
from funding_pipeline.core.errors import StorageError
from funding_pipeline.core.horizons import horizons_with
from funding_pipeline.core.market import Market
from funding_pipeline.core.tables import UTC
from funding_pipeline.defs import metadata as md
from funding_pipeline.defs.decision import DECISION_FEATURES
from funding_pipeline.defs.explanations import forecasts_with_reasons
from funding_pipeline.defs.features import LABELS
from funding_pipeline.defs.models import GROUP, LATEST, LATEST_SCHEMA, PROMOTION, read_panel
from funding_pipeline.features.catalog import FEATURE_COLUMNS
from funding_pipeline.features.labels import LABELS_SCHEMA
from funding_pipeline.features.panel import FEATURES_SCHEMA
from funding_pipeline.models.forecaster_set import BaselineSet, ForecasterSet, fit_baselines
from funding_pipeline.reporting import plots
from funding_pipeline.settings import Settings
from funding_pipeline.storage.lake import Lake
from funding_pipeline.tracking.forecasters import ModelTracking
from funding_pipeline.tracking.registry import CHAMPION
from funding_pipeline.validation.research import ResearchPanel

_NO_PANEL = ResearchPanel(
    features=pl.DataFrame(schema=FEATURES_SCHEMA), labels=pl.DataFrame(schema=LABELS_SCHEMA)
)


class Forecast(NamedTuple):
    """Forecasts of all horizons, what made them, until when that knew, and why it was not the champion."""

    rows: pl.DataFrame
    by: ForecasterSet | BaselineSet
    source: str
    trained_at: datetime
    fallback_reason: str = ""


def forecast_assets() -> list[dg.AssetsDefinition]:
    """The forecast of a decision."""
    return [latest_forecasts]


@dg.asset(
    name=LATEST,
    deps=[PROMOTION, DECISION_FEATURES],
    group_name=GROUP,
    kinds={"mlflow", "deltalake"},
    metadata={"dagster/column_schema": md.columns_of(LATEST_SCHEMA)},
)
def latest_forecasts(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    market: dg.ResourceParam[Market],
    lake: dg.ResourceParam[Lake],
    tracking: dg.ResourceParam[ModelTracking],
) -> dg.MaterializeResult[None]:
    """Forecasts over every horizon at the decision time, by the champion or by the baseline.

    The baseline forecasts where there is no champion, where it cannot be read or does not fit (features,
    horizons, market), and where it is older than the limits allow; `fallback_reason` says which.
    """
    features = lake.scan(DECISION_FEATURES).collect()
    _, as_of = first_and_last(features["as_of"])
    try:
        made = _by_champion(features, settings, market, tracking, as_of=as_of)
    except StorageError as error:
        context.log.warning(f"falling back to the baseline forecaster: {error}")
        made = _by_baseline(features, settings, lake, as_of=as_of, reason=str(error))
    rows = made.rows.with_columns(
        trained_at=pl.lit(made.trained_at).cast(UTC), fallback_reason=pl.lit(made.fallback_reason)
    )
    planner = made.by.forecasters[settings.horizon_hours]
    stored = forecasts_with_reasons(rows, planner, features, warn=context.log.warning)
    version = lake.replace(LATEST, stored)
    planned = stored.filter(pl.col("horizon_hours") == settings.horizon_hours)
    return dg.MaterializeResult(
        metadata={
            **md.stored(LATEST, version, rows=stored.height, market_label=market.label),
            "forecaster": made.source,
            "fallback_reason": made.fallback_reason,
            "forecasts": md.table_preview(_annualised(planned), rows=60),
            "forecasts_plot": md.plot(plots.forecasts_at_decision(planned, suffix=md.suffix(market))),
        }
    )


_NUMBERS = ("rate_per_hour", "q10", "q50", "q90")


def _by_champion(
    features: pl.DataFrame,
    settings: Settings,
    market: Market,
    tracking: ModelTracking,
    *,
    as_of: datetime,
) -> Forecast:
    """By the champion; StorageError where there is none, or it may not or cannot forecast here and now."""
    champion = tracking.registry.of_alias(CHAMPION)
    if champion is None:
        raise StorageError("no model is champion: see the asset model_promotions")
    why_not = champion.card.why_not(
        features,
        as_of=as_of,
        market=market.label,
        horizons_hours=horizons_with(settings.horizon_hours),
        max_age_hours=settings.risk_limits(as_of).max_model_age_hours,
    )
    if why_not is not None:
        raise StorageError(f"model version {champion.version} {why_not}")
    models = tracking.registry.load(champion.version)
    try:
        rows = models.predict(features)
    except Exception as error:  # fitted by other code: whatever it lacks, the pipeline goes on
        problem = f"{type(error).__name__}: {error}".splitlines()[0]
        raise StorageError(f"model version {champion.version} cannot forecast: {problem}") from error
    if not rows.select(pl.all_horizontal(pl.col(_NUMBERS).is_finite()).all()).item():
        raise StorageError(f"model version {champion.version} cannot forecast: not every number is finite")
    return Forecast(rows, models, f"champion, version {champion.version}", models.train_end)


def _by_baseline(
    features: pl.DataFrame, settings: Settings, lake: Lake, *, as_of: datetime, reason: str
) -> Forecast:
    """By the shrunk trailing mean, which is never out of date."""
    panel = read_panel(lake) if lake.exists(LABELS) else _NO_PANEL
    unknown = [pl.lit(None, pl.Float64).alias(n) for n in FEATURE_COLUMNS if n not in features.columns]
    features = features.with_columns(unknown)
    baselines = fit_baselines(
        panel.features, panel.labels, horizons_hours=horizons_with(settings.horizon_hours), train_end=as_of
    )
    return Forecast(baselines.predict(features), baselines, "baseline", as_of, reason)


def _annualised(forecasts: pl.DataFrame) -> pl.DataFrame:
    """Forecasts in percent a year, for reading."""
    rates = ("rate_per_hour", "q10", "q50", "q90", "baseline_rate_per_hour")
    percent = [
        (pl.col(name) * 24 * 365 * 100).alias(f"{name.removesuffix('_per_hour')}_pct_yr") for name in rates
    ]
    return forecasts.select("as_of", "venue", "symbol", *percent, "model", "reason")
