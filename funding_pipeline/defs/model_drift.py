"""Drift of features and of forecast errors: a table, and two checks that warn.

What lives here: reading and showing. What does not: the measures (`models.drift`), training because of
them (`training`).
"""

from datetime import datetime

import dagster as dg
import polars as pl

from funding_pipeline.core.clock import first_and_last
from funding_pipeline.core.errors import StorageError
from funding_pipeline.core.market import Market
from funding_pipeline.defs import metadata as md
from funding_pipeline.defs.features import FEATURES, LABELS
from funding_pipeline.defs.models import GROUP, PROMOTION, read_panel
from funding_pipeline.features.catalog import FEATURE_COLUMNS
from funding_pipeline.models.drift import (
    DRIFT_SCHEMA,
    DRIFTED,
    ERROR,
    FEATURE,
    MOST_DRIFTED,
    UNKNOWN,
    error_drift,
    feature_drift,
    findings,
    share_drifted,
)
from funding_pipeline.storage.lake import Lake
from funding_pipeline.tracking.forecasters import ModelTracking
from funding_pipeline.tracking.registry import CHAMPION, RegisteredVersion
from funding_pipeline.validation.research import ResearchPanel

DRIFT = "model_drift"


def drift_assets() -> list[dg.AssetsDefinition]:
    """The measurement."""
    return [model_drift]


def drift_checks() -> list[dg.AssetChecksDefinition]:
    """The two warnings."""
    return [features_as_in_training, errors_as_in_walk_forward]


@dg.asset(
    name=DRIFT,
    deps=[FEATURES, LABELS, PROMOTION],
    group_name=GROUP,
    kinds={"polars", "mlflow", "deltalake"},
    metadata={"dagster/column_schema": md.columns_of(DRIFT_SCHEMA)},
)
def model_drift(
    context: dg.AssetExecutionContext,
    market: dg.ResourceParam[Market],
    lake: dg.ResourceParam[Lake],
    tracking: dg.ResourceParam[ModelTracking],
) -> dg.MaterializeResult[None]:
    """How far the newest 30 days are from what the champion was trained on, and its errors since.

    Without a champion: from all rows before them, and no errors.
    """
    panel = read_panel(lake)
    _, newest = first_and_last(panel.features["as_of"])
    champion = _champion(context, market, tracking)
    names = [*champion.card.inputs] if champion is not None else [*FEATURE_COLUMNS]
    seen = [name for name in names if name in panel.features.columns]
    train_end = champion.card.train_end if champion is not None else newest
    frame = feature_drift(panel.features, seen, train_end=train_end)
    if champion is not None:
        frame = pl.concat([frame, _errors(champion, panel, tracking, context, newest=newest)])
    version = lake.replace(DRIFT, frame)
    return dg.MaterializeResult(
        metadata={
            **md.stored(DRIFT, version, rows=frame.height, market_label=market.label),
            "of": "no champion" if champion is None else f"champion, version {champion.version}",
            "findings": findings(frame),
            "errors": md.table_preview(frame.filter(pl.col("kind") == ERROR)),
            "features": md.table_preview(
                frame.filter(pl.col("kind") == FEATURE).sort("value", descending=True, nulls_last=True),
                rows=60,
            ),
        }
    )


def _champion(
    context: dg.AssetExecutionContext, market: Market, tracking: ModelTracking
) -> RegisteredVersion | None:
    """The champion of this market, where it can be read."""
    try:
        champion = tracking.registry.of_alias(CHAMPION)
    except StorageError as error:
        context.log.warning(f"no drift of a champion: {error}")
        return None
    return champion if champion is not None and champion.card.market == market.label else None


def _errors(
    champion: RegisteredVersion,
    panel: ResearchPanel,
    tracking: ModelTracking,
    context: dg.AssetExecutionContext,
    *,
    newest: datetime,
) -> pl.DataFrame:
    """Errors since the champion was trained; none where it or its evidence cannot be read."""
    since = panel.features.filter(pl.col("as_of") >= champion.card.train_end)
    try:
        evidence = tracking.registry.evidence(champion)
        if evidence is None or since.is_empty():
            return pl.DataFrame(schema=DRIFT_SCHEMA)
        forecasts = tracking.registry.load(champion.version).predict(since)
    except Exception as error:  # as when it forecasts: what cannot be read is said, and stops nothing
        context.log.warning(f"no errors of version {champion.version}: {type(error).__name__}: {error}")
        return pl.DataFrame(schema=DRIFT_SCHEMA)
    return error_drift(forecasts, panel.labels, evidence.weeks, as_of=newest)


@dg.asset_check(
    asset=DRIFT,
    description="The newest 30 days look like the rows that the champion was trained on: at most a fifth of "
    "the features has drifted (population stability index).",
)
def features_as_in_training(lake: dg.ResourceParam[Lake]) -> dg.AssetCheckResult:
    """Share of features that have drifted."""
    drift = lake.scan(DRIFT).collect()
    share = share_drifted(drift)
    return dg.AssetCheckResult(
        passed=share <= MOST_DRIFTED,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{share:.0%} of the features have drifted, limit {MOST_DRIFTED:.0%}",
        metadata={"share_drifted": share},
    )


@dg.asset_check(
    asset=DRIFT,
    description="Since its training the champion has been no worse against the baseline than in 19 of 20 "
    "weeks of the walk-forward that it was promoted by, over every horizon.",
)
def errors_as_in_walk_forward(lake: dg.ResourceParam[Lake]) -> dg.AssetCheckResult:
    """Horizons whose error has grown."""
    errors = lake.scan(DRIFT).filter(pl.col("kind") == ERROR).collect()
    worse = errors.filter(pl.col("level") == DRIFTED)
    judged = errors.filter(pl.col("level") != UNKNOWN)
    named = ", ".join(worse["subject"].to_list())
    said = named if named else f"{judged.height} of {errors.height} horizons can be judged, none is worse"
    return dg.AssetCheckResult(passed=worse.is_empty(), severity=dg.AssetCheckSeverity.WARN, description=said)
