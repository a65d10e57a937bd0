"""The report: one page about the back-test, its studies and the market, read back from the store."""

from datetime import UTC, datetime

import dagster as dg
import polars as pl

from funding_pipeline import __version__
from funding_pipeline.core.market import Market
from funding_pipeline.defs import metadata as md
from funding_pipeline.defs.features import LABELS
from funding_pipeline.defs.market_state import ANOMALIES, REGIMES
from funding_pipeline.defs.models import SKILL, data_versions, read_history
from funding_pipeline.defs.portfolio import PLAN
from funding_pipeline.defs.resources import LakeDuckDB
from funding_pipeline.defs.validation import BACKTEST, GROUP, report_dir
from funding_pipeline.defs.validation_studies import BY_REGIME, REPLAYS, RUNS, STUDIES
from funding_pipeline.reporting.report import ReportInputs, render_report
from funding_pipeline.settings import Settings
from funding_pipeline.storage.backtest_files import REPORT, read_summary, studies_not_run
from funding_pipeline.storage.lake import Lake
from funding_pipeline.storage.market_tables import sound_rows
from funding_pipeline.storage.report_tables import (
    PROFIT_BY_YEAR_AND_VENUE_SCHEMA,
    coverage,
    profit_by_year_and_venue,
)
from funding_pipeline.storage.whole_file import write_whole

_BACKTEST_FRAMES = ("equity", "neutrality", "margin", "attribution", "stress")


@dg.asset(
    deps=[BACKTEST, STUDIES, SKILL, REGIMES, ANOMALIES, PLAN, "quarantine", "settled_funding"],
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
    """One self-contained page: the verdict and what it rests on, for someone who has five minutes."""
    summary = read_summary(report_dir(settings))
    reason = summary.get("not_run")
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
            "verdict": summary["verdict"]["word"],
            "report": dg.MetadataValue.path(str(path)),
            "bytes": len(page),
            "profit_by_year_and_venue": md.table_preview(by_year, rows=60),
            "coverage": md.table_preview(covered, rows=80),
        }
    )


def _inputs(settings: Settings, market: Market, lake: Lake, covered: pl.DataFrame) -> ReportInputs:
    """What the report shows, read back from the store."""
    stored = {name: lake.scan(f"{BACKTEST}_{name}").collect() for name in _BACKTEST_FRAMES}
    missing = studies_not_run(report_dir(settings))
    studies = {name: None if missing else lake.scan(name).collect() for name in (RUNS, BY_REGIME, REPLAYS)}
    return ReportInputs(
        market_label=market.label,
        is_simulated=market.is_simulated,
        generated_at=datetime.now(UTC),
        summary=read_summary(report_dir(settings)),
        **stored,
        baseline_equity=_baselines(lake, "plain"),
        baseline_equity_venue_neutral=_baselines(lake, "venue_neutral"),
        studies_runs=studies[RUNS],
        studies_regimes=studies[BY_REGIME],
        replays=studies[REPLAYS],
        studies_missing=missing or "",
        settled_funding=sound_rows(lake, "settled_funding").collect(),
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


def _baselines(lake: Lake, variant: str) -> dict[str, pl.DataFrame]:
    curves = lake.scan(f"{BACKTEST}_baseline_equity").filter(pl.col("variant") == variant).collect()
    return {str(name): frame for (name,), frame in curves.group_by("baseline", maintain_order=True)}
