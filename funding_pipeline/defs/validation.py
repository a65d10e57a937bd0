"""Validation: the back-test over the whole history, and the report."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from funding_pipeline import __version__
from funding_pipeline.core.clock import first_and_last
from funding_pipeline.core.errors import InsufficientHistoryError
from funding_pipeline.core.market import Market
from funding_pipeline.core.venue_terms import load_venue_terms
from funding_pipeline.defs import metadata as md
from funding_pipeline.defs.features import LABELS
from funding_pipeline.defs.market_state import ANOMALIES, REGIMES
from funding_pipeline.defs.models import (
    FORECAST_HISTORY,
    SKILL,
    data_versions,
    read_history,
    recipe_of_history,
)
from funding_pipeline.defs.portfolio import PLAN
from funding_pipeline.defs.resources import LakeDuckDB
from funding_pipeline.reporting import plots
from funding_pipeline.reporting.report import ReportInputs, render_report
from funding_pipeline.settings import Settings
from funding_pipeline.storage.backtest_files import (
    REPORT,
    read_summary,
    write_backtest,
    write_no_backtest,
    write_whole,
)
from funding_pipeline.storage.lake import Lake
from funding_pipeline.storage.market_tables import read_market_tables
from funding_pipeline.storage.report_tables import (
    PROFIT_BY_YEAR_AND_VENUE_SCHEMA,
    coverage,
    profit_by_year_and_venue,
)
from funding_pipeline.tracking.trials import trials_ever
from funding_pipeline.validation.backtest import BacktestConfig, BacktestResult, run_backtest
from funding_pipeline.validation.result_frames import EQUITY_SCHEMA

GROUP = "validation"
BACKTEST = "backtest"
BACKTEST_TABLES = ("equity", "trades", "positions", "funding_payments", "neutrality")


def validation_assets() -> list[dg.AssetsDefinition]:
    """Back-test and report."""
    return [backtest, validation_report]


def report_dir(settings: Settings) -> Path:
    """Folder of the newest report, its summary.json and the back-test's files."""
    return settings.state_dir / "report"


@dg.asset(
    name=BACKTEST,
    deps=[FORECAST_HISTORY, "settled_funding", "prices", "instruments"],
    group_name=GROUP,
    kinds={"cvxpy", "deltalake"},
    metadata={"dagster/column_schema": md.columns_of(EQUITY_SCHEMA)},
)
def backtest(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    market: dg.ResourceParam[Market],
    lake: dg.ResourceParam[Lake],
) -> dg.MaterializeResult[None]:
    """The plan's own decisions over the whole history, with costs and with baselines beside it.

    A decision uses only rows known then; funding is paid on what was held at each settlement; every
    leg is marked on its own venue; profit by source adds up to the change in equity.
    """
    forecasts = read_history(lake, horizon_hours=settings.horizon_hours)
    config = BacktestConfig(
        start=_start(settings, forecasts),
        end=market.span().end,
        portfolio=settings.portfolio_config(),
        trials=trials_ever(settings.state_dir / "mlflow"),
    )
    try:
        result = run_backtest(
            tables=read_market_tables(lake),
            forecasts=forecasts,
            terms=load_venue_terms(),
            config=config,
            progress=_every_tenth(context),
        )
    except InsufficientHistoryError as error:
        context.log.warning(f"no back-test: {error}")
        write_no_backtest(str(error), report_dir(settings), market=market)
        return dg.MaterializeResult(metadata={"market": market.label, "not_run": str(error)})
    result.summary["recipe"] = recipe_of_history(lake)  # whose evidence this is: model_promotions
    versions = {name: lake.replace(f"{BACKTEST}_{name}", getattr(result, name)) for name in BACKTEST_TABLES}
    versions["baseline_equity"] = lake.replace(f"{BACKTEST}_baseline_equity", _baseline_equity(result))
    summary = write_backtest(result, report_dir(settings), market=market)
    return dg.MaterializeResult(metadata=_metadata(result, summary, versions, market))


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


def _start(settings: Settings, forecasts: pl.DataFrame) -> datetime:
    """As set, or the first decision with a trained model; without any, the first decision."""
    if settings.backtest_from is not None:
        return settings.backtest_from
    learnt = forecasts.filter(pl.col("model") != "baseline")
    return first_and_last((learnt if learnt.height else forecasts)["as_of"])[0]


