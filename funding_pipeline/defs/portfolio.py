"""Layer 4: the plan, from the latest forecasts, neutral over the portfolio and on every venue."""

from datetime import timedelta

import dagster as dg
import polars as pl

from funding_pipeline.core.clock import first_and_last
from funding_pipeline.core.errors import InsufficientHistoryError
from funding_pipeline.core.market import Market
from funding_pipeline.core.venue_terms import load_venue_terms
from funding_pipeline.defs import metadata as md
from funding_pipeline.defs.models import LATEST, data_versions
from funding_pipeline.portfolio.live import plan_at
from funding_pipeline.portfolio.plan import LEG_SCHEMA, PortfolioPlan
from funding_pipeline.reporting import plots
from funding_pipeline.settings import Settings
from funding_pipeline.storage.lake import Lake
from funding_pipeline.storage.market_tables import read_market_tables

GROUP = "portfolio"
PLAN = "portfolio_plan"
# Betas and basis risk look back this far, with room for gaps.
_LOOK_BACK = timedelta(days=120)


def portfolio_assets() -> list[dg.AssetsDefinition]:
    """The plan and what it says about itself."""
    return [portfolio_plan]


@dg.asset(
    name=PLAN,
    deps=[LATEST, "instruments", "prices", "settled_funding"],
    group_name=GROUP,
    kinds={"cvxpy", "deltalake"},
    metadata={"dagster/column_schema": md.columns_of(LEG_SCHEMA)},
)
def portfolio_plan(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    market: dg.ResourceParam[Market],
    lake: dg.ResourceParam[Lake],
) -> dg.MaterializeResult[None]:
    """Target positions at the newest decision time, starting from none held.

    Neutral per base, over the portfolio and, by beta, on every venue; costs counted; no leg at all
    is always allowed. Where no instrument can be traded the plan is empty and says why.
    """
    try:
        plan = _plan(settings, lake)
    except InsufficientHistoryError as error:
        context.log.warning(f"no plan: {error}")
        version = lake.replace(PLAN, pl.DataFrame(schema=dict(LEG_SCHEMA)))
        empty = md.stored(PLAN, version, rows=0, market_label=market.label)
        return dg.MaterializeResult(
            metadata={**empty, "status": "nothing to trade", "status_reason": str(error)}
        )
    version = lake.replace(PLAN, plan.legs)
    return dg.MaterializeResult(
        metadata={
            **md.stored(PLAN, version, rows=plan.legs.height, market_label=market.label),
            **{key: md.rounded(value) for key, value in plan.summary.items()},
            **data_versions(lake),
            "legs": md.table_preview(_readable(plan.legs), rows=80),
            "plan_plot": md.plot(plots.plan_legs(plan.legs, suffix=md.suffix(market))),
        }
    )


def _plan(settings: Settings, lake: Lake) -> PortfolioPlan:
    forecasts = lake.scan(LATEST).collect()
    _, as_of = first_and_last(forecasts["as_of"])
    return plan_at(
        tables=read_market_tables(lake, start=as_of - _LOOK_BACK, end=as_of),
        forecasts=forecasts,
        positions={},
        as_of=as_of,
        terms=load_venue_terms(),
        config=settings.portfolio_config(),
    )


def _readable(legs: pl.DataFrame) -> pl.DataFrame:
    """The columns that a person compares, funding in percent a year."""
    return legs.sort("base", "notional_target_usd").select(
        "venue",
        "symbol",
        pl.col("notional_target_usd").alias("notional_usd"),
        (pl.col("expected_rate_per_hour") * 24 * 365 * 100).alias("funding_pct_yr"),
        "beta",
        "reason",
    )
