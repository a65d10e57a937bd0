"""Layer 3: forecasts with their uncertainty, and the registered forecaster."""

from datetime import datetime
from typing import Any

import dagster as dg
import polars as pl

from funding_pipeline.core.clock import first_and_last
from funding_pipeline.core.errors import InsufficientHistoryError, StorageError
from funding_pipeline.core.market import Market
from funding_pipeline.core.tables import FORECASTS, UTC
from funding_pipeline.defs import metadata as md
from funding_pipeline.defs.decision import DECISION_FEATURES
from funding_pipeline.defs.features import FEATURES, LABELS, read_features
from funding_pipeline.features.labels import LABELS_SCHEMA
from funding_pipeline.features.panel import FEATURES_SCHEMA
from funding_pipeline.models.baseline_forecaster import fit_baseline
from funding_pipeline.models.evaluation import SKILL_SCHEMA, forecast_skill
from funding_pipeline.models.forecaster import FundingForecaster
from funding_pipeline.models.walk_forward import fit_forecaster
from funding_pipeline.reporting import plots
from funding_pipeline.settings import Settings
from funding_pipeline.storage.lake import Lake
from funding_pipeline.tracking.forecasters import ModelTracking, RegisteredForecaster
from funding_pipeline.validation.research import ResearchPanel, walk_forward_forecasts

GROUP = "models"
FORECAST_HISTORY = "walk_forward_forecasts"
LATEST = "latest_forecasts"
SKILL = "forecast_skill"
FORECASTER = "funding_forecaster"
LATEST_SCHEMA = {**FORECASTS.columns, "trained_at": UTC}
"""Forecasts, and until when the rows were known that the model behind them was trained on."""
_NO_PANEL = ResearchPanel(
    features=pl.DataFrame(schema=FEATURES_SCHEMA), labels=pl.DataFrame(schema=LABELS_SCHEMA)
)


def model_assets() -> list[dg.AssetsDefinition]:
    """Assets of this layer, all unpartitioned: each looks at the whole history there is."""
    return [
        walk_forward_asset,
        forecast_skill_asset,
        funding_forecaster,
        latest_forecasts,
    ]


def read_panel(lake: Lake) -> ResearchPanel:
    """Features and labels as they are stored."""
    return ResearchPanel(features=read_features(lake), labels=lake.scan(LABELS).collect())


def data_versions(lake: Lake) -> dict[str, str]:
    """Versions of the tables that a model or plan was made of, as far as there are any, to make it again."""
    names = ("settled_funding", FEATURES, LABELS, DECISION_FEATURES)
    return {f"delta_{name}": str(lake.version(name)) for name in names if lake.exists(name)}


@dg.asset(
    name=FORECAST_HISTORY,
    deps=[FEATURES, LABELS],
    group_name=GROUP,
    kinds={"xgboost", "mlflow", "deltalake"},
    metadata={"dagster/column_schema": md.column_schema(FORECASTS)},
)
def walk_forward_asset(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    market: dg.ResourceParam[Market],
    lake: dg.ResourceParam[Lake],
    tracking: dg.ResourceParam[ModelTracking],
) -> dg.MaterializeResult[None]:
    """Forecasts for the whole history, each by a model that knew only rows from before it.

    Early decisions, before there is enough to learn from, carry the baseline and say so.
    """
    panel = read_panel(lake)
    first, last = first_and_last(panel.features["as_of"])
    result = walk_forward_forecasts(
        panel,
        start=first,
        end=last,
        horizon_hours=settings.horizon_hours,
        progress=lambda done, folds: context.log.info(f"walk-forward: fold {done} of {folds}"),
    )
    version = lake.replace(FORECAST_HISTORY, result.forecasts)
    tags = {"market": market.label, **data_versions(lake)}
    with tracking.run(f"walk_forward_{settings.horizon_hours}h", tags=tags) as run:
        run.log(params={"horizon_hours": settings.horizon_hours, "folds": result.folds.height}, metrics={})
        for metric in ("mae_improvement", "r2", "coverage_80"):
            run.log_steps(metric, result.folds[metric].to_list())
        run.log_table(result.folds, "folds.csv")
    return dg.MaterializeResult(
        metadata={
            **md.stored(FORECAST_HISTORY, version, rows=result.forecasts.height, market_label=market.label),
            "mlflow_run": run.run_id,
            "folds": md.table_preview(result.folds.drop("train_end"), rows=40),
        }
    )


