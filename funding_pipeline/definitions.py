"""The only thing Dagster loads: assets, checks, jobs, sensors and resources of one market."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from funding_pipeline.defs.accounts import account_assets
from funding_pipeline.defs.decision import decision_assets
from funding_pipeline.defs.execution import execution_assets
from funding_pipeline.defs.features import feature_assets
from funding_pipeline.defs.governance import governance_jobs
from funding_pipeline.defs.housekeeping import housekeeping_automation
from funding_pipeline.defs.jobs import research_jobs, trading_jobs, training_jobs
from funding_pipeline.defs.latest_forecasts import forecast_assets
from funding_pipeline.defs.market_data import market_data_assets
from funding_pipeline.defs.market_state import market_state_assets
from funding_pipeline.defs.model_drift import drift_assets, drift_checks
from funding_pipeline.defs.model_jobs import model_jobs
from funding_pipeline.defs.model_promotion import promotion_assets
from funding_pipeline.defs.models import model_assets
from funding_pipeline.defs.partitions import market_partitions, quarter_partitions
from funding_pipeline.defs.portfolio import portfolio_assets
from funding_pipeline.defs.quality_checks import quality_checks
from funding_pipeline.defs.resources import build_resources
from funding_pipeline.defs.sensors import sensors
from funding_pipeline.defs.statements import statement_assets
from funding_pipeline.defs.trading import trading_assets
from funding_pipeline.defs.trading_state import trading_state_spec
from funding_pipeline.defs.training import training_automation
from funding_pipeline.defs.validation import backtest
from funding_pipeline.defs.validation_report import validation_report
from funding_pipeline.defs.validation_studies import validation_studies
from funding_pipeline.settings import Settings, load_settings


def build_definitions(
    *,
    settings: Settings,
    resources: Mapping[str, Any] | None = None,
    loggers: Mapping[str, dg.LoggerDefinition] | None = None,
) -> dg.Definitions:
    """Definitions for the market of `settings`.

    `resources` replaces some of them, as tests do; `loggers` replaces those of the jobs.
    """
    market = settings.open_market()
    span = market.span()
    by_venue = market_partitions(span)
    research, trading, training = research_jobs(), trading_jobs(), training_jobs()
    weekly, looks_after_models = training_automation(jobs=[*research, *training], partitions=by_venue)
    housekeeping, nightly = housekeeping_automation()
    return dg.Definitions(
        assets=[
            *market_data_assets(by_venue),
            *feature_assets(quarter_partitions(span)),
            *decision_assets(),
            *model_assets(),
            *promotion_assets(),
            *drift_assets(),
            *forecast_assets(),
            *market_state_assets(),
            *portfolio_assets(),
            *execution_assets(),
            *account_assets(),
            *trading_assets(),
            *statement_assets(),
            trading_state_spec(),
            backtest,
            validation_studies,
            validation_report,
        ],
        asset_checks=[*quality_checks(by_venue), *drift_checks()],
        jobs=[*research, *trading, *training, *governance_jobs(), *model_jobs(), housekeeping],
        sensors=[*sensors(jobs=trading), looks_after_models],
        schedules=[weekly, nightly],
        loggers=loggers,
        # Steps are seconds long and share heavy imports: one process a run, not one a step.
        executor=dg.in_process_executor,
        resources={**build_resources(settings=settings, market=market), **(resources or {})},
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What `dagster dev`, `funding-pipeline up` and the daemon load, from the environment's settings."""
    return build_definitions(settings=load_settings())
