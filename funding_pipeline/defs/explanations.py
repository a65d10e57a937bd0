"""Reasons of forecasts and what a model looks at, as assets and MLflow show them.

What lives here: where explanations go. What does not: what they are (`models.explanation`,
`models.contribution_summary`).
"""

from collections.abc import Callable
from typing import Any

import polars as pl

from funding_pipeline.defs import metadata as md
from funding_pipeline.models.baseline_forecaster import BaselineForecaster
from funding_pipeline.models.contribution_summary import contribution_summary
from funding_pipeline.models.explanation import with_reasons
from funding_pipeline.models.forecaster import FundingForecaster
from funding_pipeline.models.forecaster_set import ForecasterSet
from funding_pipeline.reporting import plots
from funding_pipeline.tracking.runs import MlflowRun
from funding_pipeline.validation.research import ResearchPanel

_FEATURES_SHOWN = 20


def log_contributions(
    run: MlflowRun, models: ForecasterSet, panel: ResearchPanel, *, planning_hours: int, suffix: str
) -> dict[str, Any]:
    """Log what every model of a set looks at, and return metadata of the one that plans are made from.

    Artifacts: `contributions_<h>h.csv` by horizon, and `contributions_<h>h.png` of the planning horizon.
    """
    summaries = {
        hours: contribution_summary(forecaster, panel.features, panel.labels)
        for hours, forecaster in models.forecasters.items()
    }
    for hours, summary in summaries.items():
        run.log_table(summary.table, f"contributions_{hours}h.csv")
    planned = summaries[planning_hours]
    picture = plots.contribution_plot(planned, suffix=suffix)
    run.log_png(picture, f"contributions_{planning_hours}h.png")
    return {
        "contributions_plot": md.plot(picture),
        "contributions": md.table_preview(planned.table, rows=_FEATURES_SHOWN),
    }


def forecasts_with_reasons(
    forecasts: pl.DataFrame,
    forecaster: FundingForecaster | BaselineForecaster,
    features: pl.DataFrame,
    *,
    warn: Callable[[str], None],
) -> pl.DataFrame:
    """`forecasts` with `reason`, told for the forecaster's horizon and null for others.

    A forecast is not lost for want of its reason: where that fails all are null, and `warn` is told why.
    """
    try:
        return with_reasons(forecasts, forecaster, features)
    except Exception as error:
        warn(f"forecasts without reasons: {type(error).__name__}: {error}")
        return forecasts.with_columns(pl.lit(None, dtype=pl.String).alias("reason"))