@dg.asset(
    name=SKILL,
    deps=[FORECAST_HISTORY, LABELS],
    group_name=GROUP,
    kinds={"polars", "deltalake"},
    metadata={"dagster/column_schema": md.columns_of(SKILL_SCHEMA)},
)
def forecast_skill_asset(
    settings: dg.ResourceParam[Settings], market: dg.ResourceParam[Market], lake: dg.ResourceParam[Lake]
) -> dg.MaterializeResult[None]:
    """Skill of the walk-forward forecasts against the shrunk trailing mean and against zero."""
    forecasts, labels = lake.scan(FORECAST_HISTORY).collect(), lake.scan(LABELS).collect()
    learnt = forecasts.filter(pl.col("model") != "baseline")
    skill = forecast_skill(learnt, labels)
    version = lake.replace(SKILL, skill)
    overall = skill.filter(pl.col("group") == "overall")
    return dg.MaterializeResult(
        metadata={
            **md.stored(SKILL, version, rows=skill.height, market_label=market.label),
            "overall": md.table_preview(overall),
            "forecast_against_realised_plot": md.plot(
                plots.forecast_against_realised(
                    learnt, labels, horizon_hours=settings.horizon_hours, suffix=md.suffix(market)
                )
            ),
        }
    )


@dg.asset(
    name=FORECASTER,
    deps=[FEATURES, LABELS, SKILL],
    group_name=GROUP,
    kinds={"xgboost", "mlflow"},
    metadata={"dagster/column_schema": md.feature_columns()},
)
def funding_forecaster(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    market: dg.ResourceParam[Market],
    lake: dg.ResourceParam[Lake],
    tracking: dg.ResourceParam[ModelTracking],
) -> dg.MaterializeResult[None]:
    """The forecaster trained on everything known at the newest decision time, registered in MLflow.

    With too little history nothing is registered, and the forecasts below fall back to the baseline.
    """
    panel = read_panel(lake)
    _, newest = first_and_last(panel.features["as_of"])
    forecaster = fit_forecaster(
        panel.features, panel.labels, horizon_hours=settings.horizon_hours, train_end=newest
    )
    if not isinstance(forecaster, FundingForecaster):
        reason = f"too little is known at {newest:%Y-%m-%d %H:%M} UTC to train a model"
        context.log.warning(f"{reason}: the baseline forecasts")
        return dg.MaterializeResult(metadata={"trained": False, "reason": reason})
    return dg.MaterializeResult(metadata=_register(forecaster, panel, market, lake, tracking))


def _register(
    forecaster: FundingForecaster,
    panel: ResearchPanel,
    market: Market,
    lake: Lake,
    tracking: ModelTracking,
) -> dict[str, Any]:
    importances = forecaster.feature_importances()
    picture = plots.feature_importance(
        importances.rename({"gain_share": "importance"}), suffix=md.suffix(market)
    )
    seen = forecaster.span
    tags = {"market": market.label, "simulated": str(market.is_simulated), **data_versions(lake)}
    with tracking.run(f"funding_forecaster_{forecaster.horizon_hours}h", tags=tags) as run:
        run.log(
            params={
                **forecaster.config.model_dump(),
                "horizon_hours": forecaster.horizon_hours,
                "train_end": seen.train_end.isoformat(),
                "features": len(forecaster.feature_names),
            },
            metrics={
                "train_rows": seen.rows,
                "calibration_rows": seen.calibration_rows,
                **_skill_metrics(lake),
            },
        )
        run.log_png(picture, "feature_importance.png")
        run.log_table(importances, "feature_importance.csv")
        version = run.register(forecaster, panel.features.tail(50))
    return {
        "trained": True,
        "mlflow_run": run.run_id,
        "model_version": version,
        "dagster/row_count": seen.rows,
        "trained_on_rows_known_before": seen.train_end.isoformat(),
        "feature_importance_plot": md.plot(picture),
    }


