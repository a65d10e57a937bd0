"""Layer 3: forecasts of the whole history, their skill, and the forecasters that are registered.

What lives here: training, and reading what was forecast. What does not: which model forecasts
(`model_promotion`), the forecast of a decision (`latest_forecasts`).
"""

from collections.abc import Sequence
from typing import Any

import dagster as dg
import polars as pl

from funding_pipeline.core.clock import first_and_last
from funding_pipeline.core.errors import InsufficientHistoryError
from funding_pipeline.core.horizons import horizons_with
from funding_pipeline.core.market import Market
from funding_pipeline.core.tables import FORECASTS, UTC
from funding_pipeline.defs import metadata as md
from funding_pipeline.defs.decision import DECISION_FEATURES
from funding_pipeline.defs.explanations import log_contributions
from funding_pipeline.defs.features import FEATURES, LABELS, read_features
from funding_pipeline.defs.market_state import REGIMES
from funding_pipeline.defs.run_tags import give_way
from funding_pipeline.models.config import ForecasterConfig
from funding_pipeline.models.evaluation import SKILL_SCHEMA, forecast_skill
from funding_pipeline.models.forecaster_set import ForecasterSet, recipe_of, train_set
from funding_pipeline.models.model_card import ModelCard
from funding_pipeline.models.walk_forward import LEAST_TRAINING
from funding_pipeline.reporting import plots
from funding_pipeline.settings import Settings
from funding_pipeline.storage.lake import Lake
from funding_pipeline.tracking.code_version import git_commit, package_version
from funding_pipeline.tracking.forecasters import ModelTracking
from funding_pipeline.tracking.registry import RegisteredVersion
from funding_pipeline.validation.research import ResearchPanel, walk_forward_by_horizon

GROUP = "models"
FORECAST_HISTORY = "walk_forward_forecasts"
LATEST = "latest_forecasts"
SKILL = "forecast_skill"
FORECASTER = "funding_forecaster"
PROMOTION = "model_promotions"
LATEST_SCHEMA = {
    **FORECASTS.columns,
    "trained_at": UTC,
    "fallback_reason": pl.String,
    "reason": pl.String,
}
"""Forecasts, until when the rows were known that trained the model behind them, why that is the baseline
(empty: it is the champion), and what pulls them."""
HISTORY_SCHEMA = {**FORECASTS.columns, "recipe": pl.String}
"""Forecasts, and the recipe of the models that made them."""


def model_assets() -> list[dg.AssetsDefinition]:
    """Assets of this layer, all unpartitioned: each looks at the whole history there is."""
    return [walk_forward_asset, forecast_skill_asset, funding_forecaster]


def read_panel(lake: Lake) -> ResearchPanel:
    """Features and labels as they are stored."""
    return ResearchPanel(features=read_features(lake), labels=lake.scan(LABELS).collect())


def read_history(lake: Lake, *, horizons_hours: Sequence[int] | None = None) -> pl.DataFrame:
    """Walk-forward forecasts (FORECASTS) of some horizons, or of all."""
    rows = lake.scan(FORECAST_HISTORY).select(*FORECASTS.columns)
    chosen = rows if horizons_hours is None else rows.filter(pl.col("horizon_hours").is_in(horizons_hours))
    return chosen.collect()


def recipe_of_history(lake: Lake) -> str:
    """Recipe of the models that made the walk-forward forecasts; empty where there are none."""
    recipes = lake.scan(FORECAST_HISTORY).select(pl.col("recipe").first()).collect()["recipe"]
    return str(recipes[0]) if len(recipes) else ""


def data_versions(lake: Lake) -> dict[str, str]:
    """Versions of the tables that a model or plan was made of, as far as there are any, to make it again."""
    names = ("settled_funding", FEATURES, LABELS, DECISION_FEATURES)
    return {f"delta_{name}": str(lake.version(name)) for name in names if lake.exists(name)}


@dg.asset(
    name=FORECAST_HISTORY,
    deps=[FEATURES, LABELS],
    group_name=GROUP,
    kinds={"xgboost", "mlflow", "deltalake"},
    metadata={"dagster/column_schema": md.columns_of(HISTORY_SCHEMA)},
)
def walk_forward_asset(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    market: dg.ResourceParam[Market],
    lake: dg.ResourceParam[Lake],
    tracking: dg.ResourceParam[ModelTracking],
) -> dg.MaterializeResult[None]:
    """Forecasts for the whole history, each by a model that knew only rows from before it.

    The plan's horizon is trained anew every quarter, the others every year. Early decisions, before there
    is enough to learn from, carry the baseline and say so.
    """
    give_way(context)
    panel, hours = read_panel(lake), settings.horizon_hours
    first, last = first_and_last(panel.features["as_of"])
    result = walk_forward_by_horizon(
        panel,
        planning_hours=hours,
        horizons_hours=horizons_with(hours),
        start=first,
        end=last,
        progress=lambda done, folds: context.log.info(f"walk-forward: fold {done} of {folds}"),
    )
    recipe = recipe_of({horizon: ForecasterConfig() for horizon in horizons_with(hours)})
    version = lake.replace(FORECAST_HISTORY, result.forecasts.with_columns(recipe=pl.lit(recipe)))
    planned = result.folds.filter(pl.col("horizon_hours") == hours)
    tags = {"market": market.label, "recipe": recipe, **data_versions(lake)}
    with tracking.run(f"walk_forward_{hours}h", tags=tags) as run:
        run.log(params={"horizon_hours": hours, "folds": planned.height}, metrics={})
        for metric in ("mae_improvement", "r2", "coverage_80"):
            run.log_steps(metric, planned[metric].to_list())
        run.log_table(result.folds, "folds.csv")
    return dg.MaterializeResult(
        metadata={
            **md.stored(FORECAST_HISTORY, version, rows=result.forecasts.height, market_label=market.label),
            "mlflow_run": run.run_id,
            "recipe": recipe,
            "folds": md.table_preview(result.folds.drop("train_end"), rows=60),
        }
    )


