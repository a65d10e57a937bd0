"""Jobs: the steps of a whole run, in the order in which they have to happen.

One job cannot mix partitions, so loading (venue by quarter), features (quarter) and the rest are
jobs of their own.
"""

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from funding_pipeline.defs.accounts import BOOK
from funding_pipeline.defs.decision import DECISION_FEATURES, FRESHNESS
from funding_pipeline.defs.features import FEATURES
from funding_pipeline.defs.market_data import REFERENCE_TABLES
from funding_pipeline.defs.models import LATEST
from funding_pipeline.defs.portfolio import PLAN
from funding_pipeline.defs.statements import STATEMENT
from funding_pipeline.defs.trading import EXECUTED, VERDICT

LOAD = "load_market_data"
REFERENCE = "refresh_reference_data"
BUILD_FEATURES = "build_features"
RESEARCH = "forecast_plan_and_validate"
REBALANCE = "rebalance"
SETTLEMENT_CLOSE = "settlement_close"
_REBALANCE = (FRESHNESS, DECISION_FEATURES, LATEST, BOOK, PLAN, VERDICT, EXECUTED)
_TRADING_ONLY = (FRESHNESS, BOOK, VERDICT, EXECUTED, STATEMENT)


def jobs() -> list[UnresolvedAssetJobDefinition]:
    """Loading, research and trading."""
    reference = dg.AssetSelection.assets(*REFERENCE_TABLES)
    features = dg.AssetSelection.assets(FEATURES)
    market_data = dg.AssetSelection.groups("market_data")
    return [
        dg.define_asset_job(
            LOAD,
            market_data - reference,
            description="Raw and normalized market data with their checks, for chosen venues and quarters.",
        ),
        dg.define_asset_job(
            REFERENCE, reference, description="Instruments, funding intervals and quarantine, with checks."
        ),
        dg.define_asset_job(BUILD_FEATURES, features, description="The feature panel for chosen quarters."),
        dg.define_asset_job(
            RESEARCH,
            dg.AssetSelection.all() - market_data - features - dg.AssetSelection.assets(*_TRADING_ONLY),
            description="Labels, forecasts, regimes, plan, orders, back-test and report on what is loaded.",
        ),
        dg.define_asset_job(
            REBALANCE,
            dg.AssetSelection.assets(*_REBALANCE),
            description="Newest rows, forecast, plan from what is held, risk verdict, orders.",
            config={"ops": {name: {"config": {"at": "now"}} for name in (DECISION_FEATURES, PLAN)}},
            tags={"dagster/max_retries": "0"},
        ),
        dg.define_asset_job(
            SETTLEMENT_CLOSE,
            dg.AssetSelection.assets(FRESHNESS, STATEMENT),
            description="Newest rows, and what the settlement paid as the venues state it.",
            tags={"dagster/max_retries": "0"},
        ),
    ]
