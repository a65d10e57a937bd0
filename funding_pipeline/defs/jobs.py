"""Jobs: the steps of a whole run, in the order in which they have to happen.

One job cannot mix partitions, so loading (venue by quarter), features (quarter) and the rest are
jobs of their own.
"""

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from funding_pipeline.defs.accounts import BOOK
from funding_pipeline.defs.decision import DECISION_FEATURES, FRESHNESS
from funding_pipeline.defs.features import FEATURES, LABELS
from funding_pipeline.defs.market_data import REFERENCE_TABLES
from funding_pipeline.defs.market_state import REGIMES, STATE
from funding_pipeline.defs.model_drift import DRIFT
from funding_pipeline.defs.models import FORECAST_HISTORY, FORECASTER, LATEST, PROMOTION, SKILL
from funding_pipeline.defs.portfolio import PLAN
from funding_pipeline.defs.run_tags import CLOSE, CLOSE_RUN, REBALANCE, REBALANCE_RUN, RESEARCH_RUN
from funding_pipeline.defs.statements import STATEMENT
from funding_pipeline.defs.trading import EXECUTED, VERDICT
from funding_pipeline.defs.trading_state import TRADING_STATE
from funding_pipeline.defs.validation import BACKTEST

LOAD = "load_market_data"
REFERENCE = "refresh_reference_data"
BUILD_FEATURES = "build_features"
RESEARCH = "forecast_plan_and_validate"
CHECK_MODELS = "check_models"
TRAIN = "train_models"
_REBALANCE = (FRESHNESS, DECISION_FEATURES, LATEST, STATE, BOOK, PLAN, VERDICT, EXECUTED)
_TRADING_ONLY = (FRESHNESS, BOOK, VERDICT, EXECUTED, STATEMENT, TRADING_STATE)

_CHECKED = (LABELS, DRIFT)
_TRAINED = (REGIMES, FORECAST_HISTORY, SKILL, FORECASTER, BACKTEST, PROMOTION)


def research_jobs() -> list[UnresolvedAssetJobDefinition]:
    """Loading and research: what `funding-pipeline run` executes."""
    reference = dg.AssetSelection.assets(*REFERENCE_TABLES)
    features = dg.AssetSelection.assets(FEATURES)
    market_data = dg.AssetSelection.groups("market_data")
    return [
        dg.define_asset_job(
            LOAD,
            market_data - reference,
            description="Raw and normalized market data with their checks, for chosen venues and quarters.",
            tags=dict(RESEARCH_RUN),
        ),
        dg.define_asset_job(
            REFERENCE,
            reference,
            description="Instruments, funding intervals and quarantine, with checks.",
            tags=dict(RESEARCH_RUN),
        ),
        dg.define_asset_job(
            BUILD_FEATURES,
            features,
            description="The feature panel for chosen quarters.",
            tags=dict(RESEARCH_RUN),
        ),
        dg.define_asset_job(
            RESEARCH,
            dg.AssetSelection.all() - market_data - features - dg.AssetSelection.assets(*_TRADING_ONLY),
            description="Labels, forecasts, regimes, plan, orders, back-test and report on what is loaded.",
            tags=dict(RESEARCH_RUN),
        ),
    ]


def training_jobs() -> list[UnresolvedAssetJobDefinition]:
    """Looking after the models beside trading: nothing that a rebalance writes is touched."""
    return [
        dg.define_asset_job(
            CHECK_MODELS,
            dg.AssetSelection.assets(*_CHECKED),
            description="Labels of the newest rows, and drift of features and of the champion's errors.",
            tags=dict(RESEARCH_RUN),
        ),
        dg.define_asset_job(
            TRAIN,
            dg.AssetSelection.assets(*_CHECKED, *_TRAINED),
            description="Walk-forward, back-test, a new challenger, and whether it is promoted.",
            tags=dict(RESEARCH_RUN),
        ),
    ]


def trading_jobs() -> list[UnresolvedAssetJobDefinition]:
    """What the settlement sensor asks for: before a settlement, and after it."""
    return [
        dg.define_asset_job(
            REBALANCE,
            dg.AssetSelection.assets(*_REBALANCE),
            description="Newest rows, forecast, plan from what is held, risk verdict, orders.",
            config={"ops": {name: {"config": {"at": "now"}} for name in (DECISION_FEATURES, STATE, PLAN)}},
            tags=dict(REBALANCE_RUN),
        ),
        dg.define_asset_job(
            CLOSE,
            dg.AssetSelection.assets(FRESHNESS, STATEMENT),
            description="Newest rows, and what the settlement paid as the venues state it.",
            tags=dict(CLOSE_RUN),
        ),
    ]
