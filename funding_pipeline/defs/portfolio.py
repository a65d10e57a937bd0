"""Layer 4: the plan, from the latest forecasts, neutral over the portfolio and on every venue."""

import dagster as dg
import polars as pl

from funding_pipeline.core.clock import first_and_last
from funding_pipeline.core.errors import InsufficientHistoryError
from funding_pipeline.core.horizons import path_horizons
from funding_pipeline.core.market import Market
from funding_pipeline.core.risk_limits import RiskLimits
from funding_pipeline.core.tables import FORECASTS
from funding_pipeline.core.venue_terms import load_venue_terms
from funding_pipeline.defs import metadata as md
from funding_pipeline.defs.accounts import BOOK
from funding_pipeline.defs.decision import DECISION_FEATURES, DecisionTime, tables_of_decision
from funding_pipeline.defs.models import LATEST, data_versions
from funding_pipeline.market.choice import market_time
from funding_pipeline.portfolio.explanation import with_forecast_reasons
from funding_pipeline.portfolio.live import plan_at
from funding_pipeline.portfolio.plan import LEG_SCHEMA, PortfolioPlan
from funding_pipeline.reporting import plots
from funding_pipeline.settings import Settings
from funding_pipeline.storage.lake import Lake
from funding_pipeline.trading.governance_actions import limits_now, open_journal
from funding_pipeline.trading.kept_books import kept_books

GROUP = "portfolio"
PLAN = "portfolio_plan"


def portfolio_assets() -> list[dg.AssetsDefinition]:
    """The plan and what it says about itself."""
    return [portfolio_plan]


@dg.asset(
    name=PLAN,
    deps=[LATEST, DECISION_FEATURES, BOOK, "instruments", "leverage_tiers", "prices", "settled_funding"],
    group_name=GROUP,
    kinds={"cvxpy", "deltalake"},
    metadata={"dagster/column_schema": md.columns_of(LEG_SCHEMA)},
)
def portfolio_plan(
    context: dg.AssetExecutionContext,
    config: DecisionTime,
    settings: dg.ResourceParam[Settings],
    market: dg.ResourceParam[Market],
    lake: dg.ResourceParam[Lake],
) -> dg.MaterializeResult[None]:
    """Target positions at the decision time; in a rebalance from what the accounts hold, else from none held.

    Neutral per base, over the portfolio and, by beta, on every venue; costs counted; no leg at all
    is always allowed. Where no instrument can be traded the plan is empty and says why.
    """
    try:
        plan = _plan(config, settings, market, lake)
    except InsufficientHistoryError as error:
        context.log.warning(f"no plan: {error}")
        version = lake.replace(PLAN, pl.DataFrame(schema=dict(LEG_SCHEMA)))
        empty = md.stored(PLAN, version, rows=0, market_label=market.label)
        return dg.MaterializeResult(
            metadata={**empty, "status": "nothing to trade", "status_reason": str(error)}
        )
    legs = with_forecast_reasons(plan.legs, _forecast_reasons(plan, settings, lake))
    version = lake.replace(PLAN, legs)
    return dg.MaterializeResult(
        metadata={
            **md.stored(PLAN, version, rows=legs.height, market_label=market.label),
            **_forecaster(lake),
            **{key: md.rounded(value) for key, value in plan.summary.items()},
            **_explained(plan, suffix=md.suffix(market)),
            **data_versions(lake),
            "legs": md.table_preview(_readable(legs), rows=80),
            "plan_plot": md.plot(plots.plan_legs(legs, suffix=md.suffix(market))),
        }
    )


def _explained(plan: PortfolioPlan, *, suffix: str) -> dict[str, dg.MetadataValue[str]]:
    """What the plan says of itself, to be read: losses as a picture, limits' worth and collateral as text."""
    told = plan.summary
    collateral = told["collateral_plan"]
    days = collateral["break_even_days"]
    proposed = (
        f"To be done by a person, never by the system: costs {collateral['cost_usd']:,.0f} USD, gains "
        f"{collateral['gain_usd_per_year']:,.0f} USD a year"
        + (f", earned back in {days:,.1f} days" if days is not None else "")
    )
    moves = md.table_of(collateral["moves"]).value if collateral["moves"] else ""
    return {
        "scenario_losses_plot": md.plot(
            plots.scenario_losses(
                told["scenario_losses_usd"],
                cvar_usd=told["scenario_cvar_usd"],
                limit_usd=told["scenario_cvar_limit_usd"],
                suffix=suffix,
            )
        ),
        "next_dollar": md.bullets(told["next_dollar"], none="no limit is in full use"),
        "collateral_plan": dg.MetadataValue.md(f"{proposed}.\n\n{moves}" if moves else "no move is worth it"),
    }


def _forecaster(lake: Lake) -> dict[str, str]:
    """Who made the forecasts that the plan is made from, and why that is not the champion where it is not."""
    row = lake.scan(LATEST).select("model", "fallback_reason").first().collect().row(0, named=True)
    return {"forecasts_by": row["model"], "fallback_reason": row["fallback_reason"]}


def _plan(config: DecisionTime, settings: Settings, market: Market, lake: Lake) -> PortfolioPlan:
    planned = pl.col("horizon_hours").is_in(path_horizons(settings.horizon_hours))
    forecasts = lake.scan(LATEST).filter(planned).select(*FORECASTS.columns).collect()
    _, as_of = first_and_last(forecasts["as_of"])
    positions: dict[tuple[str, str], float] = {}
    collateral: dict[str, float] | None = None
    portfolio = settings.portfolio_config(as_of)
    if config.at == "now":  # only where there is an account can anything be held
        books = kept_books(lake.scan(BOOK).collect())
        forecasts = forecasts.filter(pl.col("venue").is_in(list(books)))
        positions = {
            (venue, held.symbol): float(held.quantity)
            for venue, book in books.items()
            for held in book.positions
        }
        collateral = {v: float(b.equity_usd) for v, b in books.items() if b.equity_usd is not None}
        portfolio = portfolio.model_copy(update={"risk_limits": _limits_in_force(settings)})
        if forecasts.is_empty():
            raise InsufficientHistoryError("no venue with an open account has a forecast")
    return plan_at(
        tables=tables_of_decision(config, market=market, lake=lake, as_of=as_of),
        forecasts=forecasts,
        positions=positions,
        as_of=as_of,
        terms=load_venue_terms(),
        config=portfolio,
        collateral_usd=collateral,
        leverage_tiers=lake.scan("leverage_tiers") if lake.exists("leverage_tiers") else None,
    )


def _limits_in_force(settings: Settings) -> RiskLimits:
    """As the verdict and the guard have them, with what a person has tightened."""
    setup = settings.trading_setup()
    with open_journal(setup, market_time(settings.testnet)) as journal:
        return limits_now(journal, setup, speed=1.0)


def _forecast_reasons(plan: PortfolioPlan, settings: Settings, lake: Lake) -> pl.DataFrame:
    """Why the forecasts behind the plan are what they are; no row where they were stored without reasons."""
    mine = (pl.col("horizon_hours") == settings.horizon_hours) & (pl.col("as_of") == plan.as_of)
    stored = lake.scan(LATEST).filter(mine)
    told = ("venue", "symbol", "reason")
    if "reason" not in stored.collect_schema():  # made by a release before there were any
        return pl.DataFrame(schema=dict.fromkeys(told, pl.String))
    return stored.select(told).collect()


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