@dg.asset(
    name=SKILL,
    deps=[FORECAST_HISTORY, LABELS, REGIMES],
    group_name=GROUP,
    kinds={"polars", "deltalake"},
    metadata={"dagster/column_schema": md.columns_of(SKILL_SCHEMA)},
)
def forecast_skill_asset(
    settings: dg.ResourceParam[Settings], market: dg.ResourceParam[Market], lake: dg.ResourceParam[Lake]
) -> dg.MaterializeResult[None]:
    """Skill of the walk-forward forecasts against the shrunk trailing mean and against zero.

    By horizon, venue or pair of venues, coin, year and regime, with and without the bare interest.
    """
    forecasts, labels = read_history(lake), lake.scan(LABELS).collect()
    regimes = lake.scan(REGIMES).select("as_of", "regime").collect()
    learnt = forecasts.filter(pl.col("model") != "baseline")
    skill = forecast_skill(learnt, labels, regimes=regimes)
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
            "interval_coverage_plot": md.plot(plots.interval_coverage(skill, suffix=md.suffix(market))),
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
    """One forecaster per horizon, trained on everything known at the newest decision time: the challenger.

    Registered in MLflow; `model_promotions` says whether it forecasts. With too little history nothing is
    registered.
    """
    give_way(context)
    panel = read_panel(lake)
    _, newest = first_and_last(panel.features["as_of"])
    try:
        models = train_set(
            panel.features,
            panel.labels,
            horizons_hours=horizons_with(settings.horizon_hours),
            train_end=newest,
            min_train=LEAST_TRAINING,
            progress=lambda done, all_: context.log.info(f"training: horizon {done} of {all_}"),
        )
    except InsufficientHistoryError as error:
        reason = f"too little is known at {newest:%Y-%m-%d %H:%M} UTC to train a model: {error}"
        context.log.warning(f"{reason}; no challenger is registered")
        return dg.MaterializeResult(metadata={"trained": False, "reason": reason})
    return dg.MaterializeResult(metadata=_register(models, settings, panel, market, lake, tracking))


def _register(
    models: ForecasterSet,
    settings: Settings,
    panel: ResearchPanel,
    market: Market,
    lake: Lake,
    tracking: ModelTracking,
) -> dict[str, Any]:
    """Log the training and register the set; what is shown is of the model that the plan is made from."""
    planned = models.forecasters[settings.horizon_hours]
    importances = planned.feature_importances()
    picture = plots.feature_importance(
        importances.rename({"gain_share": "importance"}), suffix=md.suffix(market)
    )
    card = model_card(models, panel.features, market, lake)
    tags = {"market": market.label, "simulated": str(market.is_simulated), **data_versions(lake)}
    with tracking.run(f"{FORECASTER}_{models.recipe}", tags=tags) as run:
        run.log(
            params={
                **planned.config.model_dump(),
                "horizons_hours": models.horizons_hours,
                "train_end": models.train_end.isoformat(),
                "features": len(models.feature_names),
                "recipe": models.recipe,
            },
            metrics={**_rows_of(models), **_skill_metrics(lake)},
        )
        run.log_png(picture, "feature_importance.png")
        run.log_table(importances, "feature_importance.csv")
        looked_at = log_contributions(
            run, models, panel, planning_hours=settings.horizon_hours, suffix=md.suffix(market)
        )
        registered = tracking.registry.register(run, models, card, panel.features.tail(50))
    return {
        **_shown(registered),
        "dagster/row_count": planned.span.rows,
        "importance": md.plot(picture),
        **looked_at,
    }


def model_card(models: ForecasterSet, features: pl.DataFrame, market: Market, lake: Lake) -> ModelCard:
    """What a set says about itself, from the rows that it was trained on."""
    return ModelCard(
        recipe=models.recipe,
        model=models.name,
        horizons_hours=models.horizons_hours,
        train_end=models.train_end,
        market=market.label,
        inputs={name: str(features.schema[name]) for name in models.feature_names},
        package_version=package_version(),
        git_commit=git_commit(),
        data_versions=data_versions(lake),
    )


def _shown(registered: RegisteredVersion) -> dict[str, Any]:
    card = registered.card
    return {
        "trained": True,
        "mlflow_run": registered.run_id,
        "model_version": registered.version,
        "recipe": card.recipe,
        "code": f"{card.package_version}, commit {card.git_commit}",
        "trained_on_rows_known_before": card.train_end.isoformat(),
    }


def _rows_of(models: ForecasterSet) -> dict[str, float]:
    """Rows that each model was trained and calibrated on."""
    spans = {horizon: model.span for horizon, model in models.forecasters.items()}
    return {
        **{f"train_rows_{h}h": float(span.rows) for h, span in spans.items()},
        **{f"calibration_rows_{h}h": float(span.calibration_rows) for h, span in spans.items()},
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
