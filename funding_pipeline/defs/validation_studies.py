"""Studies of the back-test: other bands, costs and capital, regimes of the market, recorded crises."""

from typing import Any

import dagster as dg
import polars as pl

from funding_pipeline.core.errors import InsufficientHistoryError
from funding_pipeline.core.horizons import path_horizons
from funding_pipeline.core.market import Market
from funding_pipeline.core.venue_terms import load_venue_terms
from funding_pipeline.defs import metadata as md
from funding_pipeline.defs.backtest_records import every_tenth, logged, params_of, verdict_metadata
from funding_pipeline.defs.market_state import REGIMES
from funding_pipeline.defs.models import data_versions, read_history
from funding_pipeline.defs.validation import BACKTEST, GROUP, backtest_config, report_dir
from funding_pipeline.reporting import plots
from funding_pipeline.settings import Settings
from funding_pipeline.storage.backtest_files import read_summary, write_no_studies, write_studies
from funding_pipeline.storage.lake import Lake
from funding_pipeline.storage.market_tables import read_market_tables
from funding_pipeline.tracking.forecasters import ModelTracking
from funding_pipeline.validation.regime_results import RESULTS_SCHEMA
from funding_pipeline.validation.replays import REPLAYS_SCHEMA, historical_replays
from funding_pipeline.validation.studies import RUNS_SCHEMA, Studies, run_studies

STUDIES = "validation_studies"
RUNS, BY_REGIME, REPLAYS = "studies_runs", "studies_regimes", "replays"
_SCHEMAS = {RUNS: RUNS_SCHEMA, BY_REGIME: RESULTS_SCHEMA, REPLAYS: REPLAYS_SCHEMA}


@dg.asset(
    name=STUDIES,
    deps=[BACKTEST, REGIMES, "settled_funding", "prices", "instruments"],
    group_name=GROUP,
    kinds={"cvxpy", "mlflow", "deltalake"},
    metadata={"dagster/column_schema": md.columns_of(RUNS_SCHEMA)},
)
def validation_studies(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    market: dg.ResourceParam[Market],
    lake: dg.ResourceParam[Lake],
    tracking: dg.ResourceParam[ModelTracking],
) -> dg.MaterializeResult[None]:
    """The back-test under other terms and in recorded crises, and the verdict that knows of them.

    Every variant is decided anew, every three days. Where the history is too short the verdict stays the
    back-test's own, and the reason is told.
    """
    folder = report_dir(settings)
    reason = read_summary(folder).get("not_run")
    if reason is not None:
        return _not_run(context, str(reason), settings, market, lake)
    forecasts = read_history(lake, horizons_hours=path_horizons(settings.horizon_hours))
    config = backtest_config(settings, market, forecasts)
    tables, terms = read_market_tables(lake), load_venue_terms()
    try:
        studies = run_studies(
            tables=tables,
            forecasts=forecasts,
            terms=terms,
            config=config,
            equity=lake.scan(f"{BACKTEST}_equity").collect(),
            regimes=lake.scan(REGIMES).collect(),
            progress=every_tenth(context, "studies: run"),
        )
    except InsufficientHistoryError as error:
        return _not_run(context, str(error), settings, market, lake)
    replays = historical_replays(
        tables, terms=terms, config=config.portfolio, progress=every_tenth(context, "replays: event")
    )
    versions = _store(lake, {RUNS: studies.runs, BY_REGIME: studies.regimes, REPLAYS: replays})
    summary = write_studies(
        studies, folder, replays=replays, stress=lake.scan(f"{BACKTEST}_stress").collect()
    )
    pictures = _pictures(studies, settings, lake, suffix=md.suffix(market))
    run_id = logged(
        context,
        tracking,
        kind="studies",
        params=params_of(config),
        summary=summary,
        pictures=pictures,
        tables={RUNS: studies.runs, BY_REGIME: studies.regimes, REPLAYS: replays},
        tags={"market": market.label, "recipe": summary["recipe"], **data_versions(lake)},
    )
    return dg.MaterializeResult(
        metadata={
            **{f"{name}_plot": md.plot(picture) for name, picture in pictures.items()},
            "market": market.label,
            "dagster/row_count": studies.runs.height,
            **verdict_metadata(summary),
            **_checks(summary),
            "runs": md.table_preview(studies.runs, rows=40),
            "by_regime": md.table_preview(studies.regimes, rows=20),
            "replays": md.table_preview(replays, rows=20),
            "mlflow_run": run_id,
            **{f"delta_version_{name}": version for name, version in versions.items()},
            "sql": f"select * from {RUNS}",
        }
    )


def _checks(summary: dict[str, Any]) -> dict[str, Any]:
    """What the verdict rests on, and the figures that only studies know."""
    told = summary["verdict"]["checks"]
    word = {True: "passed", False: "failed", None: "not known"}
    rows = [{"check": c["name"], "outcome": word[c["passed"]], "evidence": c["text"]} for c in told]
    over, capacity = summary["overfitting"], summary["capacity"]["capital_usd"]
    return {
        "evidence": md.table_of(rows),
        "probability_of_overfitting": "too few days" if over is None else md.rounded(over["pbo"]),
        "capacity_usd": "none" if capacity is None else capacity,
    }


def _pictures(studies: Studies, settings: Settings, lake: Lake, *, suffix: str) -> dict[str, bytes]:
    equity = lake.scan(f"{BACKTEST}_equity").collect()
    capital = settings.portfolio_config().capital_usd
    return {
        "other_terms": plots.studies(studies.runs, suffix=suffix),
        "profit_by_regime": plots.regime_profit(studies.regimes, suffix=suffix),
        "equity_in_regimes": plots.equity_in_regimes(
            equity, lake.scan(REGIMES).collect(), capital_usd=capital, suffix=suffix
        ),
    }


def _store(lake: Lake, frames: dict[str, pl.DataFrame]) -> dict[str, int]:
    return {name: lake.replace(name, frame) for name, frame in frames.items()}


def _not_run(
    context: dg.AssetExecutionContext, reason: str, settings: Settings, market: Market, lake: Lake
) -> dg.MaterializeResult[None]:
    """No studies, and why; tables of earlier ones are emptied."""
    context.log.warning(f"no studies: {reason}")
    _store(lake, {name: pl.DataFrame(schema=dict(schema)) for name, schema in _SCHEMAS.items()})
    write_no_studies(reason, report_dir(settings))
    return dg.MaterializeResult(metadata={"market": market.label, "not_run": reason})
