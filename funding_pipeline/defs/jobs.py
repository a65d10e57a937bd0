"""Jobs: the steps of a whole run, in the order in which they have to happen.

One job cannot mix partitions, so loading (venue by quarter), features (quarter) and the rest are
jobs of their own.
"""

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from funding_pipeline.defs.features import FEATURES
from funding_pipeline.defs.market_data import REFERENCE_TABLES

LOAD = "load_market_data"
REFERENCE = "refresh_reference_data"
BUILD_FEATURES = "build_features"
RESEARCH = "forecast_plan_and_validate"


def jobs() -> list[UnresolvedAssetJobDefinition]:
    """The four jobs."""
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
            dg.AssetSelection.all() - market_data - features,
            description="Labels, forecasts, regimes, plan, orders, back-test and report on what is loaded.",
        ),
    ]
