"""Validation: the back-test over the whole history. Its studies and the report are beside this module."""

from datetime import datetime
from pathlib import Path

import dagster as dg
import polars as pl

from funding_pipeline.core.clock import first_and_last
from funding_pipeline.core.errors import InsufficientHistoryError
from funding_pipeline.core.horizons import path_horizons
from funding_pipeline.core.market import Market
from funding_pipeline.core.venue_terms import load_venue_terms
from funding_pipeline.defs import metadata as md
from funding_pipeline.defs.backtest_records import every_tenth, logged, params_of, verdict_metadata
from funding_pipeline.defs.models import FORECAST_HISTORY, data_versions, read_history, recipe_of_history
from funding_pipeline.reporting import plots
from funding_pipeline.settings import Settings
from funding_pipeline.storage.backtest_files import write_backtest, write_no_backtest
from funding_pipeline.storage.lake import Lake
from funding_pipeline.storage.market_tables import read_market_tables
from funding_pipeline.tracking.forecasters import ModelTracking
from funding_pipeline.tracking.trials import trials_ever
from funding_pipeline.validation.backtest import BacktestConfig, BacktestResult, run_backtest
from funding_pipeline.validation.result_frames import EQUITY_SCHEMA

GROUP = "validation"
BACKTEST = "backtest"
BACKTEST_TABLES = (
    "equity", "trades", "positions", "funding_payments", "neutrality", "margin", "attribution", "stress",
)  # fmt: skip
_HEADLINE = (
    "net_return_annual", "net_return_on_gross_annual", "sharpe", "max_drawdown", "turnover", "liquidations",
)  # fmt: skip


def report_dir(settings: Settings) -> Path:
    """Folder of the newest report, its summary.json and the back-test's files."""
    return settings.state_dir / "report"


@dg.asset(
    name=BACKTEST,
    deps=[FORECAST_HISTORY, "settled_funding", "prices", "instruments"],
    group_name=GROUP,
    kinds={"cvxpy", "mlflow", "deltalake"},
    metadata={"dagster/column_schema": md.columns_of(EQUITY_SCHEMA)},
)
def backtest(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    market: dg.ResourceParam[Market],
    lake: dg.ResourceParam[Lake],
    tracking: dg.ResourceParam[ModelTracking],
) -> dg.MaterializeResult[None]:
    """The plan's own decisions over the whole history, with costs and with baselines beside it.

    A decision uses only rows known then; funding is paid on what was held at each settlement; every
    leg is marked on its own venue; profit by source adds up to the change in equity.
    """
    forecasts = read_history(lake, horizons_hours=path_horizons(settings.horizon_hours))
    config = backtest_config(settings, market, forecasts)
    try:
        result = run_backtest(
            tables=read_market_tables(lake),
            forecasts=forecasts,
            terms=load_venue_terms(),
            config=config,
            progress=every_tenth(context, "back-test: decision"),
        )
    except InsufficientHistoryError as error:
        context.log.warning(f"no back-test: {error}")
        write_no_backtest(str(error), report_dir(settings), market=market)
        return dg.MaterializeResult(metadata={"market": market.label, "not_run": str(error)})
    result.summary["recipe"] = recipe_of_history(lake)  # whose evidence this is: model_promotions
    versions = {name: lake.replace(f"{BACKTEST}_{name}", getattr(result, name)) for name in BACKTEST_TABLES}
    versions["baseline_equity"] = lake.replace(f"{BACKTEST}_baseline_equity", _baseline_equity(result))
    summary = write_backtest(result, report_dir(settings), market=market)
    pictures = _pictures(result, suffix=md.suffix(market))
    run_id = logged(
        context,
        tracking,
        kind=BACKTEST,
        params=params_of(config),
        summary=summary,
        pictures=pictures,
        tables={"attribution": result.attribution, "stress": result.stress},
        tags={"market": market.label, "recipe": summary["recipe"], **data_versions(lake)},
    )
    return dg.MaterializeResult(
        metadata={
            **{f"{name}_plot": md.plot(picture) for name, picture in pictures.items()},
            "market": market.label,
            "dagster/row_count": result.equity.height,
            **verdict_metadata(summary),
            **{key: md.rounded(summary[key]) for key in (*_HEADLINE, "deflated_sharpe", "conventions")},
            "mlflow_run": run_id,
            **{f"delta_version_{name}": version for name, version in versions.items()},
            "sql": f"select * from {BACKTEST}_trades limit 20",
        }
    )


def backtest_config(settings: Settings, market: Market, forecasts: pl.DataFrame) -> BacktestConfig:
    """Period and portfolio of the back-test, the same for its studies."""
    return BacktestConfig(
        start=_start(settings, forecasts),
        end=market.span().end,
        portfolio=settings.portfolio_config(),
        trials=trials_ever(settings.state_dir / "mlflow"),
    )


def _start(settings: Settings, forecasts: pl.DataFrame) -> datetime:
    """As set, or the first decision with a trained model; without any, the first decision."""
    if settings.backtest_from is not None:
        return settings.backtest_from
    mine = pl.col("horizon_hours") == settings.horizon_hours
    learnt = forecasts.filter(mine, pl.col("model") != "baseline")
    return first_and_last((learnt if learnt.height else forecasts)["as_of"])[0]


def _baseline_equity(result: BacktestResult) -> pl.DataFrame:
    """Equity curves of the baselines in one frame, by name and variant."""
    variants = {"plain": result.baseline_equity, "venue_neutral": result.baseline_equity_venue_neutral}
    empty = result.equity.clear().with_columns(baseline=pl.lit(""), variant=pl.lit(""))
    frames = [
        frame.with_columns(baseline=pl.lit(name), variant=pl.lit(variant))
        for variant, curves in variants.items()
        for name, frame in curves.items()
    ]
    return pl.concat([empty, *frames], how="diagonal")


def _pictures(result: BacktestResult, *, suffix: str) -> dict[str, bytes]:
    """PNGs of a back-test by name, for the metadata and for MLflow."""
    return {
        "equity": plots.equity_curve(
            result.equity,
            baselines=result.baseline_equity_venue_neutral,
            capital_usd=result.summary["capital_usd"],
            note="rules hedged on each venue",
            suffix=suffix,
        ),
        "pnl_by_source": plots.pnl_by_source(result.equity, attribution=result.attribution, suffix=suffix),
        "rivals": plots.forest(result.summary, suffix=suffix),
        "neutrality": plots.neutrality(result.neutrality, suffix=suffix),
        "exposure": plots.exposure(result.neutrality, result.margin, suffix=suffix),
        "stress": plots.stress_losses(result.stress, suffix=suffix),
    }