def _skill_metrics(lake: Lake) -> dict[str, float]:
    """Walk-forward skill of the same settings, as metrics by quantity and horizon."""
    if not lake.exists(SKILL):
        return {}
    overall = lake.scan(SKILL).filter((pl.col("group") == "overall") & (pl.col("plateau") == "all")).collect()
    return {
        f"{row['quantity']}_{row['horizon_hours']}h_{metric}": row[metric]
        for row in overall.iter_rows(named=True)
        for metric in ("r2", "baseline_r2", "mae_improvement", "coverage_80")
        if row[metric] is not None
    }


@dg.asset(
    name=LATEST,
    deps=[FORECASTER, DECISION_FEATURES],
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
    """Forecasts at the decision time by the registered model, or by the baseline.

    The baseline forecasts where no model is registered, where it cannot be read, and where it is older
    than the limits allow; `fallback_reason` says which.
    """
    features = lake.scan(DECISION_FEATURES).collect()
    _, as_of = first_and_last(features["as_of"])
    source, reason = "champion", ""
    try:
        registered = _fresh_champion(settings, tracking, as_of=as_of)
        forecasts, trained_at = registered.forecaster.predict(features), registered.forecaster.span.train_end
        source = f"champion, version {registered.version}"
    except (StorageError, InsufficientHistoryError) as error:
        source, reason = "baseline", str(error)
        context.log.warning(f"falling back to the baseline forecaster: {error}")
        panel = read_panel(lake) if lake.exists(LABELS) else _NO_PANEL
        baseline = fit_baseline(
            panel.features, panel.labels, horizon_hours=settings.horizon_hours, train_end=as_of
        )
        forecasts, trained_at = baseline.predict(features), as_of  # nothing in it is ever out of date
    version = lake.replace(LATEST, forecasts.with_columns(trained_at=pl.lit(trained_at).cast(UTC)))
    return dg.MaterializeResult(
        metadata={
            **md.stored(LATEST, version, rows=forecasts.height, market_label=market.label),
            "forecaster": source,
            "fallback_reason": reason,
            "forecasts": md.table_preview(_annualised(forecasts), rows=60),
        }
    )


def _fresh_champion(settings: Settings, tracking: ModelTracking, *, as_of: datetime) -> RegisteredForecaster:
    """The registered model; StorageError where there is none, it is older than the limits allow, or it knows
    what is yet to come (a testnet that was put back)."""
    registered = tracking.load_champion(settings.horizon_hours)
    if registered is None:
        raise StorageError("no model is registered yet")
    age_hours = (as_of - registered.forecaster.span.train_end).total_seconds() / 3600
    most = settings.risk_limits(as_of).max_model_age_hours
    if age_hours < -1:  # the rows of a fetch end with its hour
        raise StorageError(
            f"model version {registered.version} was trained on rows after {as_of:%Y-%m-%d %H:%M} UTC: run "
            "`make run` to train anew"
        )
    if age_hours > most:
        raise StorageError(
            f"model version {registered.version} knows nothing of the last {age_hours:,.0f} h, "
            f"limit {most:g} h: run `make run` to train anew"
        )
    return registered


def _annualised(forecasts: pl.DataFrame) -> pl.DataFrame:
    """Forecasts in percent a year, for reading."""
    rates = ("rate_per_hour", "q10", "q50", "q90", "baseline_rate_per_hour")
    percent = [
        (pl.col(name) * 24 * 365 * 100).alias(f"{name.removesuffix('_per_hour')}_pct_yr") for name in rates
    ]
    return forecasts.select("as_of", "venue", "symbol", *percent, "model")