def _every_tenth(context: dg.AssetExecutionContext) -> Any:
    def report(done: int, total: int) -> None:
        if done == total or done % max(total // 10, 1) == 0:
            context.log.info(f"back-test: decision {done} of {total}")

    return report


def _metadata(
    result: BacktestResult, summary: dict[str, Any], versions: dict[str, int], market: Market
) -> dict[str, Any]:
    headline = (
        "net_return_annual",
        "sharpe",
        "deflated_sharpe",
        "max_drawdown",
        "turnover",
        "conventions",
    )
    suffix = md.suffix(market)
    return {
        "equity_plot": md.plot(
            plots.equity_curve(
                result.equity,
                baselines=result.baseline_equity,
                capital_usd=summary["capital_usd"],
                suffix=suffix,
            )
        ),
        "pnl_by_source_plot": md.plot(plots.pnl_by_source(result.equity, suffix=suffix)),
        "market": market.label,
        "dagster/row_count": result.equity.height,
        **{key: md.rounded(summary[key]) for key in headline},
        **{f"delta_version_{name}": version for name, version in versions.items()},
        "sql": f"select * from {BACKTEST}_trades limit 20",
    }


@dg.asset(
    deps=[BACKTEST, SKILL, REGIMES, ANOMALIES, PLAN, "quarantine", "settled_funding"],
    group_name=GROUP,
    kinds={"plotly", "duckdb"},
    metadata={"dagster/column_schema": md.columns_of(PROFIT_BY_YEAR_AND_VENUE_SCHEMA)},
)
def validation_report(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    market: dg.ResourceParam[Market],
    lake: dg.ResourceParam[Lake],
    duckdb: LakeDuckDB,
) -> dg.MaterializeResult[None]:
    """One self-contained page: results and what they rest on, for someone who has five minutes."""
    reason = read_summary(report_dir(settings)).get("not_run")
    if reason is not None:
        context.log.warning(f"no report: {reason}")
        return dg.MaterializeResult(metadata={"market": market.label, "not_run": reason})
    with duckdb.get_connection() as connection:
        covered, by_year = coverage(connection), profit_by_year_and_venue(connection)
    path = report_dir(settings) / REPORT
    page = render_report(_inputs(settings, market, lake, covered))
    write_whole(path, lambda partial: partial.write_text(page, "utf-8"))
    return dg.MaterializeResult(
        metadata={
            "market": market.label,
            "dagster/row_count": by_year.height,
            "report": dg.MetadataValue.path(str(path)),
            "bytes": len(page),
            "profit_by_year_and_venue": md.table_preview(by_year, rows=60),
            "coverage": md.table_preview(covered, rows=80),
        }
    )


def _inputs(settings: Settings, market: Market, lake: Lake, covered: pl.DataFrame) -> ReportInputs:
    """What the report shows, read back from the store."""
    stored = {name: lake.scan(f"{BACKTEST}_{name}").collect() for name in BACKTEST_TABLES}
    curves = lake.scan(f"{BACKTEST}_baseline_equity").filter(pl.col("variant") == "plain").collect()
    return ReportInputs(
        market_label=market.label,
        is_simulated=market.is_simulated,
        generated_at=datetime.now(UTC),
        summary=read_summary(report_dir(settings)),
        equity=stored["equity"],
        trades=stored["trades"],
        positions=stored["positions"],
        funding_payments=stored["funding_payments"],
        neutrality=stored["neutrality"],
        baseline_equity={
            str(name): frame for (name,), frame in curves.group_by("baseline", maintain_order=True)
        },
        settled_funding=lake.scan("settled_funding").collect(),
        instruments=lake.scan("instruments").collect(),
        gaps=covered,
        quarantine=lake.scan("quarantine").collect(),
        regimes=lake.scan(REGIMES).collect(),
        anomalies=lake.scan(ANOMALIES).collect(),
        forecast_skill=lake.scan(SKILL).collect(),
        forecasts=read_history(lake),
        realised=lake.scan(LABELS).collect(),
        plan_legs=lake.scan(PLAN).collect(),
        forecast_method=(
            "Walk-forward: every forecast is made by a model trained on rows known before its quarter (the "
            "horizons that no plan is made from: before its year); "
            "where too little was known it is the shrunk trailing mean."
        ),
        provenance={"version": __version__, **data_versions(lake)},
    )
